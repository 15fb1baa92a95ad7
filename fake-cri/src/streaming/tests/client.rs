//! Small clients of the streaming server, for its tests: HTTP upgrade, SPDY streams, WebSocket channels. Not for other use.

use std::collections::BTreeMap;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};
use world::net::{Address, Conn, Net};

use crate::streaming::spdy::{Decoder, Encoder, Frame, Headers};

/// Sends a request for `url` with headers; the connection and the head of the answer.
pub async fn request(net: &Net, url: &str, headers: &str) -> (Conn, String) {
    let rest = url.strip_prefix("http://").expect("a URL");
    let (at, path) = rest.split_once('/').expect("a path");
    let at: Address = at.parse().expect("an address");
    let mut conn = net.dial(&at).await.expect("it listens");
    let head = format!("POST /{path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    conn.write_all(head.as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let byte = conn.read_u8().await.expect("an answer");
        answer.push(byte);
    }
    (conn, String::from_utf8(answer).expect("text"))
}

/// What came on a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Got {
    pub bytes: Vec<u8>,
    pub fin: bool,
    pub reset: Option<u32>,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A SPDY client.
pub struct Spdy<T = Conn> {
    pub conn: T,
    decoder: Decoder,
    encoder: Encoder,
    next: u32,
    pub got: BTreeMap<u32, Got>,
    pub replies: Vec<u32>,
    pub pings: Vec<u32>,
    pub goaway: Option<u32>,
    pub ended: bool,
}

impl Spdy {
    /// Upgrades `url`.
    pub async fn connect(net: &Net, url: &str, protocol: &str) -> Self {
        let headers = format!("Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: {protocol}\r\n");
        let (conn, answer) = request(net, url, &headers).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.to_lowercase().contains(&format!("x-stream-protocol-version: {protocol}\r\n")), "{answer}");
        Spdy::over(conn)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Spdy<T> {
    pub fn over(conn: T) -> Self {
        Self {
            conn,
            decoder: Decoder::default(),
            encoder: Encoder::default(),
            next: 1,
            got: BTreeMap::new(),
            replies: Vec::new(),
            pings: Vec::new(),
            goaway: None,
            ended: false,
        }
    }

    pub async fn send(&mut self, frame: &Frame) {
        let bytes = self.encoder.encode(frame);
        let _ = self.conn.write_all(&bytes).await;
        let _ = self.conn.flush().await;
    }

    /// Opens a stream.
    pub async fn open(&mut self, headers: &[(&str, &str)]) -> u32 {
        let stream = self.next;
        self.next += 2;
        let headers = Headers::of(headers.iter().copied());
        self.send(&Frame::SynStream { stream, fin: false, unidirectional: false, headers }).await;
        stream
    }

    /// Opens a stream of a session.
    pub async fn stream(&mut self, kind: &str) -> u32 {
        self.open(&[("streamType", kind)]).await
    }

    pub async fn write(&mut self, stream: u32, bytes: &[u8], fin: bool) {
        self.send(&Frame::Data { stream, bytes: bytes.to_vec(), fin }).await;
    }

    /// Takes what comes next. `false` at the end.
    pub async fn step(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let n = self.conn.read(&mut buffer).await.unwrap_or(0);
        self.ended = n == 0;
        self.decoder.feed(&buffer[..n]);
        while let Some(frame) = self.decoder.next().expect("SPDY") {
            match frame {
                Frame::Data { stream, bytes, fin } => {
                    let got = self.got.entry(stream).or_default();
                    got.bytes.extend(bytes);
                    got.fin |= fin;
                }
                Frame::Reset { stream, status } => self.got.entry(stream).or_default().reset = Some(status),
                Frame::SynReply { stream, .. } => self.replies.push(stream),
                Frame::Ping(id) => self.pings.push(id),
                Frame::GoAway { status, .. } => self.goaway = Some(status),
                _ => {}
            }
        }
        !self.ended
    }

    pub async fn finish(&mut self) {
        while self.step().await {}
    }

    /// Reads until a stream has given some text.
    pub async fn until(&mut self, stream: u32, text: &str) {
        while !self.text(stream).contains(text) {
            assert!(self.step().await, "the end came before {text:?}: {:?}", self.text(stream));
        }
    }

    pub fn text(&self, stream: u32) -> String {
        self.got.get(&stream).map(Got::text).unwrap_or_default()
    }
}

/// A WebSocket client.
pub struct Channels {
    pub socket: WebSocketStream<Conn>,
    pub got: BTreeMap<u8, Vec<u8>>,
    pub base64: bool,
}

/// Upgrades `url` to WebSocket.
pub async fn websocket(net: &Net, url: &str, protocol: &str) -> WebSocketStream<Conn> {
    let headers = format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {protocol}\r\n"
    );
    let (conn, answer) = request(net, url, &headers).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    WebSocketStream::from_raw_socket(conn, Role::Client, None).await
}

impl Channels {
    pub async fn connect(net: &Net, url: &str, protocol: &str) -> Self {
        let base64 = protocol.contains("base64");
        Self { socket: websocket(net, url, protocol).await, got: BTreeMap::new(), base64 }
    }

    pub async fn send(&mut self, message: &[u8]) {
        let message = if self.base64 {
            Message::text(String::from_utf8(message.to_vec()).expect("text"))
        } else {
            Message::binary(message.to_vec())
        };
        self.socket.send(message).await.expect("it reads");
    }

    pub async fn finish(&mut self) {
        while let Some(Ok(message)) = self.socket.next().await {
            if !matches!(message, Message::Binary(_) | Message::Text(_)) {
                continue;
            }
            let bytes = message.into_data();
            self.got.entry(bytes[0]).or_default().extend_from_slice(&bytes[1..]);
        }
    }

    pub fn text(&self, channel: u8) -> String {
        self.got.get(&channel).map(|b| String::from_utf8_lossy(b).into_owned()).unwrap_or_default()
    }
}
