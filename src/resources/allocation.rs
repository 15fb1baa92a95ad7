//! What pods were given, container by container, kept in a file over restarts: `allocated_pods_state` when a pod is admitted,
//! `actuated_pods_state` when a container is made. As kubelet 1.36 writes them, so that either kubelet can take the other's place; a file
//! that cannot be read costs its content, not the start of the kubelet.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::{
    api::core::v1::{Container, Pod, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as ApiQuantity,
};
use serde::Deserialize;
use world::Files;

use crate::{
    api::{gojson, hash, pod as api_pod, quantity::Quantity, schema},
    runtime::naming,
};

/// A thousand pods of ten containers take some 3 MiB.
const LIMIT: u64 = 64 << 20;

/// The file on disk.
#[derive(Deserialize)]
struct Checkpoint {
    data: String,
    checksum: u64,
}

/// What the file's `data` holds.
#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    entries: BTreeMap<String, Entry>,
}

/// One pod's share.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default)]
    container_resources: BTreeMap<String, ResourceRequirements>,
    #[serde(default)]
    pod_level_resources: Option<ResourceRequirements>,
}

/// An entry and how the file has it, so that the others need not be worked out again when one changes.
#[derive(Debug, Default)]
struct Noted {
    entry: Entry,
    text: String,
    /// The same within the quotes of a JSON string.
    quoted: String,
}

impl Noted {
    fn new(uid: &str, entry: Entry) -> Self {
        let text = render(uid, &entry);
        let quoted = gojson::quoted(&text);
        let quoted = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned();
        Self { entry, text, quoted }
    }
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<String, Noted>,
    /// Whether the file holds just that; the same content is not written twice.
    written: bool,
}

/// One such file and what it says.
#[derive(Debug)]
pub struct Allocations {
    files: Files,
    path: PathBuf,
    state: Mutex<State>,
}

impl Allocations {
    /// What the file says; nothing if there is none or it cannot be read, which is logged.
    pub fn open(files: Files, path: PathBuf) -> Self {
        let state = read(&files, &path).unwrap_or_else(|why| {
            tracing::warn!(path = %path.display(), why, "State of pods' resources not restored; starting without it");
            State::default()
        });
        Self { files, path, state: Mutex::new(state) }
    }

    /// Notes what a whole pod was given: its containers, those of its start included, and the pod as such.
    pub fn set_pod(&self, pod: &Pod) {
        let entry = Entry {
            container_resources: api_pod::containers(pod)
                .map(|each| (each.container.name.clone(), each.container.resources.clone().unwrap_or_default()))
                .collect(),
            pod_level_resources: api_pod::spec(pod).resources.clone(),
        };
        self.change(naming::uid(pod), |noted| *noted = entry);
    }

    /// Notes what a container is being given; limits of the pod count where it has none of its own.
    pub fn set_container(&self, pod: &Pod, container: &Container) {
        let resources = effective(pod, container);
        let of_pod = api_pod::spec(pod).resources.clone().filter(|r| r.limits.is_some() || r.requests.is_some());
        self.change(naming::uid(pod), |entry| {
            entry.container_resources.insert(container.name.clone(), resources);
            entry.pod_level_resources = of_pod;
        });
    }

