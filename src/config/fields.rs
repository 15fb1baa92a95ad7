//! The fields of KubeletConfiguration v1beta1 as of Kubernetes 1.36: names, types, defaults, in upstream's order. Data only; `decode`
//! and `document` use it.

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// Whole numbers of 32 bits.
    Int32,
    /// Whole numbers of 64 bits.
    Int64,
    /// Numbers.
    Float64,
    /// Text.
    Text,
    /// A length of time as text.
    Duration,
    /// A length of time as text, or as nanoseconds.
    DurationOrNanos,
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Int32s,
    /// Text by name.
    TextMap,
    /// `true` or `false` by name.
    BoolMap,
    /// Lists of texts by name.
    TextsMap,
    /// Further fields; the text is Go's name of the type.
    Object(&'static str, &'static [Field]),
    /// A list of such.
    Objects(&'static str, &'static [Field]),
    /// Text or a number: a quantity.
    Quantity,
}

impl Kind {
    /// Go's name of the type, for messages in upstream's words.
    pub fn go_name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Text | Self::Duration | Self::DurationOrNanos | Self::Quantity => "string",
            Self::Texts => "[]string",
            Self::Int32s => "[]int32",
            Self::TextMap => "map[string]string",
            Self::BoolMap => "map[string]bool",
            Self::TextsMap => "map[string][]string",
            Self::Object(name, _) | Self::Objects(name, _) => name,
        }
    }

    /// What a user has to write, with an example.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Bool => "must be true or false",
            Self::Int32 | Self::Int64 => "must be a whole number without quotes, such as 10",
            Self::Float64 => "must be a number without quotes, such as 0.9",
            Self::Text => "must be text; put it in quotes if it looks like a number or a boolean",
            Self::Duration | Self::DurationOrNanos => {
                "must be a length of time with its unit, such as 20s, 1m30s or 100ms"
            }
            Self::Texts => "must be a list of texts",
            Self::Int32s => "must be a list of whole numbers",
            Self::TextMap => "must be a mapping of names to texts",
            Self::BoolMap => "must be a mapping of names to true or false",
            Self::TextsMap => "must be a mapping of names to lists of texts",
            Self::Object(..) => "must be a mapping with indented keys below it",
            Self::Objects(..) => "must be a list of mappings",
            Self::Quantity => "must be a quantity such as 10Mi",
        }
    }
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether a zero value is told apart from no value. Where it is not, `0` and `""` mean the default.
    pub pointer: bool,
    /// The default as JSON; empty if there is none and the field stays away.
    pub default: &'static str,
}

/// A field whose zero value is as good as unset.
const fn plain(name: &'static str, kind: Kind, default: &'static str) -> Field {
    Field { name, kind, pointer: false, default }
}

/// A field whose zero value counts.
const fn pointer(name: &'static str, kind: Kind, default: &'static str) -> Field {
    Field { name, kind, pointer: true, default }
}

use Kind::{
    Bool, BoolMap, Duration, DurationOrNanos, Float64, Int32, Int32s, Int64, Object, Objects, Quantity, Text, TextMap,
    Texts, TextsMap,
};

/// Below `authentication`.
const AUTHENTICATION: &[Field] = &[
    plain("x509", Object("v1beta1.KubeletX509Authentication", &[plain("clientCAFile", Text, "")]), "{}"),
    plain(
        "webhook",
        Object(
            "v1beta1.KubeletWebhookAuthentication",
            &[pointer("enabled", Bool, "true"), plain("cacheTTL", Duration, "\"2m0s\"")],
        ),
        "{}",
    ),
    plain("anonymous", Object("v1beta1.KubeletAnonymousAuthentication", &[pointer("enabled", Bool, "false")]), "{}"),
];

/// Below `authorization`.
const AUTHORIZATION: &[Field] = &[
    plain("mode", Text, "\"Webhook\""),
    plain(
        "webhook",
        Object(
            "v1beta1.KubeletWebhookAuthorization",
            &[plain("cacheAuthorizedTTL", Duration, "\"5m0s\""), plain("cacheUnauthorizedTTL", Duration, "\"30s\"")],
        ),
        "{}",
    ),
];

/// Below `logging`.
const LOGGING: &[Field] = &[
    plain("format", Text, "\"text\""),
    plain("flushFrequency", DurationOrNanos, "\"5s\""),
    plain("verbosity", Int64, "0"),
    plain("vmodule", Objects("v1.VModuleItem", &[plain("filePattern", Text, ""), plain("verbosity", Int64, "")]), ""),
    plain(
        "options",
        Object(
            "v1.FormatOptions",
            &[
                plain("text", Object("v1.TextOptions", LOGGING_OPTIONS), "{}"),
                plain("json", Object("v1.JSONOptions", LOGGING_OPTIONS), "{}"),
            ],
        ),
        "{}",
    ),
];

/// Below `logging.options.text` and `logging.options.json`.
const LOGGING_OPTIONS: &[Field] = &[plain("splitStream", Bool, ""), plain("infoBufferSize", Quantity, "\"0\"")];

