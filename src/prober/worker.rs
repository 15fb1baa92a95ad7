//! One probe of one container: when it runs, and when a verdict becomes a result. Not how each kind of probe works. As upstream's
//! prober worker.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    api::core::v1::{ContainerStatus, Pod, PodStatus, Probe},
    apimachinery::pkg::apis::meta::v1::Time,
};
use rand::RngExt as _;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    api::{
        identity,
        pod::{self, RestartPolicy},
        reasons,
    },
    observer::EventKind,
    prober::{
        Handle, ProbeKind, Prober,
        kinds::{self, Verdict},
        status,
    },
    runtime::{ProbeResult, observed::ContainerId},
};

/// How often a probe is tried at once when it cannot be carried out.
const ATTEMPTS: u32 = 3;

/// A container that started this long before the kubelet was running under the one before it.
const EARLIER: i64 = 10;

/// A worker.
pub struct Worker {
    prober: Arc<Prober>,
    pod: Arc<Pod>,
    container: String,
    kind: ProbeKind,
    probe: Probe,
    id: Option<ContainerId>,
    /// How old the container was by the clock when it was first seen, and when that was: clocks are stepped.
    age: Option<(i64, Instant)>,
    /// A result that is final until the container is another one.
    on_hold: bool,
    last: Option<ProbeResult>,
    run: i32,
}

impl Worker {
    /// One that has not probed yet.
    pub fn new(prober: Arc<Prober>, pod: Arc<Pod>, container: &str, kind: ProbeKind, probe: Probe) -> Self {
        Self {
            prober,
            pod,
            container: container.to_owned(),
            kind,
            probe,
            id: None,
            age: None,
            on_hold: false,
            last: None,
            run: 0,
        }
    }

    fn is_sidecar(&self) -> bool {
        let mut init = pod::init_containers(&self.pod);
        init.any(|each| each.container.name == self.container && pod::is_restartable_init(each.container))
    }

