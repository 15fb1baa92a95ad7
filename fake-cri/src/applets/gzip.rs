//! `gzip`, `gunzip`, `zcat`: files and streams, compressed in Rust.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

use super::{Options, bad_option, complain, processes::command};
use crate::os::{Code, Errno, OpenMode, Process, pipe::read_all};

/// Most bytes of one file, either way.
const LIMIT: usize = 16 * 1024 * 1024;

/// Compresses bytes.
pub(super) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Takes compressed bytes apart; the error is what gunzip says.
pub(super) fn decompress(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err("invalid magic");
    }
    let mut plain = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take(LIMIT as u64 + 1);
    decoder.read_to_end(&mut plain).map_err(|_| "corrupted data")?;
    if plain.len() > LIMIT { Err("out of memory") } else { Ok(plain) }
}

async fn read(process: &Process, name: &str) -> Result<Vec<u8>, Errno> {
    let file = match name {
        "-" => process.descriptor(0)?,
        _ => process.files().open(&process.absolute(name), OpenMode::READ, &process.credentials())?,
    };
    read_all(&*file, LIMIT).await
}

/// `gzip [-cdfkt19] [FILE…]`; called gunzip it decompresses, called zcat to standard output.
pub(super) async fn gzip(process: Process) -> Code {
    let program = command(&process);
    let options = match Options::read(&process.args(), "cdfktnqv123456789", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let unpack = options.has('d') || options.has('t') || program != "gzip";
    let mut files = options.rest.clone();
    if files.is_empty() {
        files.push("-".to_owned());
    }
    let mut code = 0;
    for name in &files {
        let bytes = match read(&process, name).await {
            Ok(bytes) => bytes,
            Err(error) => {
                code = complain(&process, &program, name, error).await;
                continue;
            }
        };
        let result = match unpack {
            true => match decompress(&bytes) {
                Ok(plain) => plain,
                Err(error) => {
                    process.err(format!("{program}: {error}\n")).await;
                    code = 1;
                    continue;
                }
            },
            false => compress(&bytes),
        };
        if options.has('t') {
            continue;
        }
        if name == "-" || options.has('c') || program == "zcat" {
            if process.out(result).await.is_err() {
                return 1;
            }
            continue;
        }
        let target = match (unpack, name.strip_suffix(".tgz"), name.strip_suffix(".gz")) {
            (false, ..) => format!("{name}.gz"),
            (true, Some(stem), _) => format!("{stem}.tar"),
            (true, _, Some(stem)) => stem.to_owned(),
            (true, None, None) => {
                process.err(format!("{program}: {name}: unknown suffix - ignored\n")).await;
                code = 1;
                continue;
            }
        };
        let (path, who) = (process.absolute(&target), process.credentials());
        if !options.has('f') && process.files().lstat(&path).is_ok() {
            process.err(format!("{program}: can't open '{target}': File exists\n")).await;
            code = 1;
            continue;
        }
        let written = match process.files().open(&path, OpenMode::WRITE, &who) {
            Ok(file) => file.write(&result).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(()) if options.has('k') => {}
            Ok(()) => drop(process.files().remove_file(&process.absolute(name), &who)),
            Err(error) => code = complain(&process, &program, &format!("can't open '{target}'"), error).await,
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back() {
        let text = b"to be or not to be ".repeat(1000);
        let packed = compress(&text);
        assert!(packed.len() < text.len() / 10);
        assert_eq!(decompress(&packed), Ok(text));
        assert_eq!(decompress(b"bad"), Err("invalid magic"));
        assert_eq!(decompress(&packed[..packed.len() / 2]), Err("corrupted data"));
    }
}
