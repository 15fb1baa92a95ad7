//! Feature gates: their names, stages and defaults as of Kubernetes 1.36, and the values in force. Not what a gate switches.

use std::collections::BTreeMap;

/// The gates in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureGates {
    set: BTreeMap<String, bool>,
}

impl FeatureGates {
    /// Whether the feature is on. A name that is not a gate is off.
    pub fn enabled(&self, name: &str) -> bool {
        self.set.get(name).copied().unwrap_or(false)
    }
}
