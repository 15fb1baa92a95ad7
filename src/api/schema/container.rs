//! Shapes of containers: ports, environment, resources, probes, lifecycle, security (`k8s.io/api/core/v1`). Data only.

use super::Shape::{Bool, Int32, Int32s, Int64, IntOrString, Quantity, Resources, Str, Strs, Struct, Structs};
use super::{Field, S, Type, always, nullable, opt, ptr};

macro_rules! container_fields {
    ($($more:expr),*) => {
        &[
            always("name", S),
            opt("image", S),
            opt("command", Strs("string")),
            opt("args", Strs("string")),
            opt("workingDir", S),
            opt("ports", Structs(&CONTAINER_PORT)),
            opt("envFrom", Structs(&ENV_FROM_SOURCE)),
            opt("env", Structs(&ENV_VAR)),
            always("resources", Struct(&RESOURCE_REQUIREMENTS)),
            opt("resizePolicy", Structs(&CONTAINER_RESIZE_POLICY)),
            ptr("restartPolicy", Str("v1.ContainerRestartPolicy")),
            opt("restartPolicyRules", Structs(&CONTAINER_RESTART_RULE)),
            opt("volumeMounts", Structs(&VOLUME_MOUNT)),
            opt("volumeDevices", Structs(&VOLUME_DEVICE)),
            ptr("livenessProbe", Struct(&PROBE)),
            ptr("readinessProbe", Struct(&PROBE)),
            ptr("startupProbe", Struct(&PROBE)),
            ptr("lifecycle", Struct(&LIFECYCLE)),
            opt("terminationMessagePath", S),
            opt("terminationMessagePolicy", Str("v1.TerminationMessagePolicy")),
            opt("imagePullPolicy", Str("v1.PullPolicy")),
            ptr("securityContext", Struct(&SECURITY_CONTEXT)),
            opt("stdin", Bool),
            opt("stdinOnce", Bool),
            opt("tty", Bool),
            $($more),*
        ]
    };
}

/// `Container`.
pub static CONTAINER: Type = Type { name: "Container", fields: CONTAINER_FIELDS };
static CONTAINER_FIELDS: &[Field] = container_fields!();

/// `EphemeralContainer`.
pub(super) static EPHEMERAL_CONTAINER: Type =
    Type { name: "EphemeralContainer", fields: container_fields!(opt("targetContainerName", S)) };

/// `ContainerPort`.
pub static CONTAINER_PORT: Type = Type {
    name: "ContainerPort",
    fields: &[
        opt("name", S),
        opt("hostPort", Int32),
        always("containerPort", Int32),
        opt("protocol", Str("v1.Protocol")),
        opt("hostIP", S),
    ],
};

static ENV_FROM_SOURCE: Type = Type {
    name: "EnvFromSource",
    fields: &[
        opt("prefix", S),
        ptr("configMapRef", Struct(&CONFIG_MAP_ENV_SOURCE)),
        ptr("secretRef", Struct(&SECRET_ENV_SOURCE)),
    ],
};

static CONFIG_MAP_ENV_SOURCE: Type =
    Type { name: "ConfigMapEnvSource", fields: &[opt("name", S), ptr("optional", Bool)] };

static SECRET_ENV_SOURCE: Type = Type { name: "SecretEnvSource", fields: &[opt("name", S), ptr("optional", Bool)] };

static ENV_VAR: Type =
    Type { name: "EnvVar", fields: &[always("name", S), opt("value", S), ptr("valueFrom", Struct(&ENV_VAR_SOURCE))] };

static ENV_VAR_SOURCE: Type = Type {
    name: "EnvVarSource",
    fields: &[
        ptr("fieldRef", Struct(&OBJECT_FIELD_SELECTOR)),
        ptr("resourceFieldRef", Struct(&RESOURCE_FIELD_SELECTOR)),
        ptr("configMapKeyRef", Struct(&CONFIG_MAP_KEY_SELECTOR)),
        ptr("secretKeyRef", Struct(&SECRET_KEY_SELECTOR)),
        ptr("fileKeyRef", Struct(&FILE_KEY_SELECTOR)),
    ],
};

/// `ObjectFieldSelector`.
pub(super) static OBJECT_FIELD_SELECTOR: Type =
    Type { name: "ObjectFieldSelector", fields: &[opt("apiVersion", S), always("fieldPath", S)] };

/// `ResourceFieldSelector`.
pub(super) static RESOURCE_FIELD_SELECTOR: Type = Type {
    name: "ResourceFieldSelector",
    fields: &[opt("containerName", S), always("resource", S), always("divisor", Quantity)],
};

static CONFIG_MAP_KEY_SELECTOR: Type =
    Type { name: "ConfigMapKeySelector", fields: &[opt("name", S), always("key", S), ptr("optional", Bool)] };

static SECRET_KEY_SELECTOR: Type =
    Type { name: "SecretKeySelector", fields: &[opt("name", S), always("key", S), ptr("optional", Bool)] };

static FILE_KEY_SELECTOR: Type = Type {
    name: "FileKeySelector",
    fields: &[always("volumeName", S), always("path", S), always("key", S), ptr("optional", Bool)],
};

/// `ResourceRequirements`.
pub static RESOURCE_REQUIREMENTS: Type = Type {
    name: "ResourceRequirements",
    fields: &[opt("limits", Resources), opt("requests", Resources), opt("claims", Structs(&RESOURCE_CLAIM))],
};

pub(super) static RESOURCE_CLAIM: Type =
    Type { name: "ResourceClaim", fields: &[always("name", S), opt("request", S)] };

static CONTAINER_RESIZE_POLICY: Type = Type {
    name: "ContainerResizePolicy",
    fields: &[
        always("resourceName", Str("v1.ResourceName")),
        always("restartPolicy", Str("v1.ResourceResizeRestartPolicy")),
    ],
};

