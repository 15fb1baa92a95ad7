//! A container's log in CRI's format: a line each for what it writes, with time, stream, and `F` for whole or `P` for part of a line.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use world::{World, files::Append};

use crate::os::Errno;

/// Longest piece of a line, in bytes; longer ones are cut into parts. As containerd's default.
const LINE_BYTES: usize = 16 * 1024;

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A container's log file.
pub struct Log {
    world: World,
    path: Option<PathBuf>,
    state: Mutex<State>,
}

struct State {
    file: Option<Box<dyn Append>>,
    pending: [Vec<u8>; 2],
    closed: bool,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({:?})", self.path)
    }
}

impl Log {
    /// A log at `path`; none at all without one.
    pub fn new(world: World, path: Option<PathBuf>) -> Self {
        Self { world, path, state: Mutex::new(State { file: None, pending: [Vec::new(), Vec::new()], closed: false }) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Absolute path; empty if there is none.
    pub fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// Opens the file anew: at the start, and after somebody moved it away.
    pub fn open(&self) -> std::io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if let Some(parent) = path.parent() {
            self.world.files.create_dir_all(parent, 0o755)?;
        }
        let file = self.world.files.append(path, 0o640)?;
        self.lock().file = Some(file);
        Ok(())
    }

    /// Takes what a process wrote.
    pub fn write(&self, stream: Stream, bytes: &[u8]) -> Result<(), Errno> {
        let mut state = self.lock();
        if state.closed {
            return Ok(());
        }
        let slot = stream as usize;
        let mut pending = std::mem::take(&mut state.pending[slot]);
        pending.extend_from_slice(bytes);
        let mut text = Vec::new();
        let mut rest = pending.as_slice();
        loop {
            let newline = rest.iter().position(|b| *b == b'\n');
            match newline {
                Some(at) if at <= LINE_BYTES => {
                    self.line(&mut text, stream, b'F', &rest[..at]);
                    rest = &rest[at + 1..];
                }
                _ if rest.len() > LINE_BYTES => {
                    self.line(&mut text, stream, b'P', &rest[..LINE_BYTES]);
                    rest = &rest[LINE_BYTES..];
                }
                _ => break,
            }
        }
        state.pending[slot] = rest.to_vec();
        match &mut state.file {
            Some(file) if !text.is_empty() => Ok(file.append(&text)?),
            _ => Ok(()),
        }
    }

    fn line(&self, text: &mut Vec<u8>, stream: Stream, tag: u8, content: &[u8]) {
        let now = self.world.clock.now();
        let name = if stream == Stream::Stdout { "stdout" } else { "stderr" };
        text.extend_from_slice(format!("{now:.9} {name} ").as_bytes());
        text.push(tag);
        text.push(b' ');
        text.extend_from_slice(content.strip_suffix(b"\r").unwrap_or(content));
        text.push(b'\n');
    }

    /// The container has ended: what has no newline is written as a part, as containerd does.
    pub fn close(&self) {
        let mut state = self.lock();
        let mut text = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(&mut state.pending[stream as usize]);
            if !rest.is_empty() {
                self.line(&mut text, stream, b'P', &rest);
            }
        }
        if let Some(file) = &mut state.file
            && !text.is_empty()
        {
            let _ = file.append(&text);
        }
        state.file = None;
        state.closed = true;
    }
}
