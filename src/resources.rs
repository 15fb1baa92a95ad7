//! What pods may use: control group names and values, OOM scores, quantities. Not admission.

pub mod cgroups;

pub use cgroups::PodCgroups;
