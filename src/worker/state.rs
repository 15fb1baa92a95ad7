//! The phases of a worker and what moves it between them. Pure: no waiting, no clock.
//!
//! Sync, then terminating, then terminated, then finished; never back. As kubelet 1.36.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

use crate::{api::pod as api_pod, runtime::observed::ListedPod};

/// Shortest grace period, in seconds.
const LEAST_GRACE: i64 = 1;

/// What a worker is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Making the pod what its manifest says.
    Sync,
    /// Stopping its containers.
    Terminating,
    /// Taking down what is left.
    Terminated,
    /// Done.
    Finished,
}

/// What a worker works on.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A pod with a manifest.
    Wanted(Arc<Pod>),
    /// Something of which only the runtime knows.
    Orphan(ListedPod),
}

/// One worker.
#[derive(Clone, Debug)]
pub struct WorkerState {
    subject: Subject,
    phase: Phase,
    grace: i64,
    shortened: bool,
    restart_requested: bool,
    /// The manifest is gone.
    deleted: bool,
    /// It had to make way: what is left of it may go although its manifest is there.
    evicted: bool,
    /// It has begun to sync: containers may exist.
    began: bool,
}

impl WorkerState {
    /// A worker for a pod with a manifest.
    pub fn wanted(pod: Arc<Pod>) -> Self {
        let mut state = Self::new(Subject::Wanted(pod.clone()));
        if pod.metadata.deletion_timestamp.is_some() {
            state.terminate(None);
        }
        state
    }

    /// A worker for what only the runtime knows: it is stopped at once.
    pub fn orphan(pod: ListedPod) -> Self {
        let mut state = Self::new(Subject::Orphan(pod));
        state.deleted = true;
        state.began = true;
        state.terminate(Some(LEAST_GRACE));
        state
    }

    fn new(subject: Subject) -> Self {
        Self {
            subject,
            phase: Phase::Sync,
            grace: 0,
            shortened: false,
            restart_requested: false,
            deleted: false,
            evicted: false,
            began: false,
        }
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What it works on.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Seconds that containers have to end.
    pub fn grace(&self) -> i64 {
        self.grace
    }

    /// Whether the same pod was wanted again while it ended.
    pub fn restart_requested(&self) -> bool {
        self.restart_requested
    }

    /// Whether all that the runtime holds of the pod may go: nobody wants it, or it was evicted, and it has ended.
    pub fn content_may_go(&self) -> bool {
        (self.deleted || self.evicted) && matches!(self.phase, Phase::Terminated | Phase::Finished)
    }

    /// The manifest says something new.
    pub fn update(&mut self, pod: Arc<Pod>) {
        match self.phase {
            Phase::Sync => {
                let deleted = pod.metadata.deletion_timestamp.is_some();
                self.subject = Subject::Wanted(pod);
                if deleted {
                    self.terminate(None);
                }
            }
            // What came again while it ends starts anew when it has ended.
            _ if self.deleted => self.restart_requested = true,
            _ => {}
        }
    }

    /// The manifest is gone, or somebody else wants the pod to end; `grace` may only shorten what is left.
    pub fn kill(&mut self, grace: Option<i64>) {
        self.deleted = true;
        self.restart_requested = false;
        self.terminate(grace);
    }

    /// The pod has to make way for another, with the grace period of its manifest.
    pub fn evict(&mut self) {
        self.evicted = true;
        self.terminate(None);
    }

    /// The pod has ended by itself.
    pub fn ended_by_itself(&mut self) {
        self.terminate(None);
    }

    fn terminate(&mut self, wanted: Option<i64>) {
        let mut grace = self.grace;
        let own = match &self.subject {
            Subject::Wanted(pod) => pod.metadata.deletion_grace_period_seconds,
            Subject::Orphan(_) => None,
        };
        for given in [own, wanted].into_iter().flatten() {
            if grace == 0 || given < grace {
                grace = given;
            }
        }
        if grace == 0 && own.is_none() && wanted.is_none() {
            grace = match &self.subject {
                Subject::Wanted(pod) => api_pod::termination_grace_seconds(pod),
                Subject::Orphan(_) => LEAST_GRACE,
            };
        }
        let grace = grace.max(LEAST_GRACE);
        if self.phase == Phase::Terminating && grace < self.grace {
            self.shortened = true;
        }
        self.grace = grace;
        if self.phase == Phase::Sync {
            // Nothing was ever started: there is nothing to stop.
            self.phase = if self.began { Phase::Terminating } else { Phase::Terminated };
        }
    }

    /// Whether the grace period became shorter since this was last asked.
    pub fn take_shortened(&mut self) -> bool {
        std::mem::take(&mut self.shortened)
    }

    /// The first sync begins.
    pub fn begin(&mut self) {
        self.began = true;
    }

    /// Whether a sync ever began.
    pub fn began(&self) -> bool {
        self.began
    }

    /// The step of the phase succeeded: on to the next.
    pub fn advance(&mut self) {
        self.phase = match (self.phase, &self.subject) {
            (Phase::Terminating, Subject::Orphan(_)) => Phase::Finished,
            (Phase::Terminating, Subject::Wanted(_)) => Phase::Terminated,
            (Phase::Terminated | Phase::Finished, _) => Phase::Finished,
            (Phase::Sync, _) => Phase::Sync,
        };
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::PodSpec;

    use super::*;

    fn pod(grace: i64) -> Arc<Pod> {
        let spec = PodSpec { termination_grace_period_seconds: Some(grace), ..PodSpec::default() };
        Arc::new(Pod { spec: Some(spec), ..Pod::default() })
    }

    #[test]
    fn a_pod_that_never_began_has_nothing_to_stop() {
        let mut state = WorkerState::wanted(pod(30));
        state.kill(None);
        assert_eq!(state.phase(), Phase::Terminated);
        state.advance();
        assert_eq!(state.phase(), Phase::Finished);
    }

    #[test]
    fn grace_only_shrinks_and_is_at_least_a_second() {
        let mut state = WorkerState::wanted(pod(30));
        state.begin();
        state.kill(None);
        assert_eq!((state.phase(), state.grace()), (Phase::Terminating, 30));
        state.kill(Some(60));
        assert_eq!((state.grace(), state.take_shortened()), (30, false));
        state.kill(Some(0));
        assert_eq!((state.grace(), state.take_shortened(), state.take_shortened()), (1, true, false));
    }

    #[test]
    fn the_same_pod_again_while_it_ends_asks_for_a_restart() {
        let mut state = WorkerState::wanted(pod(1));
        state.begin();
        state.kill(None);
        state.update(pod(1));
        assert!(state.restart_requested());
        state.kill(None);
        assert!(!state.restart_requested(), "and removed again");
    }

    #[test]
    fn a_pod_that_ended_by_itself_keeps_its_content() {
        let mut state = WorkerState::wanted(pod(1));
        state.begin();
        state.ended_by_itself();
        state.advance();
        state.advance();
        assert_eq!(state.phase(), Phase::Finished);
        assert!(!state.content_may_go());
        state.kill(None);
        assert!(state.content_may_go());
    }

    #[test]
    fn orphans_have_one_second() {
        let state = WorkerState::orphan(ListedPod::default());
        assert_eq!((state.phase(), state.grace()), (Phase::Terminating, 1));
    }
}
