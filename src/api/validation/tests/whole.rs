//! What is wrong with a pod as a whole: rules that look at several of its parts, in upstream's words.

use rstest::rstest;

use super::answer;
use super::rules::{container, invalid, manifest};

#[rstest]
#[case(
    "{os: {name: linux}, containers: [{C, securityContext: {windowsOptions: {}}}], ephemeralContainers: [{name: e, image: i, securityContext: {windowsOptions: {}}}]}",
    "spec.containers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod spec.ephemeralContainers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod spec.ephemeralContainers: Forbidden: cannot be set on create"
)]
#[case("{hostNetwork: true, securityContext: {windowsOptions: {hostProcess: true}}, containers: [{C,}], ephemeralContainers: [{name: e, image: i, securityContext: {windowsOptions: {hostProcess: false}}}]}", r#"spec.ephemeralContainers[0].securityContext.windowsOptions.hostProcess: Invalid value: false: pod hostProcess value must be identical if both are specified, was true spec: Invalid value: "": If pod contains any hostProcess containers then all containers must be HostProcess containers spec.ephemeralContainers: Forbidden: cannot be set on create"#)]
#[case(
    "{containers: [{C, securityContext: {windowsOptions: {hostProcess: true}}}]}",
    "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers"
)]
#[case(
    "{os: {name: windows}, hostPID: true, hostUsers: true, shareProcessNamespace: false, resources: {limits: {foo: 1}}, securityContext: {supplementalGroups: [], seLinuxChangePolicy: Recursive, runAsUser: 1}, containers: [{C, securityContext: {privileged: false}}], ephemeralContainers: [{name: e, image: i, securityContext: {capabilities: {}}}]}",
    "spec.resources: Forbidden: may not be set for a windows pod spec.hostUsers: Forbidden: cannot be set for a windows pod spec.hostPID: Forbidden: cannot be set for a windows pod spec.shareProcessNamespace: Forbidden: cannot be set for a windows pod spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod spec.securityContext.supplementalGroups: Forbidden: cannot be set for a windows pod spec.securityContext.seLinuxChangePolicy: Forbidden: cannot be set for a windows pod spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod spec.ephemeralContainers[0].securityContext.capabilities: Forbidden: cannot be set for a windows pod spec.ephemeralContainers: Forbidden: cannot be set on create"
)]
#[case("{os: {name: ''}, containers: [{C,}]}", "spec.os.name: Required value")]
fn operating_systems(#[case] spec: &str, #[case] want: &str) {
    assert_eq!(answer(&manifest("", spec)), Some(invalid(want)));
}

