//! Header blocks of SPDY/3.1: names with values, compressed by zlib with the protocol's own dictionary. Not frames.
//!
//! One compression runs through all blocks of a direction. What is sent goes out in stored blocks, which every inflater reads and
//! which need no state; what comes in may be compressed in any way, within bounds.

use miniz_oxide::inflate::{
    TINFLStatus,
    core::{DecompressorOxide, decompress, inflate_flags::TINFL_FLAG_HAS_MORE_INPUT},
};

/// The dictionary that both sides begin with, as the SPDY/3 draft prints it.
const DICTIONARY: &[u8; 1423] = include_bytes!("dictionary.bin");

/// Its Adler-32, by which zlib names it.
const DICTIONARY_ID: [u8; 4] = [0xe3, 0xc6, 0xa7, 0xc2];

/// How far back a compressed block may refer: zlib's largest window.
const WINDOW: usize = 32 * 1024;

/// Most bytes of one block, inflated.
const BLOCK_LIMIT: usize = 64 * 1024;

/// Most names in one block.
const NAMES_LIMIT: usize = 256;

/// Why a header block cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not zlib, or zlib with another dictionary.
    #[error("the header block is not compressed as SPDY wants it")]
    Zlib,
    /// Compressed data that makes no sense.
    #[error("the compressed header block is broken")]
    Broken,
    /// More than is taken.
    #[error("the header block is too long")]
    TooLong,
    /// Lengths that do not fit.
    #[error("the header block is cut off")]
    Short,
}

/// Names, in lower case, with their values, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// Headers from pairs.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect())
    }

    /// The first value of a name, given in lower case; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        let value = self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value);
        // Values of one name are joined by zero bytes.
        value.split('\0').next().unwrap_or_default()
    }

    fn decode(block: &[u8]) -> Result<Self, HeaderError> {
        let mut rest = block;
        let count = number(&mut rest)?;
        if count > NAMES_LIMIT {
            return Err(HeaderError::TooLong);
        }
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            let name = text(&mut rest)?.to_ascii_lowercase();
            headers.push((name, text(&mut rest)?));
        }
        Ok(Self(headers))
    }

    fn encode(&self) -> Vec<u8> {
        let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
        let mut block = length(self.0.len()).to_vec();
        for (name, value) in &self.0 {
            for text in [name, value] {
                block.extend_from_slice(&length(text.len()));
                block.extend_from_slice(text.as_bytes());
            }
        }
        block
    }
}

fn number(rest: &mut &[u8]) -> Result<usize, HeaderError> {
    let (number, after) = rest.split_first_chunk::<4>().ok_or(HeaderError::Short)?;
    *rest = after;
    usize::try_from(u32::from_be_bytes(*number)).map_err(|_| HeaderError::Short)
}

