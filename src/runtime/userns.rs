//! User namespaces of pods with `hostUsers: false`: which range of the node's ids each pod has, kept over restarts, and what of it the runtime
//! is told. As kubelet 1.36's userns manager; a file that cannot be read costs its own pod only, not the start of the kubelet.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cri_proto::v1;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use world::{Rng, World, files::FileKind};

use crate::runtime::RuntimeSettings;

/// Ids are handed out in multiples of this.
pub const STEP: u32 = 65536;

/// A mapping takes some 150 bytes.
const LIMIT: u64 = 4096;

/// One range in the pod's `userns` file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mapping {
    host_id: u32,
    container_id: u32,
    length: u32,
}

/// The pod's `userns` file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Saved {
    uid_mappings: Vec<Mapping>,
    gid_mappings: Vec<Mapping>,
}

#[derive(Debug)]
struct State {
    rng: Rng,
    /// First host id by pod.
    of_pod: BTreeMap<String, u32>,
    taken: BTreeSet<u32>,
}

/// Ranges of ids, one for each pod that wants its own.
#[derive(Debug)]
pub struct UserNamespaces {
    world: World,
    settings: RuntimeSettings,
    state: Mutex<State>,
}

impl UserNamespaces {
    /// Ranges of this node, with those that pods have already.
    pub fn recover(world: World, settings: RuntimeSettings) -> Self {
        let rng = world.random.fork("user-namespaces");
        let state = Mutex::new(State { rng, of_pod: BTreeMap::new(), taken: BTreeSet::new() });
        let all = Self { world, settings, state };
        for entry in all.world.files.read_dir(&all.settings.root_dir.join("pods")).unwrap_or_default() {
            if entry.kind == FileKind::Directory
                && let Err(error) = all.recorded(&entry.name, &mut all.lock())
            {
                tracing::error!(uid = entry.name, error, "User namespace of a pod not recovered");
            }
        }
        all
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, uid: &str) -> PathBuf {
        self.settings.pod_dir(uid).join("userns")
    }

    fn length(&self) -> u32 {
        self.settings.user_namespace_ids.max(STEP)
    }

    /// What the runtime is told about a pod: the node's own ids, or the pod's range, which is picked and kept if it has none yet.
    ///
    /// # Errors
    /// The runtime cannot, no range is left, or the pod's file cannot be read or written; upstream's text.
    pub fn options(&self, uid: &str, host_users: bool, supported: bool) -> Result<v1::UserNamespace, String> {
        if host_users {
            return Ok(v1::UserNamespace { mode: v1::NamespaceMode::Node.into(), uids: Vec::new(), gids: Vec::new() });
        }
        if !supported {
            return Err("can't set `spec.hostUsers: false`, runtime does not support user namespaces".to_owned());
        }
        let first = self.first_id(uid).map_err(|why| format!("user namespace: {why}"))?;
        let mapping = v1::IdMapping { host_id: first, container_id: 0, length: self.length() };
        Ok(v1::UserNamespace { mode: v1::NamespaceMode::Pod.into(), uids: vec![mapping], gids: vec![mapping] })
    }

    fn first_id(&self, uid: &str) -> Result<u32, String> {
        let mut state = self.lock();
        if let Some(first) = state.of_pod.get(uid) {
            return Ok(*first);
        }
        if let Some(first) = self.recorded(uid, &mut state)? {
            return Ok(first);
        }
        let length = self.length();
        // The first range belongs to the node itself.
        let slots = u32::MAX / length;
        let start = state.rng.random_range(0..slots);
        let free = (0..slots).map(|n| (start + n) % slots).map(|slot| (slot + 1) * length);
        let first = free.into_iter().find(|first| !state.taken.contains(first)).ok_or("no free range of ids left")?;
        let mapping = vec![Mapping { host_id: first, container_id: 0, length }];
        let saved = Saved { uid_mappings: mapping.clone(), gid_mappings: mapping };
        let text = serde_json::to_vec(&saved).map_err(|e| e.to_string())?;
        self.world.files.write_atomic(&self.file(uid), &text, 0o600).map_err(|e| e.to_string())?;
        state.taken.insert(first);
        state.of_pod.insert(uid.to_owned(), first);
        Ok(first)
    }

    /// The range in the pod's file, if there is one, which is then taken.
    fn recorded(&self, uid: &str, state: &mut State) -> Result<Option<u32>, String> {
        let bytes = match self.world.files.read(&self.file(uid), LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("invalid user namespace mappings file: {error}")),
        };
        let saved: Saved =
            serde_json::from_slice(&bytes).map_err(|e| format!("invalid user namespace mappings file: {e}"))?;
        let ([mapping], true) = (saved.uid_mappings.as_slice(), saved.uid_mappings == saved.gid_mappings) else {
            return Err(
                "invalid user namespace mappings file: one and the same range of users and groups is wanted".into()
            );
        };
        if mapping.length != self.length() {
            return Err(format!("wrong user namespace length {}", mapping.length));
        }
        let first = mapping.host_id;
        if mapping.container_id != 0
            || first < STEP
            || first % STEP != 0
            || first.checked_add(mapping.length - 1).is_none()
        {
            return Err(format!("invalid user namespace mappings file: wrong range from {first} on"));
        }
        if !state.taken.insert(first) {
            return Err(format!("range picked for pod {uid:?} already taken"));
        }
        state.of_pod.insert(uid.to_owned(), first);
        Ok(Some(first))
    }

    /// Gives a pod's range back, when nothing of it runs any more.
    pub fn release(&self, uid: &str) {
        let mut state = self.lock();
        let Some(first) = state.of_pod.remove(uid) else { return };
        state.taken.remove(&first);
        if let Err(error) = self.world.files.remove_file(&self.file(uid))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(uid, %error, "User namespace of a pod not released on disk");
        }
    }
}

