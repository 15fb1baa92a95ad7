//! What is left of pods that nobody wants any more: sandboxes and containers that the runtime lists, and the kubelet's directories and
//! links. Looks from outside, so it works on any runtime; what only a runtime knows of itself is its own business.

use std::path::Path;

use cri_proto::v1::{ListContainersRequest, ListPodSandboxRequest, runtime_service_client::RuntimeServiceClient};
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint};
use world::{Net, World, net::Address};

use super::TargetError;
use crate::history::History;

/// The label by which a kubelet marks what belongs to a pod.
const UID_LABEL: &str = "io.kubernetes.pod.uid";

/// A connection to a runtime.
///
/// # Errors
/// Nobody serves the socket.
pub async fn connect(net: &Net, address: &Address) -> Result<RuntimeServiceClient<Channel>, TargetError> {
    let (net, address) = (net.clone(), address.clone());
    let shown = address.to_string();
    let connector = tower::service_fn(move |_: http::Uri| {
        let (net, address) = (net.clone(), address.clone());
        async move { net.dial(&address).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://cri").connect_with_connector(connector).await;
    let channel = channel.map_err(|e| TargetError::Failed(format!("nobody serves {shown}: {e}")))?;
    Ok(RuntimeServiceClient::new(channel).max_decoding_message_size(16 * 1024 * 1024))
}

/// All that is left of pods whose uid is not in `wanted`, in a line each, in a stable order.
///
/// # Errors
/// The runtime does not answer.
pub async fn look(
    world: &World,
    history: &History,
    runtime: &Address,
    wanted: &[String],
) -> Result<Vec<String>, TargetError> {
    let mut left = Vec::new();
    let refused = |status: tonic::Status| {
        TargetError::Failed(format!("the runtime says {:?}: {}", status.code(), status.message()))
    };
    let mut client = connect(&world.net, runtime).await?;
    let sandboxes = client.list_pod_sandbox(ListPodSandboxRequest::default()).await.map_err(refused)?.into_inner();
    let unwanted = |uid: Option<&String>| uid.is_none_or(|uid| !wanted.contains(uid));
    for sandbox in sandboxes.items.iter().filter(|s| unwanted(s.labels.get(UID_LABEL))) {
        let name = sandbox.metadata.as_ref().map(|m| m.name.clone()).unwrap_or_default();
        left.push(format!("sandbox {} of pod {name}", sandbox.id));
    }
    let containers = client.list_containers(ListContainersRequest::default()).await.map_err(refused)?.into_inner();
    for container in containers.containers.iter().filter(|c| unwanted(c.labels.get(UID_LABEL))) {
        let name = container.metadata.as_ref().map(|m| m.name.clone()).unwrap_or_default();
        left.push(format!("container {} named {name}", container.id));
    }
    left.sort();
    let names = |path: &str| {
        let entries = world.files.read_dir(Path::new(path)).unwrap_or_default();
        entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
    };
    for uid in names("/var/lib/kubelet/pods").iter().filter(|uid| unwanted(Some(uid))) {
        left.push(format!("directory /var/lib/kubelet/pods/{uid}"));
    }
    for name in names("/var/log/pods") {
        let uid = name.rsplit('_').next().unwrap_or_default().to_owned();
        if unwanted(Some(&uid)) {
            left.push(format!("directory /var/log/pods/{name}"));
        }
    }
    for name in names("/var/log/containers") {
        // Where it leads is a path of the host.
        let target = world.files.read_link(&Path::new("/var/log/containers").join(&name));
        let target = target.map(|target| history.known(target.display().to_string()));
        if target.is_ok_and(|target| world.files.metadata(Path::new(&target)).is_err()) {
            left.push(format!("link /var/log/containers/{name} to nothing"));
        }
    }
    Ok(left)
}