#[rstest]
#[case("{initContainers: [{image: i}, {image: i}], containers: [{image: i}]}", r#"spec.containers[0].name: Required value spec.initContainers[0].name: Required value spec.initContainers[0].name: Duplicate value: "" spec.initContainers[1].name: Required value spec.initContainers[1].name: Duplicate value: """#)]
#[case(
    "{initContainers: [{image: i}, {image: i}], containers: [{C,}]}",
    "spec.initContainers[0].name: Required value spec.initContainers[1].name: Required value"
)]
#[case(
    "{resources: {limits: {memory: 1Gi}, claims: []}, containers: [{C,}]}",
    "spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level"
)]
#[case("{resources: {limits: {cpu: 1, hugepages-2Mi: 2Mi}}, containers: [{C, resources: {limits: {cpu: 1, hugepages-2Mi: 4Mi}}}]}", r#"spec.resources.requests[hugepages-2Mi]: Invalid value: "2Mi": must be greater than or equal to aggregate container requests of 4Mi spec.resources.limits[hugepages-2Mi]: Invalid value: "2Mi": must be greater than or equal to aggregate container limits of 4Mi spec.resources.containers[0][hugepages-2Mi].limits: Invalid value: "4Mi": must be less than or equal to pod limits of 2Mi"#)]
#[case(
    "{ephemeralContainers: [{name: e, image: i, ports: [], resizePolicy: [], restartPolicyRules: [], resources: {claims: []}}], containers: [{C,}]}",
    "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container spec.ephemeralContainers[0].resources: Forbidden: cannot be set for an Ephemeral Container spec.ephemeralContainers[0].resizePolicy: Forbidden: cannot be set for an Ephemeral Container spec.ephemeralContainers[0].restartPolicyRules: Forbidden: cannot be set for an Ephemeral Container spec.ephemeralContainers: Forbidden: cannot be set on create"
)]
#[case("{affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [ok, -x]}]}]}, preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: a, operator: In, values: [-x]}]}}]}}, containers: [{C,}]}", r#"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values[1]: Invalid value: "-x": ‹VALUE›"#)]
#[case("{containers: [{C, securityContext: {allowPrivilegeEscalation: false, privileged: true, capabilities: {add: []}}}]}", r#"spec.containers[0].securityContext: Invalid value: {"Capabilities":{"Add":[],"Drop":null},"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true"#)]
#[case("{containers: [{C,}], volumes: [{name: A, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1}}}}}}]}", r#"spec.volumes[0].name: Invalid value: "A": PVC name "p-node1-A": ‹SUBDOMAIN› spec.volumes[0].name: Invalid value: "A": ‹LABEL›"#)]
#[case("{containers: [{C,}], volumes: [{name: e, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1}}}}}}, {name: c, persistentVolumeClaim: {claimName: p-node1-e}}]}", r#"spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: "p-node1-e": must not reference a PVC that gets created for an ephemeral volume"#)]
#[case("{containers: [{C, env: [{name: a, valueFrom: {fileKeyRef: {volumeName: v, path: x, key: K}}}]}], volumes: [{name: v}, {name: v, hostPath: {path: /x}}]}", r#"spec.volumes[1].name: Duplicate value: "v" spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Invalid value: "v": referenced volume must be of type emptyDir"#)]
#[case(
    "{containers: [{C,}], initContainers: [{name: a, image: i}, {name: b, image: i, ports: [{containerPort: 1, hostPort: 1}, {containerPort: 1, hostPort: 1}]}]}",
    r#"spec.initContainers[0].ports[1].hostPort: Duplicate value: "TCP//1""#
)]
#[case("{resources: {requests: {cpu: 01}}, containers: [{C, resources: {requests: {cpu: 2}}}]}", r#"spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2"#)]
#[case("{resources: {requests: {cpu: '01'}}, containers: [{C, resources: {requests: {cpu: 2}}}]}", r#"spec.resources.requests[cpu]: Invalid value: "01": must be greater than or equal to aggregate container requests of 2"#)]
#[case("{containers: [{C,}], volumes: [{name: A, emptyDir: {}, ephemeral: {}}]}", r#"spec.volumes[0].ephemeral: Forbidden: may not specify more than 1 volume type spec.volumes[0].name: Invalid value: "A": ‹LABEL›"#)]
fn lists_and_sums(#[case] spec: &str, #[case] want: &str) {
    assert_eq!(answer(&manifest("", spec)), Some(invalid(want)));
}

