//! `linux.security_context` of a container, and the check that it does not run as root where it must not. Pure. As kubelet 1.36.

use cri_proto::v1;
use k8s_openapi::api::core::v1::{AppArmorProfile, SeccompProfile};

use crate::{
    api::{apparmor, pod as api_pod},
    runtime::{RuntimeSettings, container_config::ContainerInput, naming, sandbox_config},
};

const MASKED: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The security context.
pub fn security_context(input: &ContainerInput<'_>) -> v1::LinuxContainerSecurityContext {
    let ContainerInput { pod, container, image, settings, .. } = *input;
    let own = container.security_context.as_ref();
    let of_pod = api_pod::spec(pod).security_context.as_ref();
    let apparmor = apparmor::profile(pod, container);
    let user = own.and_then(|s| s.run_as_user).or(of_pod.and_then(|s| s.run_as_user));
    let (run_as_user, run_as_username) = match user {
        Some(value) => (Some(value), String::new()),
        None if !image.username.is_empty() => (None, image.username.clone()),
        // An image that names nobody runs as root, and that is said.
        None => (Some(image.uid.unwrap_or(0)), String::new()),
    };
    let unmasked = own.and_then(|s| s.proc_mount.as_deref()) == Some("Unmasked");
    let paths = |list: &[&str]| if unmasked { Vec::new() } else { list.iter().map(|&p| p.to_owned()).collect() };
    let mut masked_paths: Vec<String> = paths(&MASKED);
    if !unmasked {
        let cpus = &settings.facts.thermal_throttle_cpus;
        masked_paths.extend(cpus.iter().map(|cpu| format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle")));
    }
    v1::LinuxContainerSecurityContext {
        capabilities: own.and_then(|s| s.capabilities.as_ref()).map(|c| v1::Capability {
            add_capabilities: c.add.clone().unwrap_or_default(),
            drop_capabilities: c.drop.clone().unwrap_or_default(),
            add_ambient_capabilities: Vec::new(),
        }),
        privileged: api_pod::privileged(container),
        namespace_options: Some(sandbox_config::namespace_options(pod)),
        selinux_options: own
            .and_then(|s| s.se_linux_options.as_ref())
            .or(of_pod.and_then(|s| s.se_linux_options.as_ref()))
            .map(sandbox_config::selinux),
        run_as_user: run_as_user.map(|value| v1::Int64Value { value }),
        run_as_group: own
            .and_then(|s| s.run_as_group)
            .or(of_pod.and_then(|s| s.run_as_group))
            .map(|value| v1::Int64Value { value }),
        run_as_username,
        readonly_rootfs: own.and_then(|s| s.read_only_root_filesystem).unwrap_or(false),
        supplemental_groups: sandbox_config::supplemental_groups(pod),
        supplemental_groups_policy: sandbox_config::supplemental_groups_policy(pod),
        no_new_privs: own.and_then(|s| s.allow_privilege_escalation) == Some(false),
        masked_paths,
        readonly_paths: paths(&READ_ONLY),
        seccomp: Some(seccomp(
            own.and_then(|s| s.seccomp_profile.as_ref()).or(of_pod.and_then(|s| s.seccomp_profile.as_ref())),
            settings,
        )),
        apparmor: apparmor.as_ref().map(apparmor_profile),
        #[allow(deprecated)]
        apparmor_profile: apparmor.as_ref().map(apparmor_text).unwrap_or_default(),
        ..Default::default()
    }
}

fn seccomp(profile: Option<&SeccompProfile>, settings: &RuntimeSettings) -> v1::SecurityProfile {
    use v1::security_profile::ProfileType;
    let (kind, localhost_ref) = match profile {
        Some(profile) => match profile.type_.as_str() {
            "RuntimeDefault" => (ProfileType::RuntimeDefault, String::new()),
            "Localhost" => {
                let path =
                    settings.root_dir.join("seccomp").join(profile.localhost_profile.as_deref().unwrap_or_default());
                (ProfileType::Localhost, path.display().to_string())
            }
            _ => (ProfileType::Unconfined, String::new()),
        },
        None if settings.seccomp_default => (ProfileType::RuntimeDefault, String::new()),
        None => (ProfileType::Unconfined, String::new()),
    };
    v1::SecurityProfile { profile_type: kind.into(), localhost_ref }
}

fn apparmor_profile(profile: &AppArmorProfile) -> v1::SecurityProfile {
    use v1::security_profile::ProfileType;
    let (kind, localhost_ref) = match profile.type_.as_str() {
        "RuntimeDefault" => (ProfileType::RuntimeDefault, String::new()),
        "Localhost" => (ProfileType::Localhost, profile.localhost_profile.clone().unwrap_or_default()),
        _ => (ProfileType::Unconfined, String::new()),
    };
    v1::SecurityProfile { profile_type: kind.into(), localhost_ref }
}

fn apparmor_text(profile: &AppArmorProfile) -> String {
    match profile.type_.as_str() {
        "RuntimeDefault" => "runtime/default".to_owned(),
        "Localhost" => format!("localhost/{}", profile.localhost_profile.as_deref().unwrap_or_default()),
        _ => "unconfined".to_owned(),
    }
}

/// Refuses a container that must not run as root but would, or of which that cannot be told.
pub fn verify_non_root(input: &ContainerInput<'_>) -> Result<(), String> {
    let ContainerInput { pod, container, image, .. } = *input;
    let own = container.security_context.as_ref();
    let of_pod = api_pod::spec(pod).security_context.as_ref();
    let must = own.and_then(|s| s.run_as_non_root).or(of_pod.and_then(|s| s.run_as_non_root)).unwrap_or(false);
    if !must {
        return Ok(());
    }
    let who = format!("(pod: {:?}, container: {})", naming::format_pod(pod), container.name);
    match own.and_then(|s| s.run_as_user).or(of_pod.and_then(|s| s.run_as_user)) {
        Some(0) => Err(format!("container's runAsUser breaks non-root policy {who}")),
        Some(_) => Ok(()),
        None if !image.username.is_empty() => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({}), cannot verify user is non-root {who}",
            image.username
        )),
        None if image.uid.unwrap_or(0) == 0 => {
            Err(format!("container has runAsNonRoot and image will run as root {who}"))
        }
        None => Ok(()),
    }
}
