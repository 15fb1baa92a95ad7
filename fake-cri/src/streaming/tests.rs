//! Streaming sessions as clients see them, under virtual time.

use std::{sync::Arc, time::Duration};

use cri_proto::v1;
use rstest::rstest;
use world::{Tasks, sim, sim::SimWorld};

use super::spdy::{CANCEL, Frame, PROTOCOL_ERROR};
use crate::{config::Config, runtime::Runtime};
use client::{Channels, Spdy, request};

mod client;

/// A runtime with one pod and a streaming server.
struct Bench {
    sim: SimWorld,
    runtime: Arc<Runtime>,
    sandbox: String,
}

impl Bench {
    async fn new(sim: SimWorld, tasks: &Tasks) -> Self {
        let runtime = Runtime::new(sim.world.clone(), Config::default(), tasks.child("processes"));
        let runtime = Arc::new(runtime.expect("a runtime"));
        let address = super::start(&runtime, tasks).await.expect("it listens");
        runtime.set_streaming_address(Some(address));
        let metadata = v1::PodSandboxMetadata {
            name: "web".to_owned(),
            uid: "uid-web".to_owned(),
            namespace: "default".to_owned(),
            attempt: 0,
        };
        let config = v1::PodSandboxConfig { metadata: Some(metadata), ..Default::default() };
        let request = v1::RunPodSandboxRequest { config: Some(config), ..Default::default() };
        let sandbox = runtime.run_pod_sandbox(request).await.expect("a sandbox").pod_sandbox_id;
        Self { sim, runtime, sandbox }
    }

    /// Runs a container; `with` changes its configuration.
    async fn run(&self, image: &str, command: &[&str], with: impl FnOnce(&mut v1::ContainerConfig)) -> String {
        let mut config = v1::ContainerConfig {
            metadata: Some(v1::ContainerMetadata { name: format!("c-{}", command.join("-")), attempt: 0 }),
            image: Some(v1::ImageSpec { image: image.to_owned(), ..Default::default() }),
            command: command.iter().map(|w| (*w).to_owned()).collect(),
            ..Default::default()
        };
        with(&mut config);
        let request = v1::CreateContainerRequest {
            pod_sandbox_id: self.sandbox.clone(),
            config: Some(config),
            ..Default::default()
        };
        let id = self.runtime.create_container(request).await.expect("a container").container_id;
        self.runtime.start_container(&id).await.expect("it starts");
        id
    }

    async fn sleeper(&self) -> String {
        self.run("busybox", &["sleep", "1000000"], |_| {}).await
    }

    fn exec(&self, id: &str, command: &[&str], flags: &str) -> String {
        let request = v1::ExecRequest {
            container_id: id.to_owned(),
            cmd: command.iter().map(|w| (*w).to_owned()).collect(),
            tty: flags.contains('t'),
            stdin: flags.contains('i'),
            stdout: true,
            stderr: !flags.contains('t'),
        };
        self.runtime.exec_url(request).expect("a URL").url
    }

    fn attach(&self, id: &str, flags: &str) -> String {
        let request = v1::AttachRequest {
            container_id: id.to_owned(),
            tty: flags.contains('t'),
            stdin: flags.contains('i'),
            stdout: true,
            stderr: !flags.contains('t'),
        };
        self.runtime.attach_url(request).expect("a URL").url
    }

    fn forward(&self, ports: &[i32]) -> String {
        let request = v1::PortForwardRequest { pod_sandbox_id: self.sandbox.clone(), port: ports.to_vec() };
        self.runtime.port_forward_url(request).expect("a URL").url
    }

    async fn spdy(&self, url: &str, protocol: &str) -> Spdy {
        Spdy::connect(&self.sim.world.net, url, protocol).await
    }

    async fn channels(&self, url: &str, protocol: &str) -> Channels {
        Channels::connect(&self.sim.world.net, url, protocol).await
    }

