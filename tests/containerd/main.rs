//! The kubelet on a real containerd with the bridge CNI plugin. Not for machines without them: there it says in one line what it skips and why.
//!
//! `PODLAB_REQUIRE_RUNTIME=1` turns a skip into a failure. `cargo test --test containerd -- --hold` only starts the daemon, prints
//! its endpoint and keeps it until standard input ends or a signal comes.
// Tests on a real host run its programs and read its files.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::print_stdout, clippy::print_stderr)]

mod conformance;
mod corpus;
mod daemon;
mod fields;
mod half;
mod hold;
mod host;
mod image;
mod leftovers;
mod manager;
mod network;
mod raw;
mod registry;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
};

use libtest_mimic::{Arguments, Failed, Trial};

use daemon::Containerd;
use host::Host;

/// The daemon, started by the first test that runs.
type Shared = Arc<Mutex<Option<Containerd>>>;

/// What a test does with the daemon.
type Body = fn(&Containerd) -> Result<(), String>;

const TESTS: [(&str, Body); 5] = [
    ("a_sandbox_with_a_web_server_comes_and_goes", raw::comes_and_goes),
    ("a_pod_of_the_runtime_half_comes_and_goes", manager::comes_and_goes),
    ("containers_see_what_the_recorded_env_says", fields::env),
    ("containers_see_what_the_recorded_security_says", fields::security),
    ("containers_see_what_the_recorded_guaranteed_says", fields::guaranteed),
];

fn main() -> ExitCode {
    let found = Host::find();
    if std::env::args().any(|a| a == "--hold") {
        return hold::hold(found);
    }
    let mut arguments = Arguments::from_args();
    // One daemon: what a test leaves behind must be its own.
    arguments.test_threads = Some(1);
    let required = std::env::var_os("PODLAB_REQUIRE_RUNTIME").is_some_and(|v| v == "1");
    let skip = match &found {
        Err(why) if !required => {
            if !arguments.list {
                eprintln!("containerd tests skipped: {why}");
            }
            true
        }
        _ => false,
    };
    let host = Arc::new(found);
    let shared = Shared::default();
    let mut trials = Vec::new();
    for (name, body) in TESTS {
        let (host, shared) = (host.clone(), shared.clone());
        trials.push(Trial::test(name, move || run(&host, &shared, body)).with_ignored_flag(skip));
    }
    for scenario in corpus::SELECTION {
        let (host, shared) = (host.clone(), shared.clone());
        let played = move || run(&host, &shared, |daemon| corpus::works(daemon, scenario));
        trials.push(Trial::test(format!("scenario::{scenario}"), played).with_ignored_flag(skip));
    }
    for check in conformance::checks() {
        let (host, shared) = (host.clone(), shared.clone());
        let real = move || run(&host, &shared, |daemon| conformance::on_containerd(daemon, check));
        trials.push(Trial::test(format!("containerd::{}", check.0), real).with_ignored_flag(skip));
        trials.push(Trial::test(format!("fake::{}", check.0), move || Ok(conformance::on_the_fake(check)?)));
    }
    let real = host.clone();
    let fake_cni = move || Ok(network::is_said_by_the_plugin(real.as_ref().as_ref().map_err(|why| missing(why))?)?);
    trials.push(Trial::test("an_address_is_said_by_our_own_plugin", fake_cni).with_ignored_flag(skip));
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Before the process ends: this is what takes the daemon down.
    drop(shared.lock().map(|mut daemon| daemon.take()));
    conclusion.exit_code()
}

/// What a test says that must run and cannot.
fn missing(why: &str) -> String {
    format!("PODLAB_REQUIRE_RUNTIME=1 and there is {why}")
}

fn run(
    host: &Result<Host, String>,
    shared: &Shared,
    body: impl FnOnce(&Containerd) -> Result<(), String>,
) -> Result<(), Failed> {
    let host = host.as_ref().map_err(|why| missing(why))?;
    let mut shared = shared.lock().map_err(|_| "an earlier test panicked")?;
    if shared.is_none() {
        *shared = Some(Containerd::start(host)?);
    }
    let daemon = shared.as_ref().expect("set just above");
    body(daemon).map_err(|e| format!("{e}\ncontainerd's log ends:\n{}", daemon.log_end()).into())
}
