//! What the decoder takes and what it says about the rest; texts are Go's.

use rstest::rstest;

use super::*;

fn pod_with(line: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: c\n    image: i:1\n{line}"
    )
}

fn container(pod: &Pod) -> &k8s_openapi::api::core::v1::Container {
    &pod.spec.as_ref().expect("spec").containers[0]
}

#[test]
fn a_manifest_is_read() {
    let pod = manifest(pod_with("").as_bytes()).expect("good");
    assert_eq!(container(&pod).image.as_deref(), Some("i:1"));
}

#[rstest]
#[case("    args: ['010', \"0x10\"]\n", "[\"010\",\"0x10\"]")]
#[case("    args: [&a one, *a]\n", "[\"one\",\"one\"]")]
#[case("    args: [a]\n    args: [b]\n", "[\"b\"]")]
#[case("    <<: {args: [m], name: x}\n    name: c\n", "[\"m\"]")]
fn yaml_is_read_as_upstream_does(#[case] line: &str, #[case] args: &str) {
    let pod = manifest(pod_with(line).as_bytes()).expect("good");
    assert_eq!(serde_json::to_string(&container(&pod).args).expect("JSON"), args);
    assert_eq!(container(&pod).image.as_deref(), Some("i:1"));
}

/// A merge key sets what it brings where it stands: over what came before, as Go's library has it.
#[test]
fn a_merge_key_counts_where_it_stands() {
    let value = document(b"a: {image: i, <<: [{image: x}, {image: y, b: 1}], b: 2}\n").expect("good");
    assert_eq!(value.to_string(), "{\"a\":{\"b\":2,\"image\":\"x\"}}");
}

#[rstest]
#[case("010", 8)]
#[case("0o10", 8)]
#[case("0x1f", 31)]
#[case("0b11", 3)]
#[case("1_000", 1000)]
#[case("30.0", 30)]
fn integers_are_yaml_1_1(#[case] text: &str, #[case] want: i64) {
    let pod = manifest(pod_with(&format!("  terminationGracePeriodSeconds: {text}\n")).as_bytes()).expect("good");
    assert_eq!(pod.spec.expect("spec").termination_grace_period_seconds, Some(want));
}

#[rstest]
#[case("yes", true)]
#[case("on", true)]
#[case("y", true)]
#[case("Off", false)]
#[case("N", false)]
fn booleans_are_yaml_1_1(#[case] text: &str, #[case] want: bool) {
    let pod = manifest(pod_with(&format!("  shareProcessNamespace: {text}\n")).as_bytes()).expect("good");
    assert_eq!(pod.spec.expect("spec").share_process_namespace, Some(want));
}

#[test]
fn only_the_first_document_counts() {
    let text = format!("# a comment\n---\n{}---\n: : broken [\n", pod_with(""));
    assert!(manifest(text.as_bytes()).is_ok());
    let json = r#"  {"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[]}}"#;
    assert!(manifest(json.as_bytes()).is_ok());
    let marked = "\u{feff}{apiVersion: v1, kind: Pod, spec: {containers: []}}";
    assert!(manifest(marked.as_bytes()).is_ok(), "behind a byte order mark it is YAML");
}

#[rstest]
#[case(
    "    image: 5\n",
    "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string"
)]
#[case(
    "    env: [{name: y}]\n",
    "json: cannot unmarshal bool into Go struct field EnvVar.spec.containers.env.name of type string"
)]
#[case(
    "  hostNetwork: 'x'\n",
    "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool"
)]
#[case(
    "  terminationGracePeriodSeconds: 1.5\n",
    "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64"
)]
#[case(
    "    ports: [{containerPort: 3000000000}]\n",
    "json: cannot unmarshal number 3000000000 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"
)]
#[case(
    "    imagePullPolicy: 1\n",
    "json: cannot unmarshal number into Go struct field Container.spec.containers.imagePullPolicy of type v1.PullPolicy"
)]
#[case(
    "    resources: {limits: {cpu: x}}\n",
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)]
#[case(
    "  nodeSelector: [a]\n",
    "json: cannot unmarshal array into Go struct field PodSpec.spec.nodeSelector of type map[string]string"
)]
#[case(
    "status: {nodeAllocatableResourceClaimStatuses: [{resources: 1}]}\n",
    "json: cannot unmarshal number into Go struct field NodeAllocatableResourceClaimStatus.status.nodeAllocatableResourceClaimStatuses.resources of type map[v1.ResourceName]resource.Quantity"
)]
fn wrong_types_are_told_in_gos_words(#[case] line: &str, #[case] want: &str) {
    assert_eq!(manifest(pod_with(line).as_bytes()).expect_err("bad").to_string(), want);
}

