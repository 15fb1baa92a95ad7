//! Shapes of pod and container status (`k8s.io/api/core/v1`). Data only.

use super::Shape::{Bool, Int32, Int64, Int64s, Reported, Resources, Str, Strs, Struct, Structs, Time};
use super::container::{RESOURCE_CLAIM, RESOURCE_REQUIREMENTS};
use super::{S, Type, always, nullable, opt, ptr};

/// `PodStatus`.
pub static POD_STATUS: Type = Type {
    name: "PodStatus",
    fields: &[
        opt("observedGeneration", Int64),
        opt("phase", Str("v1.PodPhase")),
        opt("conditions", Structs(&POD_CONDITION)),
        opt("message", S),
        opt("reason", S),
        opt("nominatedNodeName", S),
        opt("hostIP", S),
        opt("hostIPs", Structs(&HOST_IP)),
        opt("podIP", S),
        opt("podIPs", Structs(&POD_IP)),
        ptr("startTime", Time),
        opt("initContainerStatuses", Structs(&CONTAINER_STATUS)),
        opt("containerStatuses", Structs(&CONTAINER_STATUS)),
        opt("qosClass", Str("v1.PodQOSClass")),
        opt("ephemeralContainerStatuses", Structs(&CONTAINER_STATUS)),
        opt("resize", Str("v1.PodResizeStatus")),
        opt("resourceClaimStatuses", Structs(&POD_RESOURCE_CLAIM_STATUS)),
        ptr("extendedResourceClaimStatus", Struct(&POD_EXTENDED_RESOURCE_CLAIM_STATUS)),
        opt("allocatedResources", Resources),
        ptr("resources", Struct(&RESOURCE_REQUIREMENTS)),
        opt("nodeAllocatableResourceClaimStatuses", Structs(&NODE_ALLOCATABLE_RESOURCE_CLAIM_STATUS)),
    ],
};

/// `ResourceRequirements` of a container that runs.
static REPORTED_REQUIREMENTS: Type = Type {
    name: "ResourceRequirements",
    fields: &[opt("limits", Reported), opt("requests", Reported), opt("claims", Structs(&RESOURCE_CLAIM))],
};

static NODE_ALLOCATABLE_RESOURCE_CLAIM_STATUS: Type = Type {
    name: "NodeAllocatableResourceClaimStatus",
    fields: &[always("resourceClaimName", S), opt("containers", Strs("string")), nullable("resources", Resources)],
};

static POD_CONDITION: Type = Type {
    name: "PodCondition",
    fields: &[
        always("type", Str("v1.PodConditionType")),
        opt("observedGeneration", Int64),
        always("status", Str("v1.ConditionStatus")),
        always("lastProbeTime", Time),
        always("lastTransitionTime", Time),
        opt("reason", S),
        opt("message", S),
    ],
};

static HOST_IP: Type = Type { name: "HostIP", fields: &[always("ip", S)] };

static POD_IP: Type = Type { name: "PodIP", fields: &[always("ip", S)] };

/// `ContainerStatus`.
pub static CONTAINER_STATUS: Type = Type {
    name: "ContainerStatus",
    fields: &[
        always("name", S),
        always("state", Struct(&CONTAINER_STATE)),
        always("lastState", Struct(&CONTAINER_STATE)),
        always("ready", Bool),
        always("restartCount", Int32),
        always("image", S),
        always("imageID", S),
        opt("containerID", S),
        ptr("started", Bool),
        opt("allocatedResources", Resources),
        ptr("resources", Struct(&REPORTED_REQUIREMENTS)),
        opt("volumeMounts", Structs(&VOLUME_MOUNT_STATUS)),
        ptr("user", Struct(&CONTAINER_USER)),
        opt("allocatedResourcesStatus", Structs(&RESOURCE_STATUS)),
        ptr("stopSignal", Str("v1.Signal")),
    ],
};

static CONTAINER_STATE: Type = Type {
    name: "ContainerState",
    fields: &[
        ptr("waiting", Struct(&CONTAINER_STATE_WAITING)),
        ptr("running", Struct(&CONTAINER_STATE_RUNNING)),
        ptr("terminated", Struct(&CONTAINER_STATE_TERMINATED)),
    ],
};

static CONTAINER_STATE_WAITING: Type =
    Type { name: "ContainerStateWaiting", fields: &[opt("reason", S), opt("message", S)] };

static CONTAINER_STATE_RUNNING: Type = Type { name: "ContainerStateRunning", fields: &[always("startedAt", Time)] };

static CONTAINER_STATE_TERMINATED: Type = Type {
    name: "ContainerStateTerminated",
    fields: &[
        always("exitCode", Int32),
        opt("signal", Int32),
        opt("reason", S),
        opt("message", S),
        always("startedAt", Time),
        always("finishedAt", Time),
        opt("containerID", S),
    ],
};

static VOLUME_MOUNT_STATUS: Type = Type {
    name: "VolumeMountStatus",
    fields: &[
        always("name", S),
        always("mountPath", S),
        opt("readOnly", Bool),
        ptr("recursiveReadOnly", Str("v1.RecursiveReadOnlyMode")),
        ptr("volumeStatus", Struct(&VOLUME_STATUS)),
    ],
};

static VOLUME_STATUS: Type = Type { name: "VolumeStatus", fields: &[ptr("image", Struct(&IMAGE_VOLUME_STATUS))] };

static IMAGE_VOLUME_STATUS: Type = Type { name: "ImageVolumeStatus", fields: &[opt("imageRef", S)] };

static CONTAINER_USER: Type = Type { name: "ContainerUser", fields: &[ptr("linux", Struct(&LINUX_CONTAINER_USER))] };

static LINUX_CONTAINER_USER: Type = Type {
    name: "LinuxContainerUser",
    fields: &[always("uid", Int64), always("gid", Int64), opt("supplementalGroups", Int64s)],
};

static RESOURCE_STATUS: Type = Type {
    name: "ResourceStatus",
    fields: &[always("name", Str("v1.ResourceName")), opt("resources", Structs(&RESOURCE_HEALTH))],
};

static RESOURCE_HEALTH: Type = Type {
    name: "ResourceHealth",
    fields: &[
        always("resourceID", Str("v1.ResourceID")),
        opt("health", Str("v1.ResourceHealthStatus")),
        ptr("message", S),
    ],
};

static POD_RESOURCE_CLAIM_STATUS: Type =
    Type { name: "PodResourceClaimStatus", fields: &[always("name", S), ptr("resourceClaimName", S)] };

static POD_EXTENDED_RESOURCE_CLAIM_STATUS: Type = Type {
    name: "PodExtendedResourceClaimStatus",
    fields: &[
        nullable("requestMappings", Structs(&CONTAINER_EXTENDED_RESOURCE_REQUEST)),
        always("resourceClaimName", S),
    ],
};

static CONTAINER_EXTENDED_RESOURCE_REQUEST: Type = Type {
    name: "ContainerExtendedResourceRequest",
    fields: &[always("containerName", S), always("resourceName", S), always("requestName", S)],
};
