//! Whether the AppArmor profiles that a pod asks for can be enforced here. Pure. As kubelet 1.36: `Unconfined` asks for nothing.

use k8s_openapi::api::core::v1::{AppArmorProfile, Pod};

use crate::api::{
    apparmor,
    pod::{self, spec},
};

/// `enabled`: whether the kernel enforces profiles.
///
/// # Errors
/// The message of the rejection.
pub(super) fn check(pod: &Pod, enabled: bool) -> Result<(), String> {
    let of_pod = spec(pod).security_context.as_ref().and_then(|context| context.app_armor_profile.clone());
    let profiles: Vec<AppArmorProfile> =
        pod::containers(pod).filter_map(|each| apparmor::profile(pod, each.container)).collect();
    if !profiles.iter().chain(&of_pod).any(|profile| profile.type_ != "Unconfined") {
        return Ok(());
    }
    if !enabled {
        return Err("Cannot enforce AppArmor: AppArmor is not enabled on the host".to_owned());
    }
    let nameless = |profile: &&AppArmorProfile| {
        profile.type_ == "Localhost" && profile.localhost_profile.as_deref().is_none_or(|name| name.trim().is_empty())
    };
    match profiles.iter().find(nameless) {
        Some(_) => Err("Cannot enforce AppArmor: invalid empty AppArmor profile name: \"localhost/\"".to_owned()),
        None => Ok(()),
    }
}
