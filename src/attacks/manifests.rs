//! Attacks by what a manifest says: names, confinement, kernel parameters, lines of host files, references.

use std::collections::BTreeMap;

use rstest::rstest;

use super::{refused, taken};
use crate::{
    node::Allocatable,
    pods::admission::{self, Node},
};

/// Item 9: sub-paths that say that they lead out of their volume. Links are attacked in the world's own tests.
#[rstest]
#[case("subPath", "../x")]
#[case("subPath", "a/../../x")]
#[case("subPath", "/etc")]
#[case("subPathExpr", "../$(A)")]
#[case("subPathExpr", "/$(A)")]
fn sub_path_written_to_lead_out(#[case] field: &str, #[case] path: &str) {
    let spec = format!(
        "{{volumes: [{{name: v, emptyDir: {{}}}}], containers: [{{name: c, image: i, env: [{{name: A, value: a}}], \
         volumeMounts: [{{name: v, mountPath: /m, {field}: {path:?}}}]}}]}}"
    );
    let error = refused("{name: p}", &spec);
    assert!(error.contains(&format!("spec.containers[0].volumeMounts.{field}")), "{error}");
}

/// Item 12: names that would be paths, lines or commands, in a manifest.
#[rstest]
#[case(r#"{name: "../p"}"#, "metadata.name")]
#[case(r#"{name: "p\nq"}"#, "metadata.name")]
#[case(r#"{name: "..", namespace: default}"#, "metadata.name")]
#[case(r#"{name: p, namespace: "../etc"}"#, "metadata.namespace")]
#[case(r#"{name: p, namespace: "a\n"}"#, "metadata.namespace")]
#[case(r#"{name: p, uid: "../../etc"}"#, "metadata.uid")]
#[case(r#"{name: p, uid: ".."}"#, "metadata.uid")]
#[case(r#"{name: p, uid: "a\u0000b"}"#, "metadata.uid")]
#[case(r#"{name: p, uid: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#, "metadata.uid")]
#[case(r#"{name: p, labels: {a: "b\u0007"}}"#, "metadata.labels")]
fn manifest_names(#[case] metadata: &str, #[case] field: &str) {
    let error = refused(metadata, "{containers: [{name: c, image: i}]}");
    assert!(error.contains(&format!("{field}: Invalid value")), "{error}");
}

/// Item 12: annotations larger than an API server takes.
#[test]
fn manifest_with_ten_megabytes_of_annotations() {
    let metadata = format!("{{name: p, annotations: {{a: \"{}\"}}}}", "x".repeat(10_000_000));
    let error = refused(&metadata, "{containers: [{name: c, image: i}]}");
    assert!(error.len() < 10_000 && error.contains("metadata.annotations: Too long"), "{}", error.len());
}

/// Item 16: confinement that is none, or not what it says.
#[rstest]
#[case("seccompProfile: {type: Localhost}", "localhostProfile: Required value")]
#[case("seccompProfile: {type: Localhost, localhostProfile: ../../etc/passwd}", "must not contain '..'")]
#[case("seccompProfile: {type: Localhost, localhostProfile: /etc/passwd}", "must be a relative path")]
#[case("seccompProfile: {type: Odd}", "Unsupported value")]
#[case("appArmorProfile: {type: Localhost}", "localhostProfile: Required value")]
#[case("appArmorProfile: {type: Odd}", "Unsupported value")]
#[case("runAsUser: -1", "runAsUser: Invalid value: -1")]
#[case("runAsUser: 4294967296", "runAsUser: Invalid value: 4294967296")]
#[case("runAsGroup: -1", "runAsGroup: Invalid value: -1")]
#[case("privileged: true, allowPrivilegeEscalation: false", "allowPrivilegeEscalation")]
fn security_contexts(#[case] context: &str, #[case] says: &str) {
    let error =
        refused("{name: p}", &format!("{{containers: [{{name: c, image: i, securityContext: {{{context}}}}}]}}"));
    assert!(error.contains(says), "{error}");
}

fn node() -> Node {
    Node {
        name: "node1".to_owned(),
        labels: Node::standard_labels("node1", "amd64", &BTreeMap::new()),
        allocatable: Allocatable { milli_cpu: 4000, memory: 8 << 30, pods: 110, ..Allocatable::default() },
        supplemental_groups_policy: true,
        allowed_sysctls: vec!["net.core.*".to_owned()],
        apparmor: true,
    }
}

/// Item 17: kernel parameters of the node, and names that are written to look like others.
#[rstest]
#[case("kernel.panic")]
#[case("kernel/panic")]
#[case("vm.overcommit_memory")]
#[case("net/ipv4/ip_local_port_range.")]
#[case("net.ipv4/ip_local_port_range")]
#[case("net.ipv4.conf.all/../../../kernel/core_pattern")]
#[case("net/ipv4/../../kernel/core_pattern")]
#[case("net/core/../../kernel/core_pattern")]
#[case("net.core...kernel.core_pattern")]
fn sysctls(#[case] name: &str) {
    let spec = format!(
        "{{securityContext: {{sysctls: [{{name: {name:?}, value: x}}]}}, containers: [{{name: c, image: i}}]}}"
    );
    if let Ok(pod) = taken("{name: p}", &spec) {
        let refused = admission::admit(&pod, &admission::Neighbours::default(), &node());
        assert!(refused.is_err(), "{name} was admitted");
    }
}

/// Item 23: lines that would be added to `/etc/hosts`, `/etc/hostname` or `resolv.conf`.
#[rstest]
#[case(r#"hostAliases: [{ip: "1.2.3.4", hostnames: ["a\n6.6.6.6 bank"]}]"#, "spec.hostAliases[0].hostnames[0]")]
#[case(r#"hostAliases: [{ip: "1.2.3.4\n6.6.6.6 bank", hostnames: [a]}]"#, "spec.hostAliases[0].ip")]
#[case(r#"hostname: "a\nb""#, "spec.hostname")]
#[case(r#"subdomain: "a\nb""#, "spec.subdomain")]
#[case(r#"hostnameOverride: "a\nb""#, "spec.hostnameOverride")]
#[case(r#"dnsConfig: {searches: ["a\nnameserver 6.6.6.6"]}"#, "spec.dnsConfig.searches[0]")]
#[case(r#"dnsConfig: {nameservers: ["1.1.1.1\nnameserver 6.6.6.6"]}"#, "spec.dnsConfig.nameservers[0]")]
fn lines_in_host_files(#[case] field: &str, #[case] path: &str) {
    let error = refused("{name: p}", &format!("{{{field}, containers: [{{name: c, image: i}}]}}"));
    assert!(error.contains(&format!("{path}: Invalid value")), "{error}");
}

/// Item 26: what needs an API server is refused, and the reason names it.
#[rstest]
#[case("serviceAccountName: s", "serviceaccounts")]
#[case("volumes: [{name: v, configMap: {name: m}}]", "configmaps")]
#[case("volumes: [{name: v, secret: {secretName: s}}]", "secrets")]
#[case("volumes: [{name: v, persistentVolumeClaim: {claimName: s}}]", "persistentvolumeclaims")]
#[case("resourceClaims: [{name: r, resourceClaimName: r}]", "resourceclaims")]
#[case("imagePullSecrets: [{name: s}]", "secrets")]
fn references_to_an_api_server(#[case] field: &str, #[case] kind: &str) {
    let error = refused("{name: p}", &format!("{{{field}, containers: [{{name: c, image: i}}]}}"));
    assert!(error.starts_with(&format!("static pods may not reference {kind}")), "{field}: {error}");
}
