//! HTTPS against a simulated server: who is trusted, and Go's words when nobody vouches.

use fake_cri::os::tls::{CERTIFICATE, Tls};
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::{Tasks, World, sim::SimWorld};

use super::*;
use crate::httpget::{Get, Redirects, Url};

/// A server that answers `hello` to everything, with TLS or without.
async fn serve(world: &World, address: &str, tls: Option<Tls>, tasks: &Tasks) {
    let mut listener = world.net.listen(&address.parse().unwrap()).await.unwrap();
    drop(tasks.spawn("server", async move {
        while let Ok(conn) = listener.accept().await {
            let conn = match &tls {
                Some(tls) => tls.accept(conn).await,
                None => Ok(conn),
            };
            let Ok(mut conn) = conn else { continue };
            let _ = conn.read(&mut [0; 1024]).await;
            let _ = conn.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
            let _ = conn.shutdown().await;
        }
    }));
}

async fn ask(world: &World, host: &str, trust: Trust) -> String {
    let get = Get {
        url: Url::new(true, host, 443, "/"),
        headers: Vec::new(),
        packed: false,
        trust,
        redirects: Redirects::Follow,
        timeout: Duration::from_secs(5),
        limit: 100,
    };
    match get.send(&world.net).await {
        Ok(answer) => String::from_utf8(answer.body).unwrap(),
        Err(error) => error.to_string(),
    }
}

#[rstest]
#[case::anyone_will_do("10.0.0.1", None, 0, "hello")]
#[case::vouched_for("127.0.0.1", Some(true), 0, "hello")]
#[case::unknown(
    "127.0.0.1",
    Some(false),
    0,
    "Get \"https://127.0.0.1:443/\": tls: failed to verify certificate: x509: certificate signed by unknown authority"
)]
#[case::too_late(
    "127.0.0.1",
    Some(true),
    100,
    "Get \"https://127.0.0.1:443/\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid"
)]
#[case::another_host(
    "10.0.0.1",
    Some(true),
    0,
    "Get \"https://10.0.0.1:443/\": tls: failed to verify certificate: x509: certificate is not valid for the host asked for"
)]
#[tokio::test(start_paused = true)]
async fn who_is_trusted(#[case] host: &str, #[case] bundle: Option<bool>, #[case] years: i64, #[case] told: &str) {
    let tasks = Tasks::root("test");
    let sim = SimWorld::new(1, &tasks);
    let world = &sim.world;
    serve(world, &format!("{host}:443"), Some(Tls::server()), &tasks).await;
    world.clock.step(jiff::SignedDuration::from_hours(years * 366 * 24));
    if bundle == Some(true) {
        world.files.create_dir_all(Path::new("/etc/ssl/certs"), 0o755).unwrap();
        let text = format!("# a remark\n{CERTIFICATE}");
        world.files.write(Path::new("/etc/ssl/certs/ca-certificates.crt"), text.as_bytes(), 0o644).unwrap();
    }
    let trust = match bundle {
        None => Trust::Anyone,
        Some(_) => Trust::Authorities(Arc::new(Authorities::of_host(&world.files, world.clock.clone()))),
    };
    assert_eq!(ask(world, host, trust).await, told);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_tls_is_told_from_a_broken_one() {
    let tasks = Tasks::root("test");
    let sim = SimWorld::new(1, &tasks);
    serve(&sim.world, "10.0.0.1:443", None, &tasks).await;
    let told = ask(&sim.world, "10.0.0.1", Trust::Anyone).await;
    assert_eq!(told, format!("Get \"https://10.0.0.1:443/\": {PLAIN_ANSWER}"));
}
