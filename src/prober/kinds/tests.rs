//! Tests of single probes: HTTP headers and verdicts, and the grpc probe against a health server.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rstest::rstest;
use serde_json::{Value, json};
use world::{Tasks, sim::SimWorld};

use super::*;
use crate::httpget::testing::{Script, Server, reply};

async fn probe(sim: &SimWorld, tasks: &Tasks, probe: Value) -> Result<Verdict, String> {
    let endpoints = crate::cri::Endpoints {
        runtime: Address::unix("/run/none.sock"),
        image: Address::unix("/run/none.sock"),
        timeout: Duration::from_secs(1),
    };
    let cri = CriClient::new(&sim.world.net, &endpoints, tasks);
    let container = Container { name: "c".to_owned(), ..Container::default() };
    let target = Target { container: &container, id: "1", pod_ip: "10.0.0.1", timeout: Duration::from_secs(2) };
    run(&sim.world.net, &cri, &serde_json::from_value(probe).unwrap(), &target).await
}

#[rstest]
#[case::ok(reply("200 OK", "", "x"), Verdict::Success)]
#[case::last_good(reply("399 Odd", "", "x"), Verdict::Warning("Probe terminated redirects, Response body: x".to_owned()))]
#[case::away(reply("302 Found", "Location: http://example.com/\r\n", "go"), Verdict::Warning("Probe terminated redirects, Response body: go".to_owned()))]
#[case::loops(reply("302 Found", "Location: /\r\n", ""), Verdict::Failure("Get \"http://10.0.0.1:80/\": stopped after 10 redirects".to_owned()))]
#[case::missing(reply("404 Not Found", "", ""), Verdict::Failure("HTTP probe failed with statuscode: 404".to_owned()))]
#[case::closed(Script::Raw(String::new()), Verdict::Failure("Get \"http://10.0.0.1:80/\": EOF".to_owned()))]
#[tokio::test(start_paused = true)]
async fn http_verdicts(#[case] script: Script, #[case] verdict: Verdict) {
    let tasks = Tasks::root("test");
    let sim = SimWorld::new(1, &tasks);
    let _server = Server::start(&sim.world.net, "10.0.0.1:80", script, &tasks).await;
    assert_eq!(probe(&sim, &tasks, json!({"httpGet": {"port": 80, "path": "/"}})).await, Ok(verdict));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_no_verdict() {
    let tasks = Tasks::root("test");
    let sim = SimWorld::new(1, &tasks);
    let script = Script::Raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".to_owned());
    let _server = Server::start(&sim.world.net, "10.0.0.1:80", script, &tasks).await;
    assert_eq!(probe(&sim, &tasks, json!({"httpGet": {"port": 80}})).await, Err("unexpected EOF".to_owned()));
}

#[rstest]
#[case(&[], &[("User-Agent", "kube-probe/1.36"), ("Accept", "*/*")])]
#[case(&[("accept", "text/html"), ("X", "1")], &[("User-Agent", "kube-probe/1.36"), ("accept", "text/html"), ("X", "1")])]
#[case(&[("Accept", ""), ("user-agent", "me")], &[("user-agent", "me")])]
fn http_headers(#[case] given: &[(&str, &str)], #[case] sent: &[(&str, &str)]) {
    let own = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let mut expected = own(sent);
    expected.push(("Connection".to_owned(), "close".to_owned()));
    assert_eq!(headers(own(given)), expected);
}

#[rstest]
#[case::named(json!({"tcpSocket": {"port": "web"}}), "strconv.Atoi: parsing \"web\": invalid syntax")]
#[case::nothing(json!({}), "missing probe handler for c")]
#[tokio::test(start_paused = true)]
async fn what_cannot_be_carried_out(#[case] what: Value, #[case] error: &str) {
    let tasks = Tasks::root("test");
    let sim = SimWorld::new(1, &tasks);
    assert_eq!(probe(&sim, &tasks, what).await, Err(error.to_owned()));
}

#[derive(Clone)]
struct Exec(Tasks);

impl<F> hyper::rt::Executor<F> for Exec
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(self.0.spawn("h2", future));
    }
}

/// What the health server answers: a serving status, a gRPC code, or nothing for ever.
#[derive(Clone, Copy, Debug)]
enum Health {
    Status(u8),
    Code(&'static str),
    Hang,
}

async fn answer(
    health: Health,
    request: http::Request<Incoming>,
) -> Result<http::Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>, Infallible> {
    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
    assert!(request.headers()["user-agent"].to_str().unwrap().starts_with("kube-probe/1.36"));
    let body = request.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], b"\x00\x00\x00\x00\x04\x0a\x02db");
    let (message, code) = match health {
        Health::Status(status) => (vec![0, 0, 0, 0, 2, 8, status], "0"),
        Health::Code(code) => (Vec::new(), code),
        Health::Hang => std::future::pending().await,
    };
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static(code));
    trailers.insert("grpc-message", http::HeaderValue::from_static("words"));
    let body = Full::new(Bytes::from(message)).with_trailers(async move { Some(Ok(trailers)) }).boxed();
    Ok(http::Response::builder().header("content-type", "application/grpc").body(body).unwrap())
}

#[rstest]
#[case(Some(Health::Status(1)), Verdict::Success)]
#[case(Some(Health::Status(2)), Verdict::Failure("service unhealthy (responded with \"NOT_SERVING\")".to_owned()))]
#[case(Some(Health::Code("12")), Verdict::Failure("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): words".to_owned()))]
#[case(Some(Health::Code("5")), Verdict::Failure("error: health rpc probe failed: rpc error: code = NotFound desc = words".to_owned()))]
#[case(Some(Health::Hang), Verdict::Failure("timeout: health rpc did not complete within 2s".to_owned()))]
#[case(None, Verdict::Failure("timeout: failed to connect service \"10.0.0.1:50051\" within 2s: context deadline exceeded".to_owned()))]
#[tokio::test(start_paused = true)]
async fn grpc_verdicts(#[case] health: Option<Health>, #[case] verdict: Verdict) {
    let tasks = Tasks::root("test");
    let sim = SimWorld::new(1, &tasks);
    if let Some(health) = health {
        let mut listener = sim.world.net.listen(&Address::tcp("10.0.0.1", 50051)).await.unwrap();
        let group = tasks.clone();
        drop(tasks.spawn("health", async move {
            while let Ok(conn) = listener.accept().await {
                let service = service_fn(move |request| answer(health, request));
                let served = hyper::server::conn::http2::Builder::new(Exec(group.clone()))
                    .serve_connection(TokioIo::new(conn), service);
                drop(group.spawn("health-connection", served));
            }
        }));
    }
    assert_eq!(probe(&sim, &tasks, json!({"grpc": {"port": 50051, "service": "db"}})).await, Ok(verdict));
    tasks.shutdown().await;
}
