//! Tests of the runner and of the whole simulated world.

use std::{path::Path, time::Duration};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::net::Address;

#[test]
fn time_is_virtual() {
    let shown = run(1, Limits::default(), |sim, _| async move {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        sim.world.clock.now().to_string()
    });
    assert_eq!(shown.unwrap(), "2026-01-01T01:00:00Z");
}

#[test]
fn waiting_for_ever_meets_the_virtual_limit() {
    let limits = Limits { virtual_time: Duration::from_secs(60), ..Limits::default() };
    let stuck = run(7, limits, |_, tasks| async move {
        drop(tasks.child("pods").spawn("worker", std::future::pending::<()>()));
        std::future::pending::<()>().await;
    });
    assert_eq!(stuck.unwrap_err().to_string(), "seed 7: not done after 60s of virtual time; alive: sim/pods/worker");
}

#[test]
fn a_busy_loop_meets_the_watchdog() {
    let limits = Limits { real_time: Duration::from_millis(200), ..Limits::default() };
    let busy = run(7, limits, |_, tasks| async move {
        let until = tasks.token();
        drop(tasks.spawn("spinner", async move {
            loop {
                tokio::task::yield_now().await;
                // For the sake of the test's process: a real one would spin on.
                if until.is_cancelled() {
                    break;
                }
            }
        }));
        std::future::pending::<()>().await;
    });
    assert_eq!(busy.unwrap_err().to_string(), "seed 7: not done after 200ms of real time; alive: sim/spinner");
}

#[test]
fn a_panic_in_a_task_ends_the_run() {
    let failed = run(7, Limits::default(), |_, tasks| async move {
        drop(tasks.spawn("bad", async { panic!("broken") }));
        std::future::pending::<()>().await;
    });
    assert_eq!(failed.unwrap_err().to_string(), "seed 7: task sim/bad panicked: broken");
}

#[test]
#[should_panic(expected = "the scenario's own")]
fn a_panic_of_the_scenario_reaches_the_caller() {
    let _ = run(7, Limits::default(), |_, _| async { panic!("the scenario's own") });
}

#[test]
fn tasks_that_do_not_end_are_named() {
    let left = run(7, Limits::default(), |_, tasks| async move {
        drop(tasks.spawn_to_completion("deaf", std::future::pending::<()>()));
    });
    assert_eq!(left.unwrap_err().to_string(), "seed 7: still alive after the end: sim/deaf");
}

#[test]
fn an_echo_over_a_socket_file() {
    run(1, Limits::default(), |sim, tasks| async move {
        let address: Address = "unix:///run/echo.sock".parse().unwrap();
        let mut listener = sim.world.net.listen(&address).await.unwrap();
        drop(tasks.spawn("echo", async move {
            let mut conn = listener.accept().await.unwrap();
            let mut line = [0; 5];
            conn.read_exact(&mut line).await.unwrap();
            conn.write_all(&line).await.unwrap();
        }));
        assert!(sim.world.files.exists(Path::new("/run/echo.sock")));
        let mut conn = sim.world.net.dial(&address).await.unwrap();
        conn.write_all(b"hello").await.unwrap();
        let mut answer = Vec::new();
        conn.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"hello");
        assert!(!sim.world.files.exists(Path::new("/run/echo.sock")));
    })
    .unwrap();
}
