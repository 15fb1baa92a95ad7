//! What a hostile client can send, taken in to its end: the entry points of fuzzers and of the tests that do as they do. No server.
//!
//! Each takes any bytes, must come back, must not panic, and checks that no more is held than was sent.

use std::io::{self, Cursor, Read, Write};

use tokio_tungstenite::tungstenite::{Message, WebSocket, protocol::Role};

use super::{
    spdy::{Decoder, Frame},
    websocket::{self, Dialect},
};

/// Takes bytes in as a SPDY connection does. The first byte says in pieces of how many.
///
/// # Panics
///
/// When more bytes of streams come out than went in: that is what is looked for.
pub fn spdy(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let mut decoder = Decoder::default();
    let mut given = 0;
    for piece in bytes.chunks(usize::from(*step).max(1)) {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(Some(Frame::Data { bytes, .. })) => given += bytes.len(),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    assert!(given <= bytes.len(), "{given} bytes of {}", bytes.len());
}

/// A connection whose client has said all; what is written to it goes nowhere.
struct Said<'a>(Cursor<&'a [u8]>);

impl Read for Said<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.read(to)
    }
}

impl Write for Said<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes bytes in as a WebSocket connection does after its handshake. The first byte says in which dialect.
///
/// # Panics
///
/// When more comes out than went in: that is what is looked for.
pub fn websocket(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let dialect = Dialect { base64: first & 1 != 0, closes: first & 2 != 0 };
    let mut socket = WebSocket::from_raw_socket(Said(Cursor::new(bytes)), Role::Server, Some(websocket::config()));
    let mut given = 0;
    while let Ok(message) = socket.read() {
        if matches!(message, Message::Binary(_) | Message::Text(_))
            && let Some(websocket::Received::Data(_, bytes)) = websocket::decode(&message.into_data(), dialect)
        {
            given += bytes.len();
        }
    }
    assert!(given <= bytes.len(), "{given} bytes of {}", bytes.len());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::streaming::spdy::{Encoder, Headers};

    /// A client's frames, whole, to be spoilt.
    fn frames() -> Vec<u8> {
        let mut encoder = Encoder::default();
        let open = |stream, kind| Frame::SynStream {
            stream,
            fin: false,
            unidirectional: false,
            headers: Headers::of([("streamType", kind)]),
        };
        let all = [
            open(1, "error"),
            open(3, "stdin"),
            Frame::Data { stream: 3, bytes: vec![b'x'; 300], fin: false },
            Frame::Ping(1),
            Frame::WindowUpdate { stream: 3, delta: 99 },
            Frame::Data { stream: 3, bytes: vec![], fin: true },
            Frame::Reset { stream: 1, status: 5 },
            Frame::GoAway { last: 0, status: 0 },
        ];
        all.iter().flat_map(|frame| encoder.encode(frame)).collect()
    }

    /// A short binary message as a client sends it.
    fn message(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
        let mut out = vec![0x82, 0x80 | u8::try_from(payload.len()).expect("a short one")];
        out.extend(mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        out
    }

    #[test]
    fn messages_are_what_a_client_sends() {
        let bytes = message(b"\x00ls", [1, 2, 3, 4]);
        let mut socket = WebSocket::from_raw_socket(Said(Cursor::new(&bytes)), Role::Server, Some(websocket::config()));
        assert_eq!(socket.read().expect("a message"), Message::binary(b"\x00ls".to_vec()));
    }

    fn spoil(bytes: &mut [u8], flips: &[(usize, u8)]) {
        for (at, with) in flips {
            let length = bytes.len();
            bytes[at % length] ^= with;
        }
    }

    fn flips() -> impl Strategy<Value = Vec<(usize, u8)>> {
        proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6)
    }

    // PROPTEST_CASES=1000000 makes this a fuzzer of an hour.
    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            spdy(&bytes);
            websocket(&bytes);
        }

        #[test]
        fn spoilt_frames_are_survived(step: u8, flips in flips(), tail in proptest::collection::vec(any::<u8>(), 0..50)) {
            let mut bytes = frames();
            spoil(&mut bytes, &flips);
            bytes.insert(0, step);
            bytes.extend(tail);
            spdy(&bytes);
        }

        #[test]
        fn spoilt_messages_are_survived(
            dialect: u8,
            mask: [u8; 4],
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 1..5),
            flips in flips(),
        ) {
            let mut bytes: Vec<u8> = payloads.iter().flat_map(|payload| message(payload, mask)).collect();
            spoil(&mut bytes, &flips);
            bytes.insert(0, dialect);
            websocket(&bytes);
        }
    }
}
