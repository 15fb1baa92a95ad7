//! The PodSandboxConfig of a pod. Pure but for the node's resolv.conf, which the caller reads. As kubelet 1.36, field by field.

use std::collections::BTreeMap;

use cri_proto::v1;
use k8s_openapi::api::core::v1::{Container, Pod, SELinuxOptions};

use crate::{
    api::{labels, pod as api_pod, qos, sysctl},
    resources::{
        cgroups,
        linux::{cpu_quota, cpu_shares},
        totals::{Side, of_pod},
    },
    runtime::{RuntimeSettings, naming},
};

pub mod dns;

/// Longest host name.
const MAX_HOSTNAME: usize = 63;
/// Longest fully qualified host name.
const MAX_FQDN: usize = 64;

/// Host name and domain of a pod; the domain is empty without `spec.subdomain`.
pub fn hostname(pod: &Pod, cluster_domain: &str) -> (String, String) {
    let spec = api_pod::spec(pod);
    if let Some(name) = spec.hostname_override.as_ref().filter(|n| !n.is_empty()) {
        return (cut(name), String::new());
    }
    let name = match spec.hostname.as_deref() {
        Some(name) if !name.is_empty() => cut(name),
        _ => cut(naming::name(pod)),
    };
    let domain = match spec.subdomain.as_deref() {
        Some(subdomain) if !subdomain.is_empty() => {
            format!("{subdomain}.{}.svc.{cluster_domain}", naming::namespace(pod))
        }
        _ => String::new(),
    };
    (name, domain)
}

/// A name as long as a host name may be.
fn cut(name: &str) -> String {
    let end = name.len().min(MAX_HOSTNAME);
    let cut = name.get(..end).unwrap_or(name);
    if end < name.len() { cut.trim_end_matches(['-', '.']).to_owned() } else { cut.to_owned() }
}

/// The name that the sandbox is given.
fn sandbox_hostname(pod: &Pod, cluster_domain: &str) -> Result<String, String> {
    let spec = api_pod::spec(pod);
    if spec.host_network.unwrap_or(false) {
        return Ok(String::new());
    }
    let (name, domain) = hostname(pod, cluster_domain);
    if !spec.set_hostname_as_fqdn.unwrap_or(false) || domain.is_empty() {
        return Ok(name);
    }
    let fqdn = format!("{name}.{domain}");
    if fqdn.len() > MAX_FQDN {
        return Err(format!(
            "failed to construct FQDN from pod hostname and cluster domain, FQDN {fqdn} is too long (64 characters is the max, {} \
             characters requested)",
            fqdn.len()
        ));
    }
    Ok(fqdn)
}

/// The whole configuration.
pub fn sandbox_config(
    pod: &Pod,
    attempt: u32,
    dns: v1::DnsConfig,
    settings: &RuntimeSettings,
) -> Result<v1::PodSandboxConfig, String> {
    let (name, namespace, uid) = (naming::name(pod), naming::namespace(pod), naming::uid(pod));
    let mut all_labels = api_pod::labels(pod).clone();
    all_labels.extend(identity_labels(pod));
    Ok(v1::PodSandboxConfig {
        metadata: Some(v1::PodSandboxMetadata {
            name: name.to_owned(),
            uid: uid.to_owned(),
            namespace: namespace.to_owned(),
            attempt,
        }),
        hostname: sandbox_hostname(pod, &settings.cluster_domain)?,
        log_directory: naming::pod_log_dir(&settings.pod_logs_dir, namespace, name, uid).display().to_string(),
        dns_config: Some(dns),
        port_mappings: port_mappings(pod),
        labels: all_labels,
        annotations: api_pod::annotations(pod).clone(),
        linux: Some(linux(pod, settings)),
        windows: None,
    })
}

/// The labels by which sandboxes and containers are attributed to their pod.
pub fn identity_labels(pod: &Pod) -> BTreeMap<String, String> {
    BTreeMap::from([
        (labels::POD_NAME.to_owned(), naming::name(pod).to_owned()),
        (labels::POD_NAMESPACE.to_owned(), naming::namespace(pod).to_owned()),
        (labels::POD_UID.to_owned(), naming::uid(pod).to_owned()),
    ])
}