    /// What a command says by ExecSync.
    async fn says(&self, id: &str, script: &str) -> String {
        let cmd = ["sh", "-c", script].map(str::to_owned).to_vec();
        let request = v1::ExecSyncRequest { container_id: id.to_owned(), cmd, timeout: 0 };
        String::from_utf8(self.runtime.exec_sync(request).await.expect("an answer").stdout).expect("text")
    }
}

fn with<F>(test: F)
where
    F: AsyncFnOnce(&Bench) + Send + 'static,
{
    sim::run(1, sim::Limits::default(), move |sim, tasks| async move {
        let bench = Bench::new(sim, &tasks).await;
        test(&bench).await;
    })
    .expect("it ends");
}

const THREE: &str = "echo out; echo err >&2; exit 3";
const STATUS: &str = r#"{"status":"Failure","message":"command terminated with non-zero exit code: error executing command [sh -c echo out; echo err >&2; exit 3], exit code 3","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
const TEXT: &str = "command terminated with non-zero exit code: error executing command [sh -c echo out; echo err >&2; exit 3], exit code 3";

#[rstest]
#[case("v4.channel.k8s.io", STATUS)]
#[case("v3.channel.k8s.io", TEXT)]
#[case("v2.channel.k8s.io", TEXT)]
#[case("channel.k8s.io", TEXT)]
fn exec_tells_streams_and_status_apart(#[case] protocol: &'static str, #[case] status: &'static str) {
    with(async move |b| {
        let id = b.sleeper().await;
        let mut client = b.spdy(&b.exec(&id, &["sh", "-c", THREE], ""), protocol).await;
        let [error, out, err] =
            [client.stream("error").await, client.stream("stdout").await, client.stream("stderr").await];
        client.finish().await;
        assert_eq!(client.replies, [error, out, err]);
        assert_eq!((client.text(out), client.text(err)), ("out\n".to_owned(), "err\n".to_owned()));
        assert_eq!(client.text(error), status);
        assert!(client.got[&out].fin && client.got[&err].fin);
        assert_eq!(client.goaway, Some(0));
    });
}

#[test]
fn what_cannot_be_run_is_told_on_the_error_stream() {
    with(async |b| {
        let id = b.sleeper().await;
        let mut client = b.spdy(&b.exec(&id, &["nosuch"], ""), "v4.channel.k8s.io").await;
        let error = client.stream("error").await;
        client.stream("stdout").await;
        client.stream("stderr").await;
        client.finish().await;
        assert_eq!(
            client.text(error),
            r#"{"status":"Failure","message":"Internal error occurred: error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH: unknown","reason":"InternalError","code":500}"#
        );
    });
}

