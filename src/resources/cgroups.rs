//! Control groups of the node's pods, of each class of service and of every pod: their names with either driver, as kubelet 1.36 gives
//! them. Pure; what they hold is `values`, who makes them is `groups`.

use crate::{
    api::qos::QosClass,
    runtime::{CgroupDriver, naming},
};

mod groups;
mod node;
mod pod;
mod systemd;
mod values;

pub use node::NodeCgroups;
pub use pod::PodCgroups;
pub(crate) use values::Values;

/// A control group that the kubelet makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group<'a> {
    /// All pods: `kubepods`.
    Node,
    /// All pods of a class. Guaranteed pods have none of their own: they are the node's children.
    Class(QosClass),
    /// One pod, by class and identity.
    Pod(QosClass, &'a str),
}

impl Group<'_> {
    /// Components below the root of the hierarchy, from `cgroupRoot` on.
    pub(crate) fn components(self, root: &str) -> Vec<String> {
        let mut parts: Vec<String> = root.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
        parts.push("kubepods".to_owned());
        let (class, uid) = match self {
            Self::Node => return parts,
            Self::Class(class) => (class, None),
            Self::Pod(class, uid) => (class, Some(uid)),
        };
        match class {
            QosClass::Burstable => parts.push("burstable".to_owned()),
            QosClass::BestEffort => parts.push("besteffort".to_owned()),
            QosClass::Guaranteed => {}
        }
        parts.extend(uid.map(|uid| naming::component(&format!("pod{uid}")).into_owned()));
        parts
    }

    /// Its path below the root of the hierarchy: of directories with the cgroupfs driver, of slices with systemd's.
    pub(crate) fn path(self, driver: CgroupDriver, root: &str) -> String {
        let parts = self.components(root);
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
}

/// `cgroup_parent` of a pod of this class: a path with the cgroupfs driver, the full path of a slice with systemd's.
pub fn pod_cgroup_parent(driver: CgroupDriver, root: &str, class: QosClass, uid: &str) -> String {
    Group::Pod(class, uid).path(driver, root)
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

    #[rstest]
    #[case(Group::Node, "/kubepods", "/kubepods.slice")]
    #[case(Group::Class(QosClass::Burstable), "/kubepods/burstable", "/kubepods.slice/kubepods-burstable.slice")]
    #[case(Group::Class(QosClass::Guaranteed), "/kubepods", "/kubepods.slice")]
    fn levels(#[case] group: Group<'_>, #[case] directories: &str, #[case] slices: &str) {
        assert_eq!(group.path(CgroupDriver::Cgroupfs, "/"), directories);
        assert_eq!(group.path(CgroupDriver::Systemd, "/"), slices);
    }
}
