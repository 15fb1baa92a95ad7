//! Which AppArmor profile a container is to have: its own field, the annotation that came before it, or the pod's
//! field, in that order. Pure. As kubelet 1.36.

use k8s_openapi::api::core::v1::{AppArmorProfile, Container, Pod};

use super::{labels, pod as api_pod};

/// The profile; `None` leaves it to the runtime.
pub fn profile(pod: &Pod, container: &Container) -> Option<AppArmorProfile> {
    let own = container.security_context.as_ref().and_then(|s| s.app_armor_profile.as_ref());
    let of_pod = api_pod::spec(pod).security_context.as_ref().and_then(|s| s.app_armor_profile.as_ref());
    own.cloned().or_else(|| annotated(pod, &container.name)).or_else(|| of_pod.cloned())
}

fn annotated(pod: &Pod, container: &str) -> Option<AppArmorProfile> {
    let text = api_pod::annotations(pod).get(&format!("{}{container}", labels::APPARMOR_PREFIX))?;
    let profile = |kind: &str, name: Option<&str>| {
        Some(AppArmorProfile { type_: kind.to_owned(), localhost_profile: name.map(str::to_owned) })
    };
    match text.as_str() {
        "runtime/default" => profile("RuntimeDefault", None),
        "unconfined" => profile("Unconfined", None),
        other => profile("Localhost", Some(other.strip_prefix("localhost/")?)),
    }
}
