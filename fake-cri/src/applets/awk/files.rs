//! What an awk program reads and writes: records from files and commands, output to files and commands.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::BoxFuture;

use crate::{
    os::{
        Descriptor, Errno, Launch, OpenFile, OpenMode, Process,
        pipe::{Null, pipe, read_all},
    },
    shell,
};

/// Most bytes of one input.
const INPUT_LIMIT: usize = 16 * 1024 * 1024;

/// Most files and commands that are open at a time.
const OPEN_LIMIT: usize = 64;

/// A process's standard input as a file.
#[derive(Debug)]
pub(super) struct StandardInput(pub Process);

impl OpenFile for StandardInput {
    fn read(&self, max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        Box::pin(self.0.read(max))
    }

    fn write<'a>(&'a self, _bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        Box::pin(async { Err(Errno::BadDescriptor) })
    }
}

/// An input that is read record by record as it comes.
pub(super) struct Input {
    file: Descriptor,
    pending: Vec<u8>,
    ended: bool,
}

impl Input {
    pub fn new(file: Descriptor) -> Self {
        Self { file, pending: Vec::new(), ended: false }
    }

    /// The next record, without what separates it. An empty separator: paragraphs.
    pub async fn record(&mut self, separator: &str) -> Result<Option<String>, Errno> {
        let paragraphs = separator.is_empty();
        let mark: &[u8] = if paragraphs { b"\n\n" } else { separator.as_bytes() };
        loop {
            if paragraphs {
                let skipped = self.pending.iter().take_while(|b| **b == b'\n').count();
                self.pending.drain(..skipped);
            }
            if let Some(at) = self.pending.windows(mark.len()).position(|window| window == mark) {
                let record = self.pending.drain(..at + mark.len()).take(at).collect::<Vec<u8>>();
                return Ok(Some(String::from_utf8_lossy(&record).into_owned()));
            }
            if self.ended {
                let mut rest = std::mem::take(&mut self.pending);
                if rest.last() == Some(&b'\n') && (paragraphs || mark != b"\n") {
                    rest.pop();
                }
                return Ok(if rest.is_empty() { None } else { Some(String::from_utf8_lossy(&rest).into_owned()) });
            }
            let chunk = self.file.read(16 * 1024).await?;
            self.ended = chunk.is_empty();
            self.pending.extend_from_slice(&chunk);
            if self.pending.len() > INPUT_LIMIT {
                return Err(Errno::TooBig);
            }
        }
    }
}

/// A command that is written to, and where.
struct Command {
    child: Process,
    input: Descriptor,
}

/// The open files and commands of a run.
pub(super) struct Streams {
    process: Process,
    inputs: BTreeMap<String, Input>,
    files: BTreeMap<String, Descriptor>,
    commands: BTreeMap<String, Command>,
}

impl Streams {
    pub fn new(process: Process) -> Self {
        Self { process, inputs: BTreeMap::new(), files: BTreeMap::new(), commands: BTreeMap::new() }
    }

    fn launch(&self, command: &str, input: Option<Descriptor>, output: Option<Descriptor>) -> Option<Process> {
        let args = ["sh", "-c", command].map(str::to_owned).to_vec();
        let mut launch = Launch::child(&self.process, args);
        launch.descriptors.extend(input.map(|file| (0, file)));
        launch.descriptors.extend(output.map(|file| (1, file)));
        self.process.kernel().clone().launch(Some(&self.process), launch, Box::new(shell::main))
    }

    /// Runs a command to its end; its status.
    pub async fn system(&mut self, command: &str) -> i32 {
        match self.launch(command, None, None) {
            Some(child) => self.process.wait_child(&child).await.code(),
            None => 127,
        }
    }

    /// A file to read from.
    pub fn file(&mut self, path: &str) -> Result<&mut Input, Errno> {
        let key = format!("< {path}");
        if !self.inputs.contains_key(&key) {
            self.room()?;
            let file = if path == "-" {
                self.process.descriptor(0)?
            } else {
                self.process.files().open(&self.process.absolute(path), OpenMode::READ, &self.process.credentials())?
            };
            self.inputs.insert(key.clone(), Input::new(file));
        }
        self.inputs.get_mut(&key).ok_or(Errno::NoEntry)
    }

    /// A command's output to read from.
    pub async fn output_of(&mut self, command: &str) -> Result<&mut Input, Errno> {
        let key = format!("| {command}");
        if !self.inputs.contains_key(&key) {
            self.room()?;
            let (reader, writer) = pipe();
            let child = self.launch(command, None, Some(writer)).ok_or(Errno::TooBig)?;
            let output = read_all(&*reader, INPUT_LIMIT).await?;
            self.process.wait_child(&child).await;
            self.inputs.insert(key.clone(), Input { file: Arc::new(Null), pending: output, ended: true });
        }
        self.inputs.get_mut(&key).ok_or(Errno::NoEntry)
    }

    fn room(&self) -> Result<(), Errno> {
        let open = self.inputs.len() + self.files.len() + self.commands.len();
        if open < OPEN_LIMIT { Ok(()) } else { Err(Errno::TooBig) }
    }

    /// Writes to a file, which the first writing opens.
    pub async fn write(&mut self, path: &str, append: bool, bytes: &[u8]) -> Result<(), Errno> {
        let file = match self.files.get(path) {
            Some(file) => file.clone(),
            None => {
                self.room()?;
                let mode = if append { OpenMode::APPEND } else { OpenMode::WRITE };
                let file = match path {
                    "/dev/stdout" | "-" => self.process.descriptor(1)?,
                    "/dev/stderr" => self.process.descriptor(2)?,
                    _ => {
                        let full = self.process.absolute(path);
                        self.process.files().open(&full, mode, &self.process.credentials())?
                    }
                };
                self.files.insert(path.to_owned(), file.clone());
                file
            }
        };
        file.write(bytes).await
    }

    /// Writes to a command, which the first writing starts.
    pub async fn pipe(&mut self, command: &str, bytes: &[u8]) -> Result<(), Errno> {
        if !self.commands.contains_key(command) {
            self.room()?;
            let (reader, writer) = pipe();
            let child = self.launch(command, Some(reader), None).ok_or(Errno::TooBig)?;
            self.commands.insert(command.to_owned(), Command { child, input: writer });
        }
        let Some(open) = self.commands.get(command) else { return Err(Errno::NoEntry) };
        open.input.write(bytes).await
    }

    /// Closes what has that name; -1 if nothing has, else the command's status.
    pub async fn close(&mut self, name: &str) -> i32 {
        let mut code = -1;
        for key in [format!("< {name}"), format!("| {name}")] {
            if self.inputs.remove(&key).is_some() {
                code = 0;
            }
        }
        if self.files.remove(name).is_some() {
            code = 0;
        }
        if let Some(Command { child, input }) = self.commands.remove(name) {
            drop(input);
            code = self.process.wait_child(&child).await.code();
        }
        code
    }

    /// Closes everything and waits for the commands.
    pub async fn close_all(&mut self) {
        self.inputs.clear();
        self.files.clear();
        while let Some((_, Command { child, input })) = self.commands.pop_first() {
            drop(input);
            self.process.wait_child(&child).await;
        }
    }
}
