//! Security contexts of pods and containers: ids, profiles, sysctls, escalation.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    AppArmorProfile, PodSpec, SeccompProfile, SecurityContext, Sysctl, WindowsSecurityContextOptions,
};
use serde_json::{Value, json};

use super::{Errors, FieldError, invalid_number, names, one_of, require, volumes};
use crate::api::{gojson, sysctl};

const SYSCTL: &str = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

/// The longest path of a profile, in bytes.
const PATH_MAX: usize = 4095;
/// The longest a credential spec may be, in KiB.
const GMSA_SPEC_MAX: usize = 64;

fn id(out: &mut Errors, path: &str, value: Option<i64>) {
    if let Some(value) = value {
        invalid_number(out, path, value, names::id(value));
    }
}

/// Checks `spec.securityContext` and the host flags beside it.
pub(super) fn pod(out: &mut Errors, spec: &PodSpec) {
    let path = "spec.securityContext";
    let Some(context) = &spec.security_context else { return };
    id(out, &format!("{path}.fsGroup"), context.fs_group);
    id(out, &format!("{path}.runAsUser"), context.run_as_user);
    id(out, &format!("{path}.runAsGroup"), context.run_as_group);
    for (index, group) in context.supplemental_groups.iter().flatten().enumerate() {
        id(out, &format!("{path}.supplementalGroups[{index}]"), Some(*group));
    }
    if spec.share_process_namespace == Some(true) && spec.host_pid == Some(true) {
        out.push(FieldError::invalid_raw(
            &format!("{path}.shareProcessNamespace"),
            true,
            "ShareProcessNamespace and HostPID cannot both be enabled",
        ));
    }
    sysctls(out, &format!("{path}.sysctls"), context.sysctls.as_deref().unwrap_or_default(), spec);
    word(out, &format!("{path}.fsGroupChangePolicy"), &context.fs_group_change_policy, &["Always", "OnRootMismatch"]);
    if let Some(profile) = &context.seccomp_profile {
        seccomp(out, &format!("{path}.seccompProfile"), profile);
    }
    if let Some(windows) = &context.windows_options {
        windows_options(out, &format!("{path}.windowsOptions"), windows);
    }
    if let Some(profile) = &context.app_armor_profile {
        app_armor(out, &format!("{path}.appArmorProfile"), profile);
    }
    let policy = &context.supplemental_groups_policy;
    word(out, &format!("{path}.supplementalGroupsPolicy"), policy, &["Merge", "Strict"]);
    word(out, &format!("{path}.seLinuxChangePolicy"), &context.se_linux_change_policy, &["Recursive"]);
}

fn word(out: &mut Errors, path: &str, value: &Option<String>, supported: &[&str]) {
    if let Some(value) = value {
        one_of(out, path, value, supported);
    }
}

/// Checks a container's `securityContext`. `host_users`: the pod uses the node's user namespace.
pub(super) fn container(out: &mut Errors, path: &str, context: &SecurityContext, host_users: bool) {
    id(out, &format!("{path}.runAsUser"), context.run_as_user);
    id(out, &format!("{path}.runAsGroup"), context.run_as_group);
    if let Some(mount) = &context.proc_mount {
        let at = format!("{path}.procMount");
        if one_of(out, &at, mount, &["Default", "Unmasked"]) && mount == "Unmasked" && host_users {
            out.push(FieldError::invalid_word(&at, mount, "`hostUsers` must be false to use `Unmasked`"));
        }
    }
    if let Some(profile) = &context.seccomp_profile {
        seccomp(out, &format!("{path}.seccompProfile"), profile);
    }
    if context.allow_privilege_escalation == Some(false) {
        if context.privileged == Some(true) {
            out.push(FieldError::invalid_raw(
                path,
                internal(context),
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            ));
        }
        let added = context.capabilities.iter().flat_map(|each| each.add.iter().flatten());
        for _ in added.filter(|name| *name == "CAP_SYS_ADMIN") {
            out.push(FieldError::invalid_raw(
                path,
                internal(context),
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
            ));
        }
    }
    if let Some(windows) = &context.windows_options {
        windows_options(out, &format!("{path}.windowsOptions"), windows);
    }
    if let Some(profile) = &context.app_armor_profile {
        app_armor(out, &format!("{path}.appArmorProfile"), profile);
    }
}

