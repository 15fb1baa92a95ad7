//! Walking to a path inside a volume, one name at a time, so that neither links nor races lead out of it. As upstream's safe sub-paths, with
//! the links resolved by the walk itself: every step starts at a directory that is held open.

use std::{
    ffi::OsString,
    io,
    path::{Component, Path, PathBuf},
};

use rustix::io::Errno;

use super::WithinError;
use crate::files::FileKind;

/// How many links one path may go through, as on Linux.
const LINKS: usize = 40;

/// How often a name may vanish or appear between two looks at it.
const RACES: usize = 64;

/// One step at a time, each from a place that cannot be swapped for another.
pub(crate) trait Steps {
    /// A place that is held.
    type Place;

    /// What is at a name in a directory, its link not followed; `None` if nothing is.
    fn look(&self, at: &Self::Place, name: &OsString) -> io::Result<Option<(Self::Place, FileKind)>>;
    /// What the link says.
    fn read_link(&self, link: &Self::Place) -> io::Result<PathBuf>;
    /// Makes a directory with exactly this mode.
    fn make(&self, at: &Self::Place, name: &OsString, mode: u32) -> io::Result<Self::Place>;
}

/// Walks from `root`, whose path is `root_path`, and makes missing directories with `mode`; `None` makes nothing.
pub(crate) fn walk<S: Steps>(
    steps: &S,
    root: S::Place,
    root_path: &Path,
    sub: &Path,
    mode: Option<u32>,
) -> Result<(S::Place, FileKind), WithinError> {
    let prepare = |errno: Errno| WithinError::Prepare(errno.into());
    let outside = || {
        let text = format!("subpath {:?} not within volume path {:?}", sub.display(), root_path.display());
        WithinError::Prepare(io::Error::new(io::ErrorKind::PermissionDenied, text))
    };
    if sub.is_absolute() {
        return Err(outside());
    }
    let mut held = vec![root];
    let mut kind = FileKind::Directory;
    let mut left = backwards(sub);
    let (mut links, mut races) = (0, 0);
    while let Some(step) = left.pop() {
        if kind != FileKind::Directory {
            return Err(prepare(Errno::NOTDIR));
        }
        let Some(name) = step else {
            if held.len() == 1 {
                return Err(outside());
            }
            held.pop();
            continue;
        };
        let here = held.last().expect("the root is never taken off");
        match steps.look(here, &name).map_err(WithinError::Prepare)? {
            Some((link, FileKind::Symlink)) => {
                links += 1;
                if links > LINKS {
                    return Err(prepare(Errno::LOOP));
                }
                let target = steps.read_link(&link).map_err(WithinError::Prepare)?;
                let relative = if target.is_absolute() {
                    let inside = target.strip_prefix(root_path).map_err(|_| outside())?;
                    held.truncate(1);
                    inside
                } else {
                    &target
                };
                left.extend(backwards(relative));
            }
            Some((place, found)) => {
                held.push(place);
                kind = found;
            }
            None => {
                let mode = mode.ok_or_else(|| prepare(Errno::NOENT))?;
                match steps.make(here, &name, mode) {
                    Ok(made) => held.push(made),
                    // Somebody else made it, or took it away again: once more.
                    Err(e) if matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                        races += 1;
                        if races > RACES {
                            return Err(WithinError::Create(e));
                        }
                        left.push(Some(name));
                    }
                    Err(e) => return Err(WithinError::Create(e)),
                }
            }
        }
    }
    Ok((held.pop().expect("the root is never taken off"), kind))
}

/// The steps of a path, last first; `None` is up.
fn backwards(path: &Path) -> Vec<Option<OsString>> {
    let step = |component| match component {
        Component::Normal(name) => Some(Some(OsString::from(name))),
        Component::ParentDir => Some(None),
        _ => None,
    };
    path.components().rev().filter_map(step).collect()
}