static CONTAINER_RESTART_RULE: Type = Type {
    name: "ContainerRestartRule",
    fields: &[
        opt("action", Str("v1.ContainerRestartRuleAction")),
        ptr("exitCodes", Struct(&CONTAINER_RESTART_RULE_ON_EXIT_CODES)),
    ],
};

static CONTAINER_RESTART_RULE_ON_EXIT_CODES: Type = Type {
    name: "ContainerRestartRuleOnExitCodes",
    fields: &[opt("operator", Str("v1.ContainerRestartRuleOnExitCodesOperator")), opt("values", Int32s)],
};

static VOLUME_MOUNT: Type = Type {
    name: "VolumeMount",
    fields: &[
        always("name", S),
        opt("readOnly", Bool),
        ptr("recursiveReadOnly", Str("v1.RecursiveReadOnlyMode")),
        always("mountPath", S),
        opt("subPath", S),
        ptr("mountPropagation", Str("v1.MountPropagationMode")),
        opt("subPathExpr", S),
    ],
};

static VOLUME_DEVICE: Type = Type { name: "VolumeDevice", fields: &[always("name", S), always("devicePath", S)] };

static PROBE: Type = Type {
    name: "Probe",
    fields: &[
        ptr("exec", Struct(&EXEC_ACTION)),
        ptr("httpGet", Struct(&HTTP_GET_ACTION)),
        ptr("tcpSocket", Struct(&TCP_SOCKET_ACTION)),
        ptr("grpc", Struct(&GRPC_ACTION)),
        opt("initialDelaySeconds", Int32),
        opt("timeoutSeconds", Int32),
        opt("periodSeconds", Int32),
        opt("successThreshold", Int32),
        opt("failureThreshold", Int32),
        ptr("terminationGracePeriodSeconds", Int64),
    ],
};

static EXEC_ACTION: Type = Type { name: "ExecAction", fields: &[opt("command", Strs("string"))] };

static HTTP_GET_ACTION: Type = Type {
    name: "HTTPGetAction",
    fields: &[
        opt("path", S),
        always("port", IntOrString),
        opt("host", S),
        opt("scheme", Str("v1.URIScheme")),
        opt("httpHeaders", Structs(&HTTP_HEADER)),
    ],
};

static HTTP_HEADER: Type = Type { name: "HTTPHeader", fields: &[always("name", S), always("value", S)] };

static TCP_SOCKET_ACTION: Type =
    Type { name: "TCPSocketAction", fields: &[always("port", IntOrString), opt("host", S)] };

static GRPC_ACTION: Type = Type { name: "GRPCAction", fields: &[always("port", Int32), nullable("service", S)] };

static SLEEP_ACTION: Type = Type { name: "SleepAction", fields: &[always("seconds", Int64)] };

static LIFECYCLE: Type = Type {
    name: "Lifecycle",
    fields: &[
        ptr("postStart", Struct(&LIFECYCLE_HANDLER)),
        ptr("preStop", Struct(&LIFECYCLE_HANDLER)),
        ptr("stopSignal", Str("v1.Signal")),
    ],
};

/// `LifecycleHandler`.
pub static LIFECYCLE_HANDLER: Type = Type {
    name: "LifecycleHandler",
    fields: &[
        ptr("exec", Struct(&EXEC_ACTION)),
        ptr("httpGet", Struct(&HTTP_GET_ACTION)),
        ptr("tcpSocket", Struct(&TCP_SOCKET_ACTION)),
        ptr("sleep", Struct(&SLEEP_ACTION)),
    ],
};

static SECURITY_CONTEXT: Type = Type {
    name: "SecurityContext",
    fields: &[
        ptr("capabilities", Struct(&CAPABILITIES)),
        ptr("privileged", Bool),
        ptr("seLinuxOptions", Struct(&SE_LINUX_OPTIONS)),
        ptr("windowsOptions", Struct(&WINDOWS_OPTIONS)),
        ptr("runAsUser", Int64),
        ptr("runAsGroup", Int64),
        ptr("runAsNonRoot", Bool),
        ptr("readOnlyRootFilesystem", Bool),
        ptr("allowPrivilegeEscalation", Bool),
        ptr("procMount", Str("v1.ProcMountType")),
        ptr("seccompProfile", Struct(&SECCOMP_PROFILE)),
        ptr("appArmorProfile", Struct(&APP_ARMOR_PROFILE)),
    ],
};

static CAPABILITIES: Type =
    Type { name: "Capabilities", fields: &[opt("add", Strs("v1.Capability")), opt("drop", Strs("v1.Capability"))] };

/// `SELinuxOptions`.
pub(super) static SE_LINUX_OPTIONS: Type =
    Type { name: "SELinuxOptions", fields: &[opt("user", S), opt("role", S), opt("type", S), opt("level", S)] };

/// `WindowsSecurityContextOptions`.
pub(super) static WINDOWS_OPTIONS: Type = Type {
    name: "WindowsSecurityContextOptions",
    fields: &[
        ptr("gmsaCredentialSpecName", S),
        ptr("gmsaCredentialSpec", S),
        ptr("runAsUserName", S),
        ptr("hostProcess", Bool),
    ],
};

/// `SeccompProfile`.
pub(super) static SECCOMP_PROFILE: Type = Type {
    name: "SeccompProfile",
    fields: &[always("type", Str("v1.SeccompProfileType")), ptr("localhostProfile", S)],
};

/// `AppArmorProfile`.
pub(super) static APP_ARMOR_PROFILE: Type = Type {
    name: "AppArmorProfile",
    fields: &[always("type", Str("v1.AppArmorProfileType")), ptr("localhostProfile", S)],
};
