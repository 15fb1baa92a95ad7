//! The host's facts, parsed from `/proc`, `/sys` and `/etc`.
//!
//! A file that a kernel or container does not have leaves its fact empty; only the host name and the memory must be there.

use std::{collections::BTreeMap, io, path::Path};

use super::{CgroupVersion, Facts, Node, Swap};
use crate::Files;

mod addresses;

/// Files of the kernel are small; the routing table of a router may not be.
const LIMIT: u64 = 4 << 20;

/// The host.
#[derive(Clone, Debug)]
pub struct Host {
    files: Files,
}

impl Host {
    /// The host that `files` show.
    pub fn new(files: Files) -> Self {
        Self { files }
    }

    fn text(&self, path: &str) -> io::Result<String> {
        self.files.read_to_string(Path::new(path), LIMIT)
    }

    /// The content of a file that need not be there or need not be readable, trimmed.
    fn optional(&self, path: &str) -> String {
        self.text(path).map(|text| text.trim().to_owned()).unwrap_or_default()
    }

    /// Names in a directory that need not be there.
    fn names(&self, path: &str) -> Vec<String> {
        let entries = self.files.read_dir(Path::new(path)).unwrap_or_default();
        entries.into_iter().map(|entry| entry.name).collect()
    }

    /// A value of `/proc/meminfo` in bytes.
    fn meminfo(&self, name: &str) -> io::Result<u64> {
        let text = self.text("/proc/meminfo")?;
        memory(&text, name)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/meminfo does not tell {name}")))
    }

    fn machine_id(&self) -> String {
        let id = self.optional("/etc/machine-id");
        if id.is_empty() { self.optional("/var/lib/dbus/machine-id") } else { id }
    }

    fn cpus(&self) -> u32 {
        let online = ranges(&self.optional("/sys/devices/system/cpu/online"));
        if online > 0 {
            return online;
        }
        let listed = self.optional("/proc/cpuinfo").lines().filter(|line| line.starts_with("processor")).count();
        u32::try_from(listed).unwrap_or(0).max(1)
    }

    fn huge_pages(&self) -> BTreeMap<u64, u64> {
        let names = self.names("/sys/kernel/mm/hugepages");
        let sizes = names.iter().filter_map(|name| {
            let kib = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            let count = self.optional(&format!("/sys/kernel/mm/hugepages/{name}/nr_hugepages"));
            Some((kib, count.parse().unwrap_or(0)))
        });
        sizes.collect()
    }

    fn process_ids(&self) -> u64 {
        let limits = ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"];
        limits.iter().filter_map(|path| self.optional(path).parse().ok()).min().unwrap_or(32_768)
    }

