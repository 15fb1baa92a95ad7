//! Reason words that users see in events, container states and pod status, in one place. Upstream's spelling; no logic.

/// Reasons of events ([`crate::api::reasons`] holds words only; messages are built where the event is made).
pub mod event {
    /// Normal: a pull begins.
    pub const PULLING: &str = "Pulling";
    /// Normal: an image is there.
    pub const PULLED: &str = "Pulled";
    /// Normal for image pulls, Warning for container restarts.
    pub const BACK_OFF: &str = "BackOff";
    /// Warning: a pull, a create or a start failed.
    pub const FAILED: &str = "Failed";
    /// Warning: the image could not be looked up.
    pub const INSPECT_FAILED: &str = "InspectFailed";
    /// Warning: image absent and pull policy Never.
    pub const ERR_IMAGE_NEVER_PULL: &str = "ErrImageNeverPull";
    /// Normal: container created.
    pub const CREATED: &str = "Created";
    /// Normal: container started.
    pub const STARTED: &str = "Started";
    /// Normal: container is being stopped.
    pub const KILLING: &str = "Killing";
    /// Warning: the postStart hook failed.
    pub const FAILED_POST_START_HOOK: &str = "FailedPostStartHook";
    /// Warning: the preStop hook failed.
    pub const FAILED_PRE_STOP_HOOK: &str = "FailedPreStopHook";
    /// Warning: an HTTPS hook was answered in plain HTTP.
    pub const LIFECYCLE_HTTP_FALLBACK: &str = "LifecycleHTTPFallback";
    /// Warning: a probe failed.
    pub const UNHEALTHY: &str = "Unhealthy";
    /// Warning: a probe passed with a remark.
    pub const PROBE_WARNING: &str = "ProbeWarning";
    /// Normal: the sandbox will be replaced.
    pub const SANDBOX_CHANGED: &str = "SandboxChanged";
    /// Warning: RunPodSandbox failed.
    pub const FAILED_CREATE_POD_SANDBOX: &str = "FailedCreatePodSandBox";
    /// Warning: PodSandboxStatus failed.
    pub const FAILED_POD_SANDBOX_STATUS: &str = "FailedPodSandBoxStatus";
    /// Warning: the runtime's network is not ready.
    pub const NETWORK_NOT_READY: &str = "NetworkNotReady";
    /// Warning: pod cgroups could not be made.
    pub const FAILED_CREATE_POD_CONTAINER: &str = "FailedCreatePodContainer";
    /// Warning: volumes could not be set up.
    pub const FAILED_MOUNT: &str = "FailedMount";
    /// Warning: the pod could not be killed.
    pub const FAILED_KILL_POD: &str = "FailedKillPod";
    /// Warning: a sync failed before the runtime was asked.
    pub const FAILED_SYNC: &str = "FailedSync";
    /// Warning: the runtime did not stop a pod in time.
    pub const EXCEEDED_GRACE_PERIOD: &str = "ExceededGracePeriod";
    /// Warning: a pod of the same name is already in the snapshot.
    pub const FAILED_VALIDATION: &str = "FailedValidation";
    /// Normal: activeDeadlineSeconds passed.
    pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
    /// Warning: the resolv.conf had to be cut.
    pub const DNS_CONFIG_FORMING: &str = "DNSConfigForming";
    /// Warning: ClusterFirst without a cluster DNS.
    pub const MISSING_CLUSTER_DNS: &str = "MissingClusterDNS";
    /// Warning: evicted.
    pub const EVICTED: &str = "Evicted";
    /// Warning: preempted for a critical pod.
    pub const PREEMPTING: &str = "Preempting";
    /// Normal: other amounts were granted to a pod that runs.
    pub const RESIZE_STARTED: &str = "ResizeStarted";
    /// Normal: its containers have them.
    pub const RESIZE_COMPLETED: &str = "ResizeCompleted";
    /// Warning: there is no room for them now.
    pub const RESIZE_DEFERRED: &str = "ResizeDeferred";
    /// Warning: they were granted, and the runtime did not take them.
    pub const RESIZE_ERROR: &str = "ResizeError";
    /// Normal (node): the kubelet starts.
    pub const STARTING: &str = "Starting";
    /// Warning (node): the node's control groups are of the old kind.
    pub const CGROUP_V1: &str = "CgroupV1";
    /// Normal (node): all pods together are held to what is allocatable.
    pub const NODE_ALLOCATABLE_ENFORCED: &str = "NodeAllocatableEnforced";
    /// Warning (node): they are not, yet.
    pub const FAILED_NODE_ALLOCATABLE_ENFORCEMENT: &str = "FailedNodeAllocatableEnforcement";
    /// Warning (node): dead containers could not be collected.
    pub const CONTAINER_GC_FAILED: &str = "ContainerGCFailed";
    /// Warning (node): images could not be collected, more than once.
    pub const IMAGE_GC_FAILED: &str = "ImageGCFailed";
    /// Warning (node): collecting images did not free enough.
    pub const FREE_DISK_SPACE_FAILED: &str = "FreeDiskSpaceFailed";
    /// Warning (node): the file system of images has no size.
    pub const INVALID_DISK_CAPACITY: &str = "InvalidDiskCapacity";
}