/// Gives a container what its sandbox has: the namespace itself, and the mapping of every mount.
pub fn apply(config: &mut v1::ContainerConfig, sandbox: &v1::PodSandboxConfig) {
    let of_sandbox = sandbox.linux.as_ref().and_then(|l| l.security_context.as_ref());
    let users = of_sandbox.and_then(|s| s.namespace_options.as_ref()).and_then(|n| n.userns_options.as_ref());
    let Some(users) = users.filter(|u| u.mode == v1::NamespaceMode::Pod as i32) else { return };
    for mount in &mut config.mounts {
        mount.uid_mappings.clone_from(&users.uids);
        mount.gid_mappings.clone_from(&users.gids);
    }
    let own = config.linux.as_mut().and_then(|l| l.security_context.as_mut());
    if let Some(options) = own.and_then(|s| s.namespace_options.as_mut()) {
        options.userns_options = Some(users.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use world::{Tasks, sim::SimWorld};

    use super::*;

    fn settings(sim: &SimWorld) -> RuntimeSettings {
        for uid in ["a", "b", "c"] {
            sim.world.files.create_dir_all(&Path::new("/var/lib/kubelet/pods").join(uid), 0o750).unwrap();
        }
        RuntimeSettings::new("node1", sim.world.machine.facts().unwrap())
    }

    fn first(all: &UserNamespaces, uid: &str) -> Result<u32, String> {
        all.options(uid, false, true).map(|options| options.uids[0].host_id)
    }

    #[tokio::test(start_paused = true)]
    async fn every_pod_has_its_own_aligned_range_and_keeps_it_over_a_restart() {
        let sim = SimWorld::new(1, &Tasks::root("test"));
        let settings = settings(&sim);
        let all = UserNamespaces::recover(sim.world.clone(), settings.clone());
        let (a, b) = (first(&all, "a").unwrap(), first(&all, "b").unwrap());
        assert!(a != b && a % STEP == 0 && b % STEP == 0 && a >= STEP && b >= STEP, "{a} {b}");
        assert_eq!(first(&all, "a"), Ok(a));
        let file = Path::new("/var/lib/kubelet/pods/a/userns");
        let range = format!(r#"[{{"hostId":{a},"containerId":0,"length":65536}}]"#);
        let text = sim.world.files.read_to_string(file, 4096).unwrap();
        assert_eq!(text, format!(r#"{{"uidMappings":{range},"gidMappings":{range}}}"#));
        assert_eq!(sim.world.files.metadata(file).unwrap().mode, 0o600);
        let again = UserNamespaces::recover(sim.world.clone(), settings.clone());
        assert_eq!((first(&again, "a"), first(&again, "b")), (Ok(a), Ok(b)));
        again.release("a");
        assert!(!sim.world.files.exists(file));
        assert_eq!(again.lock().taken.len(), 1);
        assert!(first(&again, "c").is_ok_and(|c| c != b));
    }

    #[tokio::test(start_paused = true)]
    async fn the_nodes_own_users_need_nothing_and_a_runtime_that_cannot_is_an_error() {
        let sim = SimWorld::new(1, &Tasks::root("test"));
        let all = UserNamespaces::recover(sim.world.clone(), settings(&sim));
        let node = all.options("a", true, false).unwrap();
        assert_eq!((node.mode, node.uids.len()), (v1::NamespaceMode::Node as i32, 0));
        let refused = all.options("a", false, false).unwrap_err();
        assert_eq!(refused, "can't set `spec.hostUsers: false`, runtime does not support user namespaces");
    }

    #[rstest::rstest]
    #[case("", "invalid user namespace mappings file: ")]
    #[case("{\"uidMappings\":[", "invalid user namespace mappings file: ")]
    #[case(r#"{"uidMappings":[],"gidMappings":[]}"#, "invalid user namespace mappings file: ")]
    #[case(r#"{"uidMappings":[{"hostId":65536,"containerId":0,"length":7}],"gidMappings":[{"hostId":65536,"containerId":0,"length":7}]}"#, "wrong user namespace length 7")]
    #[case(r#"{"uidMappings":[{"hostId":0,"containerId":0,"length":65536}],"gidMappings":[{"hostId":0,"containerId":0,"length":65536}]}"#, "invalid user namespace mappings file: wrong range from 0 on")]
    #[tokio::test(start_paused = true)]
    async fn a_broken_file_stops_its_own_pod_only(#[case] text: &str, #[case] why: &str) {
        let sim = SimWorld::new(1, &Tasks::root("test"));
        let settings = settings(&sim);
        let file = Path::new("/var/lib/kubelet/pods/a/userns");
        sim.world.files.write(file, text.as_bytes(), 0o600).unwrap();
        let all = UserNamespaces::recover(sim.world.clone(), settings);
        let error = first(&all, "a").unwrap_err();
        assert!(error.starts_with(&format!("user namespace: {why}")), "{error}");
        first(&all, "b").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn two_pods_never_share_a_range_whatever_their_files_say() {
        let sim = SimWorld::new(1, &Tasks::root("test"));
        let settings = settings(&sim);
        let all = UserNamespaces::recover(sim.world.clone(), settings.clone());
        first(&all, "a").unwrap();
        let files = &sim.world.files;
        let copied = files.read(Path::new("/var/lib/kubelet/pods/a/userns"), 4096).unwrap();
        files.write(Path::new("/var/lib/kubelet/pods/b/userns"), &copied, 0o600).unwrap();
        let error = first(&UserNamespaces::recover(sim.world.clone(), settings), "b").unwrap_err();
        assert_eq!(error, "user namespace: range picked for pod \"b\" already taken");
    }
}
