//! Plays a scenario written on the spot in simulation and tells the wall time it took. Measures nothing itself.

use std::{fmt::Write as _, num::NonZeroUsize, sync::Arc, time::Duration};

use podlab::{
    corpus::Shelf,
    format::{Scenario, TargetKind, parse},
    play::Ending,
    report::Report,
    run::{Options, run_one},
};

/// A scenario with `pods` pods that sleep, all of them running, which then does nothing for `idle` (as scenarios write lengths).
#[allow(dead_code, reason = "not every bench makes up its scenario")]
pub fn sleepers(pods: usize, idle: &str) -> Arc<Scenario> {
    let mut text = "name: pods that sleep\nlimit: 24h\nsteps:\n".to_owned();
    for pod in 0..pods {
        let _ = writeln!(
            text,
            "  - put: sleep-{pod}.yaml\n    manifest:\n      apiVersion: v1\n      kind: Pod\n      metadata: {{name: sleep-{pod}}}\n      \
             spec: {{containers: [{{name: main, image: busybox, command: [sleep, infinity]}}]}}"
        );
    }
    for pod in 0..pods {
        let _ =
            writeln!(text, "  - eventually: {{pod: sleep-{pod}, is: {{status: {{phase: Running}}}}}}\n    within: 10m");
    }
    if idle != "0s" {
        let _ = writeln!(text, "  - wait: {idle}");
    }
    Arc::new(parse("bench.yaml", &text).unwrap_or_else(|problem| panic!("{}", problem.render(false))))
}

/// Plays it; a scenario that does not pass is no measurement.
pub fn play(scenario: &Arc<Scenario>) -> Duration {
    let options = Options::new(TargetKind::Sim, Shelf::Embedded, NonZeroUsize::MIN);
    let result = run_one(scenario, &options);
    if result.outcome.end != Ending::Passed {
        let report = Report { styled: false, target: TargetKind::Sim, wall_times: true, embedded: true };
        panic!("{}", report.result(&result));
    }
    result.wall
}