    fn period(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.probe.period_seconds.unwrap_or(10)).unwrap_or(0).max(1))
    }

    /// Probes until it is stopped or the container has ended for good.
    pub async fn run(mut self, handle: &Handle) {
        tokio::select! {
            biased;
            () = handle.stop.cancelled() => {}
            () = self.rounds(handle) => {}
        }
        if let Some(id) = &self.id {
            self.prober.results.remove(self.kind, id);
        }
    }

    async fn rounds(&mut self, handle: &Handle) {
        let period = self.period();
        // After a start of the kubelet many workers begin at once: they are spread over a period.
        if self.prober.started.elapsed() < period {
            let label = format!("probe/{}/{}/{}", pod::uid(&self.pod), self.container, self.kind.word());
            sleep(period.mul_f64(self.prober.world.random.fork(&label).random::<f64>())).await;
        }
        let mut next = Instant::now() + period;
        while self.round().await {
            tokio::select! {
                biased;
                () = sleep_until(next) => {
                    // As Go's ticker: a round that took longer than a period is followed by one at once, not by several.
                    next += period;
                    if next < Instant::now() {
                        next = Instant::now();
                    }
                }
                () = handle.trigger.notified() => next = Instant::now() + period,
            }
        }
    }

    /// One round. `false` ends the worker.
    async fn round(&mut self) -> bool {
        let uid = pod::uid(&self.pod).to_owned();
        let Some(status) = self.prober.statuses.pod_status(&uid) else { return true };
        if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
            return false;
        }
        let Some(container) = find(&status, &self.container) else { return true };
        let Some(id) = status::container_id(container) else { return true };
        let started_at = container.state.as_ref().and_then(|state| state.running.as_ref()?.started_at.clone());
        if self.id.as_ref() != Some(&id) {
            if let Some(old) = self.id.replace(id.clone()) {
                self.prober.results.remove(self.kind, &old);
            }
            // A container that an earlier kubelet probed keeps what can be known of it: nothing, rather than a new beginning.
            self.age = None;
            let age = self.age(started_at.as_ref());
            let kubelet = i64::try_from(self.prober.started.elapsed().as_secs()).unwrap_or(i64::MAX);
            let inherited = age.is_some_and(|age| age > kubelet.saturating_add(EARLIER));
            // What waits for a sidecar asks for its result, which says what its status does.
            if self.kind == ProbeKind::Startup && container.started == Some(true) && self.is_sidecar() {
                self.prober.results.set(&uid, self.kind, &id, ProbeResult::Success).await;
            }
            if !inherited {
                self.prober.results.set(&uid, self.kind, &id, self.kind.initial()).await;
            }
            self.on_hold = false;
        }
        if self.on_hold {
            return true;
        }
        if !status::is_running(container) {
            self.prober.results.set(&uid, self.kind, &id, ProbeResult::Failure).await;
            let ended = container.state.as_ref().is_some_and(|state| state.terminated.is_some());
            return !ended || restarts(&self.pod, &self.container);
        }
        let age = self.age(started_at.as_ref()).unwrap_or(i64::MAX);
        if age < i64::from(self.probe.initial_delay_seconds.unwrap_or(0)) {
            return true;
        }
        if (container.started == Some(true)) == (self.kind == ProbeKind::Startup) {
            return true;
        }
        let Some(result) = self.verdict(&status, &id).await else { return true };
        self.count(&uid, &id, result).await;
        true
    }

    /// How many seconds ago the container started: as the clock says when it is first asked, and from then on as time passes.
    fn age(&mut self, started_at: Option<&Time>) -> Option<i64> {
        let started_at = started_at?.0;
        let (then, seen) = *self.age.get_or_insert_with(|| {
            // Statuses tell whole seconds.
            let started_at = jiff::Timestamp::from_second(started_at.as_second()).unwrap_or(started_at);
            let then = self.prober.world.clock.now().duration_since(started_at);
            (i64::try_from(then.as_millis()).unwrap_or(i64::MAX).max(0), Instant::now())
        });
        let since = i64::try_from(seen.elapsed().as_millis()).unwrap_or(i64::MAX);
        Some(then.saturating_add(since) / 1000)
    }

    /// Publishes a result once it has come often enough in a row.
    async fn count(&mut self, uid: &str, id: &ContainerId, result: ProbeResult) {
        self.run = if self.last == Some(result) { self.run.saturating_add(1) } else { 1 };
        self.last = Some(result);
        let threshold = match result {
            ProbeResult::Success => self.probe.success_threshold.unwrap_or(1),
            ProbeResult::Failure | ProbeResult::Unknown => self.probe.failure_threshold.unwrap_or(3),
        };
        if self.run < threshold {
            return;
        }
        self.prober.results.set(uid, self.kind, id, result).await;
        let final_one = match self.kind {
            ProbeKind::Liveness => result == ProbeResult::Failure,
            ProbeKind::Startup => true,
            ProbeKind::Readiness => false,
        };
        if final_one {
            self.on_hold = true;
            self.run = 0;
        }
    }

    /// Probes once, and again at once while that is not possible. Tells events. `None` if there is no verdict.
    async fn verdict(&self, status: &PodStatus, id: &ContainerId) -> Option<ProbeResult> {
        let container = pod::container(&self.pod, &self.container)?.container;
        let target = kinds::Target {
            container,
            id: &id.id,
            pod_ip: status.pod_ip.as_deref().unwrap_or_default(),
            timeout: Duration::from_secs(u64::try_from(self.probe.timeout_seconds.unwrap_or(1)).unwrap_or(0).max(1)),
        };
        let mut outcome = Err(String::new());
        for _ in 0..ATTEMPTS {
            outcome = kinds::run(&self.prober.world.net, &self.prober.cri, &self.probe, &target).await;
            if outcome.is_ok() {
                break;
            }
        }
        let word = self.kind.word();
        let tell = |reason, message: String| {
            self.prober.recorder.container(&self.pod, &self.container, EventKind::Warning, reason, message);
        };
        match outcome {
            Ok(Verdict::Success) => Some(ProbeResult::Success),
            Ok(Verdict::Warning(output)) => {
                tell(reasons::event::PROBE_WARNING, format!("{word} probe warning: {output}"));
                Some(ProbeResult::Success)
            }
            Ok(Verdict::Failure(output)) => {
                tracing::info!(
                    probeType = word,
                    pod = identity::pod_log_name(&self.pod),
                    containerName = self.container,
                    probeResult = "failure",
                    output,
                    "Probe failed"
                );
                tell(reasons::event::UNHEALTHY, format!("{word} probe failed: {output}"));
                Some(ProbeResult::Failure)
            }
            Err(error) => {
                tracing::error!(
                    probeType = word,
                    pod = identity::pod_log_name(&self.pod),
                    containerName = self.container,
                    err = error,
                    "Probe errored"
                );
                tell(reasons::event::UNHEALTHY, format!("{word} probe errored and resulted in unknown state: {error}"));
                None
            }
        }
    }
}

/// Whether a container is started again after its end, by its policy.
pub(super) fn restarts(pod: &Pod, container: &str) -> bool {
    let own = pod::container(pod, container).and_then(|each| each.container.restart_policy.as_deref());
    match own {
        Some(word) => RestartPolicy::parse(Some(word)) != RestartPolicy::Never,
        None => pod::restart_policy(pod) != RestartPolicy::Never,
    }
}

/// What is shown of a container.
pub(super) fn find<'a>(status: &'a PodStatus, name: &str) -> Option<&'a ContainerStatus> {
    let app = status.container_statuses.iter().flatten();
    app.chain(status.init_container_statuses.iter().flatten()).find(|container| container.name == name)
}
