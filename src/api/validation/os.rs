//! What a pod may not have because of the operating system it names, and the containers that are processes of a Windows host.

use k8s_openapi::api::core::v1::PodSpec;

use super::{Errors, FieldError, containers, one_of};

/// Checks `spec.os`, and the rest of the spec against it.
pub(super) fn check(out: &mut Errors, spec: &PodSpec) {
    let Some(os) = &spec.os else { return };
    if os.name.is_empty() {
        out.push(FieldError::required("spec.os.name", ""));
        return;
    }
    if !one_of(out, "spec.os", &os.name, &["linux", "windows"]) {
        return;
    }
    if os.name == "linux" {
        linux(out, spec);
    } else {
        windows(out, spec);
    }
}

/// Windows host-process containers: all or none, and on the node's network.
pub(super) fn host_process(out: &mut Errors, spec: &PodSpec) {
    let own = spec.security_context.as_ref().and_then(|each| each.windows_options.as_ref()?.host_process);
    let (mut count, mut all) = (0, 0);
    for each in containers::every(spec) {
        let set = each.context.and_then(|context| context.windows_options.as_ref()?.host_process);
        if let (Some(own), Some(set)) = (own, set)
            && own != set
        {
            let path = format!("{}.securityContext.windowsOptions.hostProcess", each.path);
            let why = format!("pod hostProcess value must be identical if both are specified, was {own}");
            out.push(FieldError::invalid_raw(&path, set, why));
        }
        all += 1;
        if set.or(own) == Some(true) {
            count += 1;
        }
    }
    if count == 0 {
        return;
    }
    if count != all {
        out.push(FieldError::invalid(
            "spec",
            "",
            "If pod contains any hostProcess containers then all containers must be HostProcess containers",
        ));
    }
    if spec.host_network != Some(true) {
        out.push(FieldError::invalid_raw(
            "spec.hostNetwork",
            false,
            "hostNetwork must be true if pod contains any hostProcess containers",
        ));
    }
}

fn linux(out: &mut Errors, spec: &PodSpec) {
    let mut ban = |path: &str, set: bool| {
        if set {
            let path = format!("{path}.securityContext.windowsOptions");
            out.push(FieldError::forbidden(&path, "windows options cannot be set for a linux pod"));
        }
    };
    ban("spec", spec.security_context.as_ref().is_some_and(|each| each.windows_options.is_some()));
    for each in containers::every(spec) {
        ban(&each.path, each.context.is_some_and(|context| context.windows_options.is_some()));
    }
}

fn windows(out: &mut Errors, spec: &PodSpec) {
    let mut ban = |path: String, set: bool| {
        if set {
            out.push(FieldError::forbidden(&path, "cannot be set for a windows pod"));
        }
    };
    for (field, set) in [
        ("hostUsers", spec.host_users.is_some()),
        ("hostPID", spec.host_pid == Some(true)),
        ("hostIPC", spec.host_ipc == Some(true)),
        ("shareProcessNamespace", spec.share_process_namespace.is_some()),
    ] {
        ban(format!("spec.{field}"), set);
    }
    if let Some(own) = &spec.security_context {
        for (field, set) in [
            ("appArmorProfile", own.app_armor_profile.is_some()),
            ("seLinuxOptions", own.se_linux_options.is_some()),
            ("seccompProfile", own.seccomp_profile.is_some()),
            ("fsGroup", own.fs_group.is_some()),
            ("fsGroupChangePolicy", own.fs_group_change_policy.is_some()),
            ("sysctls", own.sysctls.as_ref().is_some_and(|list| !list.is_empty())),
            ("runAsUser", own.run_as_user.is_some()),
            ("runAsGroup", own.run_as_group.is_some()),
            ("supplementalGroups", own.supplemental_groups.is_some()),
            ("supplementalGroupsPolicy", own.supplemental_groups_policy.is_some()),
            ("seLinuxChangePolicy", own.se_linux_change_policy.is_some()),
        ] {
            ban(format!("spec.securityContext.{field}"), set);
        }
    }
    for each in containers::every(spec) {
        let Some(own) = each.context else { continue };
        for (field, set) in [
            ("appArmorProfile", own.app_armor_profile.is_some()),
            ("seLinuxOptions", own.se_linux_options.is_some()),
            ("seccompProfile", own.seccomp_profile.is_some()),
            ("capabilities", own.capabilities.is_some()),
            ("readOnlyRootFilesystem", own.read_only_root_filesystem.is_some()),
            ("privileged", own.privileged.is_some()),
            ("allowPrivilegeEscalation", own.allow_privilege_escalation.is_some()),
            ("procMount", own.proc_mount.is_some()),
            ("runAsUser", own.run_as_user.is_some()),
            ("runAsGroup", own.run_as_group.is_some()),
        ] {
            ban(format!("{}.securityContext.{field}", each.path), set);
        }
    }
}
