//! A terminal: the line discipline between somebody who types and the processes that read and write. As Linux's `n_tty`, as far as a
//! shell session shows: echo, line editing, end of input, signals, line ends, window size. Processes that have it open are its session.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::{Descriptor, Errno, Kernel, OpenFile, Signal};

/// Longest line that can be typed, as Linux's; what is more is dropped.
const LINE_BYTES: usize = 4095;

/// How much typed input waits for a reader before whoever types has to wait.
const INPUT_BYTES: usize = 64 * 1024;

/// How a terminal treats what is typed and written: the flags of `stty`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// `icanon`: input comes by whole lines that can be edited.
    pub canonical: bool,
    /// `echo`: what is typed is shown.
    pub echo: bool,
    /// `isig`: ^C and ^\ are signals.
    pub signals: bool,
    /// `opost onlcr`: a newline goes out as CR LF.
    pub output: bool,
    /// `icrnl`: a CR comes in as a newline.
    pub returns: bool,
}

impl Default for Mode {
    fn default() -> Self {
        Self { canonical: true, echo: true, signals: true, output: true, returns: true }
    }
}

impl Mode {
    /// `stty raw`: everything goes through as it is.
    pub fn raw(self) -> Self {
        Self { canonical: false, signals: false, output: false, returns: false, ..self }
    }
}

/// A terminal. What is written to it goes to `out`.
pub struct Terminal {
    kernel: Kernel,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Where output goes, until nobody is there any more.
    out: Option<Descriptor>,
    mode: Mode,
    /// Columns and rows; zero until somebody tells.
    size: (u16, u16),
    /// The line that is being typed.
    line: Vec<u8>,
    /// Input that can be read; an empty piece is an end of input.
    ready: VecDeque<Vec<u8>>,
    held: usize,
    hung_up: bool,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Terminal")
    }
}

/// `^C` for 3, as terminals show control characters.
fn shown(byte: u8) -> Vec<u8> {
    match byte {
        b'\t' | b'\n' | 32..=126 | 128.. => vec![byte],
        127 => b"^?".to_vec(),
        control => vec![b'^', control + 64],
    }
}

/// How many columns a byte takes on the screen: bytes that continue a UTF-8 letter take none.
fn width(byte: u8) -> usize {
    if byte & 0xc0 == 0x80 { 0 } else { shown(byte).len() }
}

impl State {
    /// Takes one typed byte; what is to be shown goes to `echo`. The signal it stands for, if it does.
    fn take(&mut self, byte: u8, echo: &mut Vec<u8>) -> Option<Signal> {
        let mode = self.mode;
        let byte = if mode.returns && byte == b'\r' { b'\n' } else { byte };
        let signal = match byte {
            3 => Some(Signal::INT),
            28 => Some(Signal::QUIT),
            _ => None,
        };
        if let Some(signal) = signal.filter(|_| mode.signals) {
            self.line.clear();
            self.ready.clear();
            self.held = 0;
            if mode.echo {
                echo.extend(shown(byte));
            }
            return Some(signal);
        }
        if !mode.canonical {
            match self.ready.back_mut().filter(|piece| !piece.is_empty()) {
                Some(piece) => piece.push(byte),
                None => self.ready.push_back(vec![byte]),
            }
            self.held += 1;
            if mode.echo {
                echo.extend(shown(byte));
            }
            return None;
        }
        match byte {
            8 | 127 => self.erase(echo),
            21 => {
                while !self.line.is_empty() {
                    self.erase(echo);
                }
            }
            23 => {
                while self.line.last() == Some(&b' ') {
                    self.erase(echo);
                }
                while self.line.last().is_some_and(|b| *b != b' ') {
                    self.erase(echo);
                }
            }
            4 => {
                let line = std::mem::take(&mut self.line);
                self.held += line.len();
                self.ready.push_back(line);
            }
            b'\n' => {
                let mut line = std::mem::take(&mut self.line);
                line.push(b'\n');
                self.held += line.len();
                self.ready.push_back(line);
                if mode.echo {
                    echo.push(b'\n');
                }
            }
            byte if self.line.len() < LINE_BYTES => {
                self.line.push(byte);
                if mode.echo {
                    echo.extend(shown(byte));
                }
            }
            _ => {}
        }
        None
    }

    /// Takes the last letter of the line away.
    fn erase(&mut self, echo: &mut Vec<u8>) {
        let mut columns = 0;
        while let Some(byte) = self.line.pop() {
            columns += width(byte);
            if byte & 0xc0 != 0x80 {
                break;
            }
        }
        if self.mode.echo {
            (0..columns).for_each(|_| echo.extend(b"\x08 \x08"));
        }
    }
}

