//! Records on a simulated disk, beside what an upstream kubelet was seen to write.

use rstest::rstest;
use world::{Tasks, sim::SimWorld};

use super::*;
use crate::config::ImagePullCredentialsVerificationPolicy as Policy;

const ROOT: &str = "/var/lib/kubelet";
const REFERENCE: &str = "sha256:66cfbe188e005516ccf495df5da47eb50568299717814b76c55f4ce38096d9b6";
/// File name of a record of that image, and its content but for the time.
const UPSTREAM: (&str, &str) = (
    "sha256-3f5731ff7da488f393c46db6134e8e15523406a5da018bb11397b0909481748f",
    "{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"lastUpdatedTime\":\"2026-01-01T00:00:00Z\",\
     \"imageRef\":\"sha256:66cfbe188e005516ccf495df5da47eb50568299717814b76c55f4ce38096d9b6\",\"credentialMapping\":\
     {\"busybox\":{\"nodePodsAccessible\":true}}}\n",
);

struct Node(SimWorld);

impl Node {
    fn new() -> Self {
        let sim = SimWorld::new(1, &Tasks::root("test"));
        sim.world.files.create_dir_all(Path::new(ROOT), 0o755).unwrap();
        Self(sim)
    }

    fn records(&self) -> PullRecords {
        PullRecords::open(self.0.world.clone(), Path::new(ROOT))
    }

    fn list(&self, dir: &str) -> Vec<(String, String)> {
        let dir = Path::new(ROOT).join("image_manager").join(dir);
        let entries = self.0.world.files.read_dir(&dir).unwrap();
        let text = |name: &str| self.0.world.files.read_to_string(&dir.join(name), 10_000).unwrap();
        entries.into_iter().map(|e| (e.name.clone(), text(&e.name))).collect()
    }

    fn put(&self, dir: &str, name: &str, text: &str) {
        let path = Path::new(ROOT).join("image_manager").join(dir).join(name);
        self.0.world.files.create_dir_all(path.parent().unwrap(), 0o700).unwrap();
        self.0.world.files.write(&path, text.as_bytes(), 0o600).unwrap();
    }
}

fn rule(policy: Policy) -> Verification {
    Verification { policy, allowlist: Vec::new() }
}

#[tokio::test(start_paused = true)]
async fn a_pull_leaves_upstreams_record_and_a_failed_one_nothing() {
    let node = Node::new();
    let records = node.records();
    for dir in ["", "pulling", "pulled"] {
        let path = Path::new(ROOT).join("image_manager").join(dir);
        assert_eq!(node.0.world.files.metadata(&path).unwrap().mode, 0o700);
    }
    records.intend("busybox").unwrap();
    let intent =
        "{\"kind\":\"ImagePullIntent\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"image\":\"busybox\"}\n";
    assert_eq!(node.list("pulling"), [(file_name("busybox"), intent.to_owned())]);
    records.pulled("busybox", REFERENCE);
    assert_eq!(node.list("pulled"), [(UPSTREAM.0.to_owned(), UPSTREAM.1.to_owned())]);
    assert_eq!(node.list("pulling"), []);
    records.intend("nginx:1").unwrap();
    records.intend("nginx:1").unwrap();
    records.failed("nginx:1");
    assert_eq!(node.list("pulling").len(), 1, "another pull goes on");
    records.failed("nginx:1");
    assert_eq!(node.list("pulling"), []);
}

