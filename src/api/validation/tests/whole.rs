//! What is wrong with a pod as a whole: rules that look at several of its parts, in upstream's words.

use rstest::rstest;

use super::answer;
use super::rules::{invalid, manifest};

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
