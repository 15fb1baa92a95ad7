//! A kubelet as a process, ours or upstream's, on a runtime behind a socket, in real time. The node's paths are below a private folder;
//! its ports are free ones.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, future::LocalBoxFuture};
use serde_json::Value;
use world::{Files, Tasks, World, files::real::HostFiles, net::Address};

use super::{End, Kubelet, Target, TargetError, crash::Crash, fake, leaks};
use crate::{
    format::{Scenario, crash::CrashPoint, step::RuntimeAction},
    history::{Entry, History, What},
    http::Url,
    play::{Outcome, play},
    run::{Options, broken, not_set_up},
};

mod child;
mod control_groups;
mod node;
mod poll;
mod runtime;
mod share;

use child::Child;
use control_groups::ControlGroups;
use node::{Node, Place};
use runtime::Runtime;
use share::Share;

/// Flags of our kubelet that others do not have.
const OWN_FLAGS: [&str; 1] = ["--local-objects"];

/// How long a kubelet may take to end after SIGTERM.
const GOOD_BYE: Duration = Duration::from_secs(20);

/// Runs a scenario on a fresh node.
pub fn run(scenario: &Arc<Scenario>, seed: u64, options: &Options) -> (Outcome, Vec<Entry>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return (broken(format!("cannot start a runtime: {error}")), Vec::new()),
    };
    runtime.block_on(async {
        let history = History::new();
        let mut target = match ProcessTarget::new(scenario, seed, options, history.clone()).await {
            Ok(target) => target,
            Err(error) => return (not_set_up(error), history.since(0)),
        };
        let limit = scenario.limit;
        let shelf = options.shelf.clone();
        let read = |path: &Path| shelf.read(path);
        let outcome = tokio::time::timeout(limit, play(scenario, &mut target, &read)).await;
        let outcome = outcome.unwrap_or_else(|_| {
            broken(format!("not done within its limit of {}", crate::format::length::Length(limit)))
        });
        if target.finish().await.is_err() {
            // What could be stopped was; the outcome says what mattered.
        }
        (outcome, history.since(0))
    })
}

/// A node of processes.
pub struct ProcessTarget {
    world: World,
    node: Node,
    history: History,
    shown: poll::Shown,
    tasks: Tasks,
    kubelet_binary: PathBuf,
    kubelet: Option<Child>,
    crash: Crash,
    slack: Duration,
    runtime: Runtime,
    /// Held while addresses and ports are used.
    _share: Share,
    /// Held until no kubelet uses them.
    _groups: Option<ControlGroups>,
    /// Goes away with the target.
    folder: tempfile::TempDir,
}

impl ProcessTarget {
    async fn new(scenario: &Scenario, seed: u64, options: &Options, history: History) -> Result<Self, TargetError> {
        let binary = options
            .kubelet
            .clone()
            .ok_or_else(|| TargetError::Failed("--target process needs --kubelet PATH".to_owned()))?;
        let binary = std::path::absolute(&binary).map_err(|e| TargetError::io(binary.display().to_string(), e))?;
        for flag in OWN_FLAGS {
            let used = scenario.kubelet.flags.iter().any(|one| one.starts_with(flag));
            if used && !child::knows(&binary, flag).await {
                return Err(TargetError::Unsupported(format!("this kubelet has no {flag}")));
            }
        }
        // Unix sockets have short paths only.
        let folder = tempfile::Builder::new()
            .prefix("podlab-")
            .tempdir_in("/tmp")
            .map_err(|e| TargetError::io("a folder in /tmp", e))?;
        let root = folder.path().to_owned();
        let world = World { files: Files::new(HostFiles::new(&root)), ..World::real(seed) };
        let tasks = Tasks::root("process");
        let mut share = Share::claim()?;
        let runtime = Runtime::start(scenario, options, (&root, &share), &World::real(seed), &history, &tasks).await?;
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let groups = ControlGroups::new(&name);
        let place = Place {
            root: &root,
            endpoint: &runtime.endpoint(),
            groups: groups.as_ref().map(|_| name.as_str()),
            links: child::knows(&binary, node::LINKS).await,
        };
        let node = Node::new(scenario, &place, &mut share, &world)?;
        history.node_lies_below(&[root.display().to_string(), format!("/{name}")]);
        let crash = Crash::new(history.clone());
        let target = Self {
            world,
            node,
            history,
            shown: poll::Shown::default(),
            tasks,
            kubelet_binary: binary,
            kubelet: None,
            crash,
            slack: options.slack,
            runtime,
            _share: share,
            _groups: groups,
            folder,
        };
        poll::start(&target);
        Ok(target)
    }
}