#[rstest]
#[case::came_with_the_node(Policy::NeverVerifyPreloadedImages, "", false)]
#[case::came_with_the_node_but_all_are_checked(Policy::AlwaysVerify, "", true)]
#[case::pulled_for_all(Policy::AlwaysVerify, "{\"busybox\":{\"nodePodsAccessible\":true}}", false)]
#[case::pulled_under_another_name(
    Policy::NeverVerifyPreloadedImages,
    "{\"mirror/busybox\":{\"nodePodsAccessible\":true}}",
    true
)]
#[case::pulled_with_a_secret(
    Policy::NeverVerifyPreloadedImages,
    "{\"busybox\":{\"kubernetesSecrets\":[{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"s\",\"credentialHash\":\"h\"}]}}",
    true
)]
#[case::pulled_with_a_secret_but_nothing_is_checked(
    Policy::NeverVerify,
    "{\"busybox\":{\"kubernetesSecrets\":[]}}",
    false
)]
#[tokio::test(start_paused = true)]
async fn an_image_that_is_there(#[case] policy: Policy, #[case] mapping: &str, #[case] pull: bool) {
    let node = Node::new();
    if !mapping.is_empty() {
        let text = UPSTREAM.1.replace("{\"busybox\":{\"nodePodsAccessible\":true}}", mapping);
        node.put("pulled", UPSTREAM.0, &text);
    }
    assert_eq!(node.records().must_pull("busybox:1", REFERENCE, &rule(policy)), pull);
}

#[tokio::test(start_paused = true)]
async fn what_a_stopped_kubelet_was_pulling_counts_as_pulled_by_nobody_known() {
    let node = Node::new();
    node.records().intend("busybox:1").unwrap();
    let again = node.records();
    assert!(again.has_intents());
    let preloaded = rule(Policy::NeverVerifyPreloadedImages);
    assert!(again.must_pull("busybox:1", REFERENCE, &preloaded), "by the intent alone");
    let image = v1::Image { id: REFERENCE.into(), repo_tags: vec!["busybox:1".into()], ..Default::default() };
    again.recover(&[image]);
    assert!(!again.has_intents());
    assert!(again.must_pull("busybox:1", REFERENCE, &preloaded));
    again.pulled("busybox:1", REFERENCE);
    assert!(!again.must_pull("busybox:1", REFERENCE, &preloaded));
}

#[tokio::test(start_paused = true)]
async fn a_pull_for_one_pod_does_not_take_the_image_from_another() {
    let node = Node::new();
    let records = node.records();
    records.intend("busybox").unwrap();
    assert!(!records.must_pull("busybox", REFERENCE, &rule(Policy::NeverVerifyPreloadedImages)));
    records.failed("busybox");
    assert!(!records.must_pull("busybox", REFERENCE, &rule(Policy::NeverVerifyPreloadedImages)));
}

#[rstest]
#[case::torn("{\"kind\":")]
#[case::of_another_kind(
    "{\"kind\":\"ImagePullIntent\",\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"image\":\"busybox\"}"
)]
#[case::of_another_version(
    "{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"v9\",\"lastUpdatedTime\":\"2026-01-01T00:00:00Z\",\"imageRef\":\"x\"}"
)]
#[case::empty("")]
#[tokio::test(start_paused = true)]
async fn a_broken_record_asks_the_registry_and_is_made_good_by_the_next_pull(#[case] text: &str) {
    let node = Node::new();
    node.put("pulled", UPSTREAM.0, text);
    let records = node.records();
    let preloaded = rule(Policy::NeverVerifyPreloadedImages);
    assert!(records.must_pull("busybox", REFERENCE, &preloaded));
    records.intend("busybox").unwrap();
    records.pulled("busybox", REFERENCE);
    assert!(!records.must_pull("busybox", REFERENCE, &preloaded));
    assert_eq!(node.list("pulled"), [(UPSTREAM.0.to_owned(), UPSTREAM.1.to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn records_of_older_kubelets_are_brought_up_to_date_and_of_gone_images_removed() {
    let node = Node::new();
    node.put("pulled", UPSTREAM.0, &UPSTREAM.1.replace("v1beta1", "v1alpha1"));
    let records = node.records();
    assert_eq!(node.list("pulled"), [(UPSTREAM.0.to_owned(), UPSTREAM.1.to_owned())]);
    let now = node.0.world.clock.now();
    records.prune(&BTreeSet::new(), now);
    assert_eq!(node.list("pulled").len(), 1, "changed since");
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let later = node.0.world.clock.now();
    records.prune(&BTreeSet::from([REFERENCE.to_owned()]), later);
    assert_eq!(node.list("pulled").len(), 1, "still there");
    records.prune(&BTreeSet::new(), later);
    assert_eq!(node.list("pulled"), []);
}
