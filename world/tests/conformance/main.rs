//! The same assertions on the real and the simulated arm of the world: what holds on one must hold on the other.
//!
//! Not here: what only the simulation has (faults, disturbances, virtual time); those tests sit beside their code.

#![allow(clippy::unwrap_used, reason = "a failed check is a panic")]

use std::{future::Future, path::PathBuf};

use world::{Files, Net, Tasks, files::FileSystem as _, sim};

mod differential;
mod error_kinds;
mod files;
mod network;
mod programs;
mod watches;

/// One arm, as a check sees it.
struct Arm {
    files: Files,
    net: Net,
    tasks: Tasks,
    /// A directory, of this check alone.
    base: PathBuf,
    make_fifo: Box<dyn Fn(PathBuf) + Send>,
    make_dead_socket: Box<dyn Fn(PathBuf) + Send>,
}

impl Arm {
    fn path(&self, below: &str) -> PathBuf {
        if below.is_empty() { self.base.clone() } else { self.base.join(below) }
    }
}

/// Runs a check on the host itself, in a private directory.
fn on_host<Fut: Future<Output = ()>>(check: impl FnOnce(Arm) -> Fut) {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().to_owned();
    real(Files::real("/"), base, |path| path, check);
}

/// Runs a check on the host's files below a private root.
fn below_a_root<Fut: Future<Output = ()>>(check: impl FnOnce(Arm) -> Fut) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    let files = Files::real(&root);
    files.create_dir("/base".as_ref(), 0o755).unwrap();
    real(files, "/base".into(), move |path| root.join(path.strip_prefix("/").unwrap()), check);
}

fn real<Fut: Future<Output = ()>>(
    files: Files,
    base: PathBuf,
    on_host: impl Fn(PathBuf) -> PathBuf + Clone + Send + 'static,
    check: impl FnOnce(Arm) -> Fut,
) {
    // Modes must be exact whatever the umask is.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o027));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let host = on_host.clone();
    runtime.block_on(async {
        let tasks = Tasks::root("real");
        let arm = Arm {
            files,
            net: Net::real(),
            tasks: tasks.clone(),
            base,
            make_fifo: Box::new(move |path| {
                let mode = rustix::fs::Mode::from_raw_mode(0o644);
                rustix::fs::mkfifoat(rustix::fs::CWD, host(path), mode).unwrap();
            }),
            make_dead_socket: Box::new(move |path| {
                drop(std::os::unix::net::UnixListener::bind(on_host(path)).unwrap());
            }),
        };
        check(arm).await;
        tasks.shutdown().await;
        assert_eq!(tasks.panics(), []);
    });
}

/// Runs a check in the simulation.
fn simulated<Fut: Future<Output = ()>>(check: impl FnOnce(Arm) -> Fut + Send + 'static) {
    let done = sim::run(1, sim::Limits::default(), |sim, tasks| async move {
        sim.files.create_dir("/tmp/base".as_ref(), 0o755).unwrap();
        let (fifos, sockets) = (sim.files.clone(), sim.files.clone());
        check(Arm {
            files: sim.world.files,
            net: sim.world.net,
            tasks,
            base: "/tmp/base".into(),
            make_fifo: Box::new(move |path| fifos.make_fifo(path).unwrap()),
            make_dead_socket: Box::new(move |path| sockets.make_dead_socket(path).unwrap()),
        })
        .await;
    });
    done.unwrap();
}

/// Makes one test per arm of each check named.
macro_rules! on_both {
    ($($check:ident),* $(,)?) => {
        mod host { $(#[test] fn $check() { $crate::on_host(super::$check); })* }
        mod simulated { $(#[test] fn $check() { $crate::simulated(super::$check); })* }
    };
}

/// Makes one test per arm of files of each check named.
macro_rules! on_all_files {
    ($($check:ident),* $(,)?) => {
        crate::on_both!($($check),*);
        mod below_a_root { $(#[test] fn $check() { $crate::below_a_root(super::$check); })* }
    };
}

use {on_all_files, on_both};
