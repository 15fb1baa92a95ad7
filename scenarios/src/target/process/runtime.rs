//! The runtime of a node of processes: our fake one as a child, or one that runs already.

use std::path::{Path, PathBuf};

use cri_proto::v1::{ListPodSandboxRequest, RemovePodSandboxRequest, StopPodSandboxRequest};
use serde_json::Value;
use world::{Tasks, World, net::Address};

use super::child::Child;
use crate::{
    format::{Scenario, step::RuntimeAction},
    history::{Call, History, What},
    run::Options,
    target::{TargetError, leaks},
};

/// A runtime behind a socket.
pub(super) struct Runtime {
    address: Address,
    ours: Option<Ours>,
}

/// Our fake runtime as a child process.
struct Ours {
    binary: PathBuf,
    args: Vec<String>,
    child: Option<Child>,
}

impl Runtime {
    /// Starts our fake runtime, or takes the one that runs.
    pub(super) async fn start(
        scenario: &Scenario,
        options: &Options,
        root: &Path,
        seed: u64,
        world: &World,
        history: &History,
        tasks: &Tasks,
    ) -> Result<Self, TargetError> {
        if let Some(socket) = &options.cri {
            if scenario.runtime.is_some() {
                return Err(TargetError::Unsupported(
                    "it says how the runtime is made up, and this one is as it is".to_owned(),
                ));
            }
            let address = socket.parse().map_err(|e| TargetError::Failed(format!("--cri: {e}")))?;
            leaks::connect(&world.net, &address).await?;
            return Ok(Self { address, ours: None });
        }
        let socket = root.join("cri.sock");
        let journal = root.join("journal.jsonl");
        let mut args = vec![
            "--listen".to_owned(),
            format!("unix://{}", socket.display()),
            "--journal".to_owned(),
            journal.display().to_string(),
            "--state".to_owned(),
            root.join("fake-cri").display().to_string(),
            "--seed".to_owned(),
            seed.to_string(),
        ];
        if let Some(setup) = &scenario.runtime {
            let failed = |e| TargetError::io("/runtime.yaml", e);
            world.files.write(Path::new("/runtime.yaml"), setup.script().as_bytes(), 0o644).map_err(failed)?;
            args.extend(["--script".to_owned(), root.join("runtime.yaml").display().to_string()]);
            args.extend(["--personality".to_owned(), word(setup.personality)?]);
        }
        let mut runtime = Self {
            address: Address::unix(socket),
            ours: Some(Ours { binary: options.fake_cri.clone(), args, child: None }),
        };
        tasks.spawn("journal", follow(world.clone(), history.clone()));
        runtime.spawn(world, history, tasks).await?;
        Ok(runtime)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> Address {
        self.address.clone()
    }

    /// Where it listens, as a kubelet's configuration says it.
    pub(super) fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// Whether its calls can be seen.
    pub(super) fn is_ours(&self) -> bool {
        self.ours.is_some()
    }

    async fn spawn(&mut self, world: &World, history: &History, tasks: &Tasks) -> Result<(), TargetError> {
        let Some(ours) = &mut self.ours else { return Ok(()) };
        let child = Child::spawn("fake-cri", &ours.binary, &ours.args, history, tasks)?;
        for _ in 0..100 {
            if world.net.dial(&self.address).await.is_ok() {
                ours.child = Some(child);
                return Ok(());
            }
            if let Some((code, said)) = child.exit() {
                return Err(TargetError::Failed(format!("fake-cri exited with code {code}: {said}")));
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Err(TargetError::Failed("fake-cri does not answer".to_owned()))
    }

    /// Does something to it, if that can be done to a process.
    pub(super) async fn act(
        &mut self,
        action: RuntimeAction,
        world: &World,
        history: &History,
        tasks: &Tasks,
    ) -> Result<(), TargetError> {
        let Some(ours) = &mut self.ours else {
            return Err(TargetError::Unsupported("it stops the runtime, and this one is not ours to stop".to_owned()));
        };
        match action {
            RuntimeAction::Crash => match ours.child.take() {
                Some(child) => child.end(std::time::Duration::ZERO).await,
                None => Ok(()),
            },
            RuntimeAction::Start if ours.child.is_none() => self.spawn(world, history, tasks).await,
            _ => Err(TargetError::Unsupported("containers cannot outlive the fake runtime's process".to_owned())),
        }
    }

    /// Removes what the pods of `uids` left in a runtime that is not ours; ends ours.
    pub(super) async fn finish(&mut self, world: &World, uids: impl Iterator<Item = &String>) {
        let uids: Vec<&String> = uids.collect();
        match &mut self.ours {
            Some(ours) => {
                if let Some(child) = ours.child.take() {
                    // It is killed with its task in any case.
                    let _ = child.end(std::time::Duration::from_secs(2)).await;
                }
            }
            None => {
                let Ok(mut client) = leaks::connect(&world.net, &self.address).await else { return };
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

/// A personality as the `fake-cri` program's flag says it: as in scenarios.
fn word(personality: fake_cri::Personality) -> Result<String, TargetError> {
    let value = serde_json::to_value(personality).ok().and_then(|value| Some(value.as_str()?.to_owned()));
    value.ok_or_else(|| TargetError::Failed("a personality without a name".to_owned()))
}

/// Puts the calls that the fake runtime writes to its journal into the history.
async fn follow(world: World, history: History) {
    let mut done = 0;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let Ok(text) = world.files.read_to_string(Path::new("/journal.jsonl"), 1 << 30) else { continue };
        let complete = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text.get(done..complete).unwrap_or_default().lines() {
            if let Some(call) = serde_json::from_str(line).ok().and_then(|value| call(&value)) {
                history.push(What::Call(call));
            }
        }
        done = complete.max(done);
    }
}

/// A line of the journal, which has the form of recordings of real kubelets.
fn call(line: &Value) -> Option<Call> {
    let text = |name: &str| line.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Call {
        seq: line.get("seq")?.as_u64()?,
        took: std::time::Duration::try_from_secs_f64(line.get("dur")?.as_f64()?).ok()?,
        rpc: text("rpc")?,
        request: line.get("request")?.clone().into(),
        response: line.get("response").cloned().map(Into::into),
        code: text("code").unwrap_or_else(|| "OK".to_owned()),
        error: text("error"),
        fault: text("fault"),
    })
}
