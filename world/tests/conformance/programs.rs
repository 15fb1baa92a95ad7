//! Helper programs: a shell script on the host, a function in the simulation, one contract.

use std::{io::ErrorKind, time::Duration};

use world::{
    Programs,
    programs::{Invocation, Outcome},
    sim,
};

/// Runs each check on both arms.
fn on_both<Fut: Future<Output = ()>>(check: impl Fn(Programs) -> Fut + Send + Clone + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(check(Programs::real()));
    let done = sim::run(1, sim::Limits::default(), |sim, _| async move {
        sim.programs.register("/bin/sh", shell);
        check(sim.world.programs).await;
    });
    done.unwrap();
}

/// What the scripts of these checks do, as functions.
async fn shell(call: Invocation) -> std::io::Result<Outcome> {
    let script = call.args.get(1).map(String::as_str).unwrap_or_default();
    let done = |code, stdout: &[u8], stderr: &[u8]| Ok(Outcome { code, stdout: stdout.into(), stderr: stderr.into() });
    match script {
        "cat; echo oops >&2; exit 3" => done(3, &call.stdin, b"oops\n"),
        "echo $A$HOME" => {
            let value = |name| call.env.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
            done(0, format!("{}{}\n", value("A"), value("HOME")).as_bytes(), b"")
        }
        "kill -9 $$" => done(137, b"", b""),
        "sleep 30 & wait" => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            done(0, b"", b"")
        }
        "echo 0123456789" => done(0, b"0123456789\n", b""),
        "exit 0" => done(0, b"", b""),
        other => panic!("no such script: {other}"),
    }
}

fn sh(script: &str) -> Invocation {
    Invocation {
        program: "/bin/sh".into(),
        args: vec!["-c".to_owned(), script.to_owned()],
        output_limit: 1000,
        timeout: Some(Duration::from_secs(20)),
        ..Invocation::default()
    }
}

#[test]
fn input_output_and_status() {
    on_both(|programs| async move {
        let call = Invocation { stdin: b"in".to_vec(), ..sh("cat; echo oops >&2; exit 3") };
        let expected = Outcome { code: 3, stdout: b"in".to_vec(), stderr: b"oops\n".to_vec() };
        assert_eq!(programs.run(call).await.unwrap(), expected);
    });
}

#[test]
fn the_environment_is_exact() {
    on_both(|programs| async move {
        let call = Invocation { env: vec![("A".to_owned(), "b c".to_owned())], ..sh("echo $A$HOME") };
        assert_eq!(programs.run(call).await.unwrap().stdout, b"b c\n");
    });
}

#[test]
fn a_signal_is_told() {
    on_both(|programs| async move { assert_eq!(programs.run(sh("kill -9 $$")).await.unwrap().code, 137) });
}

#[test]
fn a_slow_program_is_killed() {
    on_both(|programs| async move {
        let start = tokio::time::Instant::now();
        let call = Invocation { timeout: Some(Duration::from_millis(200)), ..sh("sleep 30 & wait") };
        assert_eq!(programs.run(call).await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn output_is_bounded() {
    on_both(|programs| async move {
        let call = |output_limit| Invocation { output_limit, ..sh("echo 0123456789") };
        assert_eq!(programs.run(call(11)).await.unwrap().stdout.len(), 11);
        assert_eq!(programs.run(call(10)).await.unwrap_err().kind(), ErrorKind::FileTooLarge);
    });
}

#[test]
fn input_need_not_be_read() {
    on_both(|programs| async move {
        let call = Invocation { stdin: vec![0; 1_000_000], ..sh("exit 0") };
        assert_eq!(programs.run(call).await.unwrap().code, 0);
    });
}

#[test]
fn a_missing_program_is_not_found() {
    on_both(|programs| async move {
        let call = Invocation { program: "/no/such/program".into(), ..sh("") };
        assert_eq!(programs.run(call).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}
