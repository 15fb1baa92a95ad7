//! The same assertions on the fake runtime and on containerd: what scripts print in containers, and what calls answer.
//!
//! Where the two are known to differ, [`DIFFERENCES`] says so and why; an entry that is no longer true fails.

mod calls;
mod scripts;

use std::{fs, path::PathBuf, time::Duration};

use cri_proto::v1;
use fake_cri::{Config, FakeCri, Personality};
use futures_util::future::BoxFuture;
use kubelet::cri::{CriClient, CriError, Endpoints};
use world::{Tasks, World, net::Address};

use crate::daemon::Containerd;

/// A runtime under test.
pub struct Subject {
    client: CriClient,
    directory: PathBuf,
}

/// One assertion.
pub type Check = (&'static str, for<'a> fn(&'a Subject) -> BoxFuture<'a, Result<(), String>>);

/// Assertions that hold on containerd and not on the fake, with the reason.
const DIFFERENCES: &[(&str, &str)] = &[];

/// All assertions.
pub fn checks() -> impl Iterator<Item = Check> {
    calls::CHECKS.iter().chain(scripts::CHECKS).copied()
}

fn block_on<F: Future<Output = Result<(), String>>>(test: F) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(test)
}

/// One assertion on the daemon.
pub fn on_containerd(daemon: &Containerd, (_, check): Check) -> Result<(), String> {
    block_on(async {
        let tasks = Tasks::root("test");
        let subject = Subject { client: daemon.client(&tasks), directory: daemon.directory().join("conformance") };
        fs::create_dir_all(&subject.directory).map_err(|e| e.to_string())?;
        let outcome = check(&subject).await;
        let cleaned = subject.clean().await;
        tasks.shutdown().await;
        outcome.and(cleaned)
    })
}

/// One assertion on a fresh fake runtime on a socket.
pub fn on_the_fake((name, check): Check) -> Result<(), String> {
    let outcome = block_on(async {
        let directory = tempfile::Builder::new().prefix("plab-").tempdir_in("/tmp").map_err(|e| e.to_string())?;
        let tasks = Tasks::root("test");
        let world = World::real(1);
        let address = Address::unix(directory.path().join("f.sock"));
        let mut config = Config::of(Personality::Containerd16);
        config.listen = address.clone();
        config.image_mountpoint = directory.path().join("images").display().to_string();
        let fake = FakeCri::start(&world, config, &tasks).await.map_err(|e| e.to_string())?;
        let timeout = Duration::from_secs(60);
        let client =
            CriClient::new(&world.net, &Endpoints { runtime: address.clone(), image: address, timeout }, &tasks);
        let subject = Subject { client, directory: directory.path().to_owned() };
        let outcome = check(&subject).await;
        let cleaned = subject.clean().await;
        let leaks = fake.ledger().leaks();
        fake.stop().await;
        tasks.shutdown().await;
        outcome.and(cleaned)?;
        if leaks.is_empty() { Ok(()) } else { Err(format!("left behind: {leaks:?}")) }
    });
    match (outcome, DIFFERENCES.iter().find(|(known, _)| *known == name)) {
        (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some((_, reason))) => Err(format!("no longer differs; take it off the list: {reason}")),
        (outcome, None) => outcome,
    }
}

fn text(error: CriError) -> String {
    error.to_string()
}

/// What a container is to be.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// Its security context.
    pub security: v1::LinuxContainerSecurityContext,
    /// The pod's namespaces.
    pub namespaces: v1::NamespaceOption,
    /// Its command.
    pub command: Vec<String>,
    /// Its mounts.
    pub mounts: Vec<v1::Mount>,
    /// Memory limit in bytes.
    pub memory: i64,
}

