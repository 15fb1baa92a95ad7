//! What steps do to the machinery of a node: kubelet, power, clock. Not to its files, and not what is expected of it.

use std::time::Duration;

use super::{Player, Stop};
use crate::{
    check::Mismatch,
    format::{
        crash::CrashPoint,
        place::Place,
        step::{KubeletAction, NodeAction},
    },
    http,
    target::{End, Kubelet},
};

/// How long the kubelet may take to answer before the scenario goes on without an answer.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// How long a node takes to boot.
const BOOT: Duration = Duration::from_secs(10);

impl Player<'_> {
    pub(super) async fn kubelet(&mut self, action: KubeletAction) -> Result<(), Stop> {
        self.crash_is_off();
        match action {
            KubeletAction::Start => self.start_kubelet().await,
            // A crash says when, and is a step of its own.
            KubeletAction::Crash => Ok(()),
            KubeletAction::Stop => Ok(self.target.end_kubelet(End::Gently).await?),
            KubeletAction::Kill => Ok(self.target.end_kubelet(End::AtOnce).await?),
            KubeletAction::Restart => {
                self.target.end_kubelet(End::Gently).await?;
                self.start_kubelet().await
            }
        }
    }

    /// Starts the kubelet and waits until it answers, or ends, or has had its time.
    pub(super) async fn start_kubelet(&mut self) -> Result<(), Stop> {
        self.target.start_kubelet().await?;
        let url: http::Url = "http://localhost:10248/healthz".parse().expect("this is a URL");
        let address = self.target.address(&url);
        let net = self.target.world().net.clone();
        let end = tokio::time::Instant::now() + START_PATIENCE;
        while self.target.kubelet() == Kubelet::Running && tokio::time::Instant::now() < end {
            if http::get(&net, &address, &url).await.is_ok_and(|answer| answer.status == 200) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Has the kubelet die at a call that is still to come.
    pub(super) async fn crash(&mut self, place: Place, point: &CrashPoint) -> Result<(), Stop> {
        self.crash_has_come()?;
        self.target.crash_at(point)?;
        self.crash_may_come = point.or_not;
        self.crash = (!point.or_not).then_some(place);
        Ok(())
    }

    fn crash_is_off(&mut self) {
        if std::mem::take(&mut self.crash_may_come) {
            self.target.call_crash_off();
        }
    }

    /// A call at which the kubelet is to die, and which never comes, is a mistake in what the scenario expects.
    pub(super) fn crash_has_come(&mut self) -> Result<(), Stop> {
        let Some(place) = self.crash.take() else { return Ok(()) };
        match self.target.crash_to_come() {
            None => Ok(()),
            Some(seen) => {
                let title = format!("the kubelet was to die at a call that did not come: {seen}");
                Err(self.fails(Mismatch { place, title, differences: Vec::new() }, "by then"))
            }
        }
    }

    /// Power goes, comes, or both.
    pub(super) async fn node(&mut self, action: NodeAction) -> Result<(), Stop> {
        self.crash_is_off();
        if action != NodeAction::Start && self.dark.is_none() {
            self.dark = Some(self.target.kubelet() == Kubelet::Running);
            self.target.end_kubelet(End::AtOnce).await?;
            self.target.power_off().await?;
        }
        if action == NodeAction::Reboot {
            tokio::time::sleep(BOOT).await;
        }
        if action != NodeAction::Stop
            && let Some(ran) = self.dark.take()
        {
            self.target.power_on().await?;
            if ran {
                self.start_kubelet().await?;
            }
        }
        Ok(())
    }
}
