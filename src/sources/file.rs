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
        batch::{self, Bytes},
        claims::{Claims, Edit},
        merge::Merger,
        parse::{self, Manifest},
    },
};

/// The largest manifest.
const LIMIT: u64 = 10 << 20;
/// Between attempts to watch a path that is not there.
const RETRY: Duration = Duration::from_secs(1);
/// The longest wait between attempts to watch after other failures.
const LAST_RETRY: Duration = Duration::from_secs(20);

/// This much text, or these files, are read before they are decoded: what is decoded at once is bounded.
const BATCH: usize = 8 << 20;
/// See [`BATCH`].
const BATCH_FILES: usize = 1024;

/// A file as last read: an unchanged one is not decoded again.
struct Known {
    bytes: Vec<u8>,
    pod: Arc<Pod>,
}

/// What reading a file brought.
enum Read {
    /// What is known already.
    Known(Arc<Pod>),
    /// Bytes that have not been seen.
    New(Vec<u8>),
}

/// Why an entry of the directory is no manifest, as it is logged.
struct Refused {
    what: &'static str,
    error: Option<String>,
}

const UNREADABLE: &str = "Could not process manifest file";

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
                    Listing::Pods(self.entries(names.map(|name| path.join(name)).collect()))
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

    /// The entries of the directory that are manifests.
    fn entries(&mut self, paths: Vec<PathBuf>) -> BTreeMap<PathBuf, Arc<Pod>> {
        let mut pods = BTreeMap::new();
        let mut paths = paths.into_iter().peekable();
        while paths.peek().is_some() {
            // What is said of the files is said in their order, whichever step finds it.
            let mut said: Vec<(PathBuf, Option<Refused>)> = Vec::new();
            let mut new: Vec<Bytes> = Vec::new();
            let mut size = 0;
            while size < BATCH
                && new.len() < BATCH_FILES
                && let Some(path) = paths.next()
            {
                let refused = match self.entry(&path) {
                    Ok(Read::Known(pod)) => {
                        pods.insert(path, pod);
                        continue;
                    }
                    Ok(Read::New(bytes)) => {
                        size += bytes.len();
                        new.push(Bytes { path: path.clone(), bytes });
                        None
                    }
                    Err(refused) => Some(refused),
                };
                said.push((path, refused));
            }
            let results = batch::manifests(&new, &self.node_name, self.local_objects);
            let mut results = new.into_iter().zip(results);
            for (path, refused) in said {
                let refused = match refused {
                    Some(refused) => Some(refused),
                    None => results.next().and_then(|(file, result)| match result {
                        Ok(manifest) => {
                            pods.insert(path.clone(), self.keep(file, manifest));
                            None
                        }
                        Err(error) => Some(Refused { what: UNREADABLE, error: Some(error) }),
                    }),
                };
                match refused {
                    Some(Refused { what, error: Some(error) }) => {
                        tracing::error!(path = %path.display(), err = error, "{what}");
                    }
                    Some(Refused { what, error: None }) => tracing::error!(path = %path.display(), "{what}"),
                    None => {}
                }
            }
        }
        pods
    }

    /// One entry of the directory: what is known of it, or its bytes.
    fn entry(&self, path: &Path) -> Result<Read, Refused> {
        let refused = |what, error| Err(Refused { what, error });
        match self.files.metadata(path) {
            Err(error) => refused("Failed to get metadata", Some(go_reason(&error))),
            Ok(facts) if facts.kind == FileKind::Directory => {
                refused("Provided manifest path is a directory, not recursing into manifest path", None)
            }
            Ok(facts) if facts.kind != FileKind::File => refused("Manifest path is not a regular file", None),
            Ok(_) => self.bytes(path).or_else(|error| refused(UNREADABLE, Some(error))),
        }
    }

    /// What is known of a file, or its bytes if they are new.
    fn bytes(&self, path: &Path) -> Result<Read, String> {
        let bytes = self.files.read(path, LIMIT).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => format!("{}: file is larger than {LIMIT} bytes", path.display()),
            _ => format!("open {}: {}", path.display(), go_reason(&error)),
        })?;
        match self.known.get(path) {
            Some(known) if known.bytes == bytes => Ok(Read::Known(known.pod.clone())),
            _ => Ok(Read::New(bytes)),
        }
    }

    fn read(&mut self, path: &Path) -> Result<Arc<Pod>, String> {
        let bytes = match self.bytes(path)? {
            Read::Known(pod) => return Ok(pod),
            Read::New(bytes) => bytes,
        };
        let manifest = parse::manifest(&bytes, &path.display().to_string(), &self.node_name, self.local_objects)?;
        Ok(self.keep(Bytes { path: path.to_owned(), bytes }, manifest))
    }

    /// Tells what is odd about a manifest, and remembers it.
    fn keep(&mut self, file: Bytes, manifest: Manifest) -> Arc<Pod> {
        let Manifest { pod, remarks } = manifest;
        for remark in remarks {
            tracing::warn!(path = %file.path.display(), "{remark}");
        }
        self.known.insert(file.path, Known { bytes: file.bytes, pod: pod.clone() });
        pod
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