/// The context as upstream's internal type prints in errors: Go names, every field.
fn internal(context: &SecurityContext) -> String {
    let go = |value: &Option<String>| value.as_ref().map_or(Value::Null, |text| json!(text));
    let value = json!({
        "Capabilities": context.capabilities.as_ref().map(|each| json!({"Add": each.add, "Drop": each.drop})),
        "Privileged": context.privileged,
        "SELinuxOptions": context.se_linux_options.as_ref().map(|each| json!({
            "User": each.user.clone().unwrap_or_default(),
            "Role": each.role.clone().unwrap_or_default(),
            "Type": each.type_.clone().unwrap_or_default(),
            "Level": each.level.clone().unwrap_or_default(),
        })),
        "WindowsOptions": context.windows_options.as_ref().map(|each| json!({
            "GMSACredentialSpecName": each.gmsa_credential_spec_name,
            "GMSACredentialSpec": each.gmsa_credential_spec,
            "RunAsUserName": each.run_as_user_name,
            "HostProcess": each.host_process,
        })),
        "RunAsUser": context.run_as_user,
        "RunAsGroup": context.run_as_group,
        "RunAsNonRoot": context.run_as_non_root,
        "ReadOnlyRootFilesystem": context.read_only_root_filesystem,
        "AllowPrivilegeEscalation": context.allow_privilege_escalation,
        "ProcMount": go(&context.proc_mount),
        "SeccompProfile": context.seccomp_profile.as_ref().map(internal_seccomp),
        "AppArmorProfile": context.app_armor_profile.as_ref().map(|each| {
            json!({"Type": each.type_, "LocalhostProfile": each.localhost_profile})
        }),
    });
    gojson::plain(&value)
}

fn internal_seccomp(profile: &SeccompProfile) -> Value {
    json!({"Type": profile.type_, "LocalhostProfile": profile.localhost_profile})
}

fn seccomp(out: &mut Errors, path: &str, profile: &SeccompProfile) {
    let at = format!("{path}.type");
    if profile.type_.is_empty() {
        out.push(FieldError::required(&at, "type is required when seccompProfile is set"));
    } else {
        one_of(out, &at, &profile.type_, &["Localhost", "RuntimeDefault", "Unconfined"]);
    }
    let at = format!("{path}.localhostProfile");
    match (&profile.localhost_profile, profile.type_ == "Localhost") {
        (None, true) => out.push(FieldError::required(&at, "must be set when seccomp type is Localhost")),
        (Some(local), true) => volumes::descending_path(out, &at, local),
        (Some(_), false) => out.push(FieldError::invalid_raw(
            &at,
            gojson::plain(&internal_seccomp(profile)),
            "can only be set when seccomp type is Localhost",
        )),
        (None, false) => {}
    }
}

fn app_armor(out: &mut Errors, path: &str, profile: &AppArmorProfile) {
    let at = format!("{path}.localhostProfile");
    let local = profile.localhost_profile.as_deref();
    match profile.type_.as_str() {
        "Localhost" => match local {
            None => out.push(FieldError::required(&at, "must be set when AppArmor type is Localhost")),
            Some(local) => {
                if local.trim() != local {
                    out.push(FieldError::invalid(&at, local, "must not be padded with whitespace"));
                } else if local.is_empty() {
                    out.push(FieldError::required(&at, "must be set when AppArmor type is Localhost"));
                }
                if local.len() > PATH_MAX {
                    out.push(FieldError::too_long(&at, PATH_MAX));
                }
            }
        },
        "RuntimeDefault" | "Unconfined" => {
            if let Some(local) = local {
                out.push(FieldError::invalid_word(&at, local, "can only be set when AppArmor type is Localhost"));
            }
        }
        "" => out.push(FieldError::required(&format!("{path}.type"), "type is required when appArmorProfile is set")),
        other => {
            let at = format!("{path}.type");
            one_of(out, &at, other, &["Localhost", "RuntimeDefault", "Unconfined"]);
        }
    }
}

