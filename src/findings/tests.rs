//! Tables of manifests and what is to say about them.

use rstest::rstest;

use super::*;

fn said(text: &str) -> Vec<String> {
    let show = |finding: &Finding| format!("{}: {}: {}", finding.weight.words(), finding.path, finding.text);
    manifest(text.as_bytes()).iter().map(show).collect()
}

fn pod(metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\nspec: {{containers: [{{name: c, image: i}}]{spec}}}\n"
    )
}

#[rstest]
#[case("", "refused: metadata.name: name is needed for the pod")]
#[case("name: A", "refused: metadata.name: Invalid value: ")]
#[case("name: a, generateName: b", "ignored: metadata.generateName: has no effect here: ")]
#[case(
    "name: a, annotations: {kubernetes.io/config.mirror: x}",
    "never starts: metadata.annotations.kubernetes.io/config.mirror: "
)]
#[case("name: a, nam: b", "ignored: metadata.nam: unknown field: did you mean \"name\"?")]
#[case(
    "name: a, labels: {kubernetes.io/os: plan9}",
    "refused: metadata.labels.kubernetes.io/os: PodOSSelectorNodeLabelDoesNotMatch: "
)]
fn metadata_is_told(#[case] metadata: &str, #[case] want: &str) {
    let said = said(&pod(metadata, ""));
    assert!(said.len() == 1 && said[0].starts_with(want), "{said:?}");
}

#[rstest]
#[case("restartPolicy: Sometimes", "refused: spec.restartPolicy: Unsupported value: ")]
#[case("os: {name: windows}", "refused: spec.os.name: PodOSNotSupported: ")]
#[case(
    "securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}",
    "refused: spec.securityContext.sysctls: SysctlForbidden: "
)]
#[case(
    "volumes: [{name: v, configMap: {name: m, optional: true}}]",
    "needs an API server: spec.volumes[0].configMap.name: static pods may not reference configmaps"
)]
#[case(
    "volumes: [{name: v, projected: {sources: [{downwardAPI: {}}, {secret: {name: s}}]}}]",
    "needs an API server: spec.volumes[0].projected.sources[1].secret.name: static pods may not reference secrets"
)]
#[case(
    "volumes: [{name: v, persistentVolumeClaim: {claimName: d}}]",
    "needs an API server: spec.volumes[0].persistentVolumeClaim.claimName: static pods may not reference persistentvolumeclaims"
)]
#[case(
    "imagePullSecrets: [{name: ''}, {name: s}]",
    "needs an API server: spec.imagePullSecrets[1].name: static pods may not reference secrets"
)]
#[case(
    "serviceAccountName: s",
    "needs an API server: spec.serviceAccountName: static pods may not reference serviceaccounts"
)]
#[case(
    "tolerations: [{operator: Exists}, {key: a, operator: Exists}]",
    "ignored: spec.tolerations: has no effect here: "
)]
#[case("priorityClassName: x", "ignored: spec.priorityClassName: has no effect here: ")]
#[case(
    "hostNetwork: 3",
    "refused: spec.hostNetwork: json: cannot unmarshal number into Go struct field PodSpec.spec.hostNetwork of type bool"
)]
#[case(
    "initContainers: [{name: i, image: i}, {name: j, image: i, env: [{name: 3}]}]",
    "refused: spec.initContainers[1].env[0].name: json: cannot unmarshal number "
)]
#[case(
    "volumes: [{name: v}, {name: w, emptyDir: {sizeLimit: much}}]",
    "refused: spec.volumes[1].emptyDir.sizeLimit: quantities must match "
)]
fn specs_are_told(#[case] more: &str, #[case] want: &str) {
    let said = said(&pod("name: a", &format!(", {more}")));
    assert!(said.len() == 1 && said[0].starts_with(want), "{said:?}");
}

#[rstest]
#[case("")]
#[case(", priorityClassName: system-node-critical")]
#[case(", volumes: [{name: v, emptyDir: {}}, {name: d, projected: {sources: [{downwardAPI: {}}]}}]")]
fn nothing_is_said_of_a_good_pod(#[case] more: &str) {
    assert_eq!(said(&pod("name: a", more)), Vec::<String>::new());
}

#[rstest]
#[case("projected: {sources: [{downwardAPI: {}}]}", "never starts: spec.volumes[1].projected: ")]
#[case("iscsi: {iqn: 'iqn.2001-04.com.example:d', lun: 0, targetPortal: p}", "never starts: spec.volumes[1].iscsi: ")]
#[case("fc: {wwids: [w]}", "never starts: spec.volumes[1].fc: ")]
#[case("gitRepo: {repository: r}", "never starts: spec.volumes[1].gitRepo: the plugin")]
#[case("rbd: {image: i, monitors: [m]}", "never starts: spec.volumes[1].rbd: there is no plugin")]
#[case(
    "projected: {sources: [{secret: {name: s}}]}",
    "needs an API server: spec.volumes[1].projected.sources[0].secret.name: "
)]
fn volumes_that_never_come_about_are_told_where_they_are_mounted(#[case] source: &str, #[case] want: &str) {
    let volumes = format!(", volumes: [{{name: u, hostPath: {{path: /p}}}}, {{name: v, {source}}}]");
    let mounted = pod("name: a", &volumes).replace("image: i}", "image: i, volumeMounts: [{name: v, mountPath: /v}]}");
    let said = said(&mounted);
    assert!(said.len() == 1 && said[0].starts_with(want), "{said:?}");
}

#[test]
fn what_is_dropped_refers_to_nothing() {
    let said = said(&pod("name: a", ", volumens: [{name: v, configMap: {name: m}}]"));
    assert!(said.len() == 1 && said[0].starts_with("ignored: spec.volumens: unknown field"), "{said:?}");
}

#[test]
fn errors_of_every_stage_come_together() {
    let text = pod("", ", restartPolicy: Never, x: 1, dnsPolicy: Bad, serviceAccountName: s, schedulerName: mine");
    let starts = [
        "refused: metadata.name",
        "refused: spec.dnsPolicy",
        "needs an API server: spec.serviceAccountName",
        "ignored: spec.schedulerName",
        "ignored: spec.x",
    ];
    let said = said(&text);
    assert_eq!(said.len(), starts.len(), "{said:?}");
    assert!(said.iter().zip(starts).all(|(said, start)| said.starts_with(start)), "{said:?}");
}

#[test]
fn the_second_document_and_syntax_errors_have_lines() {
    let two = format!("{}---\nkind: Other\n", pod("name: a", ""));
    let findings = manifest(two.as_bytes());
    assert_eq!((findings.len(), findings[0].line, refuse(&findings)), (1, Some(5), false));
    let broken = manifest(b"apiVersion: v1\nkind: Pod\nmetadata: {name: a\n");
    assert!(broken[0].line.is_some() && refuse(&broken), "{broken:?}");
}

#[test]
fn a_list_is_told_item_by_item() {
    let text = "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n  spec: {containers: [{name: c, image: i}]}\n- metadata: {name: b}\n  spec: {containers: []}\n";
    let said = said(text);
    assert!(said.len() == 2 && said[0] == "refused: items[1].spec.containers: Required value", "{said:?}");
}

#[test]
fn what_is_no_object_and_what_is_written_twice_is_told() {
    assert!(said("hello world\n")[0].starts_with("refused: : this is text, where a manifest has an object ("));
    assert!(said("- a\n")[0].starts_with("refused: : this is a list, where a manifest has one object ("));
    let twice = pod("name: a", "").replace("image: i", "image: i, image: j");
    assert_eq!(said(&twice), ["ignored: spec.containers[0].image: written again in line 4, which counts"]);
}
