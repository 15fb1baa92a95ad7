//! Linux capabilities: their names and numbers, and the sets that a process has. What each one allows is asked where it matters.

/// Names by number, without `CAP_`, as `capability.h` has them.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// One capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability(u8);

impl Capability {
    /// Give files away.
    pub const CHOWN: Self = Self(0);
    /// Pass over permission bits.
    pub const DAC_OVERRIDE: Self = Self(1);
    /// Act as any file's owner.
    pub const FOWNER: Self = Self(3);
    /// Signal anybody.
    pub const KILL: Self = Self(5);
    /// Listen on ports below the first unprivileged one.
    pub const NET_BIND_SERVICE: Self = Self(10);
    /// Change interfaces, routes, bridges.
    pub const NET_ADMIN: Self = Self(12);
    /// Send raw packets: ping.
    pub const NET_RAW: Self = Self(13);
    /// Mount, name the host, and much else.
    pub const SYS_ADMIN: Self = Self(21);

    /// Reads `NET_ADMIN`, `CAP_NET_ADMIN`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        NAMES.iter().position(|n| *n == name).and_then(|i| u8::try_from(i).ok()).map(Self)
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// None.
    pub const NONE: Self = Self(0);
    /// All that the kernel knows.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// The set of some names; those unknown are left out.
    pub fn of(names: &[&str]) -> Self {
        names.iter().filter_map(|n| Capability::parse(n)).fold(Self::NONE, Self::with)
    }

    /// With one more.
    #[must_use]
    pub fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability.0)
    }

    /// With one less.
    #[must_use]
    pub fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(1 << capability.0))
    }

    /// What both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether one is in it.
    pub fn has(self, capability: Capability) -> bool {
        self.0 & 1 << capability.0 != 0
    }

    /// Sixteen hex digits, as `/proc/PID/status` shows it.
    pub fn hex(self) -> String {
        format!("{:016x}", self.0)
    }
}

/// The sets of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What it may use now.
    pub effective: CapabilitySet,
    /// What a program that is exec'd keeps of `effective`.
    pub inheritable: CapabilitySet,
    /// The most it can ever get.
    pub bounding: CapabilitySet,
    /// What programs of ordinary users keep.
    pub ambient: CapabilitySet,
}

impl Default for Capabilities {
    /// All: as the kernel starts the first process.
    fn default() -> Self {
        let all = CapabilitySet::ALL;
        Self { effective: all, inheritable: CapabilitySet::NONE, bounding: all, ambient: CapabilitySet::NONE }
    }
}

impl Capabilities {
    /// What a program of user `uid` starts with: root has the bounding set, others the ambient one.
    pub fn of_user(uid: u32, bounding: CapabilitySet, ambient: CapabilitySet) -> Self {
        let ambient = ambient.and(bounding);
        let effective = if uid == 0 { bounding } else { ambient };
        Self { effective, inheritable: ambient, bounding, ambient }
    }
}

/// What a container gets: `base`, `ALL` and single ones added, then dropped, as runtimes read the CRI.
/// Names that are none change nothing, as in runc.
pub fn adjust(base: CapabilitySet, add: &[String], drop: &[String]) -> CapabilitySet {
    let mut set = base;
    let all = |names: &[String]| names.iter().any(|n| n.eq_ignore_ascii_case("ALL"));
    let single = |names: &[String]| names.iter().filter_map(|n| Capability::parse(n)).collect::<Vec<_>>();
    if all(add) {
        set = CapabilitySet::ALL;
    }
    if all(drop) {
        set = CapabilitySet::NONE;
    }
    set = single(add).into_iter().fold(set, CapabilitySet::with);
    single(drop).into_iter().fold(set, CapabilitySet::without)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[], &[], "0000000000000003")]
    #[case(&["NET_ADMIN"], &[], "0000000000001003")]
    #[case(&["cap_net_admin"], &["CHOWN"], "0000000000001002")]
    #[case(&["ALL"], &[], "000001ffffffffff")]
    #[case(&[], &["ALL"], "0000000000000000")]
    #[case(&["NET_RAW"], &["ALL"], "0000000000002000")]
    #[case(&["FLY"], &[], "0000000000000003")]
    #[case(&["ALL"], &["SYS_ADMIN"], "000001ffffdfffff")]
    fn sets(#[case] add: &[&str], #[case] drop: &[&str], #[case] hex: &str) {
        let own = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let set = adjust(CapabilitySet::of(&["CHOWN", "DAC_OVERRIDE"]), &own(add), &own(drop));
        assert_eq!(set.hex(), hex);
    }

    #[test]
    fn only_root_has_more_than_the_ambient_set() {
        let bounding = CapabilitySet::of(&["CHOWN", "NET_RAW"]);
        let ambient = CapabilitySet::of(&["NET_RAW", "SYS_ADMIN"]);
        assert_eq!(Capabilities::of_user(0, bounding, ambient).effective, bounding);
        assert_eq!(Capabilities::of_user(7, bounding, ambient).effective, CapabilitySet::of(&["NET_RAW"]));
    }
}