fn port_mappings(pod: &Pod) -> Vec<v1::PortMapping> {
    let mut mappings = Vec::new();
    for container in &api_pod::spec(pod).containers {
        let mut seen: Vec<String> = Vec::new();
        for port in container.ports.iter().flatten() {
            let host_ip = port.host_ip.clone().unwrap_or_default();
            let host_port = port.host_port.unwrap_or(0);
            let protocol_name = port.protocol.as_deref().unwrap_or("TCP");
            let name = match port.name.as_deref() {
                Some(name) if !name.is_empty() => name.to_owned(),
                _ => {
                    let family = if host_ip.contains(':') { "v6" } else { "v4" };
                    format!("{family}-{protocol_name}-{host_ip}:{}:{host_port}", port.container_port)
                }
            };
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            let protocol = match protocol_name {
                "UDP" => v1::Protocol::Udp,
                "SCTP" => v1::Protocol::Sctp,
                _ => v1::Protocol::Tcp,
            };
            mappings.push(v1::PortMapping {
                protocol: protocol.into(),
                container_port: port.container_port,
                host_port,
                host_ip,
            });
        }
    }
    mappings
}

/// What the sandbox itself costs, all zero where the pod does not say.
pub(crate) fn overhead(pod: &Pod, settings: &RuntimeSettings) -> v1::LinuxContainerResources {
    api_pod::spec(pod).overhead.as_ref().map_or_else(v1::LinuxContainerResources::default, |overhead| {
        let cpu = overhead.get("cpu").map_or(0, crate::resources::amounts::milli);
        let memory = overhead.get("memory").map_or(0, crate::resources::amounts::value);
        calculate(Some(cpu), cpu, memory, settings)
    })
}

fn linux(pod: &Pod, settings: &RuntimeSettings) -> v1::LinuxPodSandboxConfig {
    let cgroup_parent = if settings.cgroups_per_qos {
        cgroups::pod_cgroup_parent(settings.cgroup_driver, &settings.cgroup_root, qos::class(pod), naming::uid(pod))
    } else {
        String::new()
    };
    v1::LinuxPodSandboxConfig {
        cgroup_parent,
        security_context: Some(security_context(pod)),
        sysctls: sysctls(pod),
        overhead: Some(overhead(pod, settings)),
        resources: Some(calculate(
            of_pod(pod, Side::Requests, "cpu"),
            of_pod(pod, Side::Limits, "cpu").unwrap_or(0),
            of_pod(pod, Side::Limits, "memory").unwrap_or(0),
            settings,
        )),
    }
}

/// CPU and memory values as the runtime wants them. Amounts in thousandths of a CPU and in bytes; a request that is absent is the limit.
pub fn calculate(
    cpu_request: Option<i64>,
    cpu_limit: i64,
    memory_limit: i64,
    settings: &RuntimeSettings,
) -> v1::LinuxContainerResources {
    let mut resources = v1::LinuxContainerResources {
        cpu_shares: cpu_shares(cpu_request.unwrap_or(cpu_limit)),
        memory_limit_in_bytes: memory_limit,
        unified: unified(settings),
        ..Default::default()
    };
    if settings.cpu_cfs_quota {
        resources.cpu_period = i64::try_from(settings.cpu_cfs_quota_period.as_micros()).unwrap_or(0);
        resources.cpu_quota = cpu_quota(cpu_limit, settings.cpu_cfs_quota_period);
    }
    resources
}

fn unified(settings: &RuntimeSettings) -> BTreeMap<String, String> {
    let v2 = settings.facts.cgroups == world::machine::CgroupVersion::V2;
    let mut unified = BTreeMap::new();
    if v2 && !settings.single_process_oom_kill.unwrap_or(false) {
        unified.insert("memory.oom.group".to_owned(), "1".to_owned());
    }
    unified
}

fn sysctls(pod: &Pod) -> BTreeMap<String, String> {
    let security = api_pod::spec(pod).security_context.as_ref();
    security
        .and_then(|s| s.sysctls.as_ref())
        .into_iter()
        .flatten()
        .map(|s| (sysctl::dotted(&s.name), s.value.clone()))
        .collect()
}

