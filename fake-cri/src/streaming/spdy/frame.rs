//! Frames of SPDY/3.1: from bytes as they arrive to frames, and back. Not streams and not a connection.
//!
//! What comes in is hostile until shown otherwise: data is handed on in the pieces it came in, control frames are bounded, and after the
//! first error nothing more is read.

use super::headers::{Deflater, HeaderError, Headers, Inflater};

/// Longest control frame that is read, in bytes after its head. Header blocks of real clients have some hundred.
const CONTROL_LIMIT: usize = 32 * 1024;

/// Largest data frame that is written.
pub(crate) const DATA_BYTES: usize = 32 * 1024;

/// The frame's last bytes on its stream.
const FIN: u8 = 1;
/// On SYN_STREAM: the other side must not write.
const UNIDIRECTIONAL: u8 = 2;

/// Status of RST_STREAM and GOAWAY: against the protocol.
pub const PROTOCOL_ERROR: u32 = 1;
/// Status of RST_STREAM: nothing was done with the stream.
pub const REFUSED_STREAM: u32 = 3;
/// Status of RST_STREAM: whoever opened the stream is told that it is not wanted any more.
pub const CANCEL: u32 = 5;

/// A frame, or a piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Bytes of a stream. A long data frame comes as several, of which only the last has `fin`.
    Data {
        /// The stream.
        stream: u32,
        /// Its bytes.
        bytes: Vec<u8>,
        /// Nothing follows on it.
        fin: bool,
    },
    /// A new stream.
    SynStream {
        /// Its number.
        stream: u32,
        /// Nothing follows on it.
        fin: bool,
        /// The other side must not write.
        unidirectional: bool,
        /// What it is for.
        headers: Headers,
    },
    /// A new stream is accepted.
    SynReply {
        /// Its number.
        stream: u32,
        /// Nothing follows on it.
        fin: bool,
        /// What is said to it.
        headers: Headers,
    },
    /// A stream ends at once, in both directions.
    Reset {
        /// Its number.
        stream: u32,
        /// Why.
        status: u32,
    },
    /// Settings, none of which matters here.
    Settings,
    /// To be sent back.
    Ping(u32),
    /// No more streams.
    GoAway {
        /// The last stream that was accepted.
        last: u32,
        /// Why.
        status: u32,
    },
    /// More headers of a stream.
    Headers {
        /// Its number.
        stream: u32,
        /// Nothing follows on it.
        fin: bool,
        /// The headers.
        headers: Headers,
    },
    /// The other side has room for more.
    WindowUpdate {
        /// The stream; 0 for the connection.
        stream: u32,
        /// Bytes.
        delta: u32,
    },
    /// A control frame of a kind that SPDY/3.1 does not know.
    Unknown(u16),
}

/// Why bytes are no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another version of the protocol, or no SPDY at all.
    #[error("SPDY version {0} instead of 3")]
    Version(u16),
    /// Longer than is taken.
    #[error("a control frame of {0} bytes")]
    TooLong(usize),
    /// Too short for its kind.
    #[error("a control frame of kind {0} is cut off")]
    Short(u16),
    /// Headers that cannot be read.
    #[error(transparent)]
    Headers(#[from] HeaderError),
}

/// Turns bytes into frames.
#[derive(Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// How much of `bytes` has been taken.
    taken: usize,
    /// The data frame that is coming in: stream, bytes that are missing, flag.
    data: Option<(u32, usize, bool)>,
    inflater: Inflater,
    failed: Option<FrameError>,
}

impl Decoder {
    /// Takes bytes in. Call [`next`](Self::next) until there is no frame before taking more: that bounds what is held.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        if self.failed.is_none() {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The next frame, if it is there.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot fail and then stay failed")]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.decode();
        if let Err(error) = result {
            self.failed = Some(error);
            self.bytes = Vec::new();
            self.taken = 0;
        }
        result
    }

    fn decode(&mut self) -> Result<Option<Frame>, FrameError> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        if let Some((stream, missing, fin)) = self.data {
            let piece = rest.get(..missing.min(rest.len())).unwrap_or_default().to_vec();
            if piece.is_empty() && missing > 0 {
                return Ok(None);
            }
            self.taken += piece.len();
            let left = missing - piece.len();
            self.data = (left > 0).then_some((stream, left, fin));
            return Ok(Some(Frame::Data { stream, bytes: piece, fin: fin && left == 0 }));
        }
        let Some((head, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
        let [a, b, c, d, flags, e, f, g] = *head;
        let length = usize::from(e) << 16 | usize::from(f) << 8 | usize::from(g);
        if a & 0x80 == 0 {
            self.taken += head.len();
            self.data = Some((u32::from_be_bytes([a, b, c, d]), length, flags & FIN != 0));
            return self.decode();
        }
        let version = u16::from_be_bytes([a & 0x7f, b]);
        if version != 3 {
            return Err(FrameError::Version(version));
        }
        if length > CONTROL_LIMIT {
            return Err(FrameError::TooLong(length));
        }
        let kind = u16::from_be_bytes([c, d]);
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let frame = control(kind, flags, body, &mut self.inflater)?;
        self.taken += head.len() + length;
        Ok(Some(frame))
    }
}

