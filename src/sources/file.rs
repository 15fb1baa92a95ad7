//! The file source: a directory of manifests, or one manifest, by notice of change and by full listing every period. Not what a
//! manifest means.
//!
//! As kubelet 1.36, with two differences where upstream contradicts itself until its next listing: of two files with the same pod the
//! one whose name sorts last always wins, and a file whose pod changed its name no longer stands for the old one.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;
use world::{
    Files, World,
    files::{Change, ChangeKind, FileKind, Watch},
};

use crate::{
    config::load::go_reason,
    sources::{
        SourceSettings,
        claims::{Claims, Edit},
        merge::Merger,
        parse,
    },
};

/// The largest manifest.
const LIMIT: u64 = 10 << 20;
/// Between attempts to watch a path that is not there.
const RETRY: Duration = Duration::from_secs(1);
/// The longest wait between attempts to watch after other failures.
const LAST_RETRY: Duration = Duration::from_secs(20);

/// A file as last read: an unchanged one is not decoded again.
struct Known {
    bytes: Vec<u8>,
    pod: Arc<Pod>,
}

/// What a full listing found.
enum Listing {
    /// All manifests that could be read.
    Pods(BTreeMap<PathBuf, Arc<Pod>>),
    /// Nothing can be said: the pods stay as they are.
    Nothing,
}

/// The source's task.
pub struct FileSource {
    files: Files,
    path: PathBuf,
    period: Duration,
    node_name: String,
    local_objects: bool,
    merger: Merger<PathBuf>,
    known: BTreeMap<PathBuf, Known>,
    claims: Claims,
}

impl FileSource {
    /// A source that has read nothing yet.
    pub fn new(world: &World, settings: &SourceSettings, path: &Path, merger: Merger<PathBuf>) -> Self {
        Self {
            files: world.files.clone(),
            // Leaves out a slash at the end.
            path: path.components().collect(),
            period: settings.file_period.max(Duration::from_millis(1)),
            node_name: settings.node_name.clone(),
            local_objects: settings.local_objects,
            merger,
            known: BTreeMap::new(),
            claims: Claims::default(),
        }
    }

    /// Reads until its task ends.
    pub async fn run(mut self) {
        // Watching comes before listing, so that no change falls between the two.
        let mut delay = RETRY;
        let mut watch = self.watch(&mut delay);
        let mut retry_at = Instant::now() + delay;
        tracing::info!(path = %self.path.display(), "Watching path");
        self.list().await;
        let mut next = Instant::now() + self.period;
        loop {
            tokio::select! {
                biased;
                change = next_change(&mut watch) => match change {
                    Some(Ok(change)) => self.changed(&change).await,
                    lost => {
                        if let Some(Err(error)) = lost {
                            tracing::error!(err = %error, path = %self.path.display(), "Notices of change were lost");
                        }
                        watch = self.watch(&mut delay);
                        retry_at = Instant::now() + delay;
                        self.list().await;
                    }
                },
                () = tokio::time::sleep_until(next) => {
                    self.list().await;
                    next = Instant::now() + self.period;
                }
                () = tokio::time::sleep_until(retry_at), if watch.is_none() => {
                    watch = self.watch(&mut delay);
                    retry_at = Instant::now() + delay;
                    if watch.is_some() {
                        self.list().await;
                    }
                }
            }
        }
    }

    fn watch(&self, delay: &mut Duration) -> Option<Watch> {
        match self.files.watch(&self.path) {
            Ok(watch) => {
                *delay = RETRY;
                Some(watch)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *delay = RETRY;
                None
            }
            Err(error) => {
                tracing::error!(err = go_reason(&error), path = %self.path.display(), "Unable to read config path");
                *delay = (*delay * 2).min(LAST_RETRY);
                None
            }
        }
    }

    async fn list(&mut self) {
        if let Listing::Pods(pods) = self.listing() {
            self.known.retain(|path, _| pods.contains_key(path));
            self.claims.replace(pods);
            self.tell().await;
        }
    }

