//! Feature gates in force: the table's defaults with what the configuration sets. Not what a gate switches. As Kubernetes'
//! component-base: unknown names and locked gates are refused.

use std::collections::BTreeMap;

use super::decode::nearest;
use table::{GATES, Gate};

pub mod table;

/// How grown-up a feature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Off by default, may change.
    Alpha,
    /// Mostly on by default.
    Beta,
    /// Here to stay; the gate will go.
    Ga,
    /// The feature, or the way around it, will go.
    Deprecated,
}

/// The gates in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureGates {
    on: BTreeMap<&'static str, bool>,
}

/// Gates that cannot be set like this. The words are upstream's; behind them what was probably meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// There is no such gate.
    #[error("unrecognized feature gate: {name}{}", .suggestion.as_ref().map(|s| format!(" (did you mean {s}?)")).unwrap_or_default())]
    Unknown {
        /// What was written.
        name: String,
        /// The nearest gate there is, if any is near.
        suggestion: Option<String>,
    },
    /// The gate has one value for ever.
    #[error("cannot set feature gate {name} to {value}, feature is locked to {locked}")]
    Locked {
        /// The gate.
        name: &'static str,
        /// What was asked for.
        value: bool,
        /// What it is.
        locked: bool,
    },
}

/// A gate was set that soon nobody can set any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateNote {
    /// The gate.
    pub name: &'static str,
    /// What it was set to.
    pub value: bool,
    /// Its stage: GA or deprecated.
    pub stage: Stage,
}

impl Default for FeatureGates {
    fn default() -> Self {
        Self { on: GATES.iter().map(|g| (g.name, g.default)).collect() }
    }
}

impl FeatureGates {
    /// The defaults with `set` put over them. `AllAlpha` and `AllBeta` set every gate of their stage that is not set by name.
    ///
    /// # Errors
    /// A name that is no gate, or a locked gate set to the other value.
    pub fn new(set: &BTreeMap<String, bool>) -> Result<(Self, Vec<GateNote>), GateError> {
        let mut gates = Self::default();
        let mut notes = Vec::new();
        for (all, stage) in [("AllAlpha", Stage::Alpha), ("AllBeta", Stage::Beta)] {
            if let Some(value) = set.get(all) {
                gates.on.extend(GATES.iter().filter(|g| g.stage == stage && !g.locked).map(|g| (g.name, *value)));
            }
        }
        for (name, value) in set {
            let gate = find(name)?;
            if gate.locked && gate.default != *value {
                return Err(GateError::Locked { name: gate.name, value: *value, locked: gate.default });
            }
            if matches!(gate.stage, Stage::Ga | Stage::Deprecated) {
                notes.push(GateNote { name: gate.name, value: *value, stage: gate.stage });
            }
            gates.on.insert(gate.name, *value);
        }
        Ok((gates, notes))
    }

    /// Whether the feature is on. A name that is no gate is off.
    pub fn enabled(&self, name: &str) -> bool {
        self.on.get(name).copied().unwrap_or(false)
    }

    /// Every gate with its stage and value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Gate, bool)> + '_ {
        GATES.iter().map(|g| (g, self.enabled(g.name)))
    }
}

fn find(name: &str) -> Result<&'static Gate, GateError> {
    GATES.iter().find(|g| g.name == name).ok_or_else(|| GateError::Unknown {
        name: name.to_owned(),
        suggestion: nearest(name, GATES.iter().map(|g| g.name)),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn set(pairs: &[(&str, bool)]) -> BTreeMap<String, bool> {
        pairs.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect()
    }

    #[test]
    fn the_table_is_sorted_and_unique() {
        assert!(GATES.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[rstest]
    #[case(&[("EventedPLEG", true)], "EventedPLEG", true)]
    #[case(&[("AllAlpha", true)], "EventedPLEG", true)]
    #[case(&[("AllAlpha", true), ("EventedPLEG", false)], "EventedPLEG", false)]
    #[case(&[("AllBeta", false)], "SidecarContainers", true)]
    #[case(&[], "KubeletCrashLoopBackOffMax", true)]
    fn what_is_set_wins_over_stages_and_defaults(#[case] pairs: &[(&str, bool)], #[case] name: &str, #[case] on: bool) {
        assert_eq!(FeatureGates::new(&set(pairs)).unwrap().0.enabled(name), on);
    }

    #[rstest]
    #[case("NodeSwap", false, "cannot set feature gate NodeSwap to false, feature is locked to true")]
    #[case("EventedPleg", true, "unrecognized feature gate: EventedPleg (did you mean EventedPLEG?)")]
    #[case("Nonsense", true, "unrecognized feature gate: Nonsense")]
    fn refuses_with_upstreams_words(#[case] name: &str, #[case] value: bool, #[case] error: &str) {
        assert_eq!(FeatureGates::new(&set(&[(name, value)])).unwrap_err().to_string(), error);
    }
}