#[rstest]
#[case("", "Object 'Kind' is missing in 'null'")]
#[case(
    "kind: Pod\nmetadata: {name: p}\n",
    "Object 'apiVersion' is missing in '{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}}'"
)]
#[case(
    "apiversion: v1\nKIND: [a]\n",
    "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go struct field .KIND of type string"
)]
#[case(
    "APIVERSION: a/v1\nApiVersion: null\nKind: A\nkind: B\n",
    "no kind \"B\" is registered for version \"a/v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\""
)]
#[case("apiVersion: a/b/c\n", "unexpected GroupVersion string: a/b/c")]
#[case(
    "apiVersion: apps/\nkind: Pod\n",
    "Object 'apiVersion' is missing in '{\"apiVersion\":\"apps/\",\"kind\":\"Pod\"}'"
)]
#[case(
    "apiVersion: /abs\nkind: \"a\\nb\"\n",
    "no kind \"a\\nb\" is registered for version \"abs\" in scheme \"pkg/api/legacyscheme/scheme.go:30\""
)]
#[case(
    "apiVersion: apps/v1\nkind: Deployment\n",
    "no kind \"Deployment\" is registered for version \"apps/v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\""
)]
#[case(
    "null: {a: [1, 1.5, null, b]}\n",
    "unsupported map key of type: %!s(<nil>), key: <nil>, value: map[interface {}]interface {}{\"a\":[]interface {}{1, 1.5, interface {}(nil), \"b\"}}"
)]
#[case("? [a, {b: c}]\n", "yaml: invalid map key: []interface {}{\"a\", map[interface {}]interface {}{\"b\":\"c\"}}")]
#[case("a: &a [{b: c}]\nd: {<<: *a}\n", "yaml: map merge requires map or sequence of maps as the value")]
#[case("a: &a [{<<: *a}]\n", "yaml: map merge requires map or sequence of maps as the value")]
#[case("kind: \u{7}\n", "yaml: control characters are not allowed")]
#[case("%YAML 1.2\n---\nkind: Pod\n", "yaml: line 1: found incompatible YAML document")]
#[case("kind: \u{85}\n", "Object 'Kind' is missing in '{\"kind\":null}'")]
#[case("kind: Pod\n%YAML 1.1\n---\n", "Object 'apiVersion' is missing in '{\"kind\":\"Pod\"}'")]
fn documents_that_are_no_pod_are_refused(#[case] text: &str, #[case] want: &str) {
    assert_eq!(manifest(text.as_bytes()).expect_err("bad").to_string(), want);
}

#[rstest]
#[case("not yaml: [")]
#[case("a: b: c")]
#[case("a:\n\t- b\n")]
#[case("just words")]
#[case("{\"kind\": ")]
#[case("\u{0}\u{1}")]
#[case("- 1\n- 2\n")]
#[case(
    "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
)]
fn rubbish_is_refused_in_one_line(#[case] text: &str) {
    let error = manifest(text.as_bytes()).expect_err("bad").to_string();
    assert!(!error.is_empty() && !error.contains('\n'), "{error}");
}

