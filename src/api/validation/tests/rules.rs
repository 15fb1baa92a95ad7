//! Rules that the corpus does not hold, one defect a line, in upstream's words; and odd things that upstream takes.

use rstest::rstest;

use super::{answer, names};

/// A manifest from flow YAML: `meta` beside the name, and a spec where `C` stands for the fields of a sound container.
pub(super) fn manifest(meta: &str, spec: &str) -> String {
    let spec = spec.replace("C,", "name: c, image: 'img:1',");
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p{meta}}}\nspec: {spec}\n")
}

/// The whole answer for these errors; `‹…›` stands for a grammar's message.
pub(super) fn invalid(errors: &str) -> String {
    let errors = errors
        .replace("‹LABEL›", names::LABEL)
        .replace("‹SUBDOMAIN›", names::SUBDOMAIN)
        .replace("‹QNAME›", &format!("name part {}", names::QUALIFIED))
        .replace("‹VALUE›", names::LABEL_VALUE)
        .replace("‹SIZES›", "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei");
    format!("invalid pod: [{errors}]")
}

/// A spec with one sound container and one more field.
pub(super) fn with(field: &str) -> String {
    format!("{{containers: [{{C,}}], {field}}}")
}

/// A spec whose one container has one more field.
pub(super) fn container(field: &str) -> String {
    format!("{{containers: [{{C, {field}}}]}}")
}

#[rstest]
#[case(", annotations: {a b: x}", r#"metadata.annotations: Invalid value: "a b": ‹QNAME›"#)]
#[case(", ownerReferences: [{kind: K}]", r#"metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty metadata.ownerReferences.name: Invalid value: "": must not be empty metadata.ownerReferences.uid: Invalid value: "": must not be empty"#)]
#[case(", annotations: {container.apparmor.security.beta.kubernetes.io/c: foo}", r#"metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Invalid value: "foo": invalid AppArmor profile name: "foo""#)]
#[case(
    ", annotations: {controller.kubernetes.io/pod-deletion-cost: x}",
    r#"metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "x": must be a 32bit integer"#
)]
fn metadata(#[case] meta: &str, #[case] want: &str) {
    assert_eq!(answer(&manifest(meta, "{containers: [{C,}]}")), Some(invalid(want)));
}

#[test]
fn a_name_counts_with_its_suffix() {
    let long = "a".repeat(250);
    let got = answer(&manifest("", "{containers: [{C,}]}").replace("name: p", &format!("name: {long}")));
    let want = format!(r#"metadata.name: Invalid value: "{long}-node1": must be no more than 253 characters"#);
    assert_eq!(got, Some(invalid(&want)));
}

#[rstest]
#[case("{}", "spec.containers: Required value")]
#[case("{containers: [{C,}, {C,}]}", r#"spec.containers[1].name: Duplicate value: "c""#)]
#[case(
    "{initContainers: [{name: i, image: x, lifecycle: {preStop: {exec: {command: [a]}}}, livenessProbe: {exec: {command: [a]}}, readinessProbe: {exec: {command: [a]}}, startupProbe: {exec: {command: [a]}}}], containers: [{C,}]}",
    "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always spec.initContainers[0].startupProbe: Forbidden: may not be set for init containers without restartPolicy=Always"
)]
#[case("{dnsPolicy: ZZ, containers: [{C, imagePullPolicy: X}]}", r#"spec.containers[0].imagePullPolicy: Unsupported value: "X": supported values: "Always", "IfNotPresent", "Never" spec.dnsPolicy: Unsupported value: "ZZ": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None""#)]
#[case(
    "{volumes: [{name: v, configMap: {name: ''}}], containers: [{C, volumeMounts: [{name: v, mountPath: /x}]}]}",
    r#"spec.volumes[0].configMap.name: Required value spec.containers[0].volumeMounts[0].name: Not found: "v""#
)]
#[case(
    "{volumes: [{name: v}], containers: [{C, volumeMounts: [{name: v, mountPath: /x}, {name: v, mountPath: /x}]}]}",
    r#"spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique"#
)]
#[case(
    "{volumes: [{name: v}], containers: [{C, volumeMounts: [{name: v, mountPath: /x, subPath: ../a}]}]}",
    r#"spec.containers[0].volumeMounts.subPath: Invalid value: "../a": must not contain '..'"#
)]
#[case(
    "{volumes: [{name: v}], containers: [{C, volumeMounts: [{name: v, mountPath: /x, recursiveReadOnly: Enabled}]}]}",
    "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true"
)]
#[case("{resources: {limits: {memory: 1Gi}}, containers: [{C, resources: {limits: {memory: 2Gi}}}]}", r#"spec.resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi spec.resources.containers[0][memory].limits: Invalid value: "2Gi": must be less than or equal to pod limits of 1Gi"#)]
fn whole_specs(#[case] spec: &str, #[case] want: &str) {
    assert_eq!(answer(&manifest("", spec)), Some(invalid(want)));
}