#[test]
fn a_megabyte_goes_through_and_ends_with_the_input() {
    with(async |b| {
        let id = b.sleeper().await;
        let mut client = b.spdy(&b.exec(&id, &["cat"], "i"), "v4.channel.k8s.io").await;
        let error = client.stream("error").await;
        let [stdin, out, _] =
            [client.stream("stdin").await, client.stream("stdout").await, client.stream("stderr").await];
        let piece: Vec<u8> = (0..16384u32).map(|n| (n % 251) as u8).collect();
        for n in 1..=64 {
            client.write(stdin, &piece, false).await;
            while client.got.get(&out).map_or(0, |g| g.bytes.len()) < n * piece.len() {
                assert!(client.step().await);
            }
        }
        client.write(stdin, b"end", true).await;
        client.finish().await;
        assert_eq!(client.got[&out].bytes.len(), 64 * piece.len() + 3);
        assert!(client.got[&out].bytes.ends_with(b"end"));
        assert_eq!(client.text(error), r#"{"status":"Success"}"#);
    });
}

#[test]
fn a_shell_on_a_terminal_answers_as_it_does_at_a_desk() {
    with(async |b| {
        let id = b.sleeper().await;
        let mut client = b.spdy(&b.exec(&id, &["sh"], "it"), "v4.channel.k8s.io").await;
        let error = client.stream("error").await;
        let [stdin, out, resize] =
            [client.stream("stdin").await, client.stream("stdout").await, client.stream("resize").await];
        client.until(out, "/ # ").await;
        client.write(resize, br#"{"Width":90,"Height":30}"#, false).await;
        client.write(stdin, b"stty size; echo $COLUMNS\r", false).await;
        client.until(out, "30 90\r\n90\r\n/ # ").await;
        client.write(stdin, b"sleep 1000\r", false).await;
        client.until(out, "sleep 1000\r\n").await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        client.write(stdin, b"\x03", false).await;
        client.until(out, "^C\r\n/ # ").await;
        client.write(stdin, b"echo s=$?; sleep 2000 &\r", false).await;
        client.until(out, "s=130\r\n").await;
        client.write(stdin, b"\x03", false).await;
        client.until(out, "s=130\r\n/ # ^C\r\n/ # ").await;
        client.write(stdin, b"echo '\r", false).await;
        client.until(out, "echo '\r\n> ").await;
        client.write(stdin, b"x'\r", false).await;
        client.until(out, "x'\r\n\r\nx\r\n/ # ").await;
        client.write(stdin, b"echo ${a?b}\r", false).await;
        client.until(out, "sh: a: b\r\n/ # ").await;
        assert!(b.says(&id, "ps").await.contains("sleep 2000"), "^C leaves the background alone");
        client.write(stdin, b"exit 7\r", false).await;
        client.finish().await;
        assert!(client.text(error).contains(r#"{"reason":"ExitCode","message":"7"}"#), "{}", client.text(error));
    });
}

#[test]
fn a_command_ends_with_its_client() {
    with(async |b| {
        let id = b.sleeper().await;
        for flags in ["", "it"] {
            let mut client =
                b.spdy(&b.exec(&id, &["sh", "-c", "sleep 77 & sleep 77"], flags), "v4.channel.k8s.io").await;
            for kind in ["error", "stdout", if flags.is_empty() { "stderr" } else { "stdin" }] {
                client.stream(kind).await;
            }
            if flags == "it" {
                client.stream("resize").await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(
                b.says(&id, "pgrep -f 'sleep 77' | wc -l").await.trim(),
                "4",
                "two, their shell, and this one's"
            );
            drop(client);
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(b.says(&id, "pgrep -x sleep | wc -l").await.trim(), "1", "only the container's own");
        }
    });
}

#[test]
fn attached_clients_see_what_is_written_from_then_on() {
    with(async |b| {
        let id =
            b.run("busybox", &["sh", "-c", "n=0; while true; do echo n$n; n=$((n+1)); sleep 1; done"], |_| {}).await;
        tokio::time::sleep(Duration::from_millis(3500)).await;
        let mut client = b.spdy(&b.attach(&id, ""), "v4.channel.k8s.io").await;
        let error = client.stream("error").await;
        let [out, _] = [client.stream("stdout").await, client.stream("stderr").await];
        client.until(out, "n6\n").await;
        assert_eq!(client.text(out), "n4\nn5\nn6\n");
        b.runtime.stop_container(&id, 0).await.expect("it stops");
        client.finish().await;
        assert_eq!(client.text(error), r#"{"status":"Success"}"#);
    });
}

#[rstest]
#[case::once(true, true)]
#[case::again(false, false)]
fn input_of_a_container_ends_once_or_stays(#[case] once: bool, #[case] ends: bool) {
    with(async move |b| {
        let id = b
            .run("busybox", &["sh"], |c| {
                c.stdin = true;
                c.stdin_once = once;
            })
            .await;
        let mut client = b.spdy(&b.attach(&id, "i"), "v4.channel.k8s.io").await;
        client.stream("error").await;
        let [stdin, out, err] =
            [client.stream("stdin").await, client.stream("stdout").await, client.stream("stderr").await];
        client.write(stdin, b"echo -n hello\n", false).await;
        client.until(out, "hello").await;
        client.write(stdin, b"", true).await;
        client.finish().await;
        assert_eq!((client.text(out), client.text(err)), ("hello".to_owned(), String::new()), "no prompt, no echo");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let state = b.runtime.container(&id).expect("it is there").state;
        assert_eq!(state == v1::ContainerState::ContainerExited, ends);
    });
}

#[test]
fn a_client_that_never_reads_stops_neither_the_container_nor_its_end() {
    with(async |b| {
        let id = b.run("busybox", &["sh", "-c", "yes | head -n 600000; sleep 1000"], |_| {}).await;
        let mut client = b.spdy(&b.attach(&id, ""), "v4.channel.k8s.io").await;
        for kind in ["error", "stdout", "stderr"] {
            client.stream(kind).await;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(b.says(&id, "pgrep head | wc -l").await.trim(), "0", "it went on without the client");
        tokio::time::timeout(Duration::from_secs(20), b.runtime.stop_container(&id, 10))
            .await
            .expect("it stops")
            .expect("ok");
    });
}

#[test]
fn ports_are_forwarded_side_by_side_and_refusals_told() {
    with(async |b| {
        b.run("nginx", &[], |_| {}).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut client = b.spdy(&b.forward(&[]), "portforward.k8s.io").await;
        let mut pairs = Vec::new();
        for (request, port) in [("0", "80"), ("1", "81"), ("", "80")] {
            let both = [("port", port), ("requestID", request)];
            let error = client.open(&[both[0], both[1], ("streamType", "error")]).await;
            let data = client.open(&[both[0], both[1], ("streamType", "data")]).await;
            client.write(data, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", false).await;
            pairs.push((error, data));
        }
        for (error, data) in [pairs[0], pairs[2]] {
            client.until(data, "Welcome to nginx!").await;
            while !client.got.get(&error).is_some_and(|g| g.fin) {
                assert!(client.step().await);
            }
            assert_eq!(client.text(error), "");
        }
        let (error, data) = pairs[1];
        while client.got.get(&data).and_then(|g| g.reset).is_none() {
            assert!(client.step().await);
        }
        let why = client.text(error);
        let start =
            format!("error forwarding port 81 to pod {}, uid : failed to execute portforward in network", b.sandbox);
        assert!(why.starts_with(&start) && why.contains("127.0.0.1:81: connect: connection refused"), "{why}");
        let bad = client.open(&[("port", "0"), ("streamType", "data")]).await;
        while client.got.get(&bad).and_then(|g| g.reset) != Some(CANCEL) {
            assert!(client.step().await);
        }
        let late = client.open(&[("port", "80"), ("requestID", "9"), ("streamType", "error")]).await;
        client.until(late, "timed out waiting for streams").await;
    });
}

#[test]
fn websocket_input_ends_in_version_five() {
    with(async |b| {
        let id = b.sleeper().await;
        let mut client = b.channels(&b.exec(&id, &["cat"], "i"), "v5.channel.k8s.io").await;
        client.send(b"\x00ls").await;
        client.send(&[255, 0]).await;
        client.finish().await;
        assert_eq!((client.text(1), client.text(3)), ("ls".to_owned(), r#"{"status":"Success"}"#.to_owned()));
    });
}

#[rstest]
#[case("v4.channel.k8s.io", 1, 3, "out\n", STATUS)]
#[case("channel.k8s.io", 1, 3, "out\n", TEXT)]
#[case("v4.base64.channel.k8s.io", b'1', b'3', "b3V0Cg==", "")]
fn older_websocket_protocols(
    #[case] protocol: &'static str,
    #[case] stdout: u8,
    #[case] error: u8,
    #[case] out: &'static str,
    #[case] status: &'static str,
) {
    with(async move |b| {
        let id = b.sleeper().await;
        let mut client = b.channels(&b.exec(&id, &["sh", "-c", THREE], ""), protocol).await;
        client.finish().await;
        assert_eq!(client.text(stdout), out);
        assert!(client.text(error).starts_with(status) && !client.text(error).is_empty());
    });
}

#[test]
fn websocket_carries_forwarded_ports_both_ways() {
    with(async |b| {
        b.run("nginx", &[], |_| {}).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut client = b.channels(&b.forward(&[80, 81]), "v4.channel.k8s.io").await;
        client.send(b"\x00GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await;
        client.finish().await;
        assert!(client.got[&0].starts_with(&[80, 0]) && client.got[&2] == [81, 0]);
        assert!(client.text(0).contains("Welcome to nginx!"));
        assert!(client.got[&1] == [80, 0] && client.text(3).contains("connection refused"), "{}", client.text(3));

        let socket = client::websocket(&b.sim.world.net, &b.forward(&[]), "SPDY/3.1+portforward.k8s.io").await;
        let (inner, outer) = tokio::io::duplex(65536);
        let mut spdy = Spdy::over(inner);
        let pump = client_pump(socket, outer);
        let talk = async {
            let error = spdy.open(&[("port", "80"), ("requestID", "0"), ("streamType", "error")]).await;
            let data = spdy.open(&[("port", "80"), ("requestID", "0"), ("streamType", "data")]).await;
            spdy.write(data, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", false).await;
            spdy.until(data, "Welcome to nginx!").await;
            assert_eq!(spdy.text(error), "");
        };
        tokio::select! { biased; () = talk => {}, () = pump => panic!("the tunnel closed") }
    });
}

/// Carries bytes between a pipe and binary messages.
async fn client_pump(socket: tokio_tungstenite::WebSocketStream<world::net::Conn>, outer: tokio::io::DuplexStream) {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut to, mut from) = socket.split();
    let (mut reader, mut writer) = tokio::io::split(outer);
    let up = async {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = reader.read(&mut buffer).await {
            let message = tokio_tungstenite::tungstenite::Message::binary(buffer[..n].to_vec());
            to.send(message).await.expect("it reads");
        }
    };
    let down = async {
        while let Some(Ok(message)) = from.next().await {
            writer.write_all(&message.into_data()).await.expect("a pipe");
        }
    };
    tokio::join!(biased; up, down);
}

#[test]
fn urls_are_good_once_and_for_what_they_were_made() {
    with(async |b| {
        let net = &b.sim.world.net;
        let id = b.sleeper().await;
        let url = b.exec(&id, &["true"], "");
        let other = url.replace("/exec/", "/attach/");
        assert!(request(net, &other, "").await.1.starts_with("HTTP/1.1 404 "));
        assert!(request(net, &url, "").await.1.starts_with("HTTP/1.1 404 "), "shown at the wrong door, it is used up");
        let url = b.exec(&id, &["true"], "");
        assert!(request(net, &url, "").await.1.starts_with("HTTP/1.1 400 "));
        let url = b.exec(&id, &["true"], "");
        let refused = request(net, &url, "X-Stream-Protocol-Version: v9\r\n").await.1.to_lowercase();
        assert!(refused.starts_with("http/1.1 403 "), "{refused}");
        assert!(refused.contains("x-accepted-stream-protocol-versions: v4.channel.k8s.io\r\n"), "{refused}");
        assert!(request(net, &url.replace("/exec/", "/"), "").await.1.starts_with("HTTP/1.1 404 "));
    });
}

#[rstest]
#[case::no_id("", false, true, true, "missing required container_id")]
#[case::both("x", true, true, true, "tty and stderr cannot both be true")]
#[case::none("x", true, false, false, "one of stdin, stdout, or stderr must be set")]
fn requests_are_checked(
    #[case] id: &'static str,
    #[case] tty: bool,
    #[case] stdout: bool,
    #[case] stderr: bool,
    #[case] why: &'static str,
) {
    with(async move |b| {
        let request = v1::ExecRequest { container_id: id.to_owned(), tty, stdout, stderr, ..Default::default() };
        let error = b.runtime.exec_url(request).unwrap_err();
        assert_eq!((error.code(), error.message()), (tonic::Code::InvalidArgument, why));
        let request = v1::ExecRequest { container_id: "x".to_owned(), stdout: true, ..Default::default() };
        assert_eq!(b.runtime.exec_url(request).unwrap_err().code(), tonic::Code::NotFound);
        let id = b.run("busybox", &["true"], |_| {}).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let request = v1::AttachRequest { container_id: id, stdout: true, ..Default::default() };
        assert_eq!(b.runtime.attach_url(request).unwrap_err().message(), "container is in CONTAINER_EXITED state");
        let request = v1::PortForwardRequest::default();
        assert_eq!(b.runtime.port_forward_url(request).unwrap_err().code(), tonic::Code::InvalidArgument);
    });
}

#[test]
fn clients_that_ask_and_then_open_nothing_are_let_go() {
    with(async |b| {
        let id = b.sleeper().await;
        let mut client = b.spdy(&b.exec(&id, &["true"], ""), "v4.channel.k8s.io").await;
        client.stream("error").await;
        client.send(&Frame::Ping(1)).await;
        let began = tokio::time::Instant::now();
        client.finish().await;
        assert_eq!((began.elapsed().as_secs(), client.pings.as_slice(), client.goaway), (30, &[1][..], Some(0)));
    });
}

#[test]
fn what_is_no_spdy_ends_the_connection_and_nothing_else() {
    use tokio::io::AsyncWriteExt as _;
    with(async |b| {
        let id = b.sleeper().await;
        for seed in 0..40u32 {
            let mut client = b.spdy(&b.exec(&id, &["cat"], "i"), "v4.channel.k8s.io").await;
            let mut streams = Vec::new();
            for kind in ["error", "stdin", "stdout", "stderr"] {
                streams.push(client.stream(kind).await);
            }
            let garbage: Vec<u8> = (0..200u32).map(|n| (n * n * 31 + seed * 7919 + n * seed) as u8).collect();
            client.conn.write_all(&[0x80, 3, 0, (seed % 12) as u8, 0, 0, 0, 40]).await.expect("it reads");
            let _ = client.conn.write_all(&garbage).await;
            let _ = client.conn.shutdown().await;
            let ended = tokio::time::timeout(Duration::from_secs(60), client.finish()).await;
            assert!(ended.is_ok(), "seed {seed}");
            assert!(matches!(client.goaway, None | Some(0 | PROTOCOL_ERROR)));
        }
        assert_eq!(b.says(&id, "pgrep cat | wc -l").await.trim(), "0", "every command went with its client");
    });
}

#[test]
fn two_hundred_clients_at_once_are_served() {
    with(async |b| {
        let id = b.sleeper().await;
        let sessions = (0..200).map(|n| {
            let url = b.exec(&id, &["sh", "-c", "cat; exit 1"], "i");
            async move {
                let mut client = b.spdy(&url, "v4.channel.k8s.io").await;
                let error = client.stream("error").await;
                let [stdin, out, _] =
                    [client.stream("stdin").await, client.stream("stdout").await, client.stream("stderr").await];
                let text = format!("client {n}\n").repeat(1000);
                client.write(stdin, text.as_bytes(), true).await;
                client.finish().await;
                assert_eq!(client.text(out), text);
                assert!(client.text(error).contains("NonZeroExitCode"), "{}", client.text(error));
            }
        });
        futures_util::future::join_all(sessions).await;
        assert_eq!(b.says(&id, "pgrep -x cat | wc -l").await.trim(), "0");
    });
}