fn control(kind: u16, flags: u8, body: &[u8], inflater: &mut Inflater) -> Result<Frame, FrameError> {
    let mut rest = body;
    let mut number = || -> Result<u32, FrameError> {
        let (number, after) = rest.split_first_chunk::<4>().ok_or(FrameError::Short(kind))?;
        rest = after;
        Ok(u32::from_be_bytes(*number))
    };
    let id = |n: u32| n & 0x7fff_ffff;
    let fin = flags & FIN != 0;
    Ok(match kind {
        1 => {
            let stream = id(number()?);
            number()?;
            let block = rest.get(2..).ok_or(FrameError::Short(kind))?;
            let unidirectional = flags & UNIDIRECTIONAL != 0;
            Frame::SynStream { stream, fin, unidirectional, headers: inflater.headers(block)? }
        }
        2 => Frame::SynReply { stream: id(number()?), fin, headers: inflater.headers(rest)? },
        3 => Frame::Reset { stream: id(number()?), status: number()? },
        4 => Frame::Settings,
        6 => Frame::Ping(number()?),
        7 => Frame::GoAway { last: id(number()?), status: number()? },
        8 => Frame::Headers { stream: id(number()?), fin, headers: inflater.headers(rest)? },
        9 => Frame::WindowUpdate { stream: id(number()?), delta: id(number()?) },
        other => Frame::Unknown(other),
    })
}

/// Turns frames into bytes.
#[derive(Debug, Default)]
pub struct Encoder {
    deflater: Deflater,
}

fn head(kind: u16, flags: u8, length: usize) -> Vec<u8> {
    let mut out = vec![0x80, 3];
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(u32::from(flags) << 24 | u32::try_from(length).unwrap_or(0) & 0x00ff_ffff).to_be_bytes());
    out
}

/// A data frame. At most [`DATA_BYTES`].
pub(crate) fn data(stream: u32, bytes: &[u8], fin: bool) -> Vec<u8> {
    let mut out = stream.to_be_bytes().to_vec();
    let length = u32::try_from(bytes.len()).unwrap_or(0) & 0x00ff_ffff;
    out.extend_from_slice(&(u32::from(fin) << 24 | length).to_be_bytes());
    out.extend_from_slice(bytes);
    out
}

