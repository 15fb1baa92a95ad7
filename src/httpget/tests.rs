//! Tests of GET against a scripted server: what is sent, what comes of each answer, Go's words for failures.

use rstest::rstest;
use world::{Tasks, sim::SimWorld};

use super::{
    testing::{Script, Server, reply},
    *,
};

fn get(url: &str, redirects: Redirects) -> Get {
    Get {
        url: Url::parse(url).unwrap(),
        headers: vec![("X-One".to_owned(), "1".to_owned())],
        packed: false,
        trust: Trust::Anyone,
        redirects,
        timeout: Duration::from_secs(1),
        limit: 4,
    }
}

#[rstest]
#[case::fine(reply("200 OK", "", "body"), "200 body")]
#[case::long(reply("200 OK", "", "bodybody"), "200 body cut")]
#[case::error(reply("503 Service Unavailable", "", ""), "503 ")]
#[case::no_location(reply("302 Found", "", "x"), "302 x")]
#[case::loops(
    reply("302 Found", "Location: /again\r\n", ""),
    "Get \"http://10.0.0.1:80/again\": stopped after 10 redirects"
)]
#[case::elsewhere(reply("302 Found", "Location: http://10.0.0.9/\r\n", "away"), "302 away")]
#[case::bad_location(
    reply("302 Found", "Location: ftp://x/\r\n", ""),
    "Get \"http://10.0.0.1:80/\": failed to parse Location header \"ftp://x/\": unsupported protocol scheme \"ftp\""
)]
#[case::closed(Script::Raw(String::new()), "Get \"http://10.0.0.1:80/\": EOF")]
#[case::garbage(Script::Raw("SSH-2.0-x\r\n\r\n".to_owned()), "Get \"http://10.0.0.1:80/\": net/http: HTTP/1.x transport connection broken: malformed HTTP response")]
#[case::hangs(
    Script::Hang,
    "Get \"http://10.0.0.1:80/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
)]
#[case::breaks_off(Script::Raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".to_owned()), "body: unexpected EOF")]
#[tokio::test(start_paused = true)]
async fn answers(#[case] script: Script, #[case] told: &str) {
    let tasks = Tasks::root("test");
    let sim = SimWorld::new(1, &tasks);
    let _server = Server::start(&sim.world.net, "10.0.0.1:80", script, &tasks).await;
    let said = match get("http://10.0.0.1:80/", Redirects::SameHost).send(&sim.world.net).await {
        Ok(answer) => {
            let cut = if answer.cut { " cut" } else { "" };
            format!("{} {}{cut}", answer.status.as_u16(), String::from_utf8_lossy(&answer.body))
        }
        Err(GetError::Request(text)) => text,
        Err(GetError::Body(text)) => format!("body: {text}"),
    };
    assert_eq!(said, told);
}

#[tokio::test(start_paused = true)]
async fn nobody_listens() {
    let tasks = Tasks::root("test");
    let sim = SimWorld::new(1, &tasks);
    let error = get("http://10.0.0.1:81/x", Redirects::Follow).send(&sim.world.net).await.unwrap_err();
    assert_eq!(error.to_string(), "Get \"http://10.0.0.1:81/x\": dial tcp 10.0.0.1:81: connect: connection refused");
}

#[tokio::test(start_paused = true)]
async fn redirects_are_followed_to_other_hosts_only_when_asked() {
    let tasks = Tasks::root("test");
    let sim = SimWorld::new(1, &tasks);
    let away = reply("301 Moved Permanently", "Location: http://10.0.0.2:80/there\r\n", "");
    let first = Server::start(&sim.world.net, "10.0.0.1:80", away, &tasks).await;
    let second = Server::start(&sim.world.net, "10.0.0.2:80", reply("200 OK", "", "here"), &tasks).await;
    let answer = get("http://10.0.0.1:80/", Redirects::Follow).send(&sim.world.net).await.unwrap();
    assert_eq!(answer.body, b"here");
    assert_eq!(*first.seen.lock().unwrap(), ["GET / HTTP/1.1\r\nHost: 10.0.0.1:80\r\nX-One: 1\r\n\r\n"]);
    assert_eq!(
        *second.seen.lock().unwrap(),
        ["GET /there HTTP/1.1\r\nHost: 10.0.0.2:80\r\nX-One: 1\r\nReferer: http://10.0.0.1:80/\r\n\r\n"]
    );
}

/// An answer whose body is packed.
fn packed(body: &[u8]) -> Script {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    let body = encoder.finish().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    Script::Bytes([head.as_bytes(), &body].concat())
}

#[rstest]
#[case::fine(packed(b"body"), Some("t"), true, Ok((b"body".to_vec(), false)))]
#[case::larger_than_it_looks(packed(&[b'x'; 100_000]), Some("t"), true, Ok((vec![b'x'; 4000], true)))]
#[case::broken(
    reply("200 OK", "Content-Encoding: gzip\r\n", "no gzip at all"),
    Some("t"),
    true,
    Err("gzip: invalid header")
)]
#[case::breaks_off(reply("200 OK", "Content-Encoding: gzip\r\n", "body"), Some("t"), true, Err("unexpected EOF"))]
#[case::not_packed(reply("200 OK", "", "body"), Some("t"), true, Ok((b"body".to_vec(), false)))]
#[case::not_wanted(reply("200 OK", "Content-Encoding: gzip\r\n", "body"), Some("t"), false, Ok((b"body".to_vec(), false)))]
#[case::asked_for_by_the_caller(reply("200 OK", "Content-Encoding: gzip\r\n", "body"), None, true, Ok((b"body".to_vec(), false)))]
#[tokio::test(start_paused = true)]
async fn a_packed_body_is_unpacked(
    #[case] script: Script,
    #[case] own: Option<&str>,
    #[case] wanted: bool,
    #[case] told: Result<(Vec<u8>, bool), &str>,
) {
    let tasks = Tasks::root("test");
    let sim = SimWorld::new(1, &tasks);
    let server = Server::start(&sim.world.net, "10.0.0.1:80", script, &tasks).await;
    let name = if own.is_some() { "X-Other" } else { "Accept-Encoding" };
    let headers = vec![(name.to_owned(), "gzip".to_owned())];
    let get = Get { packed: wanted, headers, limit: 4000, ..get("http://10.0.0.1:80/", Redirects::Follow) };
    let said = get.send(&sim.world.net).await;
    let said = said.map(|answer| (answer.body, answer.cut)).map_err(|error| error.to_string());
    assert_eq!(said, told.map_err(str::to_owned));
    let asked = server.seen.lock().unwrap()[0].contains("Accept-Encoding: gzip\r\n");
    assert_eq!(asked, wanted);
}
