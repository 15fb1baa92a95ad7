//! Tests of the sources in a simulated world: files and a URL in, changes out.

mod attacks;

use std::path::Path;

use rstest::rstest;
use tokio::time::{Instant, sleep, timeout};
use world::sim::SimWorld;

use super::*;
use crate::{
    api::{labels, pod},
    httpget::testing::{Script, Server, reply},
    observer::{Observer, PodEvent},
};

const DIR: &str = "/etc/kubernetes/manifests";

#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl Observer for Events {
    fn pod_event(&self, event: &PodEvent) {
        self.0.lock().unwrap().push(format!("{} {}", event.reason, event.message));
    }
}

struct Bench {
    sim: SimWorld,
    tasks: Tasks,
    events: Arc<Events>,
    changes: Option<(Arc<Sources>, mpsc::Receiver<PodChange>)>,
}

fn manifest(name: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: c, image: {image}}}]}}\n"
    )
}

impl Bench {
    fn new() -> Self {
        let tasks = Tasks::root("test");
        let sim = SimWorld::new(1, &tasks);
        Self { sim, tasks, events: Arc::default(), changes: None }
    }

    fn mkdir(&self) {
        self.sim.world.files.create_dir_all(DIR.as_ref(), 0o755).unwrap();
    }

    fn put(&self, name: &str, text: &str) {
        self.sim.world.files.write(&Path::new(DIR).join(name), text.as_bytes(), 0o644).unwrap();
    }

    fn remove(&self, name: &str) {
        self.sim.world.files.remove_file(&Path::new(DIR).join(name)).unwrap();
    }

    fn start(&mut self, path: Option<&str>, url: Option<&str>) {
        let settings = SourceSettings {
            local_objects: false,
            node_name: "node1".to_owned(),
            path: path.map(PathBuf::from),
            file_period: Duration::from_secs(20),
            url: url.map(str::to_owned),
            headers: vec![("X-Token".to_owned(), "t".to_owned())],
            http_period: Duration::from_secs(20),
        };
        let recorder = Recorder::new(self.sim.world.clock.clone(), self.events.clone());
        self.changes = Some(Sources::start(&self.sim.world, &settings, &recorder, &self.tasks));
    }

    async fn next(&mut self) -> Option<PodChange> {
        let (sources, changes) = self.changes.as_mut().unwrap();
        let change = timeout(Duration::from_millis(10), changes.recv()).await.ok().flatten()?;
        sources.mark_seen(change.source);
        Some(change)
    }

    /// Changes that come at once: `Add web-node1 api-node1`.
    async fn told(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(change) = self.next().await {
            let names: String = change.pods.iter().map(|pod| format!(" {}", pod::name(pod))).collect();
            all.push(format!("{:?}{names}", change.op));
        }
        all
    }

    fn ready(&self) -> bool {
        self.changes.as_ref().unwrap().0.all_ready()
    }
}

const NOTHING: [&str; 0] = [];

