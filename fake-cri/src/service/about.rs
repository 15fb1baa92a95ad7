//! What a request is about, in names, and what no client may ask whatever the answer is. Read from the messages themselves.

use std::any::Any;

use cri_proto::v1;

use crate::{model::find, runtime::Runtime};

/// What a call is about.
#[derive(Default)]
pub(super) struct About {
    pub pod: Option<String>,
    pub container: Option<String>,
    pub image: Option<String>,
}

/// The field of a request, if it is one of the types listed.
macro_rules! field {
    ($request:expr, $field:ident: $($kind:ident),+) => {{
        let mut found = None;
        $(if let Some(request) = $request.downcast_ref::<v1::$kind>() {
            found = Some(&request.$field);
        })+
        found
    }};
}

fn sandbox_config(request: &dyn Any) -> Option<&v1::PodSandboxConfig> {
    if let Some(request) = request.downcast_ref::<v1::RunPodSandboxRequest>() {
        return request.config.as_ref();
    }
    field!(request, sandbox_config: CreateContainerRequest, PullImageRequest)?.as_ref()
}

fn image(request: &dyn Any) -> Option<&str> {
    if let Some(request) = request.downcast_ref::<v1::CreateContainerRequest>() {
        return Some(request.config.as_ref()?.image.as_ref()?.user_specified_image.as_str());
    }
    Some(field!(request, image: ImageStatusRequest, PullImageRequest, RemoveImageRequest)?.as_ref()?.image.as_str())
}

fn container_id(request: &dyn Any) -> Option<&String> {
    field!(request, container_id:
        StartContainerRequest, StopContainerRequest, RemoveContainerRequest, ContainerStatusRequest, ExecSyncRequest, ExecRequest,
        AttachRequest, ReopenContainerLogRequest, UpdateContainerResourcesRequest, CheckpointContainerRequest, ContainerStatsRequest)
}

fn sandbox_id(request: &dyn Any) -> Option<&String> {
    field!(request, pod_sandbox_id:
        StopPodSandboxRequest, RemovePodSandboxRequest, PodSandboxStatusRequest, CreateContainerRequest, PortForwardRequest,
        PodSandboxStatsRequest, UpdatePodSandboxResourcesRequest)
}

/// The pod, container and image of a request.
pub(super) fn about(runtime: &Runtime, request: &dyn Any) -> About {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let state = runtime.lock();
    let mut about = About {
        pod: sandbox_config(request).and_then(|config| some(&config.metadata.as_ref()?.name)),
        image: image(request).and_then(some),
        container: None,
    };
    let mut sandbox = sandbox_id(request).cloned();
    if let Some(container) = container_id(request).and_then(|id| find(&state.containers, id)) {
        about.container = Some(container.metadata().name);
        sandbox = Some(container.sandbox.clone());
    } else if let Some(request) = request.downcast_ref::<v1::CreateContainerRequest>() {
        about.container = request.config.as_ref().and_then(|config| some(&config.metadata.as_ref()?.name));
    }
    if let Some(sandbox) = sandbox.as_deref().and_then(|id| find(&state.sandboxes, id)) {
        about.pod = Some(sandbox.metadata().name);
    }
    about
}

/// What no client may do, whatever the answer is.
pub(super) fn check_contract(runtime: &Runtime, request: &dyn Any) {
    let ledger = &runtime.ledger;
    if let Some(request) = request.downcast_ref::<v1::StopContainerRequest>()
        && request.timeout < 0
    {
        ledger.violated("StopContainer with a negative timeout".to_owned());
    }
    if let Some(request) = request.downcast_ref::<v1::CreateContainerRequest>() {
        let sandbox = &request.pod_sandbox_id;
        if find(&runtime.lock().sandboxes, sandbox).is_none() {
            ledger.violated(format!("CreateContainer in the unknown sandbox {sandbox:?}"));
        }
        let name = request.config.as_ref().and_then(|config| Some(config.metadata.as_ref()?.name.as_str()));
        let uid = request.sandbox_config.as_ref().and_then(|config| Some(config.metadata.as_ref()?.uid.as_str()));
        for (part, given) in [("/config/metadata/name", name), ("/sandbox_config/metadata/uid", uid)] {
            if given.is_none_or(str::is_empty) {
                ledger.violated(format!("CreateContainer without {part}"));
            }
        }
    }
    if let Some(request) = request.downcast_ref::<v1::StartContainerRequest>() {
        let id = &request.container_id;
        if find(&runtime.lock().containers, id).is_none() {
            ledger.violated(format!("StartContainer of the unknown container {id:?}"));
        }
    }
}