#[test]
fn a_list_is_read_whole_or_not_at_all() {
    let item = r#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;
    let list = format!(r#"{{"apiVersion":"v1","kind":"PodList","items":[{item},{item}]}}"#);
    assert_eq!(manifest_or_list(list.as_bytes()).expect("good").len(), 2);
    let bad = list.replacen("\"i\"", "5", 1);
    assert!(manifest_or_list(bad.as_bytes()).is_err());
    assert_eq!(manifest_or_list(pod_with("").as_bytes()).expect("one").len(), 1);
    assert!(manifest(list.as_bytes()).is_err());
    let neither = manifest_or_list(b"apiVersion: v1\nkind: Service\n").expect_err("neither").to_string();
    assert_eq!(
        neither,
        "couldn't parse as single (invalid pod: &core.Service{}) or multiple pods (invalid pods list: &core.Service{})"
    );
}

#[test]
fn ignored_fields_are_listed_with_their_paths() {
    let text = pod_with("    imagePullpolicy: Always\n  volumes:\n  - name: v\n    local: {path: /x}\n");
    let unknown = unknown_fields(text.as_bytes());
    let paths: Vec<&str> = unknown.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, ["spec.containers[0].imagePullpolicy", "spec.volumes[0].local"]);
    assert!(unknown[0].known.contains(&"imagePullPolicy"));
}

/// A float may stand for an integer in YAML, where it becomes one before it is looked at. JSON is looked at as it is spelt.
#[rstest]
#[case("30.0")]
#[case("3e1")]
fn json_numbers_are_read_as_they_are_spelt(#[case] number: &str) {
    let json = |field: &str| {
        let spec = format!(r#"{{"containers":[{{"name":"c","resources":{{"limits":{{"cpu":3e3}}}}}}],{field}}}"#);
        format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"spec":{spec}}}"#)
    };
    let large = json(r#""priority":1e400"#).replacen("3e3", "\"1e400\"", 1);
    let want = "json: cannot unmarshal number 1e400 into Go struct field PodSpec.spec.priority of type int32";
    assert_eq!(manifest(large.as_bytes()).expect_err("bad").to_string(), want);
    let text = json(&format!(r#""securityContext":{{"supplementalGroups":[1,{number}]}}"#));
    let want = format!(
        "json: cannot unmarshal number {number} into Go struct field \
         PodSecurityContext.spec.securityContext.supplementalGroups of type int64"
    );
    assert_eq!(manifest(text.as_bytes()).expect_err("bad").to_string(), want);
    assert_eq!(refused_at(text.as_bytes()).as_deref(), Some("spec.securityContext.supplementalGroups[1]"));
    let pod = manifest(json(r#""priority":-0"#).as_bytes()).expect("good");
    assert!(gojson::pod(&pod).contains(r#""limits":{"cpu":"3e3"}"#), "{}", gojson::pod(&pod));
}

/// Of so many, looked up one by one in the whole text, the test would not end.
#[test]
fn many_odd_numbers_are_read_in_one_go() {
    let numbers = vec!["1.0"; 100_000].join(",");
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","spec":{{"securityContext":{{"supplementalGroups":[{numbers}]}}}}}}"#
    );
    let error = manifest(text.as_bytes()).expect_err("bad").to_string();
    assert!(error.starts_with("json: cannot unmarshal number 1.0 into"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = manifest(&bytes);
    }
}

#[rstest]
#[case("a: b: c", "yaml: line 1: mapping values are not allowed in this context")]
#[case("a:\n\t- b\n", "yaml: line 2: found character that cannot start any token")]
#[case("a: b\n c\n\td", "yaml: line 3: found a tab character that violates indentation")]
#[case("a: [b, c}\n", "yaml: line 1: did not find expected ',' or ']'")]
#[case("a: {b: c]\n", "yaml: line 1: did not find expected ',' or '}'")]
#[case("a: 'b' c\n", "yaml: line 1: did not find expected key")]
#[case("a: b # c\n  d\n", "yaml: line 1: did not find expected key")]
#[case("a: |x\n b", "yaml: line 1: did not find expected comment or line break")]
#[case("a: *\n", "yaml: line 1: did not find expected alphabetic or numeric character")]
#[case("a: [b", "yaml: line 1: did not find expected ',' or ']'")]
#[case("a: @x", "yaml: line 1: found character that cannot start any token")]
#[case("k: &a\nb: *a\n c: d", "yaml: line 3: did not find expected key")]
#[case("a: \"\\q\"", "yaml: line 1: found unknown escape character")]
fn syntax_errors_read_as_people_know_them(#[case] text: &str, #[case] want: &str) {
    assert_eq!(manifest(text.as_bytes()).expect_err("bad").to_string(), want);
}
