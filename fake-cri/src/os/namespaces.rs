//! What the containers of one pod share beside processes: host name, System V memory, kernel settings, listening ports, user ids.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A shared memory segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Key, 0 for a private one.
    pub key: u32,
    /// Number.
    pub id: u32,
    /// Owner.
    pub owner: u32,
    /// Permission bits.
    pub mode: u32,
    /// Bytes.
    pub bytes: u64,
}

/// One range of user or group ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    /// First id inside.
    pub inside: u32,
    /// The id of the host that it is.
    pub outside: u32,
    /// How many.
    pub length: u32,
}

impl Default for IdMap {
    fn default() -> Self {
        Self::HOST
    }
}

impl IdMap {
    /// Without a user namespace: every id is itself.
    pub const HOST: Self = Self { inside: 0, outside: 0, length: u32::MAX };

    /// As `/proc/PID/uid_map` shows it.
    pub fn line(self) -> String {
        format!("{:>10} {:>10} {:>10}\n", self.inside, self.outside, self.length)
    }
}

/// The namespaces of one pod. Clones are the same ones.
#[derive(Clone, Debug)]
pub struct Namespaces(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    users: IdMap,
    groups: IdMap,
    host_ipc: bool,
    host_network: bool,
}

#[derive(Debug, Default)]
struct State {
    hostname: String,
    segments: Vec<Segment>,
    next_segment: u32,
    settings: BTreeMap<String, String>,
    ports: BTreeMap<u16, (IpAddr, u32)>,
}

/// What new namespaces begin with.
#[derive(Clone, Debug, Default)]
pub struct Beginning {
    /// Host name.
    pub hostname: String,
    /// Kernel settings that were asked for, by dotted name.
    pub settings: BTreeMap<String, String>,
    /// User ids.
    pub users: IdMap,
    /// Group ids.
    pub groups: IdMap,
    /// Whether System V memory is the node's.
    pub host_ipc: bool,
    /// Whether the network is the node's.
    pub host_network: bool,
}

/// Settings of a namespace of its own that nobody asked for: name and value, as a fresh Linux and containerd have them.
const SETTINGS: &[(&str, &str)] = &[
    ("fs.file-max", "9223372036854775807"),
    ("fs.inotify.max_user_instances", "128"),
    ("fs.inotify.max_user_watches", "65536"),
    ("fs.mqueue.msg_default", "10"),
    ("fs.mqueue.msg_max", "10"),
    ("fs.mqueue.msgsize_default", "8192"),
    ("fs.mqueue.msgsize_max", "8192"),
    ("fs.mqueue.queues_max", "256"),
    ("kernel.domainname", "(none)"),
    ("kernel.msgmax", "8192"),
    ("kernel.msgmnb", "16384"),
    ("kernel.msgmni", "32000"),
    ("kernel.ostype", "Linux"),
    ("kernel.pid_max", "4194304"),
    ("kernel.sem", "32000\t1024000000\t500\t32000"),
    ("kernel.shm_rmid_forced", "0"),
    ("kernel.shmall", "18446744073692774399"),
    ("kernel.shmmax", "18446744073692774399"),
    ("kernel.shmmni", "4096"),
    ("net.core.somaxconn", "4096"),
    ("net.ipv4.conf.all.forwarding", "1"),
    ("net.ipv4.conf.default.forwarding", "1"),
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.ip_local_port_range", "32768\t60999"),
    ("net.ipv4.ip_local_reserved_ports", ""),
    ("net.ipv4.ip_unprivileged_port_start", "0"),
    ("net.ipv4.ping_group_range", "1\t0"),
    ("net.ipv4.tcp_fin_timeout", "60"),
    ("net.ipv4.tcp_keepalive_intvl", "75"),
    ("net.ipv4.tcp_keepalive_probes", "9"),
    ("net.ipv4.tcp_keepalive_time", "7200"),
    ("net.ipv4.tcp_max_syn_backlog", "1024"),
    ("net.ipv4.tcp_rmem", "4096\t131072\t6291456"),
    ("net.ipv4.tcp_syncookies", "1"),
    ("net.ipv4.tcp_tw_reuse", "2"),
    ("net.ipv4.tcp_wmem", "4096\t16384\t4194304"),
    ("net.ipv6.conf.all.disable_ipv6", "0"),
    ("net.ipv6.conf.all.forwarding", "0"),
    ("net.ipv6.conf.default.disable_ipv6", "0"),
    ("vm.max_map_count", "65530"),
    ("vm.overcommit_memory", "0"),
    ("vm.swappiness", "60"),
];

impl Namespaces {
    /// New ones.
    pub fn new(beginning: Beginning) -> Self {
        let Beginning { hostname, settings, users, groups, host_ipc, host_network } = beginning;
        // Both ways of writing a name mean the same setting.
        let settings = settings.into_iter().map(|(name, value)| (name.replace('/', "."), value)).collect();
        let state = Mutex::new(State { hostname, settings, ..State::default() });
        Self(Arc::new(Inner { state, users, groups, host_ipc, host_network }))
    }

