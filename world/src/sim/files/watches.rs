//! Who is told of which change, in inotify's order. Not what changes.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use futures_util::stream;
use tokio::sync::mpsc;

use super::tree::{Id, Tree};
use crate::files::{Change, ChangeKind, Watch};

/// How many notices wait for a slow reader; the next one becomes an error that says that some are lost. The kernel keeps 16384.
const QUEUE: usize = 4096;

/// The watches of one tree.
#[derive(Debug, Default)]
pub(super) struct Watches(BTreeMap<Id, Vec<One>>);

#[derive(Debug)]
struct One {
    path: PathBuf,
    to: mpsc::Sender<io::Result<Change>>,
    lost: bool,
}

impl Watches {
    /// Watches a node and reports it under the name `path`.
    pub(super) fn add(&mut self, id: Id, path: &Path) -> Watch {
        let (to, from) = mpsc::channel(QUEUE + 1);
        self.0.entry(id).or_default().push(One { path: path.components().collect(), to, lost: false });
        Watch::new(stream::unfold(from, |mut from| async move { Some((from.recv().await?, from)) }))
    }

    /// Tells who watches a directory of its entry `name`.
    pub(super) fn entry(&mut self, parent: Id, name: &OsStr, kind: ChangeKind) {
        self.send(parent, |path| Change { kind, path: path.join(name) });
    }

    /// Tells who watches a node itself.
    pub(super) fn itself(&mut self, id: Id, kind: ChangeKind) {
        self.send(id, |path| Change { kind, path: path.to_owned() });
    }

    /// Tells who watches a node or the directory that holds it.
    pub(super) fn node(&mut self, tree: &Tree, id: Id, kind: ChangeKind) {
        if let Some((parent, name)) = tree.home(id) {
            self.entry(parent, &name, kind);
        }
        self.itself(id, kind);
    }

    /// Ends the watches of a node that is gone, with the notices of its end: a file first loses a link.
    pub(super) fn end(&mut self, id: Id, is_directory: bool) {
        if !is_directory {
            self.itself(id, ChangeKind::Attributes);
        }
        self.itself(id, ChangeKind::Remove);
        self.0.remove(&id);
    }

    fn send(&mut self, id: Id, change: impl Fn(&Path) -> Change) {
        let Some(all) = self.0.get_mut(&id) else { return };
        all.retain(|one| !one.to.is_closed());
        for one in all.iter_mut() {
            // The last place is for saying that there is no place.
            if one.to.capacity() > 1 {
                one.lost = false;
                let _ = one.to.try_send(Ok(change(&one.path)));
            } else if !one.lost {
                one.lost = true;
                let _ = one.to.try_send(Err(io::Error::other("changes were lost: the queue overflowed")));
            }
        }
        if all.is_empty() {
            self.0.remove(&id);
        }
    }
}
