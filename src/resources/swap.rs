//! Whether the kernel counts swap per control group, for without that no swap limit may be sent. As kubelet 1.36 finds out.

use std::path::{Path, PathBuf};

use world::{Files, machine::CgroupVersion};

/// Looks for the controller's file: on cgroup v2 in the kubelet's own group, because the root has none.
pub fn controller_available(files: &Files, cgroups: CgroupVersion) -> bool {
    match cgroups {
        CgroupVersion::V1 => files.exists(Path::new("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")),
        CgroupVersion::V2 => {
            let own = files.read_to_string(Path::new("/proc/self/cgroup"), 1 << 16).unwrap_or_default();
            let Some(path) = own.lines().find_map(|line| line.strip_prefix("0::")) else { return false };
            let group = PathBuf::from("/sys/fs/cgroup").join(path.trim_start_matches('/'));
            files.exists(&group.join("memory.swap.max"))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use world::{WallClock, sim::MemoryFiles};

    use super::*;

    #[rstest]
    #[case(CgroupVersion::V2, "/sys/fs/cgroup/system.slice/kubelet.service/memory.swap.max", true)]
    #[case(CgroupVersion::V2, "/sys/fs/cgroup/memory.swap.max", false)]
    #[case(CgroupVersion::V1, "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", true)]
    #[case(CgroupVersion::V1, "/sys/fs/cgroup/system.slice/kubelet.service/memory.swap.max", false)]
    #[tokio::test(start_paused = true)]
    async fn looks_in_its_own_group(#[case] cgroups: CgroupVersion, #[case] file: &str, #[case] available: bool) {
        let files = Files::new(MemoryFiles::new(WallClock::simulated()));
        for (path, text) in [("/proc/self/cgroup", "0::/system.slice/kubelet.service\n"), (file, "max")] {
            files.create_dir_all(Path::new(path).parent().unwrap(), 0o755).unwrap();
            files.write(Path::new(path), text.as_bytes(), 0o644).unwrap();
        }
        assert_eq!(controller_available(&files, cgroups), available);
    }
}