#[tokio::test(start_paused = true)]
async fn files_come_change_and_go_at_once() {
    let mut bench = Bench::new();
    bench.mkdir();
    bench.put("b.yaml", &manifest("web", "one"));
    bench.put("a.yaml", &manifest("api", "one"));
    bench.start(Some(&format!("{DIR}/")), None);
    assert!(!bench.ready());
    let first = bench.next().await.unwrap();
    assert_eq!(first.pods.iter().map(|p| pod::name(p)).collect::<Vec<_>>(), ["api-node1", "web-node1"]);
    assert!(bench.ready());
    let annotations = pod::annotations(&first.pods[0]);
    assert_eq!(annotations[labels::CONFIG_SOURCE], "file");
    assert_eq!(annotations[labels::CONFIG_SEEN], "2026-01-01T00:00:00Z");
    assert_eq!(annotations[labels::CONFIG_HASH], pod::uid(&first.pods[0]));

    bench.put("b.yaml", &manifest("web", "two"));
    assert_eq!(bench.told().await, ["Remove web-node1", "Add web-node1"], "another content is another pod");
    bench.put("b.yaml", &format!("# a comment\n{}", manifest("web", "two")));
    assert_eq!(bench.told().await, NOTHING, "the same content is the same pod");
    bench.put(".c.yaml.swp", &manifest("hidden", "one"));
    bench.sim.world.files.write_atomic(&Path::new(DIR).join("c.yaml"), manifest("new", "i").as_bytes(), 0o644).unwrap();
    assert_eq!(bench.told().await, ["Add new-node1"]);
    bench.remove("b.yaml");
    bench.remove("a.yaml");
    assert_eq!(bench.told().await, ["Remove web-node1", "Remove api-node1"]);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.told().await, NOTHING, "listings say nothing new");
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_with_a_uid_of_its_own_is_updated() {
    let mut bench = Bench::new();
    bench.mkdir();
    let with_uid = |image: &str| manifest("web", image).replace("name: web", "name: web, uid: u1");
    bench.put("a.yaml", &with_uid("one"));
    bench.start(Some(DIR), None);
    assert_eq!(bench.told().await, ["Add web-node1"]);
    sleep(Duration::from_secs(5)).await;
    bench.put("a.yaml", &with_uid("two"));
    let change = bench.next().await.unwrap();
    assert_eq!(change.op, Op::Update);
    let pod = &change.pods[0];
    assert_eq!(pod::spec(pod).containers[0].image.as_deref(), Some("two"));
    assert_eq!(pod::annotations(pod)[labels::CONFIG_SEEN], "2026-01-01T00:00:00Z", "seen then, not now");
    assert_eq!(bench.told().await, NOTHING);
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_edit_takes_the_pod_away_at_the_next_listing() {
    let mut bench = Bench::new();
    bench.mkdir();
    bench.put("a.yaml", &manifest("web", "one"));
    bench.start(Some(DIR), None);
    let start = Instant::now();
    assert_eq!(bench.told().await, ["Add web-node1"]);
    bench.put("a.yaml", "kind: Pod\n");
    assert_eq!(bench.told().await, NOTHING);
    let change = bench.changes.as_mut().unwrap().1.recv().await.unwrap();
    assert_eq!((change.op, start.elapsed().as_secs()), (Op::Remove, 20));
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_files_with_one_pod_the_last_counts() {
    let mut bench = Bench::new();
    bench.mkdir();
    bench.put("b.yaml", &manifest("web", "one"));
    bench.start(Some(DIR), None);
    assert_eq!(bench.told().await, ["Add web-node1"]);
    bench.put("a.yaml", &manifest("web", "one"));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.told().await, NOTHING);
    bench.remove("b.yaml");
    assert_eq!(bench.told().await, ["Remove web-node1", "Add web-node1"]);
    bench.put("a.yaml", &manifest("renamed", "one"));
    assert_eq!(bench.told().await, ["Remove web-node1", "Add renamed-node1"]);
    bench.tasks.shutdown().await;
}

#[rstest]
#[case::not_yaml("a: [")]
#[case::not_a_pod("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")]
#[case::empty("")]
#[case::no_name("apiVersion: v1\nkind: Pod\nspec: {containers: [{name: c, image: i}]}\n")]
#[case::references_a_secret(
    "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: c, image: i}], volumes: [{name: s, secret: {secretName: s}}]}\n"
)]
#[tokio::test(start_paused = true)]
async fn a_bad_file_does_not_hurt_a_good_one(#[case] text: &str) {
    let mut bench = Bench::new();
    bench.mkdir();
    bench.put("a.yaml", text);
    bench.put("b.yaml", &manifest("web", "one"));
    bench.start(Some(DIR), None);
    assert_eq!(bench.told().await, ["Add web-node1"]);
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_file_is_passed_over() {
    let mut bench = Bench::new();
    bench.mkdir();
    let files = &bench.sim.world.files;
    files.create_dir(&Path::new(DIR).join("dir"), 0o755).unwrap();
    files.write(&Path::new(DIR).join("dir/x.yaml"), manifest("nested", "i").as_bytes(), 0o644).unwrap();
    files.symlink("/nowhere".as_ref(), &Path::new(DIR).join("dangling")).unwrap();
    bench.sim.files.make_fifo(Path::new(DIR).join("fifo")).unwrap();
    files.write(&Path::new(DIR).join("large.yaml"), &vec![b'#'; (10 << 20) + 1], 0o644).unwrap();
    bench.start(Some(DIR), None);
    assert_eq!(bench.told().await, ["Add"], "nothing, but read");
    assert!(bench.ready());
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_directory_may_come_later_and_go() {
    let mut bench = Bench::new();
    bench.start(Some(DIR), None);
    assert_eq!(bench.told().await, ["Add"]);
    bench.mkdir();
    bench.put("a.yaml", &manifest("web", "one"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.told().await, ["Add web-node1"], "within a second");
    bench.sim.world.files.remove_dir_all(DIR.as_ref()).unwrap();
    assert_eq!(bench.told().await, ["Remove web-node1"]);
    bench.mkdir();
    bench.put("a.yaml", &manifest("web", "one"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.told().await, ["Add web-node1"]);
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_single_file_says_nothing_while_it_is_broken() {
    let mut bench = Bench::new();
    bench.mkdir();
    bench.put("pod.yaml", "nonsense");
    bench.start(Some(&format!("{DIR}/pod.yaml")), None);
    assert_eq!(bench.told().await, NOTHING);
    assert!(!bench.ready(), "nothing may be removed yet");
    bench.put("pod.yaml", &manifest("web", "one"));
    assert_eq!(bench.told().await, ["Add web-node1"]);
    bench.put("pod.yaml", "nonsense");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.told().await, NOTHING, "the pod stays");
    bench.remove("pod.yaml");
    assert_eq!(bench.told().await, ["Remove web-node1"]);
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn no_source_is_ready_at_once() {
    let mut bench = Bench::new();
    bench.start(None, None);
    assert!(bench.ready());
}

#[tokio::test(start_paused = true)]
async fn a_url_is_asked_every_period() {
    let mut bench = Bench::new();
    let fine = |text: &str| reply("200 OK", "", text);
    let server =
        Server::start(&bench.sim.world.net, "10.0.0.9:80", reply("404 Not Found", "", "?"), &bench.tasks).await;
    bench.start(None, Some("http://10.0.0.9/pods"));
    assert_eq!(bench.told().await, NOTHING);
    assert!(!bench.ready());
    assert_eq!(
        server.seen.lock().unwrap()[0],
        "GET /pods HTTP/1.1\r\nHost: 10.0.0.9\r\nUser-Agent: Go-http-client/1.1\r\nX-Token: t\r\nAccept-Encoding: gzip\r\n\r\n"
    );
    let mut step = async |script: Script| {
        server.set(script);
        sleep(Duration::from_secs(20)).await;
        bench.told().await
    };
    assert_eq!(step(fine(&manifest("web", "one"))).await, ["Add web-node1"]);
    assert_eq!(step(fine(&manifest("web", "one"))).await, NOTHING);
    assert_eq!(step(Script::Hang).await, NOTHING, "what it said before holds");
    // The attempt that hangs takes ten seconds of the next period.
    sleep(Duration::from_secs(10)).await;
    let list = |items: &str| fine(&format!("apiVersion: v1\nkind: PodList\nitems: [{items}]\n"));
    let item = |name: &str| format!("{{metadata: {{name: {name}}}, spec: {{containers: [{{name: c, image: i}}]}}}}");
    let two = format!("{}, {}", item("one"), item("two"));
    assert_eq!(step(list(&two)).await, ["Remove web-node1", "Add one-node1 two-node1"]);
    assert_eq!(step(list("{metadata: {name: 5}}")).await, NOTHING, "a broken list changes nothing");
    assert_eq!(step(fine("")).await, ["Remove one-node1 two-node1"], "an empty body is no pods");
    bench.tasks.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_twice_in_a_list_is_told() {
    let mut bench = Bench::new();
    let item =
        |uid: &str| format!("{{metadata: {{name: x, uid: {uid}}}, spec: {{containers: [{{name: c, image: i}}]}}}}");
    let list = format!("apiVersion: v1\nkind: PodList\nitems: [{}, {}]\n", item("u1"), item("u2"));
    let _server = Server::start(&bench.sim.world.net, "10.0.0.9:80", reply("200 OK", "", &list), &bench.tasks).await;
    bench.start(None, Some("http://10.0.0.9/"));
    assert_eq!(bench.told().await, ["Add x-node1"]);
    assert_eq!(
        *bench.events.0.lock().unwrap(),
        [
            "FailedValidation Error validating pod x-node1_default(u2) from http due to duplicate pod name \"x-node1\", ignoring"
        ]
    );
    bench.tasks.shutdown().await;
}
