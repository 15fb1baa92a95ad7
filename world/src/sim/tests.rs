//! Tests of the runner and of the whole simulated world.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::Rng as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{
    machine::Facts,
    net::Address,
    programs::{Invocation, Outcome},
};

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

#[test]
fn programs_come_and_go_and_are_recorded() {
    run(1, Limits::default(), |sim, _| async move {
        let call = Invocation { program: "/opt/plugin".into(), args: vec!["add".to_owned()], ..Invocation::default() };
        sim.programs.register("/opt/plugin", |call| async move {
            Ok(Outcome { code: call.args.len() as i32, ..Outcome::default() })
        });
        assert_eq!(sim.world.programs.run(call.clone()).await.unwrap().code, 1);
        sim.programs.unregister("/opt/plugin");
        assert_eq!(sim.world.programs.run(call.clone()).await.unwrap_err().kind(), std::io::ErrorKind::NotFound);
        assert_eq!(sim.programs.calls(), [call]);
    })
    .unwrap();
}

#[test]
fn facts_are_as_told() {
    run(1, Limits::default(), |sim, _| async move {
        assert_eq!(sim.world.machine.memory_available().unwrap(), 6 << 30);
        sim.machine.update(|facts| facts.hostname = "Node-2".to_owned());
        sim.machine.set_memory_available(5);
        assert_eq!(sim.world.machine.facts().unwrap(), Facts { hostname: "Node-2".to_owned(), ..Facts::simulated() });
        assert_eq!(sim.world.machine.memory_available().unwrap(), 5);
    })
    .unwrap();
}

/// Ten connections in one run, with delays, logged by both ends: the same seed gives the same log.
#[test]
fn runs_repeat() {
    let log = || {
        run(3, Limits::default(), |sim, tasks| async move {
            let log = Arc::new(Mutex::new(Vec::new()));
            let mut listener = sim.world.net.listen(&Address::tcp("", 80)).await.unwrap();
            sim.net.disturb("*", net::Disturbance::Delay(Duration::from_millis(3)), net::Reach::All);
            for n in 0..10u8 {
                let (world, log) = (sim.world.clone(), log.clone());
                drop(tasks.spawn("client", async move {
                    let mut rng = world.random.fork(&format!("client {n}"));
                    tokio::time::sleep(Duration::from_millis(rng.next_u64() % 10)).await;
                    let mut conn = world.net.dial(&Address::tcp("localhost", 80)).await.unwrap();
                    conn.write_all(&[n]).await.unwrap();
                    log.lock().unwrap().push(format!("{} {conn:?}", world.clock.now()));
                }));
            }
            for _ in 0..10 {
                let n = listener.accept().await.unwrap().read_u8().await.unwrap();
                log.lock().unwrap().push(format!("{} heard {n}", sim.world.clock.now()));
            }
            Arc::into_inner(log).map(|log| log.into_inner().unwrap())
        })
    };
    let (one, two) = (log().unwrap().unwrap(), log().unwrap().unwrap());
    assert_eq!(one.len(), 20);
    assert_eq!(one, two);
}
