//! Names of the labels and annotations that the kubelet puts on sandboxes, containers and pods, as upstream spells them.
//! Values are built elsewhere.

/// Pod name, on sandboxes and containers.
pub const POD_NAME: &str = "io.kubernetes.pod.name";
/// Pod namespace, on sandboxes and containers.
pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// Pod UID, on sandboxes and containers.
pub const POD_UID: &str = "io.kubernetes.pod.uid";
/// Container name, on containers.
pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";

/// Container annotation: hash of image and name, lower-case hex ([`crate::api::hash`]).
pub const CONTAINER_HASH: &str = "io.kubernetes.container.hash";
/// Container annotation: restart count, decimal.
pub const CONTAINER_RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
/// Container annotation: path of the termination message inside the container.
pub const CONTAINER_TERMINATION_MESSAGE_PATH: &str = "io.kubernetes.container.terminationMessagePath";
/// Container annotation: `File` or `FallbackToLogsOnError`.
pub const CONTAINER_TERMINATION_MESSAGE_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";
/// Container annotation: JSON of `lifecycle.preStop`, when there is one.
pub const CONTAINER_PRE_STOP_HANDLER: &str = "io.kubernetes.container.preStopHandler";
/// Container annotation: JSON array of the container's ports, when there are any.
pub const CONTAINER_PORTS: &str = "io.kubernetes.container.ports";
/// Container annotation: `metadata.deletionGracePeriodSeconds`, when set.
pub const POD_DELETION_GRACE_PERIOD: &str = "io.kubernetes.pod.deletionGracePeriod";
/// Container annotation: `spec.terminationGracePeriodSeconds`, decimal.
pub const POD_TERMINATION_GRACE_PERIOD: &str = "io.kubernetes.pod.terminationGracePeriod";

/// Pod annotation: the content hash of a static pod, equal to its UID.
pub const CONFIG_HASH: &str = "kubernetes.io/config.hash";
/// Pod annotation: where a static pod came from, `file` or `http`.
pub const CONFIG_SOURCE: &str = "kubernetes.io/config.source";
/// Pod annotation: when the kubelet first saw a static pod, RFC 3339 with nanoseconds.
pub const CONFIG_SEEN: &str = "kubernetes.io/config.seen";
/// Pod annotation: marks the API server's copy of a static pod; never written in standalone mode.
pub const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";

/// Prefix of the per-container AppArmor annotation (deprecated, still read); the container's name follows.
pub const APPARMOR_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
/// Pod seccomp annotation (deprecated, still read).
pub const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// Prefix of the per-container seccomp annotation (deprecated, still read); the container's name follows.
pub const SECCOMP_CONTAINER_PREFIX: &str = "container.seccomp.security.alpha.kubernetes.io/";
