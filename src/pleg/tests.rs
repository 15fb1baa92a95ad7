//! Tests of the generator against a scripted runtime, in virtual time.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};
use jiff::Timestamp;
use tokio::time::sleep;
use tonic::Code;

use super::*;
use crate::{
    cri::CriError,
    runtime::observed::{ContainerId, ContainerState, ListedContainer, ListedPod, ListedSandbox, ObservedSandbox},
};

#[derive(Default)]
struct State {
    pods: BTreeMap<String, ListedPod>,
    /// `<second> list`, `<second> list <uid>`, `<second> observe <uid>`.
    log: Vec<String>,
    list_fails: bool,
    observe_fails: bool,
    ip: Option<String>,
    stream: Option<mpsc::Receiver<Result<Notice, CriError>>>,
}

struct Script {
    state: Mutex<State>,
    start: Instant,
}

impl Script {
    fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), start: Instant::now() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    /// A pod with one sandbox and one container.
    fn put(&self, uid: &str, ready: bool, container: ContainerState) {
        let sandbox = ListedSandbox { id: format!("{uid}-s"), attempt: 0, ready, created_at: Timestamp::UNIX_EPOCH };
        let container = ListedContainer {
            id: ContainerId { runtime: "test".to_owned(), id: format!("{uid}-c") },
            sandbox_id: sandbox.id.clone(),
            name: "c".to_owned(),
            attempt: 0,
            state: container,
            created_at: Timestamp::UNIX_EPOCH,
            image: String::new(),
            image_ref: String::new(),
        };
        let pod = ListedPod {
            uid: uid.to_owned(),
            sandboxes: vec![sandbox],
            containers: vec![container],
            ..ListedPod::default()
        };
        self.state().pods.insert(uid.to_owned(), pod);
    }
}

impl RuntimeView for Script {
    fn list<'a>(&'a self, only_pod: Option<&'a str>) -> BoxFuture<'a, Result<Vec<ListedPod>, CriError>> {
        let at = self.start.elapsed().as_secs();
        let mut state = self.state();
        state.log.push(format!("{at} list {}", only_pod.unwrap_or_default()).trim_end().to_owned());
        let all = state.pods.values().filter(|pod| only_pod.is_none_or(|uid| pod.uid == uid)).cloned().collect();
        let fails = state.list_fails;
        async move { if fails { Err(CriError::rpc(Code::Unavailable, "gone")) } else { Ok(all) } }.boxed()
    }

    fn observe<'a>(&'a self, listed: &'a ListedPod) -> BoxFuture<'a, Result<ObservedPod, CriError>> {
        let at = self.start.elapsed().as_secs();
        let mut state = self.state();
        state.log.push(format!("{at} observe {}", listed.uid));
        let ready = listed.sandboxes[0].ready;
        let pod = ObservedPod {
            uid: listed.uid.clone(),
            ips: state.ip.clone().into_iter().collect(),
            sandboxes: vec![ObservedSandbox {
                id: listed.sandboxes[0].id.clone(),
                attempt: 0,
                ready,
                created_at: Timestamp::UNIX_EPOCH,
                host_network: false,
                ips: None,
            }],
            ..ObservedPod::default()
        };
        let fails = state.observe_fails;
        async move { if fails { Err(CriError::rpc(Code::Internal, "broken")) } else { Ok(pod) } }.boxed()
    }

    fn events(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<Notice, CriError>>, CriError>> {
        let stream = self.state().stream.take();
        async move {
            let from = stream.ok_or_else(|| CriError::rpc(Code::Unimplemented, "none"))?;
            let stream =
                futures_util::stream::unfold(
                    from,
                    |mut from| async move { from.recv().await.map(|item| (item, from)) },
                );
            Ok(stream.boxed())
        }
        .boxed()
    }
}

fn told(events: &mut mpsc::Receiver<PlegEvent>) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(event) = events.try_recv() {
        all.push(format!("{:?} {}", event.kind, event.container.unwrap_or(event.uid)));
    }
    all
}

