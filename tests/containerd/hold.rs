//! Keeps a containerd for somebody who works by hand. Runs no test.

use std::{io::Read as _, process::ExitCode};

use crate::{daemon::Containerd, host::Host};

/// Starts the daemon, prints where it is, waits for the end of standard input or a signal, and takes the daemon down.
pub fn hold(host: Result<Host, String>) -> ExitCode {
    let daemon = match host.and_then(|h| Containerd::start(&h)) {
        Ok(daemon) => daemon,
        Err(error) => {
            eprintln!("cannot start containerd: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("endpoint  {}", daemon.endpoint());
    println!("pods      {} on {}", daemon.subnet(), daemon.bridge());
    println!("directory {}", daemon.directory().display());
    println!("ends with standard input (^D), SIGINT or SIGTERM");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(end()),
        Err(error) => eprintln!("waiting for nothing: {error}"),
    }
    drop(daemon);
    // The thread that reads standard input cannot be stopped: leave it with the process.
    std::process::exit(0);
}

async fn end() {
    use tokio::signal::unix::{SignalKind, signal};
    let (closed, stdin) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut sink = [0_u8; 256];
        while std::io::stdin().read(&mut sink).is_ok_and(|n| n > 0) {}
        let _ = closed.send(());
    });
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    tokio::select! { biased; _ = interrupt.recv() => {}, _ = terminate.recv() => {}, _ = stdin => {} }
}