impl Encoder {
    /// A frame's bytes.
    pub fn encode(&mut self, frame: &Frame) -> Vec<u8> {
        let fin = |fin: bool| if fin { FIN } else { 0 };
        let numbers = |kind, numbers: &[u32]| {
            let mut out = head(kind, 0, numbers.len() * 4);
            out.extend(numbers.iter().flat_map(|n| n.to_be_bytes()));
            out
        };
        let mut with_headers = |kind, flags, fixed: &[u8], headers: &Headers| {
            let block = self.deflater.block(headers);
            let mut out = head(kind, flags, fixed.len() + block.len());
            out.extend_from_slice(fixed);
            out.extend(block);
            out
        };
        match frame {
            Frame::Data { stream, bytes, fin } => data(*stream, bytes, *fin),
            Frame::SynStream { stream, fin: last, unidirectional, headers } => {
                let flags = fin(*last) | if *unidirectional { UNIDIRECTIONAL } else { 0 };
                let mut fixed = stream.to_be_bytes().to_vec();
                fixed.extend_from_slice(&[0; 6]);
                with_headers(1, flags, &fixed, headers)
            }
            Frame::SynReply { stream, fin: last, headers } => {
                with_headers(2, fin(*last), &stream.to_be_bytes(), headers)
            }
            Frame::Reset { stream, status } => numbers(3, &[*stream, *status]),
            Frame::Settings => numbers(4, &[0]),
            Frame::Ping(id) => numbers(6, &[*id]),
            Frame::GoAway { last, status } => numbers(7, &[*last, *status]),
            Frame::Headers { stream, fin: last, headers } => {
                with_headers(8, fin(*last), &stream.to_be_bytes(), headers)
            }
            Frame::WindowUpdate { stream, delta } => numbers(9, &[*stream, *delta]),
            Frame::Unknown(kind) => head(*kind, 0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every frame that `bytes` holds, fed in pieces of `step`.
    fn decode(bytes: &[u8], step: usize) -> Result<Vec<Frame>, FrameError> {
        let mut decoder = Decoder::default();
        let mut frames: Vec<Frame> = Vec::new();
        for piece in bytes.chunks(step.max(1)) {
            decoder.feed(piece);
            while let Some(frame) = decoder.next()? {
                match (frames.last_mut(), frame) {
                    // Pieces of one data frame are put together again.
                    (
                        Some(Frame::Data { stream: old, bytes: all, fin: ended @ false }),
                        Frame::Data { stream, bytes, fin },
                    ) if *old == stream => {
                        all.extend(bytes);
                        *ended = fin;
                    }
                    (_, frame) => frames.push(frame),
                }
            }
        }
        Ok(frames)
    }

    fn samples() -> Vec<Frame> {
        let headers = Headers::of([("streamType", "data"), ("port", "80"), ("requestID", "1")]);
        vec![
            Frame::SynStream { stream: 1, fin: false, unidirectional: true, headers: headers.clone() },
            Frame::Data { stream: 1, bytes: vec![7; 1000], fin: true },
            Frame::Settings,
            Frame::SynReply { stream: 3, fin: true, headers: Headers::default() },
            Frame::Data { stream: 3, bytes: vec![], fin: true },
            Frame::Ping(5),
            Frame::Reset { stream: 3, status: CANCEL },
            Frame::Headers { stream: 1, fin: false, headers },
            Frame::WindowUpdate { stream: 0, delta: 65536 },
            Frame::Unknown(77),
            Frame::GoAway { last: 3, status: 0 },
        ]
    }

    #[test]
    fn frames_survive_the_wire_whole_and_in_pieces() {
        let mut encoder = Encoder::default();
        let bytes: Vec<u8> = samples().iter().flat_map(|f| encoder.encode(f)).collect();
        for step in [1, 2, 7, 64, bytes.len()] {
            assert_eq!(decode(&bytes, step).as_deref(), Ok(samples().as_slice()), "step {step}");
        }
    }

    #[test]
    fn bytes_are_as_the_draft_draws_them() {
        let mut encoder = Encoder::default();
        assert_eq!(encoder.encode(&Frame::Ping(0x0102_0304)), b"\x80\x03\x00\x06\x00\x00\x00\x04\x01\x02\x03\x04");
        assert_eq!(data(3, b"hi", true), b"\x00\x00\x00\x03\x01\x00\x00\x02hi");
        assert_eq!(
            encoder.encode(&Frame::GoAway { last: 9, status: 1 }),
            b"\x80\x03\x00\x07\x00\x00\x00\x08\x00\x00\x00\x09\x00\x00\x00\x01"
        );
    }

    #[test]
    fn what_is_not_spdy_is_refused_for_good() {
        let mut decoder = Decoder::default();
        decoder.feed(b"\x80\x02\x00\x01\x00\x00\x00\x00");
        assert_eq!(decoder.next(), Err(FrameError::Version(2)));
        decoder.feed(b"\x80\x03\x00\x06\x00\x00\x00\x04\x01\x02\x03\x04");
        assert_eq!(decoder.next(), Err(FrameError::Version(2)));
        assert_eq!(decode(b"\x80\x03\x00\x01\x00\xff\xff\xff", 99), Err(FrameError::TooLong(0x00ff_ffff)));
        assert_eq!(decode(b"\x80\x03\x00\x06\x00\x00\x00\x01\x01", 99), Err(FrameError::Short(6)));
        assert_eq!(
            decode(b"\x80\x03\x00\x01\x00\x00\x00\x0a\0\0\0\x01\0\0\0\0\0\0", 99),
            Err(HeaderError::Zlib.into())
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_pieces_do_not_matter(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            step in 1usize..50,
            valid in 0usize..11,
        ) {
            let mut encoder = Encoder::default();
            let mut all: Vec<u8> = samples()[..valid].iter().flat_map(|f| encoder.encode(f)).collect();
            all.extend(bytes);
            let whole = decode(&all, all.len());
            prop_assert_eq!(decode(&all, step), whole);
        }

        #[test]
        fn a_flipped_byte_never_panics(at in 0usize..400, to in any::<u8>(), step in 1usize..50) {
            let mut encoder = Encoder::default();
            let mut bytes: Vec<u8> = samples().iter().flat_map(|f| encoder.encode(f)).collect();
            let length = bytes.len();
            bytes[at % length] = to;
            let _ = decode(&bytes, step);
        }
    }
}
