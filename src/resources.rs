//! What pods may use: control group names and values, OOM scores, amounts, and the files that say what was given. Not admission.

pub mod allocation;
pub mod amounts;
pub mod cgroups;
pub mod huge_pages;
pub mod linux;
pub mod state_files;
pub mod swap;
pub mod totals;

pub use cgroups::{NodeCgroups, PodCgroups};
