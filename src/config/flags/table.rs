//! The table of upstream's command line flags as of Kubernetes 1.36, and the field of the configuration that each one sets. Data only.

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// `true` or `false`; the flag alone is `true`.
    Bool,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// Text.
    Text,
    /// A length of time.
    Duration,
    /// An IP address.
    Ip,
    /// Texts between commas; may be repeated.
    Texts,
    /// `name=value` between commas; may be repeated.
    TextMap,
    /// One `name=value`, commas included; may be repeated.
    OneTextMap,
    /// `signal<threshold` between commas; may be repeated.
    LessMap,
    /// `name=true|false` between commas; may be repeated.
    BoolMap,
    /// `name:value` between commas; may be repeated.
    Headers,
    /// `key=value:effect` between commas.
    Taints,
    /// `node:resource=quantity,...`; may be repeated.
    ReservedMemory,
    /// `pattern=level` between commas.
    Vmodule,
    /// `true`, `false`, `raw` or a version; the flag alone is `true`.
    Version,
}

impl Takes {
    /// The type as `--help` names it.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Bool => "",
            Self::Int32 => "int32",
            Self::Int64 => "int",
            Self::Text => "string",
            Self::Duration => "duration",
            Self::Ip => "ip",
            Self::Texts => "strings",
            Self::TextMap | Self::OneTextMap | Self::LessMap => "mapStringString",
            Self::BoolMap => "mapStringBool",
            Self::Headers => "colonSeparatedMultimapStringString",
            Self::Taints => "[]v1.Taint",
            Self::ReservedMemory => "reserved-memory",
            Self::Vmodule => "pattern=N,...",
            Self::Version => "version[=true]",
        }
    }
}

/// What a flag sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sets {
    /// The field at this path of the configuration.
    Field(&'static str),
    /// Something that only the command line has.
    Command,
    /// Nothing: read for compatibility.
    Nothing,
}

/// Whether a flag is on its way out, and the reason that is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deprecation {
    /// It stays.
    No,
    /// The configuration file has a field for it.
    Config,
    /// It only ever was there by mistake.
    Cadvisor,
    /// Other things have taken its place.
    Other,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its name without the dashes.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// The default, as `--help` shows it.
    pub default: &'static str,
    /// What it sets.
    pub sets: Sets,
    /// Whether it is on its way out.
    pub deprecation: Deprecation,
    /// Whether `--help` leaves it out.
    pub hidden: bool,
}

impl Flag {
    /// The letter it also answers to.
    pub fn shorthand(&self) -> Option<char> {
        match self.name {
            "help" => Some('h'),
            "v" => Some('v'),
            _ => None,
        }
    }

    /// The value of the flag when nothing follows it.
    pub fn alone(&self) -> Option<&'static str> {
        matches!(self.takes, Takes::Bool | Takes::Version).then_some("true")
    }
}

const fn flag(name: &'static str, takes: Takes, default: &'static str, sets: Sets, deprecation: Deprecation) -> Flag {
    Flag { name, takes, default, sets, deprecation, hidden: false }
}

use Deprecation::{Cadvisor, Config, No, Other};
use Sets::{Command, Field, Nothing};
use Takes::{
    Bool, BoolMap, Duration, Headers, Int32, Int64, Ip, LessMap, OneTextMap, ReservedMemory, Taints, Text, TextMap,
    Texts, Version, Vmodule,
};

