//! A kubelet and a fake runtime in this process, under virtual time. One seed, one history.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future::LocalBoxFuture};
use kubelet::{
    config::{LogFormat, Logging},
    klog::Klog,
    observer::Observer,
};
use serde_json::Value;
use tokio::task::JoinHandle;
use world::{Tasks, World, net::Address, sim::SimWorld};

use super::{
    End, Kubelet, Target, TargetError,
    crash::Crash,
    fake::{self, Fake},
    leaks,
    watcher::{LogLines, Watcher},
};
use crate::{
    format::{Scenario, crash::CrashPoint, length::Shift, step::RuntimeAction},
    history::{History, What},
    http::Url,
    setup,
};

/// Files that every node has and kubelets read.
const NODE: [(&str, &str); 3] = [
    ("/etc/resolv.conf", "search example.test\nnameserver 192.0.2.53\n"),
    ("/etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n"),
    ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
];

/// Where the runtime listens: where the tutorial's configuration looks for it.
fn socket() -> Address {
    Address::unix(setup::SOCKET)
}

/// How the kubelet ended by itself, if it did.
type Exit = Arc<Mutex<Option<(i32, String)>>>;

/// Everything in one process.
pub struct SimTarget {
    sim: SimWorld,
    tasks: Tasks,
    history: History,
    args: Vec<String>,
    kubelet: Option<Running>,
    crash: Crash,
    /// How often the node has booted.
    boots: u32,
    fake: Fake,
}

struct Running {
    tasks: Tasks,
    command: JoinHandle<Option<()>>,
    exit: Exit,
}

impl SimTarget {
    /// A node with the scenario's configuration file and runtime; the kubelet is not started.
    ///
    /// # Errors
    /// The scenario says something that the fake runtime does not understand.
    pub async fn new(scenario: &Scenario, sim: SimWorld, tasks: Tasks) -> Result<Self, TargetError> {
        let history = History::new();
        let files = &sim.world.files;
        let folder = Path::new(setup::CONFIG_PATH).parent().unwrap_or(Path::new("/"));
        files.create_dir_all(folder, 0o755).map_err(|e| TargetError::io(setup::CONFIG_PATH, e))?;
        for (path, text) in NODE {
            files.write(Path::new(path), text.as_bytes(), 0o644).map_err(|e| TargetError::io(path, e))?;
        }
        let text = match (setup::config(scenario), &scenario.kubelet.config_text) {
            (Some(config), _) => Some(setup::config_text(&config)),
            (None, Some(text)) => Some(text.clone()),
            (None, None) => None,
        };
        if let Some(text) = text {
            files
                .write(Path::new(setup::CONFIG_PATH), text.as_bytes(), 0o644)
                .map_err(|e| TargetError::io(setup::CONFIG_PATH, e))?;
        }
        let mut args = vec![format!("--config={}", setup::CONFIG_PATH)];
        args.extend(scenario.kubelet.flags.iter().cloned());
        let fake = Fake::start(scenario, &sim.world, &tasks, &history, |config| config.listen = socket()).await?;
        let crash = Crash::new(history.clone());
        Ok(Self { sim, tasks, history, args, kubelet: None, crash, boots: 1, fake })
    }

    /// Sends what this thread logs into the history while the guard lives.
    pub fn capture_logs(&self) -> tracing::subscriber::DefaultGuard {
        let logging = Logging { format: LogFormat::Text, verbosity: 2 };
        let klog = Klog::new(logging, self.sim.world.clock.clone(), 1, LogLines::new(self.history.clone()));
        tracing::subscriber::set_default(klog.subscriber())
    }
}

