//! What client and server of a streaming session agree to speak, by the headers of the request. Not the speaking.
//! Codes and headers as `k8s.io/streaming`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{session::Version, tokens::Asked, websocket::Dialect};

/// Names of the SPDY protocols for exec and attach, the best first.
const REMOTECOMMAND: [(&str, Version); 4] = [
    ("v4.channel.k8s.io", Version::V4),
    ("v3.channel.k8s.io", Version::V3),
    ("v2.channel.k8s.io", Version::V2),
    ("channel.k8s.io", Version::V1),
];

/// The SPDY protocol for port-forward.
const PORT_FORWARD: &str = "portforward.k8s.io";

/// The same inside WebSocket messages.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

/// Names of the WebSocket protocols for exec and attach; a client that names none speaks the first.
const CHANNELS: [(&str, Version, Dialect); 6] = [
    ("", Version::V1, Dialect { base64: false, closes: false }),
    ("channel.k8s.io", Version::V1, Dialect { base64: false, closes: false }),
    ("base64.channel.k8s.io", Version::V1, Dialect { base64: true, closes: false }),
    ("v4.channel.k8s.io", Version::V4, Dialect { base64: false, closes: false }),
    ("v4.base64.channel.k8s.io", Version::V4, Dialect { base64: true, closes: false }),
    ("v5.channel.k8s.io", Version::V5, Dialect { base64: false, closes: true }),
];

/// What is answered to a request.
pub(super) type Answer = Response<Full<Bytes>>;

/// What both sides have agreed to speak.
#[derive(Clone, Debug)]
pub(super) enum Protocol {
    /// SPDY streams.
    Spdy(Version),
    /// WebSocket channels.
    Channels(Version, Dialect),
    /// SPDY inside WebSocket messages.
    Tunnel,
}