/// All flags, by name.
pub const FLAGS: &[Flag] = &[
    // Ours alone: several kubelets on one machine must not share the directory of log links.
    Flag { hidden: true, ..flag("container-log-links-dir", Text, "/var/log/containers", Command, No) },
    // Ours alone: ConfigMaps and Secrets without an API server.
    flag("local-objects", Text, "", Command, No),
    // Ours alone: what relative paths on the command line start from, told by the process to the command.
    Flag { hidden: true, ..flag("working-directory", Text, "/", Command, No) },
    flag("address", Ip, "0.0.0.0", Field("address"), Config),
    flag("allowed-unsafe-sysctls", Texts, "", Field("allowedUnsafeSysctls"), Config),
    flag("anonymous-auth", Bool, "true", Field("authentication.anonymous.enabled"), Config),
    flag("application-metrics-count-limit", Int64, "100", Nothing, Cadvisor),
    flag("authentication-token-webhook", Bool, "false", Field("authentication.webhook.enabled"), Config),
    flag("authentication-token-webhook-cache-ttl", Duration, "2m0s", Field("authentication.webhook.cacheTTL"), Config),
    flag("authorization-mode", Text, "AlwaysAllow", Field("authorization.mode"), Config),
    flag(
        "authorization-webhook-cache-authorized-ttl",
        Duration,
        "5m0s",
        Field("authorization.webhook.cacheAuthorizedTTL"),
        Config,
    ),
    flag(
        "authorization-webhook-cache-unauthorized-ttl",
        Duration,
        "30s",
        Field("authorization.webhook.cacheUnauthorizedTTL"),
        Config,
    ),
    flag("boot-id-file", Text, "/proc/sys/kernel/random/boot_id", Nothing, Cadvisor),
    flag("bootstrap-kubeconfig", Text, "", Command, No),
    flag("cert-dir", Text, "/var/lib/kubelet/pki", Command, No),
    flag("cgroup-driver", Text, "cgroupfs", Field("cgroupDriver"), Config),
    flag("cgroup-root", Text, "", Field("cgroupRoot"), Config),
    flag("cgroups-per-qos", Bool, "true", Field("cgroupsPerQOS"), Config),
    flag("client-ca-file", Text, "", Field("authentication.x509.clientCAFile"), Config),
    flag("cloud-provider", Text, "", Command, No),
    flag("cluster-dns", Texts, "", Field("clusterDNS"), Config),
    flag("cluster-domain", Text, "", Field("clusterDomain"), Config),
    flag("config", Text, "", Command, No),
    flag("config-dir", Text, "", Command, No),
    flag("container-hints", Text, "/etc/cadvisor/container_hints.json", Nothing, Cadvisor),
    flag("container-log-max-files", Int32, "5", Field("containerLogMaxFiles"), Config),
    flag("container-log-max-size", Text, "10Mi", Field("containerLogMaxSize"), Config),
    flag(
        "container-runtime-endpoint",
        Text,
        "unix:///run/containerd/containerd.sock",
        Field("containerRuntimeEndpoint"),
        Config,
    ),
    flag("containerd", Text, "/run/containerd/containerd.sock", Nothing, Cadvisor),
    flag("containerd-namespace", Text, "k8s.io", Nothing, Cadvisor),
    flag("contention-profiling", Bool, "false", Field("enableContentionProfiling"), Config),
    flag("cpu-cfs-quota", Bool, "true", Field("cpuCFSQuota"), Config),
    flag("cpu-cfs-quota-period", Duration, "100ms", Field("cpuCFSQuotaPeriod"), Config),
    flag("cpu-manager-policy", Text, "none", Field("cpuManagerPolicy"), Config),
    flag("cpu-manager-policy-options", OneTextMap, "", Field("cpuManagerPolicyOptions"), Config),
    flag("cpu-manager-reconcile-period", Duration, "10s", Field("cpuManagerReconcilePeriod"), Config),
    flag("enable-controller-attach-detach", Bool, "true", Field("enableControllerAttachDetach"), Config),
    flag("enable-debugging-handlers", Bool, "true", Field("enableDebuggingHandlers"), Config),
    flag("enable-load-reader", Bool, "false", Nothing, Cadvisor),
    flag("enable-server", Bool, "true", Field("enableServer"), Config),
    flag("enforce-node-allocatable", Texts, "[pods]", Field("enforceNodeAllocatable"), Config),
    flag("event-burst", Int32, "100", Field("eventBurst"), Config),
    flag("event-qps", Int32, "50", Field("eventRecordQPS"), Config),
    flag("event-storage-age-limit", Text, "default=0", Nothing, Cadvisor),
    flag("event-storage-event-limit", Text, "default=0", Nothing, Cadvisor),
    flag("eviction-hard", LessMap, "", Field("evictionHard"), Config),
    flag("eviction-max-pod-grace-period", Int32, "0", Field("evictionMaxPodGracePeriod"), Config),
    flag("eviction-minimum-reclaim", TextMap, "", Field("evictionMinimumReclaim"), Config),
    flag("eviction-pressure-transition-period", Duration, "5m0s", Field("evictionPressureTransitionPeriod"), Config),
    flag("eviction-soft", LessMap, "", Field("evictionSoft"), Config),
    flag("eviction-soft-grace-period", TextMap, "", Field("evictionSoftGracePeriod"), Config),
    flag("exit-on-lock-contention", Bool, "false", Command, No),
    flag("experimental-allocatable-ignore-eviction", Bool, "false", Command, Other),
    flag("experimental-mounter-path", Text, "", Command, Other),
    flag("fail-cgroupv1", Bool, "true", Field("failCgroupV1"), No),
    flag("fail-swap-on", Bool, "true", Field("failSwapOn"), Config),
    flag("feature-gates", BoolMap, "", Field("featureGates"), Config),
    flag("file-check-frequency", Duration, "20s", Field("fileCheckFrequency"), Config),
    flag("global-housekeeping-interval", Duration, "1m0s", Nothing, Cadvisor),
    flag("hairpin-mode", Text, "promiscuous-bridge", Field("hairpinMode"), Config),
    flag("healthz-bind-address", Ip, "127.0.0.1", Field("healthzBindAddress"), Config),
    flag("healthz-port", Int32, "10248", Field("healthzPort"), Config),
    flag("help", Bool, "", Command, No),
    flag("hostname-override", Text, "", Command, No),
    flag("housekeeping-interval", Duration, "10s", Command, No),
    flag("http-check-frequency", Duration, "20s", Field("httpCheckFrequency"), Config),
    flag("image-credential-provider-bin-dir", Text, "", Command, No),
    flag("image-credential-provider-config", Text, "", Command, No),
    flag("image-gc-high-threshold", Int32, "85", Field("imageGCHighThresholdPercent"), Config),
    flag("image-gc-low-threshold", Int32, "80", Field("imageGCLowThresholdPercent"), Config),
    flag("image-service-endpoint", Text, "", Field("imageServiceEndpoint"), Config),
    flag("kernel-memcg-notification", Bool, "false", Field("kernelMemcgNotification"), Config),
    flag("kube-api-burst", Int32, "100", Field("kubeAPIBurst"), Config),
    flag("kube-api-content-type", Text, "application/vnd.kubernetes.protobuf", Field("contentType"), Config),
    flag("kube-api-qps", Int32, "50", Field("kubeAPIQPS"), Config),
    flag("kube-reserved", TextMap, "", Field("kubeReserved"), Config),
    flag("kube-reserved-cgroup", Text, "", Field("kubeReservedCgroup"), Config),
    flag("kubeconfig", Text, "", Command, No),
    flag("kubelet-cgroups", Text, "", Field("kubeletCgroups"), Config),
    flag("local-storage-capacity-isolation", Bool, "true", Field("localStorageCapacityIsolation"), Config),
    flag("lock-file", Text, "", Command, No),
    flag("log-cadvisor-usage", Bool, "false", Nothing, Cadvisor),
    flag("log-flush-frequency", Duration, "5s", Field("logging.flushFrequency"), No),
    flag("log-json-info-buffer-size", Text, "", Field("logging.options.json.infoBufferSize"), Config),
    flag("log-json-split-stream", Bool, "false", Field("logging.options.json.splitStream"), Config),
    flag("log-text-info-buffer-size", Text, "", Field("logging.options.text.infoBufferSize"), Config),
    flag("log-text-split-stream", Bool, "false", Field("logging.options.text.splitStream"), Config),
    flag("logging-format", Text, "text", Field("logging.format"), Config),
    flag("machine-id-file", Text, "/etc/machine-id,/var/lib/dbus/machine-id", Nothing, Cadvisor),
    flag("make-iptables-util-chains", Bool, "true", Field("makeIPTablesUtilChains"), Config),
    flag("manifest-url", Text, "", Field("staticPodURL"), Config),
    flag("manifest-url-header", Headers, "", Field("staticPodURLHeader"), Config),
    flag("max-housekeeping-interval", Duration, "15s", Command, No),
    flag("max-open-files", Int64, "1000000", Field("maxOpenFiles"), Config),
    flag("max-pods", Int32, "110", Field("maxPods"), Config),
    flag("maximum-dead-containers", Int32, "-1", Command, Other),
    flag("maximum-dead-containers-per-container", Int32, "1", Command, Other),
    flag("memory-manager-policy", Text, "None", Field("memoryManagerPolicy"), Config),
    flag("minimum-container-ttl-duration", Duration, "0s", Command, Other),
    flag("minimum-image-ttl-duration", Duration, "2m0s", Field("imageMinimumGCAge"), Config),
    flag("node-ip", Text, "", Command, No),
    flag("node-labels", TextMap, "", Command, No),
    flag("node-status-max-images", Int32, "50", Field("nodeStatusMaxImages"), Config),
    flag("node-status-update-frequency", Duration, "10s", Field("nodeStatusUpdateFrequency"), Config),
    flag("oom-score-adj", Int32, "-999", Field("oomScoreAdj"), Config),
    flag("pod-cidr", Text, "", Field("podCIDR"), Config),
    flag("pod-manifest-path", Text, "", Field("staticPodPath"), Config),
    flag("pod-max-pids", Int64, "-1", Field("podPidsLimit"), Config),
    flag("pods-per-core", Int32, "0", Field("podsPerCore"), Config),
    flag("port", Int32, "10250", Field("port"), Config),
    flag("protect-kernel-defaults", Bool, "false", Field("protectKernelDefaults"), Config),
    flag("provider-id", Text, "", Field("providerID"), No),
    flag("qos-reserved", TextMap, "", Field("qosReserved"), Config),
    flag("read-only-port", Int32, "10255", Field("readOnlyPort"), Config),
    flag("register-node", Bool, "true", Field("registerNode"), Config),
    flag("register-with-taints", Taints, "", Field("registerWithTaints"), Config),
    flag("registry-burst", Int32, "10", Field("registryBurst"), Config),
    flag("registry-qps", Int32, "5", Field("registryPullQPS"), Config),
    flag("reserved-cpus", Text, "", Field("reservedSystemCPUs"), Config),
    flag("reserved-memory", ReservedMemory, "", Field("reservedMemory"), Config),
    flag("resolv-conf", Text, "/etc/resolv.conf", Field("resolvConf"), Config),
    flag("root-dir", Text, "/var/lib/kubelet", Command, No),
    flag("rotate-certificates", Bool, "false", Field("rotateCertificates"), Config),
    flag("rotate-server-certificates", Bool, "false", Field("serverTLSBootstrap"), Config),
    flag("runonce", Bool, "false", Field("runOnce"), Config),
    flag("runtime-cgroups", Text, "", Command, No),
    flag("runtime-request-timeout", Duration, "2m0s", Field("runtimeRequestTimeout"), Config),
    flag("seccomp-default", Bool, "false", Command, No),
    flag("serialize-image-pulls", Bool, "true", Field("serializeImagePulls"), Config),
    flag("storage-driver-buffer-duration", Duration, "1m0s", Nothing, Cadvisor),
    flag("storage-driver-db", Text, "cadvisor", Nothing, Cadvisor),
    flag("storage-driver-host", Text, "localhost:8086", Nothing, Cadvisor),
    flag("storage-driver-password", Text, "root", Nothing, Cadvisor),
    flag("storage-driver-secure", Bool, "false", Nothing, Cadvisor),
    flag("storage-driver-table", Text, "stats", Nothing, Cadvisor),
    flag("storage-driver-user", Text, "root", Nothing, Cadvisor),
    flag("streaming-connection-idle-timeout", Duration, "4h0m0s", Field("streamingConnectionIdleTimeout"), Config),
    flag("sync-frequency", Duration, "1m0s", Field("syncFrequency"), Config),
    flag("system-cgroups", Text, "", Field("systemCgroups"), Config),
    flag("system-reserved", TextMap, "", Field("systemReserved"), Config),
    flag("system-reserved-cgroup", Text, "", Field("systemReservedCgroup"), Config),
    flag("tls-cert-file", Text, "", Field("tlsCertFile"), Config),
    flag("tls-cipher-suites", Texts, "", Field("tlsCipherSuites"), Config),
    flag("tls-min-version", Text, "", Field("tlsMinVersion"), Config),
    flag("tls-private-key-file", Text, "", Field("tlsPrivateKeyFile"), Config),
    flag("topology-manager-policy", Text, "none", Field("topologyManagerPolicy"), Config),
    flag("topology-manager-policy-options", TextMap, "", Field("topologyManagerPolicyOptions"), Config),
    flag("topology-manager-scope", Text, "container", Field("topologyManagerScope"), Config),
    flag("v", Int64, "", Field("logging.verbosity"), No),
    flag("version", Version, "", Command, No),
    flag("vmodule", Vmodule, "", Field("logging.vmodule"), No),
    flag(
        "volume-plugin-dir",
        Text,
        "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/",
        Field("volumePluginDir"),
        Config,
    ),
    flag("volume-stats-agg-period", Duration, "1m0s", Field("volumeStatsAggPeriod"), Config),
];