    /// The pod with what it was given where its manifest asks for something else; the same pod where it does not.
    pub fn granted(&self, pod: &Arc<Pod>) -> Arc<Pod> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Noted { entry, .. }) = state.entries.get(naming::uid(pod)) else { return pod.clone() };
        let spec = api_pod::spec(pod);
        let kept = |c: &Container| {
            entry.container_resources.get(&c.name).is_none_or(|given| same(given, c.resources.as_ref()))
        };
        let inits = spec.init_containers.iter().flatten();
        let of_pod = entry.pod_level_resources.clone();
        let pod_kept = same(&of_pod.clone().unwrap_or_default(), spec.resources.as_ref());
        if pod_kept && spec.containers.iter().chain(inits).all(kept) {
            return pod.clone();
        }
        let mut granted = (**pod).clone();
        if let Some(spec) = &mut granted.spec {
            if !pod_kept {
                spec.resources = of_pod;
            }
            for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
                if let Some(given) = entry.container_resources.get(&container.name) {
                    container.resources = Some(given.clone());
                }
            }
        }
        Arc::new(granted)
    }

    /// What is noted of a container; nothing of one that is not known.
    pub fn of_container(&self, uid: &str, container: &str) -> ResourceRequirements {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = state.entries.get(uid);
        noted.and_then(|noted| noted.entry.container_resources.get(container)).cloned().unwrap_or_default()
    }

    /// What is noted of a pod as such, if anything.
    pub fn of_pod(&self, uid: &str) -> Option<ResourceRequirements> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.entries.get(uid)?.entry.pod_level_resources.clone()
    }

    /// Notes that a pod as such was given what it asks for of one resource.
    pub fn set_of_pod(&self, pod: &Pod, resource: &str) {
        let Some(asked) = api_pod::spec(pod).resources.clone() else { return };
        self.change(naming::uid(pod), |entry| {
            let noted = entry.pod_level_resources.get_or_insert_default();
            for (noted, asked) in [(&mut noted.requests, asked.requests), (&mut noted.limits, asked.limits)] {
                let Some(asked) = asked else { continue };
                let amount = asked.get(resource).cloned().unwrap_or_else(|| ApiQuantity("0".to_owned()));
                noted.get_or_insert_default().insert(resource.to_owned(), amount);
            }
        });
    }

    /// Forgets a pod. The file follows with the next change.
    pub fn forget(&self, uid: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.entries.remove(uid).is_some() {
            state.written = false;
        }
    }

    /// Pods that something is noted of.
    pub fn uids(&self) -> Vec<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).entries.keys().cloned().collect()
    }

    fn change(&self, uid: &str, change: impl FnOnce(&mut Entry)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.entries.get(uid);
        let mut entry = before.map(|noted| noted.entry.clone()).unwrap_or_default();
        change(&mut entry);
        let noted = Noted::new(uid, entry);
        if state.written && before.is_some_and(|before| before.text == noted.text) {
            return;
        }
        state.entries.insert(uid.to_owned(), noted);
        let text = checkpoint(&state.entries);
        match self.files.write_atomic(&self.path, text.as_bytes(), 0o600) {
            Ok(()) => state.written = true,
            Err(error) => {
                state.written = false;
                tracing::error!(path = %self.path.display(), %error, "State of pods' resources not saved");
            }
        }
    }
}

fn read(files: &Files, path: &std::path::Path) -> Result<State, String> {
    let bytes = match files.read(path, LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
        other => other.map_err(|e| e.to_string())?,
    };
    let file: Checkpoint = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
    let checksum = checksum(&file.data);
    if u64::from(checksum) != file.checksum {
        return Err(format!("checkpoint is corrupted: its checksum is {checksum}, not {}", file.checksum));
    }
    let data: Data = serde_json::from_str(&file.data).map_err(|e| e.to_string())?;
    let entries = data.entries.into_iter().map(|(uid, entry)| {
        let noted = Noted::new(&uid, entry);
        (uid, noted)
    });
    Ok(State { entries: entries.collect(), written: true })
}

/// The whole file, which is only written with something in it. As Go's encoder writes it: keys sorted.
fn checkpoint(entries: &BTreeMap<String, Noted>) -> String {
    let list = |each: fn(&Noted) -> &str| entries.values().map(each).collect::<Vec<_>>().join(",");
    let data = format!("{{\"entries\":{{{}}}}}", list(|noted| &noted.text));
    let quoted = list(|noted| &noted.quoted);
    format!("{{\"data\":\"{{\\\"entries\\\":{{{quoted}}}}}\",\"checksum\":{}}}", checksum(&data))
}

/// One pod's share of the data.
fn render(uid: &str, entry: &Entry) -> String {
    let show = |resources: &ResourceRequirements| gojson::render(resources, &schema::RESOURCE_REQUIREMENTS);
    let each = entry.container_resources.iter().map(|(name, r)| format!("{}:{}", gojson::quoted(name), show(r)));
    let containers = each.collect::<Vec<_>>().join(",");
    let of_pod = entry.pod_level_resources.as_ref().map_or_else(|| "null".to_owned(), show);
    format!("{}:{{\"ContainerResources\":{{{containers}}},\"PodLevelResources\":{of_pod}}}", gojson::quoted(uid))
}

/// 32-bit FNV-1a over Go's dump of a string.
fn checksum(data: &str) -> u32 {
    hash::fnv1a_32(format!("(string){data}").as_bytes())
}

/// Whether both say the same, in whatever words.
fn same(one: &ResourceRequirements, other: Option<&ResourceRequirements>) -> bool {
    let amounts = |list: Option<&BTreeMap<String, ApiQuantity>>| -> BTreeMap<String, Quantity> {
        list.into_iter().flatten().map(|(name, amount)| (name.clone(), Quantity::of(amount))).collect()
    };
    let other = other.cloned().unwrap_or_default();
    amounts(one.limits.as_ref()) == amounts(other.limits.as_ref())
        && amounts(one.requests.as_ref()) == amounts(other.requests.as_ref())
}

