//! From a validated document to the typed value that the rest of the kubelet reads. Decides nothing but the form: "off" becomes
//! `None`, text becomes paths, addresses and choices. Errors are those that upstream finds only when the kubelet is about to run.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use serde_json::Value;
use world::{machine::Facts, net::Address};

use super::{
    CgroupDriver, ImagePullCredentialsVerificationPolicy, KubeletConfig, LogFormat, Logging, ShutdownGracePeriod,
    SwapBehavior, document::Document, flags::Arguments, gates::FeatureGates, load::Note,
};
use crate::api::{
    duration::{self, GoDuration},
    quantity::Quantity,
};

/// Priority from which a pod counts as critical when the node shuts down.
const SYSTEM_CRITICAL_PRIORITY: i32 = 2_000_000_000;

pub(super) fn build(
    document: Document,
    arguments: &Arguments,
    feature_gates: FeatureGates,
    facts: &Facts,
    notes: &mut Vec<Note>,
) -> Result<KubeletConfig, String> {
    let d = &document;
    only_standalone(arguments)?;
    credentials_without_api(d)?;
    let optional = |path: &str| Some(d.text(path)).filter(|t| !t.is_empty()).map(PathBuf::from);
    let flag_path = |name| Some(arguments.text(name)).filter(|t| !t.is_empty()).map(PathBuf::from);
    let port = |path| u16::try_from(d.int(path)).unwrap_or(0);
    let count = |path| u32::try_from(d.int(path)).unwrap_or(0);
    let positive = |path| u32::try_from(d.int(path)).ok().filter(|n| *n > 0);
    let dead = |name| usize::try_from(arguments.int(name)).ok();
    if d.duration("syncFrequency").0 <= 0 {
        return Err(format!("invalid sync frequency {}", d.duration("syncFrequency").0));
    }
    let endpoint = endpoint(d.text("containerRuntimeEndpoint"))?;
    Ok(KubeletConfig {
        node_name: node_name(arguments.text("hostname-override"), &facts.hostname)?,
        root_dir: root_dir(arguments.text("root-dir"))?,
        cert_dir: arguments.text("cert-dir").into(),
        node_ips: node_ips(arguments.text("node-ip"), notes)?,
        node_labels: arguments.map("node-labels"),
        local_objects: flag_path("local-objects")
            .map(|dir| PathBuf::from(arguments.text("working-directory")).join(dir)),
        container_log_links_dir: arguments.text("container-log-links-dir").into(),
        max_dead_containers_per_container: dead("maximum-dead-containers-per-container"),
        max_dead_containers: dead("maximum-dead-containers"),
        minimum_container_ttl: duration::parse(arguments.text("minimum-container-ttl-duration"))
            .ok()
            .and_then(GoDuration::to_std)
            .unwrap_or_default(),
        image_credential_provider_config: flag_path("image-credential-provider-config"),
        image_credential_provider_bin_dir: flag_path("image-credential-provider-bin-dir"),

        enable_server: d.flag("enableServer"),
        static_pod_path: optional("staticPodPath"),
        static_pod_url: Some(d.text("staticPodURL").to_owned()).filter(|t| !t.is_empty()),
        static_pod_url_header: d.lists_by_name("staticPodURLHeader"),
        pod_logs_dir: d.text("podLogsDir").into(),
        sync_frequency: d.length("syncFrequency"),
        file_check_frequency: d.length("fileCheckFrequency"),
        http_check_frequency: d.length("httpCheckFrequency"),
        address: d.text("address").to_owned(),
        port: port("port"),
        read_only_port: Some(port("readOnlyPort")).filter(|p| *p > 0),
        healthz_bind_address: d.text("healthzBindAddress").to_owned(),
        healthz_port: Some(port("healthzPort")).filter(|p| *p > 0),
        tls_cert_file: optional("tlsCertFile"),
        tls_private_key_file: optional("tlsPrivateKeyFile"),
        client_ca_file: optional("authentication.x509.clientCAFile"),
        anonymous_auth: d.flag("authentication.anonymous.enabled"),
        enable_debugging_handlers: d.flag("enableDebuggingHandlers"),
        enable_profiling_handler: d.flag("enableProfilingHandler"),
        enable_debug_flags_handler: d.flag("enableDebugFlagsHandler"),
        enable_system_log_handler: d.flag("enableSystemLogHandler"),

        image_service_endpoint: match d.text("imageServiceEndpoint") {
            "" => endpoint.clone(),
            text => self::endpoint(text)?,
        },
        container_runtime_endpoint: endpoint,
        runtime_request_timeout: d.length("runtimeRequestTimeout"),
        serialize_image_pulls: d.flag("serializeImagePulls"),
        max_parallel_image_pulls: positive("maxParallelImagePulls"),
        registry_pull_qps: positive("registryPullQPS"),
        registry_burst: count("registryBurst"),
        image_pull_credentials_verification_policy: match d.text("imagePullCredentialsVerificationPolicy") {
            "NeverVerify" => ImagePullCredentialsVerificationPolicy::NeverVerify,
            "NeverVerifyAllowlistedImages" => ImagePullCredentialsVerificationPolicy::NeverVerifyAllowlistedImages,
            "AlwaysVerify" => ImagePullCredentialsVerificationPolicy::AlwaysVerify,
            _ => ImagePullCredentialsVerificationPolicy::NeverVerifyPreloadedImages,
        },
        preloaded_images_verification_allowlist: d.texts("preloadedImagesVerificationAllowlist"),
        image_minimum_gc_age: d.length("imageMinimumGCAge"),
        image_maximum_gc_age: Some(d.length("imageMaximumGCAge")).filter(|l| !l.is_zero()),
        image_gc_high_threshold_percent: u8::try_from(d.int("imageGCHighThresholdPercent")).unwrap_or(100),
        image_gc_low_threshold_percent: u8::try_from(d.int("imageGCLowThresholdPercent")).unwrap_or(0),

        cgroup_driver: match d.text("cgroupDriver") {
            "systemd" => CgroupDriver::Systemd,
            _ => CgroupDriver::Cgroupfs,
        },
        cgroups_per_qos: d.flag("cgroupsPerQOS"),
        cgroup_root: match d.text("cgroupRoot") {
            "" => "/".to_owned(),
            root => root.to_owned(),
        },
        kubelet_cgroups: d.text("kubeletCgroups").to_owned(),
        system_cgroups: d.text("systemCgroups").to_owned(),
        cpu_cfs_quota: d.flag("cpuCFSQuota"),
        cpu_cfs_quota_period: d.length("cpuCFSQuotaPeriod"),
        pod_pids_limit: u64::try_from(d.int("podPidsLimit")).ok(),
        single_process_oom_kill: d.get("singleProcessOOMKill").and_then(Value::as_bool),
        swap_behavior: match d.text("memorySwap.swapBehavior") {
            "LimitedSwap" => SwapBehavior::LimitedSwap,
            _ => SwapBehavior::NoSwap,
        },
        fail_swap_on: d.flag("failSwapOn"),
        fail_cgroup_v1: d.flag("failCgroupV1"),
        oom_score_adj: i32::try_from(d.int("oomScoreAdj")).unwrap_or(-999),
        max_open_files: u64::try_from(d.int("maxOpenFiles")).unwrap_or(0),
        system_reserved: d.texts_by_name("systemReserved"),
        kube_reserved: d.texts_by_name("kubeReserved"),
        enforce_node_allocatable: d.texts("enforceNodeAllocatable"),
        cpu_manager_policy: d.text("cpuManagerPolicy").to_owned(),
        memory_manager_policy: d.text("memoryManagerPolicy").to_owned(),
        topology_manager_policy: d.text("topologyManagerPolicy").to_owned(),
        local_storage_capacity_isolation: d.flag("localStorageCapacityIsolation"),
        seccomp_default: d.flag("seccompDefault") || arguments.flag("seccomp-default"),
        allowed_unsafe_sysctls: d.texts("allowedUnsafeSysctls"),
        user_namespace_ids_per_pod: positive("userNamespaces.idsPerPod").unwrap_or(65536),

        cluster_dns: cluster_dns(d, notes),
        cluster_domain: d.text("clusterDomain").to_owned(),
        resolv_conf: optional("resolvConf"),
        pod_cidr: d.text("podCIDR").to_owned(),
        max_pods: count("maxPods"),
        pods_per_core: positive("podsPerCore"),
        max_container_restart_period: d.length("crashLoopBackOff.maxContainerRestartPeriod"),

        container_log_max_size: log_size(d.text("containerLogMaxSize"))?,
        container_log_max_files: count("containerLogMaxFiles"),
        container_log_max_workers: count("containerLogMaxWorkers"),
        container_log_monitor_interval: d.length("containerLogMonitorInterval"),

        eviction_hard: d.texts_by_name("evictionHard"),
        eviction_soft: d.texts_by_name("evictionSoft"),
        eviction_soft_grace_period: d.texts_by_name("evictionSoftGracePeriod"),
        eviction_minimum_reclaim: d.texts_by_name("evictionMinimumReclaim"),
        eviction_pressure_transition_period: d.length("evictionPressureTransitionPeriod"),
        eviction_max_pod_grace_period: i32::try_from(d.int("evictionMaxPodGracePeriod")).unwrap_or(0),

        shutdown_grace_periods: shutdown(d),
        volume_stats_agg_period: Some(d.length("volumeStatsAggPeriod")).filter(|l| !l.is_zero()),
        volume_plugin_dir: d.text("volumePluginDir").into(),

        logging: logging(d),
        feature_gates,
        document: Value::Object(document.0),
    })
}

