//! Names of pod-level control groups with either driver, as kubelet 1.36 gives them. Pure; making them is `pod`.

use crate::{
    api::qos::QosClass,
    runtime::{CgroupDriver, naming},
};

pub mod pod;

pub use pod::PodCgroups;

/// Components below the root group.
pub(crate) fn components(root: &str, class: QosClass, uid: &str) -> Vec<String> {
    let mut parts: Vec<String> = root.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    parts.push("kubepods".to_owned());
    match class {
        QosClass::Burstable => parts.push("burstable".to_owned()),
        QosClass::BestEffort => parts.push("besteffort".to_owned()),
        QosClass::Guaranteed => {}
    }
    parts.push(naming::component(&format!("pod{uid}")).into_owned());
    parts
}

/// `cgroup_parent` of a pod of this class: a path with the cgroupfs driver, the full path of a slice with systemd's.
pub fn pod_cgroup_parent(driver: CgroupDriver, root: &str, class: QosClass, uid: &str) -> String {
    let parts = components(root, class, uid);
    match driver {
        CgroupDriver::Cgroupfs => format!("/{}", parts.join("/")),
        CgroupDriver::Systemd => {
            let mut path = String::new();
            let mut stem = String::new();
            for part in parts {
                // A dash is systemd's separator between levels.
                let part = part.replace('-', "_");
                if !stem.is_empty() {
                    stem.push('-');
                }
                stem.push_str(&part);
                path.push_str(&format!("/{stem}.slice"));
            }
            path
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(CgroupDriver::Cgroupfs, "", QosClass::Burstable, "a-b", "/kubepods/burstable/poda-b")]
    #[case(CgroupDriver::Cgroupfs, "/", QosClass::Guaranteed, "ab", "/kubepods/podab")]
    #[case(CgroupDriver::Cgroupfs, "/top", QosClass::BestEffort, "ab", "/top/kubepods/besteffort/podab")]
    #[case(
        CgroupDriver::Systemd,
        "",
        QosClass::Burstable,
        "a-b",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda_b.slice"
    )]
    #[case(CgroupDriver::Systemd, "", QosClass::Guaranteed, "ab", "/kubepods.slice/kubepods-podab.slice")]
    fn parents(
        #[case] driver: CgroupDriver,
        #[case] root: &str,
        #[case] class: QosClass,
        #[case] uid: &str,
        #[case] parent: &str,
    ) {
        assert_eq!(pod_cgroup_parent(driver, root, class, uid), parent);
    }
}