fn security_context(pod: &Pod) -> v1::LinuxSandboxSecurityContext {
    let spec = api_pod::spec(pod);
    let all: Vec<&Container> = spec.containers.iter().chain(spec.init_containers.iter().flatten()).collect();
    let privileged = all.into_iter().any(api_pod::privileged);
    let security = spec.security_context.as_ref();
    v1::LinuxSandboxSecurityContext {
        privileged,
        seccomp: Some(v1::SecurityProfile {
            profile_type: v1::security_profile::ProfileType::RuntimeDefault.into(),
            localhost_ref: String::new(),
        }),
        namespace_options: Some(namespace_options(pod)),
        run_as_user: security.and_then(|s| s.run_as_user).map(|value| v1::Int64Value { value }),
        run_as_group: security.and_then(|s| s.run_as_group).map(|value| v1::Int64Value { value }),
        supplemental_groups: supplemental_groups(pod),
        supplemental_groups_policy: supplemental_groups_policy(pod),
        selinux_options: security.and_then(|s| s.se_linux_options.as_ref()).map(selinux),
        ..Default::default()
    }
}

/// Namespaces of the sandbox; containers get the same. Ranges of ids are `userns`' to add.
pub fn namespace_options(pod: &Pod) -> v1::NamespaceOption {
    let spec = api_pod::spec(pod);
    let mode =
        |host: Option<bool>| if host.unwrap_or(false) { v1::NamespaceMode::Node } else { v1::NamespaceMode::Pod };
    let pid = if spec.host_pid.unwrap_or(false) {
        v1::NamespaceMode::Node
    } else if spec.share_process_namespace.unwrap_or(false) {
        v1::NamespaceMode::Pod
    } else {
        v1::NamespaceMode::Container
    };
    v1::NamespaceOption {
        network: mode(spec.host_network).into(),
        ipc: mode(spec.host_ipc).into(),
        pid: pid.into(),
        target_id: String::new(),
        userns_options: Some(v1::UserNamespace {
            mode: v1::NamespaceMode::Node.into(),
            uids: Vec::new(),
            gids: Vec::new(),
        }),
    }
}

/// `fsGroup`, then `supplementalGroups`.
pub fn supplemental_groups(pod: &Pod) -> Vec<i64> {
    let security = api_pod::spec(pod).security_context.as_ref();
    security
        .into_iter()
        .flat_map(|s| s.fs_group.into_iter().chain(s.supplemental_groups.iter().flatten().copied()))
        .collect()
}

/// `supplementalGroupsPolicy` as the runtime's number.
pub fn supplemental_groups_policy(pod: &Pod) -> i32 {
    let policy = api_pod::spec(pod).security_context.as_ref().and_then(|s| s.supplemental_groups_policy.as_deref());
    match policy {
        Some("Strict") => v1::SupplementalGroupsPolicy::Strict.into(),
        _ => v1::SupplementalGroupsPolicy::Merge.into(),
    }
}

/// SELinux options as the runtime wants them.
pub fn selinux(options: &SELinuxOptions) -> v1::SeLinuxOption {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    v1::SeLinuxOption {
        user: text(&options.user),
        role: text(&options.role),
        r#type: text(&options.type_),
        level: text(&options.level),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// As long as a host name may be.
    const LONG: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

    #[rstest]
    #[case(serde_json::json!({"containers": []}), "p", "")]
    #[case(serde_json::json!({"containers": [], "hostname": "h"}), "h", "")]
    #[case(serde_json::json!({"containers": [], "hostname": "h", "subdomain": "sub"}), "h", "sub.default.svc.")]
    #[case(serde_json::json!({"containers": [], "hostnameOverride": "o", "subdomain": "sub"}), "o", "")]
    #[case(serde_json::json!({"containers": [], "hostnameOverride": "x".repeat(64)}), LONG, "")]
    #[case(serde_json::json!({"containers": [], "hostnameOverride": format!("{}.y", &LONG[1..])}), &LONG[1..], "")]
    fn host_names(#[case] spec: serde_json::Value, #[case] name: &str, #[case] domain: &str) {
        let pod: Pod = serde_json::from_value(
            serde_json::json!({"metadata": {"name": "p", "namespace": "default"}, "spec": spec}),
        )
        .unwrap();
        assert_eq!(hostname(&pod, ""), (name.to_owned(), domain.to_owned()));
    }
}
