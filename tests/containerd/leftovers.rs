//! What pods leave on a host when they are gone: nothing. Looks; removes nothing.

use std::{fs, path::Path};

use cri_proto::v1;
use kubelet::cri::CriClient;

use crate::daemon::Containerd;

/// Everything still there of any pod, one line each.
pub async fn find(daemon: &Containerd, client: &CriClient) -> Result<Vec<String>, String> {
    let mut left = Vec::new();
    for sandbox in client.list_pod_sandbox(v1::PodSandboxFilter::default()).await.map_err(|e| e.to_string())? {
        left.push(format!("sandbox {}", sandbox.id));
    }
    for container in client.list_containers(v1::ContainerFilter::default()).await.map_err(|e| e.to_string())? {
        left.push(format!("container {}", container.id));
    }
    left.extend(entries(&daemon.netns_directory()).into_iter().map(|n| format!("network namespace {n}")));
    let ports = format!("/sys/class/net/{}/brif", daemon.bridge());
    left.extend(entries(Path::new(&ports)).into_iter().map(|p| format!("veth {p}")));
    let leases = entries(&daemon.leases());
    left.extend(leases.into_iter().filter(|l| l.starts_with("10.")).map(|l| format!("address {l}")));
    Ok(left)
}

/// Names in a directory, sorted; none if it is not there.
pub fn entries(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What kubelets put where every kubelet of the host puts it, one line each: links to container logs, and pods' control groups.
pub fn on_host() -> Vec<String> {
    let links = Path::new("/var/log/containers");
    let mut found: Vec<String> =
        entries(links).into_iter().map(|n| format!("link {}", links.join(n).display())).collect();
    // Version 2 has the hierarchy here, version 1 one level down for each controller.
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = entries(top).into_iter().map(|name| top.join(name)).chain([top.to_owned()]);
    for kubepods in hierarchies.map(|h| h.join("kubepods")) {
        for class in ["", "besteffort", "burstable"] {
            let folder = kubepods.join(class);
            let pods = entries(&folder).into_iter().filter(|n| n.starts_with("pod"));
            found.extend(pods.map(|n| format!("control group {}", folder.join(n).display())));
        }
    }
    found
}
