//! What is wrong with volumes that few pods have, in upstream's words.

use rstest::rstest;

use super::answer;
use super::rules::{invalid, manifest, with};

/// The answer for a pod with a volume of this source.
fn volume(source: &str) -> Option<String> {
    answer(&manifest("", &with(&format!("volumes: [{{name: v, {source}}}]"))))
}

#[rstest]
#[case("{clusterTrustBundle: {name: q, signerName: a.b/c, labelSelector: {matchLabels: {a: b}}, optional: true, path: p}}", r#"spec.volumes[0].projected.sources[0].clusterTrustBundle: Invalid value: {"Name":"q","SignerName":"a.b/c","LabelSelector":{"matchLabels":{"a":"b"}},"Optional":true,"Path":"p"}: only one of name and signerName may be used"#)]
#[case("{clusterTrustBundle: {name: '', path: ../p}}", r#"spec.volumes[0].projected.sources[0].clusterTrustBundle.name: Required value: must be a valid object name spec.volumes[0].projected.sources[0].clusterTrustBundle.name: Invalid value: "": not a valid clustertrustbundlename: ‹SUBDOMAIN› spec.volumes[0].projected.sources[0].clusterTrustBundle.path: Invalid value: "../p": must not contain '..'"#)]
#[case("{clusterTrustBundle: {name: 'a.b:c:D', labelSelector: {matchExpressions: [{key: a, operator: Exists}]}, path: p}}", r#"spec.volumes[0].projected.sources[0].clusterTrustBundle.name: Invalid value: "a.b:c:D": not a valid clustertrustbundlename: ‹SUBDOMAIN› spec.volumes[0].projected.sources[0].clusterTrustBundle.labelSelector: Invalid value: {"matchExpressions":[{"key":"a","operator":"Exists"}]}: labelSelector must be unset if name is specified"#)]
#[case("{clusterTrustBundle: {name: ':n', path: p}}", r#"spec.volumes[0].projected.sources[0].clusterTrustBundle.name: Invalid value: ":n": not a valid clustertrustbundlename: ClusterTrustBundle without signer name must not have ":" in its name"#)]
#[case("{clusterTrustBundle: {name: 'a.b/c:n', path: p}}", r#"spec.volumes[0].projected.sources[0].clusterTrustBundle.name: Invalid value: "a.b/c:n": not a valid clustertrustbundlename: ClusterTrustBundle for signerName a.b/c must be named with prefix a.b:c:"#)]
#[case(
    "{clusterTrustBundle: {signerName: '', path: p}}",
    "spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Required value: must be a valid signer name spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Required value"
)]
#[case("{clusterTrustBundle: {signerName: ab/c, labelSelector: {matchLabels: {a: -b}}, path: p}}", r#"spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Invalid value: "ab": should be a domain with at least two segments separated by dots spec.volumes[0].projected.sources[0].clusterTrustBundle.labelSelector.matchLabels: Invalid value: "-b": ‹VALUE›"#)]
#[case("{clusterTrustBundle: {signerName: a.b, path: p}}", r#"spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Invalid value: "a.b": must be a fully qualified domain and path of the form 'example.com/signer-name'"#)]
#[case("{clusterTrustBundle: {signerName: a.-b.-c/d.-e, path: p}}", r#"spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Invalid value: "a.-b.-c": validating label "-b": ‹LABEL› spec.volumes[0].projected.sources[0].clusterTrustBundle.signerName: Invalid value: "d.-e": validating label "-e": ‹SUBDOMAIN›"#)]
#[case("{clusterTrustBundle: {}}, {clusterTrustBundle: {name: q, path: ''}}", r#"spec.volumes[0].projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified spec.volumes[0].projected.sources[0].clusterTrustBundle.path: Required value spec.volumes[0].projected.sources[1].clusterTrustBundle.path: Required value spec.volumes[0].projected: Invalid value: "": conflicting duplicate paths"#)]
#[case("{podCertificate: {}}", r#"spec.volumes[0].projected.sources[0].podCertificate.signerName: Required value spec.volumes[0].projected.sources[0].podCertificate.keyType: Unsupported value: "": supported values: "RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519" spec.volumes[0].projected.sources[0].podCertificate: Required value: specify at least one of credentialBundlePath, keyPath, and certificateChainPath"#)]
#[case("{podCertificate: {signerName: a.b/c, keyType: RSA3072, maxExpirationSeconds: 3599, keyPath: k, certificateChainPath: k}}", r#"spec.volumes[0].projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 3599: if provided, maxExpirationSeconds must be >= 3600 spec.volumes[0].projected: Invalid value: "k": conflicting duplicate paths"#)]
#[case("{podCertificate: {signerName: a.b/c, keyType: ED25519, maxExpirationSeconds: 7862401, keyPath: ../k}}", r#"spec.volumes[0].projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 7862401: if provided, maxExpirationSeconds must be <= 7862400 spec.volumes[0].projected.sources[0].podCertificate.keyPath: Invalid value: "../k": must not contain '..'"#)]
#[case(
    "{podCertificate: {signerName: x.kubernetes.io/c, keyType: ED25519, maxExpirationSeconds: 86401, credentialBundlePath: b}}",
    "spec.volumes[0].projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 86401: if provided, maxExpirationSeconds must be <= 86400"
)]
#[case("{podCertificate: {signerName: a.b/c, keyType: ED25519, keyPath: k, userAnnotations: {X: a}}}", r#"spec.volumes[0].projected.sources[0].podCertificate.userAnnotations: Invalid value: "x": must be a domain-prefixed key (such as "acme.io/foo")"#)]
#[case(
    "{podCertificate: {signerName: a.b/c, keyType: ED25519, keyPath: k, userAnnotations: {X/Y_: a}}}",
    r#"spec.volumes[0].projected.sources[0].podCertificate.userAnnotations: Invalid value: "x/y_": ‹QNAME›"#
)]
#[case(
    "{podCertificate: {signerName: a.b/c, keyType: ED25519, keyPath: k, userAnnotations: {'': a}}}",
    "spec.volumes[0].projected.sources[0].podCertificate.userAnnotations: Required value"
)]
#[case("{clusterTrustBundle: {name: q, path: p}}, {serviceAccountToken: {path: p}}, {clusterTrustBundle: {name: q, path: p}}", r#"spec.volumes[0].projected: Invalid value: "p": conflicting duplicate paths spec.volumes[0].projected.sources[1].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set"#)]
fn projected_certificates(#[case] source: &str, #[case] want: &str) {
    assert_eq!(volume(&format!("projected: {{sources: [{source}]}}")), Some(invalid(want)));
}