impl ProcessTarget {
    /// Takes away what a kubelet left mounted, newest first: upstream's its own directory, and any the volumes of pods that still ran.
    fn unmount(&self) -> Result<(), TargetError> {
        let mounts = World::real(0).mounts;
        let failed = |e| TargetError::io(format!("unmount what is below {}", self.folder.path().display()), e);
        for mounted in mounts.below(self.folder.path()).map_err(failed)?.iter().rev() {
            mounts.unmount(&mounted.at).map_err(failed)?;
        }
        Ok(())
    }
}

impl Target for ProcessTarget {
    fn world(&self) -> &World {
        &self.world
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn manifest(&self, manifest: Value) -> Value {
        self.node.manifest(manifest)
    }

    fn saw_pods(&self, items: &[serde_json::Value]) {
        self.shown.note(items, &self.history);
    }

    fn address(&self, url: &Url) -> Address {
        self.node.address(url)
    }

    fn kubelet(&self) -> Kubelet {
        match self.kubelet.as_ref().map(Child::exit) {
            None => Kubelet::Stopped,
            Some(_) if self.crash.has_come() => Kubelet::Crashed,
            Some(None) => Kubelet::Running,
            Some(Some((code, message))) => Kubelet::Exited { code, message },
        }
    }

    fn start_kubelet(&mut self) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            self.end_kubelet(End::Gently).await?;
            let child = Child::spawn("kubelet", &self.kubelet_binary, &self.node.args, &self.history, &self.tasks)?;
            self.history.push(What::Kubelet("started".to_owned()));
            self.crash.kubelet_started(child.killer());
            self.kubelet = Some(child);
            Ok(())
        }
        .boxed_local()
    }

    fn end_kubelet(&mut self, how: End) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            let Some(child) = self.kubelet.take() else { return Ok(()) };
            let crashed = self.crash.kubelet_ended();
            let patience = if how == End::Gently { GOOD_BYE } else { Duration::ZERO };
            child.end(patience).await?;
            if !crashed {
                self.history.push(What::Kubelet(if how == End::Gently { "stopped" } else { "killed" }.to_owned()));
            }
            Ok(())
        }
        .boxed_local()
    }

    fn crash_at(&mut self, point: &CrashPoint) -> Result<(), TargetError> {
        self.runtime.crash_at(&self.crash, point)
    }

    fn crash_to_come(&self) -> Option<String> {
        self.crash.to_come()
    }

    fn call_crash_off(&mut self) {
        self.crash.call_off();
    }

    fn runtime(&mut self, action: RuntimeAction) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            self.runtime.act(action).await?;
            self.history.push(What::Runtime(format!("{action:?}").to_lowercase()));
            Ok(())
        }
        .boxed_local()
    }

    fn set_faults(&mut self, faults: Vec<Value>) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            let (in_force, lying) = (!faults.is_empty(), faults.iter().any(fake::lies));
            self.runtime.set_faults(faults)?;
            self.history.push(What::Faults { in_force, lying });
            Ok(())
        }
        .boxed_local()
    }

    fn leaks<'a>(&'a mut self, wanted: &'a [String]) -> LocalBoxFuture<'a, Result<Vec<String>, TargetError>> {
        async move {
            let mut left = self.runtime.left(wanted.is_empty());
            left.extend(leaks::look(&self.world, &self.history, &self.runtime.address(), wanted).await?);
            Ok(left)
        }
        .boxed_local()
    }

    fn sees_calls(&self) -> bool {
        self.runtime.is_ours()
    }

    fn sees_facts(&self) -> bool {
        self.runtime.is_ours()
    }

    fn sees_every_status(&self) -> bool {
        false
    }

    fn sees_events(&self) -> bool {
        true
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn tolerance(&self, said: Option<Duration>) -> Duration {
        said.unwrap_or_default().max(self.slack)
    }

    fn patience(&self, within: Duration) -> Duration {
        within + self.slack
    }

    fn finish(&mut self) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            self.end_kubelet(End::Gently).await?;
            let seen: BTreeMap<String, ()> = self.history.read(|entries| {
                let uids = entries.iter().filter_map(|entry| match &entry.what {
                    What::Pod(pod) => Some((pod.pointer("/metadata/uid")?.as_str()?.to_owned(), ())),
                    _ => None,
                });
                uids.collect()
            });
            self.runtime.finish(&self.world, seen.keys()).await;
            self.tasks.shutdown().await;
            self.unmount()
        }
        .boxed_local()
    }
}
