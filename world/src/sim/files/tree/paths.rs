//! From a path to a node: links, `..`, mounts and limits, as Linux resolves them.

use std::{
    ffi::OsString,
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path},
};

use rustix::io::Errno;

use super::{Body, Id, ROOT, Tree};

/// How many links one path may go through, as on Linux.
const LINKS: usize = 40;

/// Where a path leads.
enum Resolved {
    /// A name in a directory.
    Entry { parent: Id, name: OsString, id: Option<Id> },
    /// A directory reached without a name: the root, or by `..`.
    Above(Id),
}

enum Step {
    Down(OsString),
    Up,
}

impl Tree {
    /// Resolves a path to the directory, the name in it and what is there; the last component is followed only if `follow`. A path that
    /// ends in the root or in `..` has no such name: `ResourceBusy` or `InvalidInput`.
    pub(in super::super) fn place(&self, path: &Path, follow: bool) -> io::Result<(Id, OsString, Option<Id>)> {
        match self.resolve(path, follow)? {
            Resolved::Entry { parent, name, id } => Ok((parent, name, id)),
            Resolved::Above(_) if path.components().all(|c| c == Component::RootDir) => Err(Errno::BUSY.into()),
            Resolved::Above(_) => Err(Errno::INVAL.into()),
        }
    }

    /// Resolves a path to what is there.
    pub(in super::super) fn existing(&self, path: &Path, follow: bool) -> io::Result<Id> {
        match self.resolve(path, follow)? {
            Resolved::Entry { id, .. } => id.ok_or_else(|| Errno::NOENT.into()),
            Resolved::Above(id) => Ok(id),
        }
    }

    fn resolve(&self, path: &Path, follow: bool) -> io::Result<Resolved> {
        if !path.is_absolute() {
            let text = format!("{} is not an absolute path", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        check_length(path)?;
        let mut left = steps(path);
        let mut here = self.seen(ROOT);
        let mut links = 0;
        let mut last = Resolved::Above(here);
        while let Some(step) = left.pop() {
            // Every step needs a directory to stand in.
            let entries = self.directory(here)?;
            let name = match step {
                Step::Down(name) => name,
                Step::Up => {
                    here = self.seen(self.above(here));
                    last = Resolved::Above(here);
                    continue;
                }
            };
            let found = entries.get(&name).map(|id| self.seen(*id));
            if let Some(Body::Symlink(target)) = found.map(|id| &self.node(id).body)
                && (follow || !left.is_empty())
            {
                links += 1;
                if links > LINKS {
                    return Err(Errno::LOOP.into());
                }
                check_length(target)?;
                if target.is_absolute() {
                    here = self.seen(ROOT);
                }
                last = Resolved::Above(here);
                left.extend(steps(target));
                continue;
            }
            let parent = here;
            if !left.is_empty() {
                here = found.ok_or(Errno::NOENT)?;
            }
            last = Resolved::Entry { parent, name, id: found };
        }
        Ok(last)
    }
}

/// The steps of a path, last first.
fn steps(path: &Path) -> Vec<Step> {
    let step = |component| match component {
        Component::Normal(name) => Some(Step::Down(OsString::from(name))),
        Component::ParentDir => Some(Step::Up),
        _ => None,
    };
    path.components().rev().filter_map(step).collect()
}

fn check_length(path: &Path) -> io::Result<()> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.contains(&0) {
        return Err(Errno::INVAL.into());
    }
    if bytes.len() > 4095 || bytes.split(|byte| *byte == b'/').any(|name| name.len() > 255) {
        return Err(Errno::NAMETOOLONG.into());
    }
    Ok(())
}
