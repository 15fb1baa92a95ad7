//! Where pods come from: a directory or file, and a URL, read again and again and merged into one stream of changes. Not what is done
//! with them.
//!
//! As kubelet 1.36's config package. Each source tells its whole set of pods; `merge` makes changes of it.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use tokio::sync::mpsc;
use world::{Tasks, World};

use crate::{config::KubeletConfig, runtime::Recorder};

mod batch;
mod claims;
mod file;
mod http;
mod merge;
mod parse;

use merge::Merger;
pub use parse::unknown_fields;

/// How many changes wait for a slow reader, as upstream's channel.
const QUEUE: usize = 50;

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// `staticPodPath`.
    File,
    /// `staticPodURL`.
    Http,
}

impl SourceKind {
    /// The word in the annotation `kubernetes.io/config.source`.
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Http => "http",
        }
    }
}

/// What is to be done with the pods of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// They are no longer wanted.
    Remove,
    /// They are new. With no pods: the source has been read, and there is nothing.
    Add,
    /// Spec, labels or annotations of a pod of the same UID changed.
    Update,
    /// As `Update`, and now the pod carries a deletion time.
    Delete,
    /// Only the status differs.
    Reconcile,
}

/// A change. Pods carry their static identity and the annotations `kubernetes.io/config.*`.
#[derive(Clone, Debug, PartialEq)]
pub struct PodChange {
    /// What is to be done.
    pub op: Op,
    /// With which pods, in the source's order (files by name).
    pub pods: Vec<Arc<Pod>>,
    /// Who says so.
    pub source: SourceKind,
}

/// What the sources read, from the configuration.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// The node's name, part of every static pod's name.
    pub node_name: String,
    /// Whether ConfigMaps and Secrets lie on this node, so that pods may name them.
    pub local_objects: bool,
    /// `staticPodPath`.
    pub path: Option<PathBuf>,
    /// `fileCheckFrequency`.
    pub file_period: Duration,
    /// `staticPodURL`.
    pub url: Option<String>,
    /// `staticPodURLHeader`, in order.
    pub headers: Vec<(String, String)>,
    /// `httpCheckFrequency`.
    pub http_period: Duration,
}

impl SourceSettings {
    /// What the configuration says.
    pub fn of(config: &KubeletConfig) -> Self {
        let headers = config.static_pod_url_header.iter();
        Self {
            node_name: config.node_name.clone(),
            local_objects: config.local_objects.is_some(),
            path: config.static_pod_path.clone(),
            file_period: config.file_check_frequency,
            url: config.static_pod_url.clone().filter(|url| !url.is_empty()),
            headers: headers.flat_map(|(name, all)| all.iter().map(|one| (name.clone(), one.clone()))).collect(),
            http_period: config.http_check_frequency,
        }
    }
}

/// The sources, and which of them the kubelet has heard of. Shared.
#[derive(Debug)]
pub struct Sources {
    configured: BTreeSet<SourceKind>,
    seen: Mutex<BTreeSet<SourceKind>>,
}

impl Sources {
    /// Starts reading what `settings` name, in `tasks`. Changes come over the channel in the order to handle them; a reader that is slow
    /// makes the sources wait.
    pub fn start(
        world: &World,
        settings: &SourceSettings,
        recorder: &Recorder,
        tasks: &Tasks,
    ) -> (Arc<Self>, mpsc::Receiver<PodChange>) {
        let (to, from) = mpsc::channel(QUEUE);
        let mut configured = BTreeSet::new();
        if let Some(path) = &settings.path {
            configured.insert(SourceKind::File);
            let merger = Merger::new(SourceKind::File, world.clock.clone(), recorder.clone(), to.clone());
            let source = file::FileSource::new(world, settings, path, merger);
            drop(tasks.spawn("source-file", source.run()));
        }
        if let Some(url) = &settings.url {
            configured.insert(SourceKind::Http);
            let merger = Merger::new(SourceKind::Http, world.clock.clone(), recorder.clone(), to.clone());
            let source = http::HttpSource::new(world, settings, url, merger);
            drop(tasks.spawn("source-http", source.run()));
        }
        (Arc::new(Self { configured, seen: Mutex::default() }), from)
    }

    /// Notes that a change of this source has been handled.
    pub fn mark_seen(&self, source: SourceKind) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(source);
    }

    /// Whether every configured source has been heard of at least once; at once if there is none. Nothing may be removed for being
    /// unknown before.
    pub fn all_ready(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_superset(&self.configured)
    }
}

#[cfg(test)]
mod tests;
