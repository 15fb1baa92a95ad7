//! The `kubelet` binary as a user meets it first: what it prints, where, and with which exit code. Not pods: scenarios do those.
#![allow(clippy::disallowed_types)]

use std::process::{Command, Output};

use rstest::rstest;

fn kubelet(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubelet"))
        .args(args)
        .env_clear()
        .output()
        .expect("the binary was built for this test")
}

#[rstest]
#[case(&["--version"], "Kubernetes v1.36.2\n")]
#[case(&["--version=raw"], "version.Info{Major:\"1\", Minor:\"36\", GitVersion:\"v1.36.2\", Platform:\"linux\"}\n")]
fn what_is_asked_for_is_printed(#[case] args: &[&str], #[case] text: &str) {
    let output = kubelet(args);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(0), text));
    assert!(output.stderr.is_empty());
}

#[test]
fn help_is_printed() {
    let output = kubelet(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("--config string\n") && text.contains("-v, --v int"), "{text}");
}

#[rstest]
#[case(&["--nosuch"], "failed to parse kubelet flag: unknown flag: --nosuch")]
#[case(&["run"], "unknown command run")]
#[case(&["--config=/nowhere/kubelet.yaml"], "open /nowhere/kubelet.yaml: no such file or directory")]
#[case(&["--config=nowhere.yaml"], "/nowhere.yaml: no such file or directory")]
fn a_failure_is_one_error_line_and_exit_code_1(#[case] args: &[&str], #[case] text: &str) {
    let output = kubelet(args);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), log.lines().count()), (Some(1), 1), "{log}");
    assert!(log.starts_with('E') && log.contains("] \"command failed\" err=\"") && log.contains(text), "{log}");
    assert!(output.stdout.is_empty());
}