/// A plain answer.
pub(super) fn say(status: StatusCode, text: impl Into<String>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// Words of a header that may come several times and hold lists.
fn words<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

fn has_word(headers: &HeaderMap, name: &str, word: &str) -> bool {
    words(headers, name).any(|w| w.eq_ignore_ascii_case(word))
}

/// What client and server will speak, and the answer that says so; nothing, and the answer that refuses.
pub(super) fn agree(headers: &HeaderMap, asked: &Asked) -> (Option<Protocol>, Answer) {
    let forward = matches!(asked, Asked::PortForward(_));
    let upgrade = has_word(headers, "connection", "upgrade");
    if upgrade && has_word(headers, "upgrade", "websocket") {
        return agree_on_channels(headers, forward);
    }
    let offered: Vec<&str> = words(headers, "x-stream-protocol-version").collect();
    if offered.is_empty() {
        return (None, say(StatusCode::BAD_REQUEST, "unable to upgrade: X-Stream-Protocol-Version is required\n"));
    }
    let known: &[(&'static str, Version)] = if forward { &[(PORT_FORWARD, Version::V1)] } else { &REMOTECOMMAND };
    let chosen = offered.iter().find_map(|offer| known.iter().find(|(name, _)| name == offer));
    let Some((name, version)) = chosen else {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let text = format!(
            "unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{}]\n",
            offered.join(" "),
            names.join(" ")
        );
        let mut refused = say(StatusCode::FORBIDDEN, text);
        for name in names {
            refused.headers_mut().append("x-accepted-stream-protocol-versions", HeaderValue::from_static(name));
        }
        return (None, refused);
    };
    if !upgrade || !has_word(headers, "upgrade", "spdy/3.1") {
        return (None, say(StatusCode::BAD_REQUEST, "unable to upgrade: missing upgrade headers in request\n"));
    }
    let answer = switch("SPDY/3.1", &[("x-stream-protocol-version", name)]);
    (Some(Protocol::Spdy(*version)), answer)
}

fn agree_on_channels(headers: &HeaderMap, forward: bool) -> (Option<Protocol>, Answer) {
    let offered: Vec<&str> = words(headers, "sec-websocket-protocol").collect();
    let fits = |name: &str| if offered.is_empty() { name.is_empty() } else { offered.contains(&name) };
    let protocol = if forward && fits(TUNNEL) {
        Some((TUNNEL, Protocol::Tunnel))
    } else {
        // The client's order decides, as in Go's library; port-forward has only versions without and with a 4.
        let mut order: Vec<_> = CHANNELS.iter().filter(|(name, ..)| fits(name)).collect();
        order.sort_by_key(|(name, ..)| offered.iter().position(|offer| offer == name));
        let usable = |name: &str| !forward || matches!(name, "" | "v4.channel.k8s.io" | "v4.base64.channel.k8s.io");
        order
            .into_iter()
            .find(|(name, ..)| usable(name))
            .map(|(name, version, dialect)| (*name, Protocol::Channels(*version, *dialect)))
    };
    let Some((name, protocol)) = protocol else {
        return (None, say(StatusCode::FORBIDDEN, ""));
    };
    let key = headers.get("sec-websocket-key").filter(|_| has_word(headers, "sec-websocket-version", "13"));
    let Some(key) = key else {
        return (None, say(StatusCode::BAD_REQUEST, "missing or bad WebSocket headers\n"));
    };
    let accept = derive_accept_key(key.as_bytes());
    let mut answer = switch("websocket", &[("sec-websocket-accept", &accept)]);
    if !name.is_empty() {
        answer.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(name));
    }
    (Some(protocol), answer)
}

fn switch(to: &'static str, headers: &[(&'static str, &str)]) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static(to));
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(*name, value);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn exec() -> Asked {
        Asked::Exec(cri_proto::v1::ExecRequest::default())
    }

    fn forward() -> Asked {
        Asked::PortForward(cri_proto::v1::PortForwardRequest::default())
    }

    const WS: &[(&str, &str)] = &[
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    const SPDY: &[(&str, &str)] = &[("connection", "Upgrade"), ("upgrade", "SPDY/3.1")];

    #[rstest]
    #[case::best(
        SPDY,
        "x-stream-protocol-version",
        "v4.channel.k8s.io, channel.k8s.io",
        exec(),
        101,
        "v4.channel.k8s.io"
    )]
    #[case::clients_order(
        SPDY,
        "x-stream-protocol-version",
        "v2.channel.k8s.io,v4.channel.k8s.io",
        exec(),
        101,
        "v2.channel.k8s.io"
    )]
    #[case::unknown(SPDY, "x-stream-protocol-version", "v9.channel.k8s.io", exec(), 403, "")]
    #[case::none(SPDY, "x-other", "", exec(), 400, "")]
    #[case::no_upgrade(&[], "x-stream-protocol-version", "v4.channel.k8s.io", exec(), 400, "")]
    #[case::forward(SPDY, "x-stream-protocol-version", "portforward.k8s.io", forward(), 101, "portforward.k8s.io")]
    #[case::ws5(WS, "sec-websocket-protocol", "v5.channel.k8s.io", exec(), 101, "v5.channel.k8s.io")]
    #[case::ws_base64(
        WS,
        "sec-websocket-protocol",
        "v4.base64.channel.k8s.io",
        exec(),
        101,
        "v4.base64.channel.k8s.io"
    )]
    #[case::ws_none(WS, "x-other", "", exec(), 101, "")]
    #[case::ws_unknown(WS, "sec-websocket-protocol", "chat", exec(), 403, "")]
    #[case::ws_tunnel(
        WS,
        "sec-websocket-protocol",
        "SPDY/3.1+portforward.k8s.io",
        forward(),
        101,
        "SPDY/3.1+portforward.k8s.io"
    )]
    #[case::ws_tunnel_exec(WS, "sec-websocket-protocol", "SPDY/3.1+portforward.k8s.io", exec(), 403, "")]
    #[case::ws_forward_five(WS, "sec-websocket-protocol", "v5.channel.k8s.io", forward(), 403, "")]
    fn both_sides_agree(
        #[case] base: &[(&'static str, &'static str)],
        #[case] name: &'static str,
        #[case] value: &'static str,
        #[case] asked: Asked,
        #[case] status: u16,
        #[case] protocol: &str,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in base.iter().chain(&[(name, value)]).filter(|(_, value)| !value.is_empty()) {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let (protocol_agreed, answer) = agree(&headers, &asked);
        assert_eq!(protocol_agreed.is_some(), status == 101);
        assert_eq!(answer.status(), status);
        let said = ["x-stream-protocol-version", "sec-websocket-protocol"].map(|n| answer.headers().get(n));
        let said = said.into_iter().flatten().next().map_or("", |v| v.to_str().expect("text"));
        assert_eq!(said, protocol);
        if status == 101 && base == WS {
            let accept = answer.headers().get("sec-websocket-accept").expect("a key");
            assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        }
    }
}
