//! What the generator reads: a narrow view of the runtime, so that tests can script one. The only implementation outside tests is the
//! runtime half's manager.

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};

use cri_proto::v1::ContainerEventType;

use crate::{
    cri::CriError,
    runtime::{
        RuntimeManager,
        observed::{ListedPod, ObservedPod},
    },
};

/// One event of the runtime's stream, reduced to what it is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Something of this pod started, stopped or was deleted.
    Pod(String),
    /// Something happened, and the event does not say to which pod.
    Somewhere,
    /// Something was created: whoever created it knows.
    Nothing,
}

/// The runtime as the generator sees it.
pub trait RuntimeView: Send + Sync {
    /// All pods, or the one with this UID.
    fn list<'a>(&'a self, only_pod: Option<&'a str>) -> BoxFuture<'a, Result<Vec<ListedPod>, CriError>>;
    /// The full state of one pod.
    fn observe<'a>(&'a self, listed: &'a ListedPod) -> BoxFuture<'a, Result<ObservedPod, CriError>>;
    /// The stream of events.
    fn events(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<Notice, CriError>>, CriError>>;
}

impl RuntimeView for RuntimeManager {
    fn list<'a>(&'a self, only_pod: Option<&'a str>) -> BoxFuture<'a, Result<Vec<ListedPod>, CriError>> {
        Self::list(self, only_pod).boxed()
    }

    fn observe<'a>(&'a self, listed: &'a ListedPod) -> BoxFuture<'a, Result<ObservedPod, CriError>> {
        Self::observe(self, listed).boxed()
    }

    fn events(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<Notice, CriError>>, CriError>> {
        async {
            let events = Self::events(self).await?;
            Ok(events.map(|event| event.map(notice)).boxed())
        }
        .boxed()
    }
}

fn notice(event: cri_proto::v1::ContainerEventResponse) -> Notice {
    if event.container_event_type == i32::from(ContainerEventType::ContainerCreatedEvent) {
        return Notice::Nothing;
    }
    let uid = event.pod_sandbox_status.and_then(|sandbox| sandbox.metadata).map(|metadata| metadata.uid);
    uid.filter(|uid| !uid.is_empty()).map_or(Notice::Somewhere, Notice::Pod)
}
