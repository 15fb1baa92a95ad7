//! Where scenarios come from: the corpus in this program, or files and folders that somebody names. Reads and checks; runs nothing.

use std::{
    io,
    path::{Path, PathBuf},
};

use world::files::{FileKind, Files};

use crate::format::{self, Problem, Scenario};

/// Every file of the corpus in this program: path below `scenarios/`, and content.
pub const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/corpus.rs"));

/// The largest file that can be a scenario.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;

/// Something that cannot be read as a scenario.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A scenario that is wrong.
    #[error(transparent)]
    Problem(#[from] Box<Problem>),
    /// A path that cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The path as it was given.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A folder with no scenario in it.
    #[error("{0}: there is no .yaml file in it")]
    Empty(String),
}

/// Scenarios, and where files beside them are read.
#[derive(Clone, Debug)]
pub enum Shelf {
    /// This program's own.
    Embedded,
    /// Files of the host.
    Host(Files),
}

impl Shelf {
    /// Reads a file beside a scenario.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self {
            Self::Embedded => {
                let found = EMBEDDED.iter().find(|(name, _)| Path::new(name) == path);
                found.map(|(_, bytes)| bytes.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
            Self::Host(files) => files.read(&std::path::absolute(path)?, 64 * 1024 * 1024),
        }
    }
}

/// The whole corpus, in order. All that is wrong with it comes back, not only the first.
///
/// # Errors
/// Scenarios that are wrong.
pub fn embedded() -> Result<Vec<Scenario>, Vec<CorpusError>> {
    let yaml = EMBEDDED.iter().filter(|(name, _)| is_scenario(name));
    gather(yaml.map(|(name, bytes)| parse(name, bytes)))
}

/// The scenarios at the given files and in the given folders, in order.
///
/// # Errors
/// Paths that cannot be read, and scenarios that are wrong.
pub fn at(files: &Files, paths: &[PathBuf]) -> Result<Vec<Scenario>, Vec<CorpusError>> {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for path in paths {
        let before = found.len();
        match list(files, path, &mut found) {
            Err(source) => errors.push(CorpusError::Io { path: path.display().to_string(), source }),
            Ok(()) if found.len() == before => errors.push(CorpusError::Empty(path.display().to_string())),
            Ok(()) => {}
        }
    }
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let bytes = std::path::absolute(path).and_then(|path| files.read(&path, FILE_LIMIT));
        let bytes = bytes.map_err(|source| CorpusError::Io { path: name.clone(), source })?;
        parse(&name, &bytes)
    };
    match gather(found.iter().map(read)) {
        Ok(scenarios) if errors.is_empty() => Ok(scenarios),
        Ok(_) => Err(errors),
        Err(further) => Err(errors.into_iter().chain(further).collect()),
    }
}

fn gather(all: impl Iterator<Item = Result<Scenario, CorpusError>>) -> Result<Vec<Scenario>, Vec<CorpusError>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for one in all {
        match one {
            Ok(scenario) => good.push(scenario),
            Err(error) => bad.push(error),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

fn parse(name: &str, bytes: &[u8]) -> Result<Scenario, CorpusError> {
    let text = String::from_utf8_lossy(bytes);
    format::parse(name, &text).map_err(CorpusError::from)
}

fn is_scenario(name: &str) -> bool {
    // A name that starts with a dot or lies in `files` is something that scenarios use.
    let hidden = name.split('/').any(|part| part.starts_with('.') || part == "files" || part == "snapshots");
    (name.ends_with(".yaml") || name.ends_with(".yml")) && !hidden
}

/// The scenario files at `path`, which is one or a folder of them.
///
/// # Errors
/// The path cannot be read.
pub fn list(files: &Files, path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let absolute = std::path::absolute(path)?;
    if files.metadata(&absolute)?.kind != FileKind::Directory {
        found.push(path.to_owned());
        return Ok(());
    }
    for entry in files.read_dir(&absolute)? {
        let path = path.join(&entry.name);
        match entry.kind {
            FileKind::Directory if !["files", "src", "snapshots", "target"].contains(&entry.name.as_str()) => {
                list(files, &path, found)?
            }
            FileKind::File if is_scenario(&entry.name) => found.push(path),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_is_well_formed() {
        let errors = embedded().err().unwrap_or_default();
        let said: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert!(said.is_empty(), "{}", said.join("\n"));
    }

    #[test]
    fn every_scenario_says_what_it_shows() {
        for scenario in embedded().unwrap_or_default() {
            assert!(scenario.description.is_some(), "{} has no description", scenario.id);
            assert_ne!(
                scenario.name,
                scenario.id.rsplit('/').next().unwrap_or_default(),
                "{} has no name",
                scenario.id
            );
        }
    }
}
