//! What pods may use: control group names and values, OOM scores, amounts. Not admission.

pub mod amounts;
pub mod cgroups;
pub mod huge_pages;
pub mod linux;
pub mod swap;
pub mod totals;

pub use cgroups::{NodeCgroups, PodCgroups};
