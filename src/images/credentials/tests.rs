//! Docker configurations and provider plugins in a simulated world: what is found for an image, what a plugin is given, when it is asked again.

use std::{path::Path, time::Duration};

use rstest::rstest;
use world::{Tasks, programs::Outcome, sim::SimWorld};

use super::*;

const ROOT: &str = "/var/lib/kubelet";
const CONFIG: &str = "/etc/kubernetes/credentials.yaml";
const PROGRAMS: &str = "/opt/providers";
const GOOD: &str = "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n- name: ecr\n  matchImages: ['*.example.com']\n  \
                    defaultCacheDuration: 10m\n  apiVersion: credentialprovider.kubelet.k8s.io/v1\n  args: [get]\n  env: [{name: HOME, value: /nowhere}]\n";

struct Node(SimWorld);

impl Node {
    fn new() -> Self {
        let node = Self(SimWorld::new(1, &Tasks::root("test")));
        node.put(&format!("{PROGRAMS}/ecr"), "", 0o755);
        node.put(CONFIG, GOOD, 0o600);
        node
    }

    fn put(&self, path: &str, text: &str, mode: u32) {
        let path = Path::new(path);
        self.0.world.files.create_dir_all(path.parent().unwrap(), 0o755).unwrap();
        self.0.world.files.write(path, text.as_bytes(), mode).unwrap();
    }

    fn providers(&self) -> Result<Vec<Provider>, String> {
        load(&self.0.world.files, Path::new(CONFIG), Path::new(PROGRAMS)).map_err(|e| e.to_string())
    }

    /// A plugin that always answers this.
    fn answers(&self, code: i32, stdout: &str) {
        let stdout = stdout.as_bytes().to_vec();
        self.0.programs.register(format!("{PROGRAMS}/ecr"), move |_| {
            let outcome = Outcome { code, stdout: stdout.clone(), stderr: b"no luck".to_vec() };
            async move { Ok(outcome) }
        });
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(self.0.world.clone(), ROOT.into(), &self.providers().unwrap())
    }
}

async fn users(credentials: &Credentials, image: &str) -> Vec<String> {
    credentials.of(image).await.into_iter().map(|auth| format!("{}:{}", auth.username, auth.password)).collect()
}

fn response(rest: &str) -> String {
    format!(
        r#"{{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1",{rest},"auth":{{"a.example.com":{{"username":"me","password":"pw"}}}}}}"#
    )
}

#[rstest]
#[case::of_the_kubelet("/var/lib/kubelet/config.json", r#"{"auths":{"reg.example":{"auth":"bWU6cHc="}}}"#, &["me:pw"])]
#[case::unpadded("/var/lib/kubelet/config.json", r#"{"auths":{"reg.example":{"auth":"bWU6cHcx"}}}"#, &["me:pw1"])]
#[case::in_words("/home/kubelet/.docker/config.json", r#"{"auths":{"https://reg.example/v2/":{"username":"u","password":"p","email":"e"}}}"#, &["u:p"])]
#[case::old("/home/kubelet/.dockercfg", r#"{"reg.example":{"username":"u","password":"p"}}"#, &["u:p"])]
#[case::of_another_registry("/.docker/config.json", r#"{"auths":{"other.example":{"username":"u","password":"p"}}}"#, &[])]
#[case::broken("/.docker/config.json", r#"{"auths":{"reg.example":{"auth":"!"}}}"#, &[])]
#[case::no_json("/config.json", "{", &[])]
#[tokio::test(start_paused = true)]
async fn docker_configurations(#[case] path: &str, #[case] text: &str, #[case] found: &[&str]) {
    let node = Node::new();
    node.put(path, text, 0o600);
    assert_eq!(users(&node.credentials(), "reg.example/x:1").await, found);
}