/// Refuses what asks for more than a kubelet on its own.
fn only_standalone(arguments: &Arguments) -> Result<(), String> {
    for flag in ["kubeconfig", "bootstrap-kubeconfig"] {
        if !arguments.text(flag).is_empty() {
            return Err(format!("this kubelet runs without a control plane and cannot use --{flag} (leave it out)"));
        }
    }
    let provider = arguments.text("cloud-provider");
    if !matches!(provider, "" | "external") {
        return Err(format!(
            "cloud provider {provider:?} was specified, but built-in cloud providers are disabled. Please set --cloud-provider=external \
             and migrate to an external cloud provider"
        ));
    }
    if arguments.flag("exit-on-lock-contention") && arguments.text("lock-file").is_empty() {
        return Err(
            "cannot exit on lock file contention: no lock file specified (give one with --lock-file)".to_owned()
        );
    }
    if !arguments.text("lock-file").is_empty() {
        return Err("this kubelet does not lock a file (leave --lock-file out)".to_owned());
    }
    Ok(())
}

/// A standalone kubelet has nobody to ask whether a client may do what it wants.
fn credentials_without_api(d: &Document) -> Result<(), String> {
    if d.flag("authentication.webhook.enabled") {
        return Err("no client provided, cannot use webhook authentication (a kubelet without --kubeconfig needs \
                    authentication.webhook.enabled: false in its configuration)"
            .to_owned());
    }
    match d.text("authorization.mode") {
        "AlwaysAllow" => Ok(()),
        "Webhook" => Err("no client provided, cannot use webhook authorization (a kubelet without --kubeconfig needs \
                          authorization.mode: AlwaysAllow in its configuration)"
            .to_owned()),
        "" => Err("no authorization mode specified".to_owned()),
        other => Err(format!("unknown authorization mode {other} (a kubelet without --kubeconfig knows AlwaysAllow)")),
    }
}