    fn listing(&mut self) -> Listing {
        let path = self.path.clone();
        match self.files.metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::error!(path = %path.display(), err = "path does not exist, ignoring", "Unable to read config path");
                Listing::Pods(BTreeMap::new())
            }
            Err(error) => {
                tracing::error!(path = %path.display(), err = go_reason(&error), "Unable to read config path");
                Listing::Nothing
            }
            Ok(facts) if facts.kind == FileKind::Directory => match self.files.read_dir(&path) {
                Ok(entries) => {
                    let names = entries.into_iter().map(|entry| entry.name).filter(|name| !name.starts_with('.'));
                    let paths: Vec<PathBuf> = names.map(|name| path.join(name)).collect();
                    Listing::Pods(
                        paths.into_iter().filter_map(|path| Some((path.clone(), self.entry(&path)?))).collect(),
                    )
                }
                Err(error) => {
                    tracing::error!(path = %path.display(), err = go_reason(&error), "Unable to read config path");
                    Listing::Nothing
                }
            },
            Ok(facts) if facts.kind == FileKind::File => match self.read(&path) {
                Ok(pod) => Listing::Pods(BTreeMap::from([(path, pod)])),
                Err(error) => {
                    tracing::error!(path = %path.display(), err = error, "Could not process manifest file");
                    Listing::Nothing
                }
            },
            Ok(_) => {
                tracing::error!(path = %path.display(), err = "path is not a directory or file", "Unable to read config path");
                Listing::Nothing
            }
        }
    }

    /// One entry of the directory, if it is a manifest.
    fn entry(&mut self, path: &Path) -> Option<Arc<Pod>> {
        match self.files.metadata(path) {
            Err(error) => tracing::error!(path = %path.display(), err = go_reason(&error), "Failed to get metadata"),
            Ok(facts) if facts.kind == FileKind::Directory => {
                tracing::error!(path = %path.display(), "Provided manifest path is a directory, not recursing into manifest path");
            }
            Ok(facts) if facts.kind != FileKind::File => {
                tracing::error!(path = %path.display(), "Manifest path is not a regular file");
            }
            Ok(_) => match self.read(path) {
                Ok(pod) => return Some(pod),
                Err(error) => tracing::error!(path = %path.display(), err = error, "Could not process manifest file"),
            },
        }
        None
    }

    fn read(&mut self, path: &Path) -> Result<Arc<Pod>, String> {
        let bytes = self.files.read(path, LIMIT).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => format!("{}: file is larger than {LIMIT} bytes", path.display()),
            _ => format!("open {}: {}", path.display(), go_reason(&error)),
        })?;
        if let Some(known) = self.known.get(path)
            && known.bytes == bytes
        {
            return Ok(known.pod.clone());
        }
        let shown = path.display().to_string();
        let (pod, remarks) = parse::manifest(&bytes, &shown, &self.node_name, self.local_objects)?;
        for remark in remarks {
            tracing::warn!(path = shown, "{remark}");
        }
        self.known.insert(path.to_owned(), Known { bytes, pod: pod.clone() });
        Ok(pod)
    }

    async fn changed(&mut self, change: &Change) {
        let path = &change.path;
        if *path == self.path {
            // The directory's own attributes say nothing of its files; a single file has no other notices.
            let is_directory = self.files.metadata(path).is_ok_and(|facts| facts.kind == FileKind::Directory);
            if !is_directory {
                self.list().await;
            }
            return;
        }
        if path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
            return;
        }
        let new = match change.kind {
            ChangeKind::Create | ChangeKind::Write | ChangeKind::Attributes => match self.read(path) {
                Ok(pod) if self.claims.get(path) == Some(&pod) => return,
                Ok(pod) => Some(pod),
                Err(error) => {
                    // What the file said before holds until the next full listing.
                    tracing::error!(
                        err = format!("can't process config file {:?}: {error}", path.display().to_string()),
                        "Unable to process watch event"
                    );
                    return;
                }
            },
            ChangeKind::Remove | ChangeKind::Rename => {
                self.known.remove(path);
                None
            }
        };
        let edit = self.claims.set(path, new);
        self.warn_of_twins();
        match edit {
            Edit::Nothing => {}
            Edit::Pods { gone, come } => self.merger.edit(gone, come).await,
            Edit::Unclear => self.merger.set(self.claims.told()).await,
        }
    }

    /// Tells all pods: by namespace and name one each, from the file that sorts last.
    async fn tell(&mut self) {
        self.warn_of_twins();
        self.merger.set(self.claims.told()).await;
    }

    fn warn_of_twins(&self) {
        for (ignored, used) in self.claims.twins() {
            tracing::warn!(ignored = %ignored.display(), used = %used.display(), "Two files describe the same pod");
        }
    }
}

async fn next_change(watch: &mut Option<Watch>) -> Option<io::Result<Change>> {
    match watch {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}