fn sysctls(out: &mut Errors, path: &str, sysctls: &[Sysctl], spec: &PodSpec) {
    let mut seen = BTreeSet::new();
    for (index, sysctl) in sysctls.iter().enumerate() {
        let at = format!("{path}[{index}].name");
        let dotted = sysctl::dotted(&sysctl.name);
        // Upstream compares the names as they are written.
        if require(out, &at, &sysctl.name) {
            if !names::is_sysctl(&sysctl.name) {
                out.push(FieldError::invalid(&at, &sysctl.name, SYSCTL));
            } else if seen.contains(&sysctl.name) {
                out.push(FieldError::duplicate(&at, &sysctl.name));
            }
        }
        let ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|prefix| dotted.starts_with(prefix))
            || dotted == "kernel.sem";
        for (namespaced, host, field) in
            [(dotted.starts_with("net."), spec.host_network, "hostNetwork"), (ipc, spec.host_ipc, "hostIPC")]
        {
            if namespaced && host == Some(true) {
                out.push(FieldError::invalid(
                    &at,
                    &sysctl.name,
                    format!("may not be specified when '{field}' is true"),
                ));
            }
        }
        seen.insert(&sysctl.name);
    }
}

fn windows_options(out: &mut Errors, path: &str, options: &WindowsSecurityContextOptions) {
    if let Some(name) = &options.gmsa_credential_spec_name {
        let at = format!("{path}.gmsaCredentialSpecName");
        out.extend(names::subdomain(name).into_iter().map(|why| FieldError::invalid_word(&at, name, why)));
    }
    if let Some(spec) = &options.gmsa_credential_spec {
        let at = format!("{path}.gmsaCredentialSpec");
        if spec.is_empty() {
            out.push(FieldError::invalid_word(&at, spec, "gmsaCredentialSpec cannot be an empty string"));
        } else if spec.len() > GMSA_SPEC_MAX * 1024 {
            let why = format!("gmsaCredentialSpec size must be under {GMSA_SPEC_MAX} KiB");
            out.push(FieldError::invalid_word(&at, spec, why));
        }
    }
    if let Some(user) = &options.run_as_user_name {
        let at = format!("{path}.runAsUserName");
        let faults = if user.is_empty() {
            vec!["runAsUserName cannot be an empty string"]
        } else if user.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            vec!["runAsUserName cannot contain control characters"]
        } else {
            windows_user(user)
        };
        out.extend(faults.into_iter().map(|why| FieldError::invalid_word(&at, user, why)));
    }
}

/// `[DOMAIN\\]user`: what is wrong with it.
fn windows_user(text: &str) -> Vec<&'static str> {
    let parts: Vec<&str> = text.split('\\').collect();
    let (domain, user) = match parts.as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return vec!["runAsUserName cannot contain more than one backslash"],
    };
    let mut out = Vec::new();
    if domain.is_some_and(|domain| domain.len() >= 256) {
        out.push("runAsUserName's Domain length must be under 256 characters");
    }
    let net_bios = |domain: &str| {
        let length = domain.chars().count();
        (1..=15).contains(&length)
            && !domain.starts_with('.')
            && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|'])
    };
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        bytes.len() <= 63
            && edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    if domain.is_some_and(|domain| !net_bios(domain) && !domain.split('.').all(label)) {
        out.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
    }
    if user.is_empty() {
        out.push("runAsUserName's User cannot be empty");
    } else if user.len() > 104 {
        out.push("runAsUserName's User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|c| c == '.' || c == ' ') {
        out.push("runAsUserName's User cannot contain only periods or spaces");
    }
    if user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']']) {
        out.push("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
    }
    out
}