#[rstest]
#[case(", ownerReferences: [{apiVersion: v1, kind: Event, name: q, uid: u, controller: true}]", r#"metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"q","uid":"u","controller":true}: /v1, Kind=Event is disallowed from being an owner"#)]
#[case(", ownerReferences: [{apiVersion: a/, kind: K, name: q, uid: u}, {apiVersion: a/b/c, kind: K, name: q, uid: u}]", r#"metadata.ownerReferences.apiVersion: Invalid value: "a/": version must not be empty metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty"#)]
#[case(", ownerReferences: [{uid: u, name: a, kind: K, apiVersion: v1, controller: true}, {apiVersion: v1, kind: K, name: b, uid: u, controller: true, blockOwnerDeletion: false}]", r#"metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"K","name":"a","uid":"u","controller":true},{"apiVersion":"v1","kind":"K","name":"b","uid":"u","controller":true,"blockOwnerDeletion":false}]: Only one reference can have Controller set to true. Found "true" in references for K/a and K/b"#)]
#[case(
    r#", managedFields: [{operation: Apply, manager: "a\eb"}]"#,
    r#"metadata.managedFields[0].manager: Invalid value: "a\x1bb": invalid character U+001B (at position 1)"#
)]
#[case(", generateName: Ab-", r#"metadata.generateName: Invalid value: "Ab-": ‹SUBDOMAIN›"#)]
fn owners_and_managers(#[case] meta: &str, #[case] want: &str) {
    assert_eq!(answer(&manifest(meta, "{containers: [{C,}]}")), Some(invalid(want)));
}

#[test]
fn claims_of_a_mirror_are_not_looked_at() {
    let got = answer(&manifest(
        ", annotations: {kubernetes.io/config.mirror: x}",
        "{resourceClaims: [{name: ''}], containers: [{C,}]}",
    ));
    assert_eq!(got, Some(invalid("[]: Forbidden: static pods do not support resource claims")));
}

#[test]
fn limits_of_init_containers_may_be_over_the_pods() {
    let spec = "{resources: {limits: {cpu: 1}}, initContainers: [{name: i, image: i, resources: {requests: {cpu: 1}, limits: {cpu: 2}}}], containers: [{C,}]}";
    assert_eq!(answer(&manifest("", spec)), None);
}

#[rstest]
#[case(
    "container.apparmor.security.beta.kubernetes.io/c: localhost/y",
    "{containers: [{C, securityContext: {appArmorProfile: {type: Localhost, localhostProfile: x}}}]}",
    "spec.containers[0].securityContext.appArmorProfile.localhostProfile: Forbidden: apparmor profile in annotation and field must match"
)]
#[case(
    "container.apparmor.security.beta.kubernetes.io/c: ''",
    "{securityContext: {appArmorProfile: {type: RuntimeDefault}}, containers: [{C,}]}",
    "spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must match"
)]
#[case(
    "container.apparmor.security.beta.kubernetes.io/c: unconfined",
    "{securityContext: {appArmorProfile: {type: Localhost, localhostProfile: x}}, containers: [{C,}]}",
    "spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must match"
)]
#[case(
    "seccomp.security.alpha.kubernetes.io/pod: localhost/y",
    "{securityContext: {seccompProfile: {type: Localhost, localhostProfile: x}}, containers: [{C,}]}",
    "spec.securityContext.seccompProfile.localhostProfile: Forbidden: seccomp profile in annotation and field must match"
)]
#[case(
    "container.seccomp.security.alpha.kubernetes.io/e: unconfined",
    "{ephemeralContainers: [{name: e, image: i, securityContext: {seccompProfile: {type: RuntimeDefault}}}], containers: [{C,}]}",
    "spec.ephemeralContainers: Forbidden: cannot be set on create spec.ephemeralContainers[0].securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match"
)]
fn annotations_and_fields_agree(#[case] annotation: &str, #[case] spec: &str, #[case] want: &str) {
    let meta = format!(", annotations: {{{annotation}}}");
    assert_eq!(answer(&manifest(&meta, spec)), Some(invalid(want)));
}