#[rstest]
#[case(
    "restartPolicy: Maybe",
    r#"spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never""#
)]
#[case("dnsConfig: {nameservers: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]}", r#"spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4"]: must not have more than 3 nameservers"#)]
#[case("subdomain: A", r#"spec.subdomain: Invalid value: "A": ‹LABEL›"#)]
#[case("hostname: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", r#"spec.hostname: Invalid value: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": must be no more than 63 characters"#)]
#[case(
    "hostnameOverride: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "spec.hostnameOverride: Too long: may not be more than 64 bytes"
)]
#[case("volumes: [{name: A}]", r#"spec.volumes[0].name: Invalid value: "A": ‹LABEL›"#)]
#[case(
    "volumes: [{name: a, hostPath: {path: /a/../b}}]",
    r#"spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain '..'"#
)]
#[case("volumes: [{name: a, fc: {targetWWNs: [a], wwids: [b]}}]", r#"spec.volumes[0].fc.targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously spec.volumes[0].fc.lun: Required value: lun is required if targetWWNs is specified"#)]
#[case("volumes: [{name: a, csi: {driver: ''}}]", "spec.volumes[0].csi.driver: Required value")]
#[case(
    "volumes: [{name: a, downwardAPI: {items: [{path: x}]}}]",
    "spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"
)]
#[case(
    "volumes: [{name: a, downwardAPI: {items: [{path: ..x, fieldRef: {fieldPath: metadata.name}}]}}]",
    r#"spec.volumes[0].downwardAPI.path: Invalid value: "..x": must not start with '..'"#
)]
#[case(
    "volumes: [{name: a, projected: {sources: [{configMap: {name: x}, secret: {name: z}}]}}]",
    "spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"
)]
#[case("tolerations: [{operator: Equal, value: x}]", r#"spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys""#)]
#[case(
    "tolerations: [{key: a, operator: Gt, value: '1'}]",
    r#"spec.tolerations[0].operator: Unsupported value: "Gt": supported values: "Equal", "Exists", "Lt", "Gt""#
)]
#[case(
    "preemptionPolicy: X",
    r#"spec.preemptionPolicy: Unsupported value: "X": supported values: "PreemptLowerPriority", "Never""#
)]
#[case(
    "os: {name: windows}, securityContext: {runAsUser: 1}",
    "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod"
)]
#[case(
    "os: {name: linux}, securityContext: {windowsOptions: {runAsUserName: x}}",
    "spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"
)]
#[case("serviceAccountName: X Y", r#"spec.serviceAccountName: Invalid value: "X Y": ‹SUBDOMAIN›"#)]
#[case(
    "securityContext: {runAsUser: 4294967296}",
    "spec.securityContext.runAsUser: Invalid value: 4294967296: must be between 0 and 2147483647, inclusive"
)]
#[case(
    "securityContext: {seLinuxChangePolicy: X}",
    r#"spec.securityContext.seLinuxChangePolicy: Unsupported value: "X": supported values: "Recursive""#
)]
#[case("securityContext: {seccompProfile: {type: Unconfined, localhostProfile: x}}", r#"spec.securityContext.seccompProfile.localhostProfile: Invalid value: {"Type":"Unconfined","LocalhostProfile":"x"}: can only be set when seccomp type is Localhost"#)]
#[case("securityContext: {sysctls: [{name: a b, value: x}]}", r#"spec.securityContext.sysctls[0].name: Invalid value: "a b": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"#)]
#[case(
    "hostIPC: true, securityContext: {sysctls: [{name: kernel.sem, value: x}]}",
    r#"spec.securityContext.sysctls[0].name: Invalid value: "kernel.sem": may not be specified when 'hostIPC' is true"#
)]
fn pod_fields(#[case] field: &str, #[case] want: &str) {
    assert_eq!(answer(&manifest("", &with(field))), Some(invalid(want)));
}