fn node_name(overridden: &str, hostname: &str) -> Result<String, String> {
    let name = if overridden.is_empty() { hostname } else { overridden };
    let name = name.trim().to_lowercase();
    if name.is_empty() {
        Err("empty hostname is invalid (name the node with --hostname-override)".to_owned())
    } else {
        Ok(name)
    }
}

fn root_dir(text: &str) -> Result<PathBuf, String> {
    let clean = super::document::clean(text.as_ref());
    if clean.as_os_str() == text {
        Ok(clean)
    } else {
        Err(format!(
            "failed to create kubelet: rootDirectory not in canonical form: expected {}, was {text}",
            clean.display()
        ))
    }
}

fn node_ips(text: &str, notes: &mut Vec<Note>) -> Result<Vec<IpAddr>, String> {
    let (mut ips, mut unparsable) = (Vec::<IpAddr>::new(), Vec::new());
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        match sloppy_ip(part) {
            Some(ip) => ips.push(ip),
            None => unparsable.push(part.to_owned()),
        }
    }
    if !unparsable.is_empty() {
        notes.push(Note::UnparsableNodeIps(unparsable));
    }
    match ips.as_slice() {
        [] | [_] => Ok(ips),
        [a, b] if a.is_ipv4() == b.is_ipv4() => {
            Err(format!("bad --node-ip {text:?}: must contain either a single IP or a dual-stack pair of IPs"))
        }
        [a, b] if a.is_unspecified() || b.is_unspecified() => {
            Err(format!("bad --node-ip {text:?}: dual-stack node IP cannot include '0.0.0.0' or '::'"))
        }
        [_, _] => Ok(ips),
        _ => Err(format!("bad --node-ip {text:?}: must contain either a single IP or a dual-stack pair of IPs")),
    }
}

