//! The servers over the simulated network, held against answers of the real kubelet.

use std::sync::Mutex;

use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::sim::{self, Limits, SimWorld};

use super::*;
use crate::config::{Invocation, load};

/// A kubelet with these pods that is as healthy as told.
struct Shown {
    pods: Vec<Arc<Pod>>,
    healthy: Mutex<Result<(), String>>,
}

impl KubeletView for Shown {
    fn pods(&self) -> Vec<Arc<Pod>> {
        self.pods.clone()
    }

    fn sync_loop_healthy(&self) -> Result<(), String> {
        self.healthy.lock().unwrap().clone()
    }

    fn running_pods(&self) -> BoxFuture<'_, Result<Vec<Pod>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

fn config(world: &World, args: &[&str]) -> Arc<KubeletConfig> {
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    match load(world, &args).unwrap() {
        Invocation::Run(loaded) => Arc::new(loaded.config),
        Invocation::Print(text) => panic!("printed {text}"),
    }
}

async fn started(sim: &SimWorld, tasks: &Tasks, view: Shown) -> Server {
    let config = config(&sim.world, &["--enable-server=false", "--address=127.0.0.1"]);
    let server = Server::start(&sim.world, &config, Arc::new(view), tasks).await.unwrap();
    tokio::task::yield_now().await;
    server
}

fn healthy() -> Shown {
    Shown { pods: Vec::new(), healthy: Mutex::new(Ok(())) }
}

/// Head and body of the answer to one request.
async fn ask(world: &World, port: u16, request: &str) -> (String, String) {
    let mut conn = world.net.dial(&address("127.0.0.1", port)).await.unwrap();
    let (line, extra) = request.split_once('\n').unwrap_or((request, ""));
    let text = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{extra}Connection: close\r\n\r\n");
    conn.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    conn.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The status and the headers of a recorded HTTP/2 head that say something about the answer and not about the hour.
fn recorded_head(text: &str) -> (String, Vec<String>) {
    let mut lines = text.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers = lines.filter(|l| !l.is_empty() && !l.starts_with("date:")).map(str::to_owned).collect();
    (status, headers)
}

fn told_head(text: &str) -> (String, Vec<String>) {
    let mut lines = text.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers = lines
        .map(|l| l.split_once(": ").unwrap())
        .filter(|(name, _)| !matches!(*name, "Date" | "Connection"))
        .map(|(name, value)| format!("{}: {value}", name.to_lowercase()))
        .collect();
    (status, headers)
}

macro_rules! recorded {
    ($name:literal) => {
        (include_str!(concat!("fixtures/", $name, ".head")), include_str!(concat!("fixtures/", $name, ".body")))
    };
}

#[rstest]
#[case(10255, "GET /healthz", recorded!("healthz"))]
#[case(10255, "POST /healthz", recorded!("healthz"))]
#[case(10255, "GET /healthz?verbose", recorded!("healthz-verbose"))]
#[case(10255, "GET /healthz?verbose=true&exclude=ping", recorded!("healthz-exclude"))]
#[case(10255, "GET /healthz/ping", recorded!("healthz-ping"))]
#[case(10255, "GET /healthz/syncloop", recorded!("healthz-syncloop"))]
#[case(10255, "GET /healthz/nosuch", recorded!("healthz-none"))]
#[case(10255, "GET /nothere", recorded!("nothere"))]
#[case(10255, "GET /", recorded!("root"))]
#[case(10255, "GET /spec", recorded!("spec"))]
#[case(10255, "POST /pods", recorded!("pods-post"))]
#[case(10248, "GET /healthz", recorded!("healthz"))]
#[case(10248, "GET /healthz/ping", recorded!("healthz-ping"))]
#[case(10248, "GET /healthz/syncloop", recorded!("healthz-none"))]
#[case(10248, "GET /pods", recorded!("nothere"))]
fn answers_as_the_real_kubelet(
    #[case] port: u16,
    #[case] request: &'static str,
    #[case] recorded: (&'static str, &'static str),
) {
    sim::run(1, Limits::default(), move |sim, tasks| async move {
        started(&sim, &tasks, healthy()).await;
        let (head, body) = ask(&sim.world, port, request).await;
        let (status, mut headers) = recorded_head(recorded.0);
        let (told_status, mut told) = told_head(&head);
        headers.sort();
        told.sort();
        assert_eq!((told_status, told, body.as_str()), (status, headers, recorded.1), "{head}");
    })
    .unwrap();
}

/// Bodies that the real kubelet's read-only server gave.
#[rstest]
#[case("/healthz", 200, include_str!("fixtures/ro-healthz.body"))]
#[case("/configz", 404, include_str!("fixtures/ro-configz.body"))]
#[case("/flagz", 404, include_str!("fixtures/ro-flagz.body"))]
#[case("/statusz", 404, include_str!("fixtures/ro-statusz.body"))]
#[case("/checkpoint/default/a/b", 404, include_str!("fixtures/ro-checkpoint_default_a_b.body"))]
#[case("/logs/", 405, include_str!("fixtures/ro-logs_.body"))]
#[case("/runningpods/", 405, include_str!("fixtures/ro-runningpods_.body"))]
#[case("/exec/default/a/b", 405, include_str!("fixtures/ro-exec_default_a_b.body"))]
#[case("/debug/pprof/", 405, include_str!("fixtures/ro-debug_pprof_.body"))]
#[case("/containerLogs/default/probes-node1/web", 405, include_str!("fixtures/ro-containerLogs_default_probes-node1_web.body"))]
fn the_read_only_server_does_nothing_dangerous(
    #[case] path: &'static str,
    #[case] status: u16,
    #[case] body: &'static str,
) {
    sim::run(1, Limits::default(), move |sim, tasks| async move {
        started(&sim, &tasks, healthy()).await;
        let (head, told) = ask(&sim.world, 10255, &format!("GET {path}")).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert_eq!(told, body);
    })
    .unwrap();
}

/// Whole answers, for the paths that were not recorded: what Go's libraries make of them.
#[test]
fn whole_answers() {
    let out = sim::run(1, Limits::default(), |sim, tasks| async move {
        started(
            &sim,
            &tasks,
            Shown { healthy: Mutex::new(Err("sync Loop took longer than expected".to_owned())), ..healthy() },
        )
        .await;
        let mut out = String::new();
        for request in [
            "GET /healthz",
            "GET /healthz?exclude=syncloop&exclude=zzz&exclude=abc&verbose",
            "GET /healthz/syncloop",
            "GET /pods",
            "GET /pods/",
            "GET /pods/x",
            "GET /pods\nAccept: text/html, text/plain\r\n",
            "GET /pods\nAccept: text/html, application/json;q=0.9\r\n",
            "GET //pods?x=1",
            "GET /runningpods",
            "POST /logs",
            "GET /stats/summary",
            "GET /stats/x",
            "HEAD /healthz",
        ] {
            let (head, body) = ask(&sim.world, 10255, request).await;
            out.push_str(&format!(
                "> {}\n{}\n\n{body}\n\n",
                request.trim_end().replace('\n', " | "),
                head.replace("\r\n", "\n")
            ));
        }
        out
    })
    .unwrap();
    insta::assert_snapshot!(out);
}

#[test]
fn a_long_list_is_sent_in_chunks() {
    sim::run(1, Limits::default(), |sim, tasks| async move {
        let mut pod = Pod::default();
        pod.metadata.name = Some("n".repeat(3000));
        started(&sim, &tasks, Shown { pods: vec![Arc::new(pod)], ..healthy() }).await;
        let (head, body) = ask(&sim.world, 10255, "GET /pods").await;
        assert!(head.contains("Transfer-Encoding: chunked") && !head.contains("Content-Length"), "{head}");
        assert!(body.contains(&"n".repeat(3000)));
    })
    .unwrap();
}

#[test]
fn a_connection_serves_many_requests() {
    sim::run(1, Limits::default(), |sim, tasks| async move {
        started(&sim, &tasks, healthy()).await;
        let mut conn = sim.world.net.dial(&address("127.0.0.1", 10248)).await.unwrap();
        for _ in 0..2 {
            conn.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut bytes = [0; 512];
            let n = conn.read(&mut bytes).await.unwrap();
            assert!(bytes[..n].ends_with(b"\r\n\r\nok"), "{}", String::from_utf8_lossy(&bytes[..n]));
        }
    })
    .unwrap();
}

#[test]
fn only_what_was_asked_for_is_bound() {
    sim::run(1, Limits::default(), |sim, tasks| async move {
        let config = config(&sim.world, &["--enable-server=false", "--read-only-port=0", "--healthz-port=0"]);
        let server = Server::start(&sim.world, &config, Arc::new(healthy()), &tasks).await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!((server.read_only, sim.net.listening()), (None, Vec::new()));
    })
    .unwrap();
}

#[test]
fn a_read_only_port_in_use_is_an_error_that_says_what_to_do() {
    let text = sim::run(1, Limits::default(), |sim, tasks| async move {
        let _taken = sim.world.net.listen(&address("127.0.0.1", 10255)).await.unwrap();
        let config = config(&sim.world, &["--enable-server=false", "--address=127.0.0.1"]);
        Server::start(&sim.world, &config, Arc::new(healthy()), &tasks).await.unwrap_err().to_string()
    })
    .unwrap();
    insta::assert_snapshot!(text, @"listen tcp 127.0.0.1:10255: bind: address already in use (readOnlyPort in the configuration asks for it: see who has it with `ss -ltnp`, then stop that or choose another readOnlyPort)");
}

#[test]
fn a_healthz_port_in_use_is_tried_again_until_it_is_free() {
    sim::run(1, Limits::default(), |sim, tasks| async move {
        let taken = sim.world.net.listen(&address("127.0.0.1", 10248)).await.unwrap();
        started(&sim, &tasks, healthy()).await;
        tokio::time::sleep(Duration::from_secs(12)).await;
        drop(taken);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(ask(&sim.world, 10248, "GET /healthz").await.1.ends_with("ok"));
    })
    .unwrap();
}