/// Words that have a type of their own in Go, and values behind pointers, are shown as JSON; plain strings as Go quotes them.
#[rstest]
#[case("imagePullPolicy: <&>", r#"spec.containers[0].imagePullPolicy: Unsupported value: "\u003c\u0026\u003e": supported values: "Always", "IfNotPresent", "Never""#)]
#[case(
    r#"ports: [{containerPort: 80, protocol: "a\ab"}]"#,
    r#"spec.containers[0].ports[0].protocol: Unsupported value: "a\u0007b": supported values: "SCTP", "TCP", "UDP""#
)]
#[case("resizePolicy: [{resourceName: <, restartPolicy: '>'}, {resourceName: <, restartPolicy: NotRequired}]", r#"spec.containers[0].resizePolicy: Unsupported value: "\u003c": supported values: "cpu", "memory" spec.containers[0].resizePolicy: Unsupported value: "\u003e": supported values: "NotRequired", "RestartContainer" spec.containers[0].resizePolicy[1]: Duplicate value: "\u003c" spec.containers[0].resizePolicy: Unsupported value: "\u003c": supported values: "cpu", "memory""#)]
#[case("resources: {limits: {'<': 1}}", r#"spec.containers[0].resources.limits[<]: Invalid value: "\u003c": ‹QNAME› spec.containers[0].resources.limits[<]: Invalid value: "\u003c": must be a standard resource for containers spec.containers[0].resources.requests[<]: Invalid value: "\u003c": ‹QNAME› spec.containers[0].resources.requests[<]: Invalid value: "\u003c": must be a standard resource for containers"#)]
#[case(r#"securityContext: {windowsOptions: {runAsUserName: "a\ab", gmsaCredentialSpecName: <}}"#, r#"spec.containers[0].securityContext.windowsOptions.gmsaCredentialSpecName: Invalid value: "\u003c": ‹SUBDOMAIN› spec.containers[0].securityContext.windowsOptions.runAsUserName: Invalid value: "a\u0007b": runAsUserName cannot contain control characters"#)]
#[case("securityContext: {appArmorProfile: {type: Unconfined, localhostProfile: <}}", r#"spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid value: "\u003c": can only be set when AppArmor type is Localhost"#)]
fn words_of_containers_are_shown_as_json(#[case] field: &str, #[case] want: &str) {
    assert_eq!(answer(&manifest("", &container(field))), Some(invalid(want)));
}

#[rstest]
#[case("{tolerations: [{operator: <}, {key: a, operator: Exists, effect: <, tolerationSeconds: 1}], containers: [{C,}]}", r#"spec.tolerations[0].operator: Invalid value: "\u003c": operator must be Exists when `key` is empty, which means "match all values and all keys" spec.tolerations[0].operator: Unsupported value: "\u003c": supported values: "Equal", "Exists" spec.tolerations[1].effect: Invalid value: "\u003c": effect must be 'NoExecute' when `tolerationSeconds` is set spec.tolerations[1].effect: Unsupported value: "\u003c": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute""#)]
#[case("{volumes: [{name: a, hostPath: {path: /x, type: <}}], containers: [{C,}]}", r#"spec.volumes[0].hostPath.type: Unsupported value: "\u003c": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket""#)]
#[case("{volumes: [{name: a, downwardAPI: {items: [{path: x, resourceFieldRef: {containerName: c, resource: <}}]}}], containers: [{C,}]}", r#"spec.volumes[0].downwardAPI.resourceFieldRef.resource: Unsupported value: "<": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory""#)]
#[case("{dnsConfig: {nameservers: [<, 1.1.1.1, 1.1.1.2, 1.1.1.3]}, containers: [{C,}]}", r#"spec.dnsConfig.nameservers: Invalid value: ["\u003c","1.1.1.1","1.1.1.2","1.1.1.3"]: must not have more than 3 nameservers spec.dnsConfig.nameservers[0]: Invalid value: "<": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#)]
fn words_of_pods_are_shown_as_json(#[case] spec: &str, #[case] want: &str) {
    assert_eq!(answer(&manifest("", spec)), Some(invalid(want)));
}

#[test]
fn windows_domains_may_have_capitals_and_sysctls_two_spellings() {
    let spec = "{securityContext: {windowsOptions: {runAsUserName: 'A-B.C.Toolongfornetbios\\x'}, sysctls: [{name: a.b, value: x}, {name: a/b, value: x}]}, containers: [{C,}]}";
    assert_eq!(answer(&manifest("", spec)), None);
}
