//! Compresses a file beside itself, piece by piece. Not the choice of files: that is `rotation`.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder};
use world::Files;

/// Read, compressed and written at a time.
const PIECE: u64 = 256 << 10;

/// Suffix of a compressed log.
pub const SUFFIX: &str = ".gz";

/// Suffix of a log that is being compressed.
pub const TEMPORARY: &str = ".tmp";

/// `path` with a suffix behind it.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes `<path>.gz` with the mode of `path`, by way of `<path>.tmp`, and removes `path`. Lets other tasks run between pieces.
///
/// # Errors
/// What reading or writing met; the temporary file is removed then, and `path` stays.
pub async fn compress(files: &Files, path: &Path) -> io::Result<()> {
    let temporary = with_suffix(path, TEMPORARY);
    let mode = files.metadata(path)?.mode;
    let done = async {
        copy(files, path, &temporary, mode).await?;
        files.rename(&temporary, &with_suffix(path, SUFFIX))
    };
    match done.await {
        Ok(()) => files.remove_file(path),
        Err(error) => {
            let _ = files.remove_file(&temporary);
            Err(error)
        }
    }
}

async fn copy(files: &Files, from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    files.write(to, b"", mode)?;
    let mut out = files.append(to, mode)?;
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    let mut at = 0;
    loop {
        let piece = files.read_at(from, at, PIECE)?;
        if piece.is_empty() {
            break;
        }
        at += piece.len() as u64;
        gzip.write_all(&piece)?;
        let ready = std::mem::take(gzip.get_mut());
        if !ready.is_empty() {
            out.append(&ready)?;
        }
        tokio::task::yield_now().await;
    }
    out.append(&gzip.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use world::{WallClock, sim::MemoryFiles};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_compressed_comes_back_with_its_mode() {
        let files = Files::new(MemoryFiles::new(WallClock::simulated()));
        let path = Path::new("/0.log.20260101-000000");
        let text: Vec<u8> = (0..100_000_u32).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        files.write(path, &text, 0o640).unwrap();
        compress(&files, path).await.unwrap();
        assert!(!files.exists(path));
        let packed = with_suffix(path, SUFFIX);
        assert_eq!(files.metadata(&packed).unwrap().mode, 0o640);
        let packed = files.read(&packed, 64 << 20).unwrap();
        assert!(packed.len() < text.len() / 2);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut back).unwrap();
        assert!(back == text, "the same bytes");
    }
}