/// Below an entry of `registerWithTaints`.
const TAINT: &[Field] =
    &[plain("key", Text, ""), plain("value", Text, ""), plain("effect", Text, ""), pointer("timeAdded", Text, "")];

/// All fields, in upstream's order, `kind` and `apiVersion` first.
pub const KUBELET_CONFIGURATION: &[Field] = &[
    plain("kind", Text, "\"KubeletConfiguration\""),
    plain("apiVersion", Text, "\"kubelet.config.k8s.io/v1beta1\""),
    pointer("enableServer", Bool, "true"),
    plain("staticPodPath", Text, ""),
    plain("podLogsDir", Text, "\"/var/log/pods\""),
    plain("syncFrequency", Duration, "\"1m0s\""),
    plain("fileCheckFrequency", Duration, "\"20s\""),
    plain("httpCheckFrequency", Duration, "\"20s\""),
    plain("staticPodURL", Text, ""),
    plain("staticPodURLHeader", TextsMap, ""),
    plain("address", Text, "\"0.0.0.0\""),
    plain("port", Int32, "10250"),
    plain("readOnlyPort", Int32, ""),
    plain("tlsCertFile", Text, ""),
    plain("tlsPrivateKeyFile", Text, ""),
    plain("tlsCipherSuites", Texts, ""),
    plain("tlsCurvePreferences", Int32s, ""),
    plain("tlsMinVersion", Text, ""),
    plain("rotateCertificates", Bool, ""),
    plain("serverTLSBootstrap", Bool, ""),
    plain("authentication", Object("v1beta1.KubeletAuthentication", AUTHENTICATION), "{}"),
    plain("authorization", Object("v1beta1.KubeletAuthorization", AUTHORIZATION), "{}"),
    pointer("registryPullQPS", Int32, "5"),
    plain("registryBurst", Int32, "10"),
    plain("imagePullCredentialsVerificationPolicy", Text, "\"NeverVerifyPreloadedImages\""),
    plain("preloadedImagesVerificationAllowlist", Texts, ""),
    pointer("eventRecordQPS", Int32, "50"),
    plain("eventBurst", Int32, "100"),
    pointer("enableDebuggingHandlers", Bool, "true"),
    plain("enableContentionProfiling", Bool, ""),
    pointer("healthzPort", Int32, "10248"),
    plain("healthzBindAddress", Text, "\"127.0.0.1\""),
    pointer("oomScoreAdj", Int32, "-999"),
    plain("clusterDomain", Text, ""),
    plain("clusterDNS", Texts, ""),
    plain("streamingConnectionIdleTimeout", Duration, "\"4h0m0s\""),
    plain("nodeStatusUpdateFrequency", Duration, "\"10s\""),
    plain("nodeStatusReportFrequency", Duration, "\"5m0s\""),
    plain("nodeLeaseDurationSeconds", Int32, "40"),
    plain("imageMinimumGCAge", Duration, "\"2m0s\""),
    plain("imageMaximumGCAge", Duration, "\"0s\""),
    pointer("imageGCHighThresholdPercent", Int32, "85"),
    pointer("imageGCLowThresholdPercent", Int32, "80"),
    plain("volumeStatsAggPeriod", Duration, "\"1m0s\""),
    plain("kubeletCgroups", Text, ""),
    plain("systemCgroups", Text, ""),
    plain("cgroupRoot", Text, ""),
    pointer("cgroupsPerQOS", Bool, "true"),
    plain("cgroupDriver", Text, "\"cgroupfs\""),
    plain("cpuManagerPolicy", Text, "\"none\""),
    pointer("singleProcessOOMKill", Bool, ""),
    plain("cpuManagerPolicyOptions", TextMap, ""),
    plain("cpuManagerReconcilePeriod", Duration, "\"10s\""),
    plain("memoryManagerPolicy", Text, "\"None\""),
    plain("topologyManagerPolicy", Text, "\"none\""),
    plain("topologyManagerScope", Text, "\"container\""),
    plain("topologyManagerPolicyOptions", TextMap, ""),
    plain("qosReserved", TextMap, ""),
    plain("runtimeRequestTimeout", Duration, "\"2m0s\""),
    plain("hairpinMode", Text, "\"promiscuous-bridge\""),
    plain("maxPods", Int32, "110"),
    plain("podCIDR", Text, ""),
    pointer("podPidsLimit", Int64, "-1"),
    pointer("resolvConf", Text, "\"/etc/resolv.conf\""),
    plain("runOnce", Bool, ""),
    pointer("cpuCFSQuota", Bool, "true"),
    pointer("cpuCFSQuotaPeriod", Duration, "\"100ms\""),
    pointer("nodeStatusMaxImages", Int32, "50"),
    plain("maxOpenFiles", Int64, "1000000"),
    plain("contentType", Text, "\"application/vnd.kubernetes.protobuf\""),
    pointer("kubeAPIQPS", Int32, "50"),
    plain("kubeAPIBurst", Int32, "100"),
    pointer("serializeImagePulls", Bool, "true"),
    pointer("maxParallelImagePulls", Int32, ""),
    pointer("evictionHard", TextMap, ""),
    pointer("evictionSoft", TextMap, ""),
    pointer("evictionSoftGracePeriod", TextMap, ""),
    plain("evictionPressureTransitionPeriod", Duration, "\"5m0s\""),
    plain("evictionMaxPodGracePeriod", Int32, ""),
    pointer("evictionMinimumReclaim", TextMap, ""),
    pointer("mergeDefaultEvictionSettings", Bool, "false"),
    plain("podsPerCore", Int32, ""),
    pointer("enableControllerAttachDetach", Bool, "true"),
    plain("protectKernelDefaults", Bool, ""),
    pointer("makeIPTablesUtilChains", Bool, "true"),
    pointer("iptablesMasqueradeBit", Int32, "14"),
    pointer("iptablesDropBit", Int32, "15"),
    plain("featureGates", BoolMap, ""),
    pointer("failSwapOn", Bool, "true"),
    plain("memorySwap", Object("v1beta1.MemorySwapConfiguration", &[plain("swapBehavior", Text, "")]), "{}"),
    plain("containerLogMaxSize", Text, "\"10Mi\""),
    pointer("containerLogMaxFiles", Int32, "5"),
    pointer("containerLogMaxWorkers", Int32, "1"),
    pointer("containerLogMonitorInterval", Duration, "\"10s\""),
    plain("configMapAndSecretChangeDetectionStrategy", Text, "\"Watch\""),
    plain("systemReserved", TextMap, ""),
    plain("kubeReserved", TextMap, ""),
    plain("reservedSystemCPUs", Text, ""),
    plain("showHiddenMetricsForVersion", Text, ""),
    plain("systemReservedCgroup", Text, ""),
    plain("kubeReservedCgroup", Text, ""),
    pointer("enforceNodeAllocatable", Texts, "[\"pods\"]"),
    plain("allowedUnsafeSysctls", Texts, ""),
    plain("volumePluginDir", Text, "\"/usr/libexec/kubernetes/kubelet-plugins/volume/exec/\""),
    plain("providerID", Text, ""),
    plain("kernelMemcgNotification", Bool, ""),
    plain("logging", Object("v1.LoggingConfiguration", LOGGING), "{}"),
    pointer("enableSystemLogHandler", Bool, "true"),
    pointer("enableSystemLogQuery", Bool, "false"),
    plain("shutdownGracePeriod", Duration, "\"0s\""),
    plain("shutdownGracePeriodCriticalPods", Duration, "\"0s\""),
    plain(
        "shutdownGracePeriodByPodPriority",
        Objects(
            "v1beta1.ShutdownGracePeriodByPodPriority",
            &[plain("priority", Int32, ""), plain("shutdownGracePeriodSeconds", Int64, "")],
        ),
        "",
    ),
    plain(
        "crashLoopBackOff",
        Object("v1beta1.CrashLoopBackOffConfig", &[pointer("maxContainerRestartPeriod", Duration, "\"5m0s\"")]),
        "{}",
    ),
    plain(
        "reservedMemory",
        Objects("v1beta1.MemoryReservation", &[plain("numaNode", Int32, ""), plain("limits", TextMap, "")]),
        "",
    ),
    pointer("enableProfilingHandler", Bool, "true"),
    pointer("enableDebugFlagsHandler", Bool, "true"),
    pointer("seccompDefault", Bool, "false"),
    pointer("memoryThrottlingFactor", Float64, "0.9"),
    plain("memoryReservationPolicy", Text, "\"None\""),
    plain("registerWithTaints", Objects("v1.Taint", TAINT), ""),
    pointer("registerNode", Bool, "true"),
    pointer(
        "tracing",
        Object(
            "v1.TracingConfiguration",
            &[pointer("endpoint", Text, ""), pointer("samplingRatePerMillion", Int32, "")],
        ),
        "",
    ),
    pointer("localStorageCapacityIsolation", Bool, "true"),
    plain("containerRuntimeEndpoint", Text, "\"unix:///run/containerd/containerd.sock\""),
    plain("imageServiceEndpoint", Text, ""),
    pointer("failCgroupV1", Bool, "true"),
    pointer("userNamespaces", Object("v1beta1.UserNamespaces", &[pointer("idsPerPod", Int64, "")]), ""),
];

/// The thresholds in force when the configuration file sets no `evictionHard` at all.
pub const DEFAULT_EVICTION_HARD: &[(&str, &str)] = &[
    ("imagefs.available", "15%"),
    ("imagefs.inodesFree", "5%"),
    ("memory.available", "100Mi"),
    ("nodefs.available", "10%"),
    ("nodefs.inodesFree", "5%"),
];

/// Fields that hold paths, which a configuration file may give relative to its own directory.
pub const PATH_FIELDS: &[&str] = &[
    "staticPodPath",
    "authentication.x509.clientCAFile",
    "tlsCertFile",
    "tlsPrivateKeyFile",
    "resolvConf",
    "volumePluginDir",
    "podLogsDir",
];