/// What counts for a container: its own resources, with the limits of its pod where it has none.
pub fn effective(pod: &Pod, container: &Container) -> ResourceRequirements {
    let mut resources = container.resources.clone().unwrap_or_default();
    let of_pod = api_pod::spec(pod).resources.as_ref().and_then(|r| r.limits.as_ref());
    let set = |amount: Option<&ApiQuantity>| amount.filter(|q| !Quantity::of(q).is_zero()).cloned();
    for name in ["cpu", "memory"] {
        let own = resources.limits.as_ref().and_then(|limits| set(limits.get(name)));
        if let (None, Some(limit)) = (own, of_pod.and_then(|limits| set(limits.get(name)))) {
            resources.limits.get_or_insert_default().insert(name.to_owned(), limit);
        }
    }
    resources
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;
    use serde_json::json;
    use world::{WallClock, sim::MemoryFiles};

    use super::*;

    const PATH: &str = "/var/lib/kubelet/allocated_pods_state";
    /// Written by an upstream kubelet for the pod below.
    const UPSTREAM: &str = r#"{"data":"{\"entries\":{\"2f88c8ca819901ee0a9f4fccc7f89ee5\":{\"ContainerResources\":{\"c\":{\"limits\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"},\"requests\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"}},\"d\":{}},\"PodLevelResources\":null}}}","checksum":918860636}"#;

    fn files() -> Files {
        let files = Files::new(MemoryFiles::new(WallClock::simulated()));
        files.create_dir_all(Path::new("/var/lib/kubelet"), 0o755).unwrap();
        files
    }

    fn open(files: &Files) -> Allocations {
        Allocations::open(files.clone(), PATH.into())
    }

    fn text(files: &Files) -> String {
        files.read_to_string(Path::new(PATH), 1 << 20).unwrap()
    }

    fn pod(uid: &str, spec: serde_json::Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p", "uid": uid}, "spec": spec})).unwrap()
    }

    fn of_upstream() -> Pod {
        let own = json!({"cpu": "100m", "memory": "64Mi"});
        let c = json!({"name": "c", "resources": {"limits": own, "requests": own}});
        pod("2f88c8ca819901ee0a9f4fccc7f89ee5", json!({"initContainers": [{"name": "d"}], "containers": [c]}))
    }

    #[test]
    fn the_file_is_upstreams_to_the_byte() {
        let files = files();
        open(&files).set_pod(&of_upstream());
        assert_eq!(text(&files), UPSTREAM);
        assert_eq!(files.metadata(Path::new(PATH)).unwrap().mode, 0o600);
    }

    #[test]
    fn what_was_given_is_known_after_a_restart_and_what_has_gone_leaves_with_the_next_change() {
        let files = files();
        files.write(Path::new(PATH), UPSTREAM.as_bytes(), 0o600).unwrap();
        let all = open(&files);
        assert_eq!(all.uids(), ["2f88c8ca819901ee0a9f4fccc7f89ee5"]);
        all.forget("2f88c8ca819901ee0a9f4fccc7f89ee5");
        assert_eq!(text(&files), UPSTREAM, "the file follows later");
        all.set_pod(&pod("u", json!({"containers": [{"name": "c"}]})));
        assert_eq!(open(&files).uids(), ["u"]);
    }

    #[test]
    fn a_container_without_limits_has_those_of_its_pod() {
        let files = files();
        let spec = json!({"resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
            "containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]});
        let pod = pod("u", spec);
        open(&files).set_container(&pod, &api_pod::spec(&pod).containers[0]);
        let own = r#"{\"c\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}}"#;
        let of_pod = r#"{\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"}}"#;
        assert!(
            text(&files).contains(&format!(r#"\"ContainerResources\":{own},\"PodLevelResources\":{of_pod}"#)),
            "{}",
            text(&files)
        );
    }

    #[rstest]
    #[case("")]
    #[case("{")]
    #[case(r#"{"data":"{}","checksum":1}"#)]
    #[case(r#"{"data":"[]","checksum":2093017286}"#)]
    fn a_broken_file_is_begun_anew(#[case] broken: &str) {
        let files = files();
        files.write(Path::new(PATH), broken.as_bytes(), 0o600).unwrap();
        let all = open(&files);
        assert_eq!(all.uids(), [""; 0]);
        all.set_pod(&of_upstream());
        assert_eq!(text(&files), UPSTREAM);
    }
}