impl Subject {
    fn sandbox_config(&self, name: &str, shape: &Shape) -> v1::PodSandboxConfig {
        v1::PodSandboxConfig {
            metadata: Some(v1::PodSandboxMetadata {
                name: name.to_owned(),
                uid: format!("uid-{name}"),
                namespace: "conformance".to_owned(),
                attempt: 0,
            }),
            hostname: name.to_owned(),
            log_directory: self.directory.join(name).display().to_string(),
            linux: Some(v1::LinuxPodSandboxConfig {
                security_context: Some(v1::LinuxSandboxSecurityContext {
                    namespace_options: Some(shape.namespaces.clone()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    async fn sandbox(&self, name: &str, shape: &Shape) -> Result<String, String> {
        fs::create_dir_all(self.directory.join(name)).map_err(|e| e.to_string())?;
        let image = v1::ImageSpec { image: "busybox".to_owned(), ..Default::default() };
        self.client.pull_image(image, None, None).await.map_err(text)?;
        self.client.run_pod_sandbox(self.sandbox_config(name, shape), "").await.map_err(text)
    }

    async fn create(&self, sandbox: &str, pod: &str, name: &str, shape: &Shape) -> Result<String, CriError> {
        let mut security = shape.security.clone();
        security.namespace_options = Some(shape.namespaces.clone());
        let config = v1::ContainerConfig {
            metadata: Some(v1::ContainerMetadata { name: name.to_owned(), attempt: 0 }),
            image: Some(v1::ImageSpec { image: "busybox".to_owned(), ..Default::default() }),
            command: shape.command.clone(),
            mounts: shape.mounts.clone(),
            log_path: format!("{name}.log"),
            labels: [("name".to_owned(), name.to_owned())].into(),
            linux: Some(v1::LinuxContainerConfig {
                security_context: Some(security),
                resources: Some(v1::LinuxContainerResources {
                    memory_limit_in_bytes: shape.memory,
                    ..Default::default()
                }),
            }),
            ..Default::default()
        };
        self.client.create_container(sandbox, config, self.sandbox_config(pod, shape)).await
    }

    /// A running container in a pod of its own: sandbox and container.
    async fn run(&self, name: &str, shape: &Shape) -> Result<(String, String), String> {
        let sandbox = self.sandbox(name, shape).await?;
        let container = self.create(&sandbox, name, name, shape).await.map_err(text)?;
        self.client.start_container(&container).await.map_err(text)?;
        Ok((sandbox, container))
    }

    /// Runs a container to its end: exit code, reason, and its log without times.
    async fn finish(&self, name: &str, shape: &Shape) -> Result<(i32, String, Vec<String>), String> {
        let (_, container) = self.run(name, shape).await?;
        let status = self.exited(&container).await?;
        let log =
            fs::read_to_string(self.directory.join(name).join(format!("{name}.log"))).map_err(|e| e.to_string())?;
        let lines = log.lines().map(|l| l.split_once(' ').map_or(l, |(_, rest)| rest).to_owned()).collect();
        Ok((status.exit_code, status.reason, lines))
    }

    async fn exited(&self, container: &str) -> Result<v1::ContainerStatus, String> {
        for _ in 0..300 {
            let status = self.client.container_status(container, false).await.map_err(text)?;
            if status.state() == v1::ContainerState::ContainerExited {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the container has not ended within half a minute".to_owned())
    }

    /// What a shell command prints in a container, errors last, and its status.
    async fn sh(&self, container: &str, script: &str) -> Result<(String, i32), String> {
        let command = ["sh", "-c", script].map(str::to_owned);
        let output = self.client.exec_sync(container, &command, Some(Duration::from_secs(20))).await.map_err(text)?;
        Ok((String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(), output.code))
    }

    /// Takes away what a check left.
    async fn clean(&self) -> Result<(), String> {
        for sandbox in self.client.list_pod_sandbox(v1::PodSandboxFilter::default()).await.map_err(text)? {
            if sandbox.metadata.is_some_and(|m| m.namespace == "conformance") {
                self.client.stop_pod_sandbox(&sandbox.id).await.map_err(text)?;
                self.client.remove_pod_sandbox(&sandbox.id).await.map_err(text)?;
            }
        }
        Ok(())
    }
}

/// Fails with both values if they differ.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: found {found:?}, wanted {wanted:?}")) }
}
