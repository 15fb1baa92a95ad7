//! The `kubelet` process: the real world, the log on standard error, signals, systemd's notice of start, exit codes. All else is the library's.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    ffi::OsString,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    process::ExitCode,
    sync::Arc,
};

use kubelet::{
    command,
    config::{self, Invocation, LogFormat, Logging},
    klog::Klog,
    observer::Observer,
};
use tokio::signal::unix::{SignalKind, signal};
use world::{Tasks, World, random};

/// Tells systemd that the kubelet has started.
struct Systemd(Option<OsString>);

impl Observer for Systemd {
    fn started(&self) {
        let Some(path) = &self.0 else { return };
        // A leading @ is systemd's way to write an abstract socket.
        let address = match path.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(path),
        };
        let sent = address.and_then(|to| UnixDatagram::unbound()?.send_to_addr(b"READY=1\n", &to));
        if let Err(error) = sent {
            tracing::warn!(err = %error, "Cannot tell systemd that the kubelet is ready");
        }
    }
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("kubelet: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run())
}

async fn run() -> ExitCode {
    let seed = random::seed_from_host();
    let world = World::real(seed);
    let mut args: Vec<String> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    if let Ok(directory) = std::env::current_dir() {
        args.insert(0, format!("--working-directory={}", directory.display()));
    }
    let loaded = config::load(&world, &args);
    let logging = match &loaded {
        Ok(Invocation::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Run(loaded)) => loaded.config.logging,
        Err(_) => Logging { format: LogFormat::Text, verbosity: 0 },
    };
    let klog = Klog::new(logging, world.clock.clone(), std::process::id(), io::stderr());
    tracing::subscriber::set_global_default(klog.subscriber()).expect("nothing has set a subscriber before");
    let outcome = match loaded {
        Ok(Invocation::Run(loaded)) => {
            tracing::info!(seed, "Randomness of this run");
            let tasks = Tasks::root("kubelet");
            drop(tasks.spawn("signals", stop_on_signal(tasks.clone())));
            let observer = Arc::new(Systemd(std::env::var_os("NOTIFY_SOCKET")));
            let outcome = command::start(world, *loaded, observer, tasks.clone()).await;
            tasks.cancel();
            outcome
        }
        Ok(Invocation::Print(_)) => Ok(()),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(err = %error, "command failed");
            ExitCode::FAILURE
        }
    }
}

/// The first signal ends the run; nothing is waited for, as upstream.
async fn stop_on_signal(tasks: Tasks) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("Cannot listen for signals: stop the process with SIGKILL");
        return;
    };
    tokio::select! { biased; _ = term.recv() => {}, _ = int.recv() => {} }
    tasks.cancel();
}