fn text(rest: &mut &[u8]) -> Result<String, HeaderError> {
    let length = number(rest)?;
    let (text, after) = rest.split_at_checked(length).ok_or(HeaderError::Short)?;
    *rest = after;
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// Reads the header blocks of one direction, one after the other.
#[derive(Default)]
pub struct Inflater {
    state: Box<DecompressorOxide>,
    window: Vec<u8>,
    at: usize,
    begun: bool,
}

impl Inflater {
    /// The headers of the next block. After an error nothing more can be read.
    pub fn headers(&mut self, compressed: &[u8]) -> Result<Headers, HeaderError> {
        let input = if self.begun { compressed } else { self.begin(compressed)? };
        Headers::decode(&self.inflate(input)?)
    }

    fn begin<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], HeaderError> {
        let (head, mut rest) = input.split_first_chunk::<2>().ok_or(HeaderError::Zlib)?;
        if head[0] & 0x0f != 8 || u16::from_be_bytes(*head) % 31 != 0 {
            return Err(HeaderError::Zlib);
        }
        self.window = vec![0; WINDOW];
        if head[1] & 0x20 != 0 {
            let (id, after) = rest.split_first_chunk::<4>().ok_or(HeaderError::Zlib)?;
            if *id != DICTIONARY_ID {
                return Err(HeaderError::Zlib);
            }
            rest = after;
            self.window[..DICTIONARY.len()].copy_from_slice(DICTIONARY);
            self.at = DICTIONARY.len();
        }
        self.begun = true;
        Ok(rest)
    }

    fn inflate(&mut self, mut input: &[u8]) -> Result<Vec<u8>, HeaderError> {
        let mut block = Vec::new();
        loop {
            let (status, read, wrote) =
                decompress(&mut self.state, input, &mut self.window, self.at, TINFL_FLAG_HAS_MORE_INPUT);
            let new = self.window.get(self.at..self.at + wrote).ok_or(HeaderError::Broken)?;
            if block.len() + new.len() > BLOCK_LIMIT {
                return Err(HeaderError::TooLong);
            }
            block.extend_from_slice(new);
            self.at = (self.at + wrote) % WINDOW;
            input = input.get(read..).unwrap_or_default();
            match status {
                TINFLStatus::NeedsMoreInput => return Ok(block),
                TINFLStatus::HasMoreOutput if read > 0 || wrote > 0 => {}
                _ => return Err(HeaderError::Broken),
            }
        }
    }
}

/// Writes the header blocks of one direction.
#[derive(Debug, Default)]
pub struct Deflater {
    begun: bool,
}

impl Deflater {
    /// The next block.
    pub fn block(&mut self, headers: &Headers) -> Vec<u8> {
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            // Deflate, window of 32 KiB, with a dictionary.
            out.extend_from_slice(&[0x78, 0x20]);
            out.extend_from_slice(&DICTIONARY_ID);
        }
        for piece in headers.encode().chunks(usize::from(u16::MAX)) {
            let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
            out.push(0);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&(!length).to_le_bytes());
            out.extend_from_slice(piece);
        }
        // An empty stored block, as a sync flush writes it: Go's inflater hands out what it has only when it meets one.
        out.extend_from_slice(&[0, 0, 0, 0xff, 0xff]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `zlib.compressobj(zdict=DICTIONARY)` of two blocks, each ended by a sync flush.
    const FROM_ZLIB: [&str; 2] = [
        "78f9e3c6a7c202e50e703a2b294a4dcc851625aca9a080c652c6f020394e0b000000ffff",
        "c2aa1598d853f2c165385ebd00000000ffff",
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex")).collect()
    }

    #[test]
    fn reads_what_zlib_writes_with_the_dictionary() {
        let mut inflater = Inflater::default();
        for (block, kind) in FROM_ZLIB.iter().zip(["error", "stdout"]) {
            let headers = inflater.headers(&bytes(block)).expect("a block");
            assert_eq!(headers.get("streamtype"), kind);
            assert_eq!(headers.get("content-type"), "text/plain,*");
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let (mut deflater, mut inflater) = (Deflater::default(), Inflater::default());
        for i in 0..100 {
            let value = "x".repeat(i * 17);
            let headers = Headers::of([("streamType", "data"), ("port", value.as_str())]);
            assert_eq!(inflater.headers(&deflater.block(&headers)), Ok(headers));
        }
        assert_eq!(inflater.headers(&deflater.block(&Headers::default())), Ok(Headers::default()));
    }

    #[test]
    fn refuses_what_grows_without_bound() {
        // A megabyte of one letter is a kilobyte compressed.
        let huge = Headers::of([("a", "b".repeat(1 << 20).as_str())]).encode();
        let raw = miniz_oxide::deflate::compress_to_vec(&huge, 6);
        let mut block = vec![0x78, 0x01];
        block.extend(raw);
        assert_eq!(Inflater::default().headers(&block), Err(HeaderError::TooLong));
        assert_eq!(Inflater::default().headers(b"\x78\x20aaaa"), Err(HeaderError::Zlib));
        assert_eq!(Inflater::default().headers(b""), Err(HeaderError::Zlib));
    }
}
