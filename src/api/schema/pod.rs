//! Shapes of a pod and its spec (`k8s.io/api/core/v1`). Containers, volumes, scheduling and status have their own files.

use super::Shape::{Bool, Int32, Int64, Resources, Str, StrMap, Strs, Struct, Structs};
use super::container::{APP_ARMOR_PROFILE, SE_LINUX_OPTIONS, SECCOMP_PROFILE, WINDOWS_OPTIONS};
use super::container::{CONTAINER, EPHEMERAL_CONTAINER, RESOURCE_REQUIREMENTS};
use super::meta::{LIST_META, OBJECT_META};
use super::scheduling::{AFFINITY, TOLERATION, TOPOLOGY_SPREAD_CONSTRAINT};
use super::status::POD_STATUS;
use super::volume::{LOCAL_OBJECT_REFERENCE, VOLUME};
use super::{S, Type, always, opt, ptr};

/// `Pod`.
pub static POD: Type = Type {
    name: "Pod",
    fields: &[
        opt("kind", S),
        opt("apiVersion", S),
        always("metadata", Struct(&OBJECT_META)),
        always("spec", Struct(&POD_SPEC)),
        always("status", Struct(&POD_STATUS)),
    ],
};

/// `PodList`.
pub static POD_LIST: Type = Type {
    name: "PodList",
    fields: &[
        opt("kind", S),
        opt("apiVersion", S),
        always("metadata", Struct(&LIST_META)),
        always("items", Structs(&POD)),
    ],
};

/// `PodSpec`.
pub static POD_SPEC: Type = Type {
    name: "PodSpec",
    fields: &[
        opt("volumes", Structs(&VOLUME)),
        opt("initContainers", Structs(&CONTAINER)),
        always("containers", Structs(&CONTAINER)),
        opt("ephemeralContainers", Structs(&EPHEMERAL_CONTAINER)),
        opt("restartPolicy", Str("v1.RestartPolicy")),
        ptr("terminationGracePeriodSeconds", Int64),
        ptr("activeDeadlineSeconds", Int64),
        opt("dnsPolicy", Str("v1.DNSPolicy")),
        opt("nodeSelector", StrMap),
        opt("serviceAccountName", S),
        opt("serviceAccount", S),
        ptr("automountServiceAccountToken", Bool),
        opt("nodeName", S),
        opt("hostNetwork", Bool),
        opt("hostPID", Bool),
        opt("hostIPC", Bool),
        ptr("shareProcessNamespace", Bool),
        ptr("securityContext", Struct(&POD_SECURITY_CONTEXT)),
        opt("imagePullSecrets", Structs(&LOCAL_OBJECT_REFERENCE)),
        opt("hostname", S),
        opt("subdomain", S),
        ptr("affinity", Struct(&AFFINITY)),
        opt("schedulerName", S),
        opt("tolerations", Structs(&TOLERATION)),
        opt("hostAliases", Structs(&HOST_ALIAS)),
        opt("priorityClassName", S),
        ptr("priority", Int32),
        ptr("dnsConfig", Struct(&POD_DNS_CONFIG)),
        opt("readinessGates", Structs(&POD_READINESS_GATE)),
        ptr("runtimeClassName", S),
        ptr("enableServiceLinks", Bool),
        ptr("preemptionPolicy", Str("v1.PreemptionPolicy")),
        opt("overhead", Resources),
        opt("topologySpreadConstraints", Structs(&TOPOLOGY_SPREAD_CONSTRAINT)),
        ptr("setHostnameAsFQDN", Bool),
        ptr("os", Struct(&POD_OS)),
        ptr("hostUsers", Bool),
        opt("schedulingGates", Structs(&POD_SCHEDULING_GATE)),
        opt("resourceClaims", Structs(&POD_RESOURCE_CLAIM)),
        ptr("resources", Struct(&RESOURCE_REQUIREMENTS)),
        ptr("hostnameOverride", S),
        ptr("schedulingGroup", Struct(&POD_SCHEDULING_GROUP)),
    ],
};

static POD_SECURITY_CONTEXT: Type = Type {
    name: "PodSecurityContext",
    fields: &[
        ptr("seLinuxOptions", Struct(&SE_LINUX_OPTIONS)),
        ptr("windowsOptions", Struct(&WINDOWS_OPTIONS)),
        ptr("runAsUser", Int64),
        ptr("runAsGroup", Int64),
        ptr("runAsNonRoot", Bool),
        opt("supplementalGroups", super::Shape::Int64s),
        ptr("supplementalGroupsPolicy", Str("v1.SupplementalGroupsPolicy")),
        ptr("fsGroup", Int64),
        opt("sysctls", Structs(&SYSCTL)),
        ptr("fsGroupChangePolicy", Str("v1.PodFSGroupChangePolicy")),
        ptr("seccompProfile", Struct(&SECCOMP_PROFILE)),
        ptr("appArmorProfile", Struct(&APP_ARMOR_PROFILE)),
        ptr("seLinuxChangePolicy", Str("v1.PodSELinuxChangePolicy")),
    ],
};

static SYSCTL: Type = Type { name: "Sysctl", fields: &[always("name", S), always("value", S)] };

static HOST_ALIAS: Type = Type { name: "HostAlias", fields: &[always("ip", S), opt("hostnames", Strs("string"))] };

static POD_DNS_CONFIG: Type = Type {
    name: "PodDNSConfig",
    fields: &[
        opt("nameservers", Strs("string")),
        opt("searches", Strs("string")),
        opt("options", Structs(&POD_DNS_CONFIG_OPTION)),
    ],
};

static POD_DNS_CONFIG_OPTION: Type = Type { name: "PodDNSConfigOption", fields: &[opt("name", S), ptr("value", S)] };

static POD_READINESS_GATE: Type =
    Type { name: "PodReadinessGate", fields: &[always("conditionType", Str("v1.PodConditionType"))] };

static POD_OS: Type = Type { name: "PodOS", fields: &[always("name", Str("v1.OSName"))] };

static POD_SCHEDULING_GATE: Type = Type { name: "PodSchedulingGate", fields: &[always("name", S)] };

static POD_RESOURCE_CLAIM: Type = Type {
    name: "PodResourceClaim",
    fields: &[always("name", S), ptr("resourceClaimName", S), ptr("resourceClaimTemplateName", S)],
};

static POD_SCHEDULING_GROUP: Type = Type { name: "PodSchedulingGroup", fields: &[ptr("podGroupName", S)] };