    /// Whether a kernel setting of that dotted name exists.
    pub fn knows_setting(name: &str) -> bool {
        let name = name.replace('/', ".");
        SETTINGS.iter().any(|(known, _)| *known == name)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Host name.
    pub fn hostname(&self) -> String {
        self.state().hostname.clone()
    }

    /// Sets the host name; the caller has checked the right to.
    pub fn set_hostname(&self, name: &str) {
        name.clone_into(&mut self.state().hostname);
    }

    /// User ids.
    pub fn users(&self) -> IdMap {
        self.0.users
    }

    /// Group ids.
    pub fn groups(&self) -> IdMap {
        self.0.groups
    }

    /// Whether System V memory is the node's.
    pub fn host_ipc(&self) -> bool {
        self.0.host_ipc
    }

    /// Whether the network is the node's.
    pub fn host_network(&self) -> bool {
        self.0.host_network
    }

    /// Shared memory segments made in it.
    pub fn segments(&self) -> Vec<Segment> {
        self.state().segments.clone()
    }

    /// Makes a shared memory segment and tells its number.
    pub fn make_segment(&self, key: u32, owner: u32, mode: u32, bytes: u64) -> u32 {
        let mut state = self.state();
        let id = state.next_segment;
        state.next_segment += 1;
        state.segments.push(Segment { key, id, owner, mode, bytes });
        id
    }

    /// Removes a shared memory segment; `false` if there is none of that number.
    pub fn remove_segment(&self, id: u32) -> bool {
        let mut state = self.state();
        let before = state.segments.len();
        state.segments.retain(|s| s.id != id);
        state.segments.len() < before
    }

    /// The value of a kernel setting, by dotted name.
    pub fn setting(&self, name: &str) -> Option<String> {
        if name == "kernel.hostname" {
            return Some(self.hostname());
        }
        if let Some(value) = self.state().settings.get(name) {
            return Some(value.clone());
        }
        SETTINGS.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    /// Sets a kernel setting; `false` if there is none of that name.
    pub fn set_setting(&self, name: &str, value: &str) -> bool {
        if name == "kernel.hostname" {
            self.set_hostname(value);
            return true;
        }
        if !Self::knows_setting(name) {
            return false;
        }
        self.state().settings.insert(name.to_owned(), value.to_owned());
        true
    }

    /// Names of all kernel settings, sorted.
    pub fn setting_names(&self) -> Vec<String> {
        let mut names: Vec<String> = SETTINGS.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.push("kernel.hostname".to_owned());
        names.extend(self.state().settings.keys().cloned());
        names.sort();
        names.dedup();
        names
    }

    /// The first port that needs no capability.
    pub fn first_open_port(&self) -> u16 {
        if self.0.host_network {
            return 1024;
        }
        self.setting("net.ipv4.ip_unprivileged_port_start").and_then(|v| v.trim().parse().ok()).unwrap_or(1024)
    }

    /// Notes a port that is listened on until the answer is dropped.
    pub fn listening(&self, port: u16, address: IpAddr) -> Listening {
        self.state().ports.entry(port).or_insert((address, 0)).1 += 1;
        Listening { namespaces: self.clone(), port }
    }

    /// Ports that are listened on.
    pub fn ports(&self) -> Vec<(u16, IpAddr)> {
        self.state().ports.iter().map(|(port, (address, _))| (*port, *address)).collect()
    }
}

/// Keeps a port in the list of those listened on.
#[derive(Debug)]
pub struct Listening {
    namespaces: Namespaces,
    port: u16,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut state = self.namespaces.state();
        if let Some((_, count)) = state.ports.get_mut(&self.port) {
            *count -= 1;
            if *count == 0 {
                state.ports.remove(&self.port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> Namespaces {
        Namespaces::new(Beginning {
            hostname: "web".to_owned(),
            settings: BTreeMap::from([("kernel/shm_rmid_forced".to_owned(), "1".to_owned())]),
            ..Beginning::default()
        })
    }

    #[test]
    fn settings_asked_for_stand_over_those_of_a_fresh_kernel() {
        let pod = new();
        assert_eq!(pod.setting("kernel.shm_rmid_forced").as_deref(), Some("1"));
        assert_eq!(pod.setting("fs.mqueue.msg_max").as_deref(), Some("10"));
        assert_eq!(pod.setting("kernel.nothing"), None);
        assert!(!pod.set_setting("kernel.nothing", "1"));
        assert!(pod.set_setting("kernel.hostname", "other"));
        assert_eq!(pod.hostname(), "other");
    }

    #[test]
    fn a_port_is_listed_while_somebody_listens() {
        let pod = new();
        let address = IpAddr::from([10, 0, 0, 2]);
        let (one, two) = (pod.listening(80, address), pod.listening(80, address));
        drop(one);
        assert_eq!(pod.ports(), [(80, address)]);
        drop(two);
        assert!(pod.ports().is_empty());
    }

    #[test]
    fn segments_are_numbered_and_removed_by_number() {
        let pod = new();
        assert_eq!((pod.make_segment(1, 0, 0o644, 10), pod.make_segment(2, 0, 0o644, 10)), (0, 1));
        assert!(pod.remove_segment(0));
        assert!(!pod.remove_segment(0));
        assert_eq!(pod.segments().len(), 1);
    }
}