    fn thermal_throttle_cpus(&self) -> Vec<u32> {
        let mut cpus: Vec<u32> = self
            .names("/sys/devices/system/cpu")
            .iter()
            .filter_map(|name| name.strip_prefix("cpu")?.parse().ok())
            .filter(|cpu| self.files.exists(Path::new(&format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle"))))
            .collect();
        cpus.sort_unstable();
        cpus
    }
}

impl Node for Host {
    fn facts(&self) -> io::Result<Facts> {
        let unified = self.files.exists(Path::new("/sys/fs/cgroup/cgroup.controllers"));
        Ok(Facts {
            hostname: self.text("/proc/sys/kernel/hostname")?.trim().to_owned(),
            boot_id: self.optional("/proc/sys/kernel/random/boot_id"),
            machine_id: self.machine_id(),
            system_uuid: self.optional("/sys/class/dmi/id/product_uuid"),
            kernel_version: self.optional("/proc/sys/kernel/osrelease"),
            os_image: pretty_name(&self.optional("/etc/os-release")),
            architecture: architecture(std::env::consts::ARCH).to_owned(),
            cpus: self.cpus(),
            memory_bytes: self.meminfo("MemTotal")?,
            swaps: swaps(&self.optional("/proc/swaps")),
            cgroups: if unified { CgroupVersion::V2 } else { CgroupVersion::V1 },
            huge_pages: self.huge_pages(),
            process_ids: self.process_ids(),
            addresses: addresses::of_node(&addresses::Tables {
                route: &self.optional("/proc/net/route"),
                fib_trie: &self.optional("/proc/net/fib_trie"),
                if_inet6: &self.optional("/proc/net/if_inet6"),
                ipv6_route: &self.optional("/proc/net/ipv6_route"),
            }),
            thermal_throttle_cpus: self.thermal_throttle_cpus(),
            apparmor: self.optional("/sys/module/apparmor/parameters/enabled").starts_with('Y'),
            euid: rustix::process::geteuid().as_raw(),
        })
    }

    fn memory_available(&self) -> io::Result<u64> {
        self.meminfo("MemAvailable")
    }
}

fn memory(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// How many numbers a list such as `0-3,8` names.
fn ranges(list: &str) -> u32 {
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.split(',').filter_map(count).fold(0, u32::saturating_add)
}

/// Lines after the heading of `/proc/swaps`: name, type, size in KiB. A blank in a name is written `\040`.
fn swaps(table: &str) -> Vec<Swap> {
    let read = |line: &str| {
        let mut fields = line.split_whitespace();
        let name = fields.next()?.replace("\\040", " ");
        Some(Swap { name, size_kib: fields.nth(1)?.parse().ok()? })
    };
    table.lines().skip(1).filter_map(read).collect()
}

/// `PRETTY_NAME` of os-release, `Linux` without one, as its manual says.
fn pretty_name(os_release: &str) -> String {
    let value = os_release.lines().find_map(|line| line.trim().strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    let quoted = |mark: char| value.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value).to_owned()
}

/// Go's name of an architecture.
fn architecture(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "loongarch64" => "loong64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all("0-3", 4)]
    #[case::hole("0-1,4", 3)]
    #[case::one("0", 1)]
    #[case::nothing("", 0)]
    #[case::backwards("3-1", 0)]
    #[case::huge("0-4294967295", 0)]
    fn counts_ranges(#[case] list: &str, #[case] count: u32) {
        assert_eq!(ranges(list), count);
    }

    #[test]
    fn reads_swaps() {
        let table = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
                     /swap\\040file                           file\t\t2097148\t\t0\t\t-2\n";
        assert_eq!(swaps(table), [Swap { name: "/swap file".to_owned(), size_kib: 2_097_148 }]);
        assert_eq!(swaps("Filename Type Size Used Priority\n"), []);
    }

    #[rstest]
    #[case::double("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n", "Debian GNU/Linux 13 (trixie)")]
    #[case::single("PRETTY_NAME='A B'", "A B")]
    #[case::bare("PRETTY_NAME=Arch", "Arch")]
    #[case::one_quote("PRETTY_NAME=\"", "\"")]
    #[case::missing("NAME=x", "Linux")]
    fn reads_the_pretty_name(#[case] text: &str, #[case] name: &str) {
        assert_eq!(pretty_name(text), name);
    }

    #[test]
    fn reads_memory() {
        let text = "MemTotal:       16384 kB\nMemAvailable:    1024 kB\nMemTotalX: 1 kB\n";
        assert_eq!(memory(text, "MemTotal"), Some(16384 * 1024));
        assert_eq!(memory(text, "MemAvailable"), Some(1024 * 1024));
        assert_eq!(memory(text, "SwapTotal"), None);
    }

    #[test]
    fn tells_this_host() {
        let facts = Host::new(Files::real("/")).facts().expect("a host that runs tests has facts");
        assert!(!facts.hostname.is_empty());
        assert!(facts.cpus > 0 && facts.memory_bytes > 0);
        assert!(facts.addresses.iter().all(|ip| !ip.is_loopback()), "{:?}", facts.addresses);
    }
}
