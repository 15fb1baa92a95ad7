//! The runtime of a node of processes: our fake one, serving a socket from the runner's own process so that faults, crashes and facts
//! reach it, or one that runs already behind a socket of its own.

use std::path::Path;

use cri_proto::v1::{ListPodSandboxRequest, RemovePodSandboxRequest, StopPodSandboxRequest};
use serde_json::Value;
use world::{Tasks, World, net::Address};

use super::share::Share;
use crate::{
    format::{Scenario, step::RuntimeAction},
    history::History,
    run::Options,
    target::{TargetError, crash::Crash, fake::Fake, leaks},
};

/// A runtime behind a socket.
pub(super) enum Runtime {
    /// Our fake one.
    Ours { address: Address, fake: Box<Fake> },
    /// Somebody else's.
    Given(Address),
}

impl Runtime {
    /// Starts our fake runtime, or takes the one that runs.
    pub(super) async fn start(
        scenario: &Scenario,
        options: &Options,
        (root, share): (&Path, &Share),
        world: &World,
        history: &History,
        tasks: &Tasks,
    ) -> Result<Self, TargetError> {
        if let Some(socket) = &options.cri {
            let address = socket.parse().map_err(|e| TargetError::Failed(format!("--cri: {e}")))?;
            leaks::connect(&world.net, &address).await?;
            return Ok(Self::Given(address));
        }
        let address = Address::unix(root.join("cri.sock"));
        let images = root.join("fake-cri/images");
        world.files.create_dir_all(&images, 0o755).map_err(|e| TargetError::io(images.display().to_string(), e))?;
        let fake = Fake::start(scenario, world, tasks, history, |config| {
            config.listen = address.clone();
            config.pod_cidr = share.cidr();
            config.image_mountpoint = images.display().to_string();
        });
        let fake = Box::new(fake.await?);
        Ok(Self::Ours { address, fake })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> Address {
        match self {
            Self::Ours { address, .. } | Self::Given(address) => address.clone(),
        }
    }

    /// Where it listens, as a kubelet's configuration says it.
    pub(super) fn endpoint(&self) -> String {
        self.address().to_string()
    }

    /// Whether its calls can be seen.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Ours { .. })
    }

    /// The fake one.
    ///
    /// # Errors
    /// It is not ours.
    pub(super) fn ours(&mut self) -> Result<&mut Fake, TargetError> {
        match self {
            Self::Ours { fake, .. } => Ok(fake),
            Self::Given(_) => {
                Err(TargetError::Unsupported("it does something to the runtime, which is not ours".to_owned()))
            }
        }
    }

    /// Does something to it.
    pub(super) async fn act(&mut self, action: RuntimeAction) -> Result<(), TargetError> {
        self.ours()?.act(action).await
    }

    /// Sets its faults.
    pub(super) fn set_faults(&mut self, faults: Vec<Value>) -> Result<(), TargetError> {
        self.ours()?.set_faults(faults)
    }

    /// Has it end the kubelet at a call that is still to come.
    pub(super) fn crash_at(
        &mut self,
        crash: &Crash,
        point: &crate::format::crash::CrashPoint,
    ) -> Result<(), TargetError> {
        self.ours()?.look_at_calls(crash.look_for(point));
        Ok(())
    }

    /// What its own books say is left, if it keeps any for us.
    pub(super) fn left(&self, nothing_wanted: bool) -> Vec<String> {
        match self {
            Self::Ours { fake, .. } => fake.left(nothing_wanted),
            Self::Given(_) => Vec::new(),
        }
    }

    /// Removes what the pods of `uids` left in a runtime that is not ours; ends ours.
    pub(super) async fn finish(&mut self, world: &World, uids: impl Iterator<Item = &String>) {
        let uids: Vec<&String> = uids.collect();
        match self {
            Self::Ours { fake, .. } => fake.stop().await,
            Self::Given(address) => {
                let Ok(mut client) = leaks::connect(&world.net, address).await else { return };
                let Ok(listed) = client.list_pod_sandbox(ListPodSandboxRequest::default()).await else { return };
                for sandbox in listed.into_inner().items {
                    if sandbox.labels.get("io.kubernetes.pod.uid").is_some_and(|uid| uids.contains(&uid)) {
                        let id = sandbox.id;
                        // The next run's pods do not depend on it.
                        let _ = client.stop_pod_sandbox(StopPodSandboxRequest { pod_sandbox_id: id.clone() }).await;
                        let _ = client.remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id: id }).await;
                    }
                }
            }
        }
    }
}
