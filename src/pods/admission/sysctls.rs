//! Which kernel parameters a pod may set: a list known to be harmless, and what the configuration allows. The kernel's version is
//! taken to be recent enough for all of them.

use k8s_openapi::api::core::v1::Pod;

use crate::api::{pod, sysctl};

/// Always allowed.
const SAFE: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// Checks the pod's sysctls in order; the error is upstream's message about the first that is not allowed.
pub fn check(pod: &Pod, allowed: &[String]) -> Result<(), String> {
    let context = pod::spec(pod).security_context.as_ref();
    for sysctl in context.and_then(|context| context.sysctls.as_ref()).into_iter().flatten() {
        let name = sysctl::dotted(&sysctl.name);
        let listed = |entry: &String| {
            let entry = sysctl::dotted(entry);
            entry.strip_suffix('*').map_or(entry == name, |prefix| name.starts_with(prefix))
        };
        if !SAFE.contains(&name.as_str()) && !allowed.iter().any(listed) {
            return Err(format!("forbidden sysctl: {name:?} not allowlisted"));
        }
        let (net, ipc) = (name.starts_with("net."), is_ipc(&name));
        if net && pod::host_network(pod) {
            return Err(format!("forbidden sysctl: {name:?} not allowed with host net enabled"));
        }
        if ipc && pod::host_ipc(pod) {
            return Err(format!("forbidden sysctl: {name:?} not allowed with host ipc enabled"));
        }
    }
    Ok(())
}

fn is_ipc(name: &str) -> bool {
    ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|prefix| name.starts_with(prefix)) || name == "kernel.sem"
}