impl Target for SimTarget {
    fn world(&self) -> &World {
        &self.sim.world
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn address(&self, url: &Url) -> Address {
        Address::tcp(url.host.clone(), url.port)
    }

    fn kubelet(&self) -> Kubelet {
        match &self.kubelet {
            None => Kubelet::Stopped,
            Some(_) if self.crash.has_come() => Kubelet::Crashed,
            Some(running) => match &*running.exit.lock().unwrap_or_else(PoisonError::into_inner) {
                None => Kubelet::Running,
                Some((code, message)) => Kubelet::Exited { code: *code, message: message.clone() },
            },
        }
    }

    fn start_kubelet(&mut self) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            self.end_kubelet(End::Gently).await?;
            let tasks = self.tasks.child("kubelet");
            let observer: Arc<dyn Observer> = Arc::new(Watcher::new(self.history.clone()));
            let exit = Exit::default();
            let command = {
                let (world, args, tasks, exit, history) =
                    (self.sim.world.clone(), self.args.clone(), tasks.clone(), exit.clone(), self.history.clone());
                tasks.clone().spawn("command", async move {
                    let ended = kubelet::command::run(world, args, observer, tasks.clone()).await;
                    if tasks.is_cancelled() {
                        return;
                    }
                    let (code, message) = match ended {
                        Ok(()) => (0, String::new()),
                        Err(error) => (1, error.to_string()),
                    };
                    *exit.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, message.clone()));
                    history.push(What::Kubelet(format!("exited with code {code}: {message}")));
                    tasks.cancel();
                })
            };
            self.history.push(What::Kubelet("started".to_owned()));
            let doomed = tasks.clone();
            self.crash.kubelet_started(Arc::new(move || doomed.kill()));
            self.kubelet = Some(Running { tasks, command, exit });
            Ok(())
        }
        .boxed_local()
    }

    fn end_kubelet(&mut self, how: End) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            let Some(running) = self.kubelet.take() else { return Ok(()) };
            let crashed = self.crash.kubelet_ended();
            if how == End::AtOnce {
                running.tasks.kill();
            }
            running.tasks.shutdown().await;
            running.command.await.map_err(|e| TargetError::Failed(format!("the kubelet: {e}")))?;
            if !crashed {
                let word = if how == End::Gently { "stopped" } else { "killed" };
                self.history.push(What::Kubelet(word.to_owned()));
            }
            Ok(())
        }
        .boxed_local()
    }

    fn crash_at(&mut self, point: &CrashPoint) -> Result<(), TargetError> {
        self.fake.look_at_calls(self.crash.look_for(point));
        Ok(())
    }

    fn crash_to_come(&self) -> Option<String> {
        self.crash.to_come()
    }

    fn call_crash_off(&mut self) {
        self.crash.call_off();
    }

    fn power_off(&mut self) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            self.fake.power_off().await;
            self.sim.files.reboot().map_err(|e| TargetError::io("reboot", e))?;
            self.history.push(What::Runtime("crash".to_owned()));
            self.history.push(What::Node("power lost".to_owned()));
            Ok(())
        }
        .boxed_local()
    }

    fn power_on(&mut self) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            self.boots += 1;
            let boot = format!("00000000-0000-4000-8000-{:012}", self.boots);
            self.sim.machine.update(|facts| facts.boot_id.clone_from(&boot));
            self.fake.act(RuntimeAction::Start).await?;
            self.history.push(What::Runtime("start".to_owned()));
            self.history.push(What::Node(format!("booted, boot id {boot}")));
            Ok(())
        }
        .boxed_local()
    }

    fn step_clock(&mut self, by: Shift, after: Duration) -> Result<(), TargetError> {
        let (clock, history) = (self.sim.world.clock.clone(), self.history.clone());
        let step = move || {
            clock.step(by.0);
            history.push(What::Clock(by));
        };
        if after.is_zero() {
            step();
            return Ok(());
        }
        drop(self.tasks.spawn("clock", async move {
            tokio::time::sleep(after).await;
            step();
        }));
        Ok(())
    }

    fn runtime(&mut self, action: RuntimeAction) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            self.fake.act(action).await?;
            self.history.push(What::Runtime(format!("{action:?}").to_lowercase()));
            Ok(())
        }
        .boxed_local()
    }

    fn set_faults(&mut self, faults: Vec<Value>) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            let (in_force, lying) = (!faults.is_empty(), faults.iter().any(fake::lies));
            self.fake.set_faults(faults)?;
            self.history.push(What::Faults { in_force, lying });
            Ok(())
        }
        .boxed_local()
    }

    fn leaks<'a>(&'a mut self, wanted: &'a [String]) -> LocalBoxFuture<'a, Result<Vec<String>, TargetError>> {
        async move {
            let mut left = self.fake.left(wanted.is_empty());
            left.extend(leaks::look(&self.sim.world, &self.history, &socket(), wanted).await?);
            Ok(left)
        }
        .boxed_local()
    }

    fn sees_calls(&self) -> bool {
        true
    }

    fn sees_facts(&self) -> bool {
        true
    }

    fn tasks(&self) -> Vec<String> {
        self.tasks.live()
    }

    fn sees_events(&self) -> bool {
        true
    }

    fn pace(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn tolerance(&self, said: Option<Duration>) -> Duration {
        said.unwrap_or(Duration::from_millis(100))
    }

    fn patience(&self, within: Duration) -> Duration {
        within
    }

    fn finish(&mut self) -> LocalBoxFuture<'_, Result<(), TargetError>> {
        async move {
            self.end_kubelet(End::Gently).await?;
            self.fake.stop().await;
            Ok(())
        }
        .boxed_local()
    }
}