#[rstest]
#[case("{metadata: {name: q, namespace: x, uid: u, labels: {a: -b}, annotations: {a b: c}, finalizers: [], generation: 1, creationTimestamp: '2020-01-01T00:00:00Z'}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1}}}}", r#"spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.annotations: Invalid value: "a b": ‹QNAME› spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.labels: Invalid value: "-b": ‹VALUE› spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.namespace: Forbidden: cannot be set spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.uID: Forbidden: cannot be set spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.generation: Forbidden: cannot be set spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.creationTimestamp: Forbidden: cannot be set spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.finalizers: Forbidden: cannot be set"#)]
#[case(
    "{spec: {}}",
    "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value"
)]
#[case("{spec: {accessModes: [X, ReadWriteOncePod, ReadOnlyMany], resources: {requests: {storage: 0}}}}", r#"spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Unsupported value: "X": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod" spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Invalid value: "0": must be greater than zero"#)]
#[case("{spec: {selector: {matchLabels: {a: -b}}, storageClassName: A, volumeMode: X, volumeAttributesClassName: B, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1}}}}", r#"spec.volumes[0].ephemeral.volumeClaimTemplate.spec.selector.matchLabels: Invalid value: "-b": ‹VALUE› spec.volumes[0].ephemeral.volumeClaimTemplate.spec.storageClassName: Invalid value: "A": ‹SUBDOMAIN› spec.volumes[0].ephemeral.volumeClaimTemplate.spec.volumeMode: Unsupported value: "X": supported values: "Block", "Filesystem" spec.volumes[0].ephemeral.volumeClaimTemplate.spec.volumeAttributesClassName: Invalid value: "B": ‹SUBDOMAIN›"#)]
#[case("{spec: {dataSource: {kind: K, name: ''}, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1}}}}", r#"spec.volumes[0].ephemeral.volumeClaimTemplate.spec.dataSource.name: Required value spec.volumes[0].ephemeral.volumeClaimTemplate.spec.dataSource: Invalid value: "K": must be 'PersistentVolumeClaim' when referencing the default apiGroup"#)]
#[case(
    "{spec: {dataSource: {kind: PersistentVolumeClaim, name: q}, dataSourceRef: {kind: PersistentVolumeClaim, name: q, namespace: q}, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1}}}}",
    "spec.volumes[0].ephemeral.volumeClaimTemplate.spec: Invalid value: {}: may not be specified when dataSourceRef.namespace is specified"
)]
#[case(
    "{spec: {dataSource: {kind: PersistentVolumeClaim, name: q}, dataSourceRef: {kind: PersistentVolumeClaim, name: m}, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1}}}}",
    "spec.volumes[0].ephemeral.volumeClaimTemplate.spec: Invalid value: {}: must match dataSourceRef"
)]
fn claim_templates(#[case] source: &str, #[case] want: &str) {
    assert_eq!(volume(&format!("ephemeral: {{volumeClaimTemplate: {source}}}")), Some(invalid(want)));
}