impl Terminal {
    /// A terminal of processes of `kernel`.
    pub fn new(kernel: Kernel, out: Descriptor) -> Self {
        let state = State { out: Some(out), ..State::default() };
        Self { kernel, state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its flags.
    pub fn mode(&self) -> Mode {
        self.state().mode
    }

    /// Sets its flags.
    pub fn set_mode(&self, mode: Mode) {
        self.state().mode = mode;
    }

    /// Columns and rows; zero where nobody has told.
    pub fn size(&self) -> (u16, u16) {
        self.state().size
    }

    /// Sets columns and rows, and tells the processes if they are others than before.
    pub fn resize(&self, columns: u16, rows: u16) {
        let before = std::mem::replace(&mut self.state().size, (columns, rows));
        if before != (columns, rows) {
            self.signal(Signal::WINCH);
        }
    }

    /// Sends a signal to every process that has this terminal open.
    fn signal(&self, signal: Signal) {
        for process in self.kernel.processes().into_iter().filter(|p| p.exit().is_none()) {
            let mut open = process.descriptors().into_values();
            if open.any(|d| d.terminal().is_some_and(|t| std::ptr::eq(t, self))) {
                process.signal(signal);
            }
        }
    }

    /// Takes what somebody types, waiting while nobody reads.
    pub async fn receive(&self, bytes: &[u8]) {
        let mut echo = Vec::new();
        for byte in bytes {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                {
                    let state = self.state();
                    if state.hung_up {
                        return;
                    }
                    if state.held < INPUT_BYTES {
                        break;
                    }
                }
                self.show(&mut echo).await;
                changed.await;
            }
            let signal = self.state().take(*byte, &mut echo);
            self.changed.notify_waiters();
            if let Some(signal) = signal {
                self.show(&mut echo).await;
                self.signal(signal);
            }
        }
        self.show(&mut echo).await;
    }

    async fn show(&self, echo: &mut Vec<u8>) {
        if !echo.is_empty() {
            let _ = self.write(&std::mem::take(echo)).await;
        }
    }

    /// Nobody is there any more: reads end, and the processes are told.
    pub fn hang_up(&self) {
        let out = {
            let mut state = self.state();
            state.hung_up = true;
            state.out.take()
        };
        if out.is_some() {
            self.changed.notify_waiters();
            self.signal(Signal::HUP);
        }
    }
}

impl OpenFile for Terminal {
    fn read(&self, max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        Box::pin(async move {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                {
                    let mut state = self.state();
                    if let Some(mut piece) = state.ready.pop_front() {
                        if piece.len() > max {
                            let rest = piece.split_off(max);
                            state.ready.push_front(rest);
                        }
                        state.held -= piece.len();
                        self.changed.notify_waiters();
                        return Ok(piece);
                    }
                    if state.hung_up {
                        return Ok(Vec::new());
                    }
                }
                changed.await;
            }
        })
    }

    fn write<'a>(&'a self, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        let (out, mode) = {
            let state = self.state();
            (state.out.clone(), state.mode)
        };
        Box::pin(async move {
            let out = out.ok_or(Errno::Io)?;
            if !mode.output || !bytes.contains(&b'\n') {
                return out.write(bytes).await;
            }
            let mut text = Vec::with_capacity(bytes.len() + 16);
            for byte in bytes {
                if *byte == b'\n' {
                    text.push(b'\r');
                }
                text.push(*byte);
            }
            out.write(&text).await
        })
    }

    fn terminal(&self) -> Option<&Terminal> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_line(b"ls\r", "ls\n", &["ls\n"], &[])]
    #[case::rubbed_out(b"lx\x7fs\r", "lx\x08 \x08s\n", &["ls\n"], &[])]
    #[case::rubbed_out_letter("aä\x7f\r".as_bytes(), "aä\x08 \x08\n", &["a\n"], &[])]
    #[case::rubbed_out_control(b"a\x01\x7f\r", "a^A\x08 \x08\x08 \x08\n", &["a\n"], &[])]
    #[case::nothing_to_rub_out(b"\x7f\r", "\n", &["\n"], &[])]
    #[case::killed_line(b"ab\x15c\r", "ab\x08 \x08\x08 \x08c\n", &["c\n"], &[])]
    #[case::killed_word(b"a bc \x17d\r", "a bc \x08 \x08\x08 \x08\x08 \x08d\n", &["a d\n"], &[])]
    #[case::end(b"\x04", "", &[""], &[])]
    #[case::pushed(b"ab\x04", "ab", &["ab"], &[])]
    #[case::interrupted(b"ab\x03c\r", "ab^Cc\n", &["c\n"], &[2])]
    #[case::quit(b"\x1c", "^\\", &[], &[3])]
    fn typing(#[case] typed: &[u8], #[case] shown: &str, #[case] read: &[&str], #[case] signals: &[u32]) {
        let (mut state, mut echo) = (State::default(), Vec::new());
        let sent: Vec<u32> = typed.iter().filter_map(|b| state.take(*b, &mut echo)).map(Signal::number).collect();
        assert_eq!(String::from_utf8_lossy(&echo), shown);
        let ready: Vec<String> = state.ready.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
        assert_eq!(ready, read);
        assert_eq!(sent, signals);
    }

    #[test]
    fn raw_input_goes_through() {
        let (mut state, mut echo) =
            (State { mode: Mode { echo: false, ..Mode::default() }.raw(), ..State::default() }, Vec::new());
        assert!(b"a\r\x03\x04".iter().all(|b| state.take(*b, &mut echo).is_none()));
        assert_eq!((state.ready.pop_front(), echo), (Some(b"a\r\x03\x04".to_vec()), vec![]));
    }

    #[test]
    fn a_line_has_an_end() {
        let (mut state, mut echo) = (State::default(), Vec::new());
        (0..10_000).for_each(|_| assert!(state.take(b'x', &mut echo).is_none()));
        state.take(b'\n', &mut echo);
        assert_eq!(state.ready.front().map(Vec::len), Some(LINE_BYTES + 1));
    }
}