#[rstest]
#[case(
    "ports: [{containerPort: 80, hostPort: -1}]",
    "spec.containers[0].ports[0].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive"
)]
#[case(
    "ports: [{containerPort: 80, name: '123'}]",
    r#"spec.containers[0].ports[0].name: Invalid value: "123": must contain at least one letter (a-z)"#
)]
#[case(
    "ports: [{containerPort: 80, hostPort: 80}, {containerPort: 81, hostPort: 80}]",
    r#"spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80""#
)]
#[case("env: [{name: a=b, value: x}]", r#"spec.containers[0].env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='"#)]
#[case(
    "env: [{name: a, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
    r#"spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty"#
)]
#[case(
    "env: [{name: a, valueFrom: {fieldRef: {fieldPath: ''}}}]",
    "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Required value"
)]
#[case("env: [{name: a, valueFrom: {resourceFieldRef: {resource: limits.foo}}}]", r#"spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.foo": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory""#)]
#[case("env: [{name: a, valueFrom: {resourceFieldRef: {resource: limits.ephemeral-storage, divisor: '2'}}}]", r#"spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.ephemeral-storage": only divisor's values ‹SIZES› are supported with the local ephemeral storage resource"#)]
#[case(
    "env: [{name: a, valueFrom: {fileKeyRef: {volumeName: v, path: x, key: K}}}]",
    r#"spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Not found: "v""#
)]
#[case("resources: {limits: {foo: 1}}", r#"spec.containers[0].resources.limits[foo]: Invalid value: "foo": must be a standard resource type or fully qualified spec.containers[0].resources.limits[foo]: Invalid value: "foo": must be a standard resource for containers spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource type or fully qualified spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource for containers"#)]
#[case("resources: {limits: {a.b/c: 1500m}}", r#"spec.containers[0].resources.limits[a.b/c]: Invalid value: "1500m": must be an integer spec.containers[0].resources.requests[a.b/c]: Invalid value: "1500m": must be an integer"#)]
#[case("resources: {limits: {hugepages-2Mi: 3Mi, cpu: 1}}", r#"spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi"#)]
#[case("resources: {claims: [{name: x}]}", r#"spec.containers[0].resources.claims[0]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is empty"#)]
#[case("livenessProbe: {exec: {command: []}}", "spec.containers[0].livenessProbe.exec.command: Required value")]
#[case("livenessProbe: {httpGet: {port: 80, httpHeaders: [{name: a b, value: x}]}}", r#"spec.containers[0].livenessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"#)]
#[case(
    "readinessProbe: {tcpSocket: {port: 80}, initialDelaySeconds: -1, periodSeconds: -1}",
    "spec.containers[0].readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0 spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0"
)]
#[case(
    "lifecycle: {preStop: {sleep: {seconds: 60}}}",
    "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 60: must be non-negative and less than terminationGracePeriodSeconds (30)"
)]
#[case(
    "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]",
    "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used"
)]
#[case("resizePolicy: [{resourceName: foo, restartPolicy: X}]", r#"spec.containers[0].resizePolicy: Unsupported value: "foo": supported values: "cpu", "memory" spec.containers[0].resizePolicy: Unsupported value: "X": supported values: "NotRequired", "RestartContainer""#)]
#[case("securityContext: {privileged: true, allowPrivilegeEscalation: false}", r#"spec.containers[0].securityContext: Invalid value: {"Capabilities":null,"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true"#)]
fn container_fields(#[case] field: &str, #[case] want: &str) {
    assert_eq!(answer(&manifest("", &container(field))), Some(invalid(want)));
}

#[test]
fn there_may_be_twenty_restart_rules() {
    let rule = "{action: Restart, exitCodes: {operator: In, values: [1]}}";
    let rules =
        |count| container(&format!("restartPolicy: Never, restartPolicyRules: [{}]", vec![rule; count].join(", ")));
    assert_eq!(answer(&manifest("", &rules(20))), None);
    let want = invalid("spec.containers[0].restartPolicyRules: Too many: 21: must have at most 20 items");
    assert_eq!(answer(&manifest("", &rules(21))), Some(want));
}

#[rstest]
#[case(&container("envFrom: [{configMapRef: {name: x}}]"), "configmaps")]
#[case(&with("volumes: [{name: a, projected: {sources: [{clusterTrustBundle: {name: x, path: z}}]}}]"), "clustertrustbundles")]
#[case(&with("resourceClaims: [{name: c, resourceClaimName: x}]"), "resourceclaims")]
fn references(#[case] spec: &str, #[case] what: &str) {
    assert_eq!(answer(&manifest("", spec)), Some(format!("static pods may not reference {what}")));
}

#[rstest]
#[case(with("dnsConfig: {searches: [_a.b_c]}"))]
#[case(with("terminationGracePeriodSeconds: -5"))]
#[case(with("volumes: [{name: a, nfs: {server: s, path: /x}}]"))]
#[case(with("volumes: [{name: a, image: {reference: 'x:1', pullPolicy: Always}}]"))]
#[case(with(
    "volumes: [{name: a, downwardAPI: {items: [{path: l, fieldRef: {fieldPath: \"metadata.labels['a']\"}}, {path: m, fieldRef: {fieldPath: metadata.labels}}]}}]"
))]
#[case(with("volumes: [{name: a, flexVolume: {driver: a/b}}]"))]
#[case(with("volumes: [{name: a, awsElasticBlockStore: {volumeID: x}}]"))]
#[case(with("resources: {limits: {hugepages-2Mi: 4Mi, cpu: 1}}"))]
#[case(with("securityContext: {seLinuxOptions: {level: x}}"))]
#[case(with("hostUsers: false, initContainers: [{name: i, image: x, securityContext: {procMount: Unmasked}}]"))]
#[case(container("livenessProbe: {grpc: {port: 1, service: x}}"))]
#[case(container("livenessProbe: {tcpSocket: {port: http}, timeoutSeconds: 0}"))]
fn odd_things_are_taken(#[case] spec: String) {
    assert_eq!(answer(&manifest(", labels: {a: ''}", &spec)), None);
}

#[test]
fn a_file_key_in_an_empty_directory_is_taken() {
    let spec = "{volumes: [{name: v}], containers: [{C, env: [{name: a, valueFrom: {fileKeyRef: {volumeName: v, path: x, key: K}}}]}]}";
    assert_eq!(answer(&manifest("", spec)), None);
}