#[rstest]
#[case("flexVolume: {driver: d, options: {x.Kubernetes.IO: a}}", r#"spec.volumes[0].flexVolume.options[x.Kubernetes.IO]: Invalid value: "x.Kubernetes.IO": kubernetes.io and k8s.io namespaces are reserved"#)]
#[case("flexVolume: {driver: d, options: {k8s.io/a/b: a}}", r#"spec.volumes[0].flexVolume.options[k8s.io/a/b]: Invalid value: "k8s.io/a/b": kubernetes.io and k8s.io namespaces are reserved"#)]
#[case(
    "csi: {driver: d, nodePublishSecretRef: {name: A}}",
    r#"spec.volumes[0].csi.name: Invalid value: "A": ‹SUBDOMAIN›"#
)]
#[case("projected: {}, scaleIO: {}", "spec.volumes[0].scaleIO: Forbidden: may not specify more than 1 volume type")]
#[case(
    "iscsi: {targetPortal: p, iqn: iqn.2015-02.dom.ain, lun: 1}",
    r#"spec.volumes[0].iscsi.iqn: Invalid value: "iqn.2015-02.dom.ain": must be valid format"#
)]
#[case(
    "iscsi: {targetPortal: p, iqn: 'iqn.2015-02.dom_ain:x', lun: 1}",
    r#"spec.volumes[0].iscsi.iqn: Invalid value: "iqn.2015-02.dom_ain:x": must be valid format"#
)]
#[case(
    "iscsi: {targetPortal: p, iqn: eui.0123456789ABCDE, lun: 1}",
    r#"spec.volumes[0].iscsi.iqn: Invalid value: "eui.0123456789ABCDE": must be valid format"#
)]
#[case("iscsi: {targetPortal: p, iqn: 'iqn.2015-02.a:b c', lun: 1, initiatorName: naa}", r#"spec.volumes[0].iscsi.iqn: Invalid value: "iqn.2015-02.a:b c": must be valid format spec.volumes[0].iscsi.initiatorname: Invalid value: "naa": must be valid format"#)]
#[case("quobyte: {registry: 'fd00::1', volume: v}", r#"spec.volumes[0].quobyte.registry: Invalid value: "fd00::1": must be a host:port pair or multiple pairs separated by commas"#)]
#[case("quobyte: {registry: 'a,[fd00::1]', volume: v}", r#"spec.volumes[0].quobyte.registry: Invalid value: "a,[fd00::1]": must be a host:port pair or multiple pairs separated by commas spec.volumes[0].quobyte.registry: Invalid value: "a,[fd00::1]": must be a host:port pair or multiple pairs separated by commas"#)]
#[case("quobyte: {registry: '[::1]:80,a:b,[a:1,a]:1', volume: v}", r#"spec.volumes[0].quobyte.registry: Invalid value: "[::1]:80,a:b,[a:1,a]:1": must be a host:port pair or multiple pairs separated by commas spec.volumes[0].quobyte.registry: Invalid value: "[::1]:80,a:b,[a:1,a]:1": must be a host:port pair or multiple pairs separated by commas"#)]
#[case(
    "quobyte: {registry: 'a:1', volume: '', tenant: ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt}",
    "spec.volumes[0].quobyte.tenant: Required value: must be a UUID and may not exceed a length of 64 characters spec.volumes[0].quobyte.volume: Required value"
)]
fn other_sources(#[case] source: &str, #[case] want: &str) {
    assert_eq!(volume(source), Some(invalid(want)));
}

/// Upstream's patterns for these names are not what they look like.
#[rstest]
#[case("iqn-iqn.2015-02.a:b:c")]
#[case("eui:0123456789ABCDEZ")]
fn odd_iscsi_names_are_taken(#[case] name: &str) {
    assert_eq!(volume(&format!("iscsi: {{targetPortal: p, iqn: '{name}', lun: 1}}")), None);
}