/// Like Go before 1.17: `010.0.0.1` is 10.0.0.1.
fn sloppy_ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok();
    }
    let parts: Vec<&str> =
        text.split('.').map(|p| Some(p.trim_start_matches('0')).filter(|p| !p.is_empty()).unwrap_or("0")).collect();
    parts.join(".").parse().ok().filter(|_| text.split('.').all(|p| !p.is_empty()))
}

fn cluster_dns(d: &Document, notes: &mut Vec<Note>) -> Vec<IpAddr> {
    let mut servers = Vec::new();
    for text in d.texts("clusterDNS") {
        match sloppy_ip(&text) {
            Some(ip) => servers.push(ip),
            None => notes.push(Note::InvalidClusterDns(text)),
        }
    }
    servers
}

/// Reads the socket of a runtime. Only unix sockets are spoken to; a path alone is taken for one.
fn endpoint(text: &str) -> Result<Address, String> {
    let fail = |why: &str| {
        format!(
            "validate service connection: validate CRI v1 runtime API for endpoint {text:?}: {why} (give the runtime's socket as \
             containerRuntimeEndpoint: unix:///run/containerd/containerd.sock)"
        )
    };
    match text.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Ok(Address::Unix(path.into())),
        Some(("unix", _)) => Err(fail("the path of the socket is not absolute")),
        Some(("tcp", _)) => Err(fail("only support unix socket endpoint")),
        Some((protocol, _)) => Err(fail(&format!("protocol {protocol:?} not supported"))),
        None if text.starts_with('/') => Ok(Address::Unix(text.into())),
        None => Err(fail("protocol \"\" not supported")),
    }
}

/// Bytes from a quantity; `None` for a negative one, which turns rotation off.
fn log_size(text: &str) -> Result<Option<u64>, String> {
    let fail =
        || format!("failed to create kubelet: failed to parse container log max size {text:?} (write it like 10Mi)");
    match Quantity::parse(text).map_err(|_| fail())?.value() {
        0 => Err(fail()),
        bytes => Ok(u64::try_from(bytes).ok()),
    }
}

fn shutdown(d: &Document) -> Vec<ShutdownGracePeriod> {
    let entry = |priority, seconds: i64| ShutdownGracePeriod {
        priority,
        grace_period: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
    };
    let mut by_priority: Vec<_> = d
        .objects("shutdownGracePeriodByPodPriority")
        .iter()
        .map(|o| entry(i32::try_from(o.int("priority")).unwrap_or(0), o.int("shutdownGracePeriodSeconds")))
        .collect();
    let (all, critical) = (d.duration("shutdownGracePeriod"), d.duration("shutdownGracePeriodCriticalPods"));
    if by_priority.is_empty() && all.0 > 0 {
        let seconds = |nanos: i64| nanos / 1_000_000_000;
        by_priority = vec![entry(0, seconds(all.0 - critical.0)), entry(SYSTEM_CRITICAL_PRIORITY, seconds(critical.0))];
    }
    by_priority.sort_by_key(|e| e.priority);
    by_priority
}

pub(super) fn logging(d: &Document) -> Logging {
    Logging {
        format: if d.text("logging.format") == "json" { LogFormat::Json } else { LogFormat::Text },
        verbosity: u32::try_from(d.int("logging.verbosity")).unwrap_or(0),
    }
}