/// Reasons of a waiting container.
pub mod waiting {
    /// Nothing to say yet: the container's turn has not come.
    pub const CONTAINER_CREATING: &str = "ContainerCreating";
    /// An app container waits for init containers.
    pub const POD_INITIALIZING: &str = "PodInitializing";
    /// Restart back-off is running.
    pub const CRASH_LOOP_BACK_OFF: &str = "CrashLoopBackOff";
    /// Pull back-off is running.
    pub const IMAGE_PULL_BACK_OFF: &str = "ImagePullBackOff";
    /// A restart rule has all containers restarted, and this one was removed for it.
    pub const RESTARTING_ALL_CONTAINERS: &str = "RestartingAllContainers";
    /// The last pull failed.
    pub const ERR_IMAGE_PULL: &str = "ErrImagePull";
    /// The image could not be looked up.
    pub const IMAGE_INSPECT_ERROR: &str = "ImageInspectError";
    /// Image absent and pull policy Never.
    pub const ERR_IMAGE_NEVER_PULL: &str = "ErrImageNeverPull";
    /// The image reference cannot be parsed.
    pub const INVALID_IMAGE_NAME: &str = "InvalidImageName";
    /// The registry did not answer.
    pub const REGISTRY_UNAVAILABLE: &str = "RegistryUnavailable";
    /// The container's configuration could not be built.
    pub const CREATE_CONTAINER_CONFIG_ERROR: &str = "CreateContainerConfigError";
    /// CreateContainer failed.
    pub const CREATE_CONTAINER_ERROR: &str = "CreateContainerError";
    /// A hook before creation failed.
    pub const PRE_CREATE_HOOK_ERROR: &str = "PreCreateHookError";
    /// A hook before the start failed.
    pub const PRE_START_HOOK_ERROR: &str = "PreStartHookError";
    /// The postStart hook failed.
    pub const POST_START_HOOK_ERROR: &str = "PostStartHookError";
    /// StartContainer failed.
    pub const RUN_CONTAINER_ERROR: &str = "RunContainerError";
    /// StopContainer failed.
    pub const KILL_CONTAINER_ERROR: &str = "KillContainerError";
    /// RunPodSandbox failed.
    pub const CREATE_POD_SANDBOX_ERROR: &str = "CreatePodSandboxError";
    /// The sandbox's configuration could not be built.
    pub const CONFIG_POD_SANDBOX_ERROR: &str = "ConfigPodSandboxError";
    /// StopPodSandbox failed.
    pub const KILL_POD_SANDBOX_ERROR: &str = "KillPodSandboxError";
}

/// Reasons of a terminated container.
pub mod terminated {
    /// Exit code 0.
    pub const COMPLETED: &str = "Completed";
    /// Any other exit code.
    pub const ERROR: &str = "Error";
    /// Killed for memory.
    pub const OOM_KILLED: &str = "OOMKilled";
    /// The runtime could not run it.
    pub const CONTAINER_CANNOT_RUN: &str = "ContainerCannotRun";
    /// The runtime no longer knows the container.
    pub const CONTAINER_STATUS_UNKNOWN: &str = "ContainerStatusUnknown";
}

/// Reasons of pod conditions.
pub mod condition {
    /// Phase Succeeded.
    pub const POD_COMPLETED: &str = "PodCompleted";
    /// Phase Failed.
    pub const POD_FAILED: &str = "PodFailed";
    /// Some containers are not ready.
    pub const CONTAINERS_NOT_READY: &str = "ContainersNotReady";
    /// Some init containers are not done.
    pub const CONTAINERS_NOT_INITIALIZED: &str = "ContainersNotInitialized";
    /// An exit matched a rule that restarts all containers.
    pub const RESTART_ALL_CONTAINERS_STARTED: &str = "RestartAllContainersStarted";
    /// The kubelet ended the pod for the good of another.
    pub const TERMINATION_BY_KUBELET: &str = "TerminationByKubelet";
    /// A readiness gate is not true.
    pub const READINESS_GATES_NOT_READY: &str = "ReadinessGatesNotReady";
    /// The kubelet knows no statuses yet.
    pub const UNKNOWN_CONTAINER_STATUSES: &str = "UnknownContainerStatuses";
}
