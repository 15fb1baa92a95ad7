//! Redirections: opening what a command names and putting back what was there.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use brush_parser::ast::{IoFileRedirectKind as Kind, IoFileRedirectTarget as Target, IoRedirect};

use world::files::FileKind;

use super::state::Shell;
use crate::os::{Descriptor, Errno, Held, OpenFile, OpenMode, pipe::Null};

/// Descriptors as they were, to be put back in reverse.
pub(super) type Saved = Vec<(u32, Option<Descriptor>)>;

/// A here-document, open for reading.
#[derive(Debug)]
struct Text {
    /// The text, and how much of it was read.
    state: Mutex<(Vec<u8>, usize)>,
    _held: Held,
}

impl OpenFile for Text {
    fn read(&self, max: usize) -> BoxFuture<'_, Result<Vec<u8>, Errno>> {
        let mut text = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, from) = &mut *text;
        let chunk = bytes[*from..bytes.len().min(*from + max)].to_vec();
        *from += chunk.len();
        Box::pin(async { Ok(chunk) })
    }

    fn write<'a>(&'a self, _bytes: &'a [u8]) -> BoxFuture<'a, Result<(), Errno>> {
        Box::pin(async { Err(Errno::BadDescriptor) })
    }
}

impl Shell {
    /// Applies redirections in order. On an error those already applied are undone.
    pub(super) async fn redirect(&mut self, redirects: &[IoRedirect]) -> Result<Saved, String> {
        let mut saved = Saved::new();
        for redirect in redirects {
            if let Err(error) = self.apply(redirect, &mut saved).await {
                self.restore(saved);
                return Err(error);
            }
        }
        Ok(saved)
    }

    /// As [`redirect`](Self::redirect), for a command that does not run where that fails: it has said why, and its status is 1.
    pub(super) async fn redirected(&mut self, redirects: &[IoRedirect]) -> Option<Saved> {
        match self.redirect(redirects).await {
            Ok(saved) => Some(saved),
            Err(error) => {
                self.complain(error).await;
                self.status = 1;
                None
            }
        }
    }

    /// Puts descriptors back.
    pub(super) fn restore(&self, saved: Saved) {
        for (number, file) in saved.into_iter().rev() {
            match file {
                Some(file) => self.process.set_descriptor(number, file),
                None => self.process.close(number),
            }
        }
    }

    fn put(&self, number: u32, file: Option<Descriptor>, saved: &mut Saved) {
        saved.push((number, self.process.descriptor(number).ok()));
        match file {
            Some(file) => self.process.set_descriptor(number, file),
            None => self.process.close(number),
        }
    }

    async fn apply(&mut self, redirect: &IoRedirect, saved: &mut Saved) -> Result<(), String> {
        match redirect {
            IoRedirect::File(number, kind, target) => {
                let input = matches!(kind, Kind::Read | Kind::DuplicateInput | Kind::ReadAndWrite);
                let number =
                    number.map_or(Ok(u32::from(!input)), u32::try_from).map_err(|_| "bad fd number".to_owned())?;
                match (kind, target) {
                    (Kind::DuplicateInput | Kind::DuplicateOutput, target) => {
                        let source = match target {
                            Target::Fd(fd) => fd.to_string(),
                            Target::Duplicate(word) | Target::Filename(word) => self.text(&word.value).await?,
                            Target::ProcessSubstitution(..) => return Err("syntax error: unexpected \"(\"".to_owned()),
                        };
                        self.duplicate(number, &source, saved)
                    }
                    (_, Target::Filename(word)) => {
                        let name = self.text(&word.value).await?;
                        let file = self.open(&name, kind)?;
                        self.put(number, Some(file), saved);
                        Ok(())
                    }
                    (_, Target::Fd(fd)) => {
                        let file = self.open(&fd.to_string(), kind)?;
                        self.put(number, Some(file), saved);
                        Ok(())
                    }
                    _ => Err("syntax error: unexpected \"(\"".to_owned()),
                }
            }
            IoRedirect::HereDocument(number, document) => {
                let text = if document.requires_expansion {
                    self.here_document(&document.doc.value).await?
                } else {
                    document.doc.value.clone()
                };
                let number = number.map_or(Ok(0), u32::try_from).map_err(|_| "bad fd number".to_owned())?;
                self.here(number, text, saved)
            }
            IoRedirect::HereString(number, word) => {
                let text = self.text(&word.value).await? + "\n";
                let number = number.map_or(Ok(0), u32::try_from).map_err(|_| "bad fd number".to_owned())?;
                self.here(number, text, saved)
            }
            IoRedirect::OutputAndError(word, append) => {
                let name = self.text(&word.value).await?;
                let file = self.open(&name, if *append { &Kind::Append } else { &Kind::Write })?;
                self.put(1, Some(file.clone()), saved);
                self.put(2, Some(file), saved);
                Ok(())
            }
        }
    }

    fn here(&self, number: u32, text: String, saved: &mut Saved) -> Result<(), String> {
        let document = Text { _held: self.hold(text.len())?, state: Mutex::new((text.into_bytes(), 0)) };
        self.put(number, Some(Arc::new(document)), saved);
        Ok(())
    }

    fn duplicate(&self, number: u32, source: &str, saved: &mut Saved) -> Result<(), String> {
        if source == "-" {
            self.put(number, None, saved);
            return Ok(());
        }
        let from: u32 = source.parse().map_err(|_| format!("{source}: bad fd number"))?;
        let file = self.process.descriptor(from).map_err(|_| format!("{from}: Bad file descriptor"))?;
        self.put(number, Some(file), saved);
        Ok(())
    }

    fn open(&self, name: &str, kind: &Kind) -> Result<Descriptor, String> {
        let own = match name {
            "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0" => Some(0),
            "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" | "/proc/1/fd/1" => Some(1),
            "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" | "/proc/1/fd/2" => Some(2),
            "/dev/null" => return Ok(Arc::new(Null)),
            _ => None,
        };
        if let Some(number) = own {
            return self.process.descriptor(number).map_err(|e| format!("can't open {name}: {e}"));
        }
        if matches!(kind, Kind::Write)
            && self.options.noclobber
            && self.process.files().stat(&self.process.absolute(name)).is_ok_and(|f| f.kind == FileKind::File)
        {
            return Err(format!("can't create {name}: File exists"));
        }
        let (mode, verb) = match kind {
            Kind::Read => (OpenMode::READ, "open"),
            Kind::Append => (OpenMode::APPEND, "create"),
            Kind::ReadAndWrite => {
                (OpenMode { read: true, write: true, append: false, create: true, truncate: false }, "create")
            }
            _ => (OpenMode::WRITE, "create"),
        };
        self.process.files().open(&self.process.absolute(name), mode, &self.process.credentials()).map_err(|error| {
            let text = match error {
                Errno::NoEntry if verb == "open" => "no such file".to_owned(),
                Errno::NoEntry => "nonexistent directory".to_owned(),
                other => other.text().to_owned(),
            };
            format!("can't {verb} {name}: {text}")
        })
    }
}