async fn millis(n: u64) {
    sleep(Duration::from_millis(n)).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_once_and_read_once() {
    let (script, tasks) = (Script::new(), Tasks::root("test"));
    let (pleg, mut events) = Pleg::start(script.clone(), &tasks);
    millis(500).await;
    assert_eq!(script.log(), ["0 list"]);
    script.put("p", true, ContainerState::Running);
    millis(2000).await;
    assert_eq!(script.log(), ["1 list", "1 observe p", "2 list"]);
    assert_eq!(told(&mut events), ["ContainerStarted p-c", "ContainerStarted p-s"]);
    assert_eq!(pleg.cache().get("p").unwrap().sandboxes.len(), 1);
    script.put("p", true, ContainerState::Unknown);
    millis(1000).await;
    assert_eq!(script.log(), ["3 list", "3 observe p"]);
    assert_eq!(told(&mut events), Vec::<String>::new(), "read again, but not told");
    script.state().pods.clear();
    millis(1000).await;
    assert_eq!(
        told(&mut events),
        ["ContainerDied p-c", "ContainerRemoved p-c", "ContainerDied p-s", "ContainerRemoved p-s"]
    );
    assert_eq!(*pleg.cache().get("p").unwrap(), ObservedPod { uid: "p".to_owned(), ..ObservedPod::default() });
    tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_gets_a_reading_that_began_later() {
    let (script, tasks) = (Script::new(), Tasks::root("test"));
    let (pleg, _events) = Pleg::start(script.clone(), &tasks);
    script.put("p", true, ContainerState::Running);
    millis(10).await;
    script.log();
    let then = pleg.now();
    let start = Instant::now();
    pleg.get_newer_than("p", Stamp::default()).await.unwrap();
    assert_eq!(script.log(), Vec::<String>::new(), "any reading will do");
    pleg.get_newer_than("p", then).await.unwrap();
    assert_eq!(script.log(), ["0 list p", "0 observe p"], "asked for at once");
    pleg.get_newer_than("p", then).await.unwrap();
    assert_eq!(script.log(), Vec::<String>::new(), "that one is new enough");
    assert_eq!(pleg.get_newer_than("none", pleg.now()).await.unwrap().uid, "none");
    assert_eq!(start.elapsed(), Duration::ZERO);
    let later = pleg.now();
    millis(1000).await;
    script.log();
    pleg.get_newer_than("p", later).await.unwrap();
    assert_eq!(script.log(), Vec::<String>::new(), "a full listing without changes is a reading");
    pleg.request_relist("p");
    pleg.request_relist("p");
    millis(1).await;
    assert_eq!(script.log(), ["1 list p", "1 observe p"], "two requests, one reading");
    tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_cannot_be_read_is_tried_again_and_told_then() {
    let (script, tasks) = (Script::new(), Tasks::root("test"));
    script.put("p", true, ContainerState::Running);
    script.state().observe_fails = true;
    let (pleg, mut events) = Pleg::start(script.clone(), &tasks);
    millis(10).await;
    assert_eq!(told(&mut events), Vec::<String>::new());
    assert_eq!(pleg.cache().get("p").unwrap_err(), "rpc error: code = Internal desc = broken");
    script.state().observe_fails = false;
    millis(1000).await;
    assert_eq!(told(&mut events), ["ContainerStarted p-c", "ContainerStarted p-s"]);
    assert!(pleg.cache().get("p").is_ok());
    tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn events_of_the_runtime_replace_polling() {
    let (script, tasks) = (Script::new(), Tasks::root("test"));
    let (to, from) = mpsc::channel(4);
    script.state().stream = Some(from);
    let (_pleg, mut events) = Pleg::start(script.clone(), &tasks);
    millis(12_500).await;
    assert_eq!(script.log(), ["0 list", "0 list", "10 list"], "once more when the stream begins");
    script.put("p", true, ContainerState::Running);
    to.send(Ok(Notice::Nothing)).await.unwrap();
    millis(10).await;
    assert_eq!(script.log(), Vec::<String>::new());
    to.send(Ok(Notice::Pod("p".to_owned()))).await.unwrap();
    millis(10).await;
    assert_eq!(script.log(), ["12 list p", "12 observe p"]);
    assert_eq!(told(&mut events).len(), 2);
    to.send(Ok(Notice::Somewhere)).await.unwrap();
    millis(10).await;
    assert_eq!(script.log(), ["12 list"]);
    // The stream ends: polling goes on.
    drop(to);
    millis(1990).await;
    assert_eq!(script.log(), ["12 list", "13 list"]);
    tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn addresses_outlive_the_sandbox() {
    let (script, tasks) = (Script::new(), Tasks::root("test"));
    script.put("p", true, ContainerState::Running);
    script.state().ip = Some("10.0.0.2".to_owned());
    let (pleg, _events) = Pleg::start(script.clone(), &tasks);
    millis(10).await;
    script.state().ip = None;
    script.put("p", false, ContainerState::Exited);
    millis(1000).await;
    assert_eq!(pleg.cache().get("p").unwrap().ips, ["10.0.0.2"]);
    script.put("p", true, ContainerState::Running);
    millis(1000).await;
    assert!(pleg.cache().get("p").unwrap().ips.is_empty(), "a ready sandbox without an address has none");
    tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn health_is_about_listings_that_succeed() {
    let (script, tasks) = (Script::new(), Tasks::root("test"));
    script.state().list_fails = true;
    let (pleg, _events) = Pleg::start(script.clone(), &tasks);
    millis(10).await;
    assert_eq!(pleg.healthy().unwrap_err(), "pleg has yet to be successful");
    script.state().list_fails = false;
    millis(1000).await;
    assert_eq!(pleg.healthy(), Ok(()));
    script.state().list_fails = true;
    millis(181_000).await;
    let error = pleg.healthy().unwrap_err();
    assert!(error.starts_with("pleg was last seen active 3m"), "{error}");
    assert!(error.ends_with("ago; threshold is 3m0s"), "{error}");
    tasks.shutdown().await;
}