#[tokio::test(start_paused = true)]
async fn the_kubelets_own_configuration_comes_first_and_is_believed_for_five_minutes() {
    let node = Node::new();
    let config = |user: &str| format!(r#"{{"auths":{{"reg.example":{{"username":"{user}","password":"p"}}}}}}"#);
    node.put("/home/kubelet/.docker/config.json", &config("home"), 0o600);
    let credentials = node.credentials();
    assert_eq!(users(&credentials, "reg.example/x").await, ["home:p"]);
    node.put("/var/lib/kubelet/config.json", &config("own"), 0o600);
    tokio::time::sleep(Duration::from_secs(299)).await;
    assert_eq!(users(&credentials, "reg.example/x").await, ["home:p"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(users(&credentials, "reg.example/x").await, ["own:p"]);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_is_given_the_repository_and_its_answer_is_kept() {
    let node = Node::new();
    node.answers(0, &response(r#""cacheKeyType":"Registry","cacheDuration":"1h""#));
    let credentials = node.credentials();
    assert_eq!(users(&credentials, "a.example.com/team/x:1").await, ["me:pw"]);
    assert_eq!(users(&credentials, "a.example.com/y").await, ["me:pw"]);
    assert_eq!(users(&credentials, "b.example.com/y").await, [""; 0], "asked, but the answer is for another registry");
    assert_eq!(users(&credentials, "example.com/y").await, [""; 0]);
    let calls = node.0.programs.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].args, ["get"]);
    assert_eq!(
        String::from_utf8_lossy(&calls[0].stdin),
        "{\"kind\":\"CredentialProviderRequest\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\"image\":\"a.example.com/team/x\"}\n"
    );
    let env: Vec<String> = calls[0].env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["PATH=/usr/bin:/bin", "HOME=/nowhere"]);
    assert_eq!(calls[0].timeout, Some(Duration::from_secs(60)));
    tokio::time::sleep(Duration::from_secs(3601)).await;
    users(&credentials, "a.example.com/y").await;
    assert_eq!(node.0.programs.calls().len(), 3);
}

#[rstest]
#[case::each_image(r#""cacheKeyType":"Image""#, 2)]
#[case::all_images(r#""cacheKeyType":"Global""#, 1)]
#[case::never(r#""cacheKeyType":"Global","cacheDuration":"0s""#, 4)]
#[tokio::test(start_paused = true)]
async fn answers_are_kept_as_the_plugin_says(#[case] rest: &str, #[case] asked: usize) {
    let node = Node::new();
    node.answers(0, &response(rest));
    let credentials = node.credentials();
    for image in ["a.example.com/x", "a.example.com/y", "a.example.com/x", "a.example.com/y"] {
        assert_eq!(users(&credentials, image).await, ["me:pw"]);
    }
    assert_eq!(node.0.programs.calls().len(), asked);
}

#[rstest]
#[case::fails(1, "")]
#[case::says_nothing(0, "")]
#[case::of_another_version(
    0,
    r#"{"kind":"CredentialProviderResponse","apiVersion":"v9","cacheKeyType":"Image","auth":{}}"#
)]
#[case::of_another_kind(
    0,
    r#"{"kind":"Pod","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Image","auth":{}}"#
)]
#[case::without_a_key(
    0,
    r#"{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","auth":{}}"#
)]
#[case::too_long(0, "huge")]
#[tokio::test(start_paused = true)]
async fn a_plugin_that_fails_gives_nothing(#[case] code: i32, #[case] stdout: &str) {
    let node = Node::new();
    let text = if stdout == "huge" { "x".repeat(11 << 20) } else { stdout.to_owned() };
    node.answers(code, &text);
    assert_eq!(users(&node.credentials(), "a.example.com/x").await, [""; 0]);
    assert_eq!(node.0.programs.calls().len(), 1);
}

#[rstest]
#[case("name: ecr", "name: a/b", "providers.name: Invalid value: \"a/b\": provider name cannot contain '/'")]
#[case("name: ecr", "name: ..", "providers.name: Invalid value: \"..\": provider name cannot be '..'")]
#[case("name: ecr", "name: gone", "plugin binary executable /opt/providers/gone did not exist")]
#[case("defaultCacheDuration: 10m", "{}", "error decoding config")]
#[case(
    "defaultCacheDuration: 10m",
    "defaultCacheDuration: -1s",
    "providers.defaultCacheDuration: Invalid value: \"-1s\": must be greater than or equal to 0"
)]
#[case(
    "apiVersion: credentialprovider.kubelet.k8s.io/v1",
    "apiVersion: v1",
    "providers.apiVersion: Unsupported value: \"v1\": supported values: \"credentialprovider.kubelet.k8s.io/v1\""
)]
#[case(
    "matchImages: ['*.example.com']",
    "matchImages: []",
    "providers.matchImages: Required value: at least 1 item in matchImages is required"
)]
#[case("args: [get]", "argz: [get]", "unknown field `argz`")]
#[case("kind: CredentialProviderConfig", "kind: Pod", "no kind \"Pod\" is registered")]
#[tokio::test(start_paused = true)]
async fn a_configuration_that_is_wrong_is_refused(#[case] good: &str, #[case] bad: &str, #[case] why: &str) {
    let node = Node::new();
    assert!(GOOD.contains(good));
    node.put(CONFIG, &GOOD.replace(good, bad), 0o600);
    let error = node.providers().unwrap_err();
    assert!(error.starts_with("Failed to register CRI auth plugins: ") && error.contains(why), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_directory_of_configurations_is_one_configuration() {
    let node = Node::new();
    node.put("/etc/conf/b.yml", &GOOD.replace("ecr", "gcr"), 0o600);
    node.put("/etc/conf/a.yaml", GOOD, 0o600);
    node.put("/etc/conf/readme.txt", "no", 0o600);
    node.put(&format!("{PROGRAMS}/gcr"), "", 0o755);
    let load = || load(&node.0.world.files, Path::new("/etc/conf"), Path::new(PROGRAMS));
    let names: Vec<String> = load().unwrap().into_iter().map(|provider| provider.name).collect();
    assert_eq!(names, ["ecr", "gcr"]);
    node.put("/etc/conf/c.json", GOOD, 0o600);
    assert!(load().unwrap_err().to_string().contains("duplicate provider name \"ecr\" found"));
}
