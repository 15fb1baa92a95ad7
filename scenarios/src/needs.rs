//! What a scenario needs of a target, told from its steps, so that files need not say it: why one cannot be played here. Plays nothing.

use std::time::Duration;

use crate::{
    format::{Scenario, TargetKind, length::Length, step::Action},
    run::Options,
};

/// Why the target of `options` cannot play the scenario, if it cannot.
pub fn unmet(scenario: &Scenario, options: &Options) -> Option<String> {
    if !scenario.targets.contains(&options.target) {
        let names: Vec<_> = scenario.targets.iter().map(|t| format!("{t:?}").to_lowercase()).collect();
        return Some(format!("it is only for {}", names.join(", ")));
    }
    if options.target == TargetKind::Sim {
        return None;
    }
    let real = options.cri.is_some();
    if real && scenario.runtime.is_some() {
        return Some("it makes up the runtime, which is not ours".to_owned());
    }
    scenario
        .steps
        .iter()
        .find_map(|step| match &step.action {
            Action::Node(_) => Some("it takes the node's power"),
            Action::Clock(..) => Some("it moves the node's clock"),
            Action::Runtime(_) | Action::Faults(_) | Action::Crash(_) if real => {
                Some("it does something to the runtime, which is not ours")
            }
            _ => None,
        })
        .map(str::to_owned)
}

/// Why a scenario that takes this long in simulation is not played, if one may take only so long.
pub fn too_long(took: Duration, longest: Option<Duration>) -> Option<String> {
    longest.filter(|longest| took > *longest).map(|longest| format!("it takes more than {}", Length(longest)))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use rstest::rstest;

    use super::*;
    use crate::{corpus::Shelf, format::parse};

    #[rstest]
    #[case("steps: [{wait: 1s}]", None, None)]
    #[case("targets: [sim]\nsteps: [{wait: 1s}]", None, Some("it is only for sim"))]
    #[case("steps: [{wait: 1s}, {clock: +1h}]", None, Some("it moves the node's clock"))]
    #[case("steps: [{node: reboot}]", None, Some("it takes the node's power"))]
    #[case("runtime: {pull-latency: 1s}\nsteps: [{faults: []}, {runtime: stop}, {kubelet: crash}]", None, None)]
    #[case(
        "runtime: {pull-latency: 1s}\nsteps: [{wait: 1s}]",
        Some("unix:///c"),
        Some("it makes up the runtime, which is not ours")
    )]
    #[case("steps: [{kubelet: crash}]", Some("unix:///c"), Some("it does something to the runtime, which is not ours"))]
    fn on_processes(#[case] text: &str, #[case] cri: Option<&str>, #[case] why: Option<&str>) {
        let scenario = parse("a.yaml", text).unwrap();
        let mut options = Options::new(TargetKind::Process, Shelf::Embedded, NonZeroUsize::MIN);
        options.cri = cri.map(str::to_owned);
        assert_eq!(unmet(&scenario, &options).as_deref(), why);
    }

    #[test]
    fn simulation_has_everything() {
        let scenario = parse("a.yaml", "steps: [{clock: +1h}, {node: reboot}, {kubelet: crash}]").unwrap();
        assert_eq!(unmet(&scenario, &Options::new(TargetKind::Sim, Shelf::Embedded, NonZeroUsize::MIN)), None);
    }

    #[test]
    fn what_takes_as_long_as_it_may_is_played() {
        let length = Duration::from_secs;
        assert_eq!(too_long(length(30), Some(length(30))), None);
        assert_eq!(too_long(length(31), None), None);
        assert_eq!(too_long(length(31), Some(length(30))).as_deref(), Some("it takes more than 30s"));
    }
}
