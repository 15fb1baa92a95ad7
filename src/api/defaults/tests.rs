//! Defaulting, seen through the printed pod.

use rstest::rstest;

use crate::api::{decode, gojson};

fn defaulted(spec: &str) -> String {
    let text = format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"spec":{spec}}}"#);
    let mut pod = decode::manifest(text.as_bytes()).expect("good");
    let once = pod.clone();
    super::apply(&mut pod);
    assert_eq!(once, pod, "defaulting is idempotent");
    gojson::pod_spec(&pod.spec.expect("spec"))
}

#[test]
fn a_small_pod_gets_everything() {
    insta::assert_snapshot!(defaulted(r#"{"containers":[{"name":"c","image":"nginx","ports":[{"containerPort":80}]}]}"#), @r#"{"containers":[{"name":"c","image":"nginx","ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"Always"}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler","enableServiceLinks":true}"#);
}

#[rstest]
#[case(r#"{"terminationGracePeriodSeconds":0}"#, r#""terminationGracePeriodSeconds":0,"#)]
#[case(r#"{"terminationGracePeriodSeconds":-5}"#, r#""terminationGracePeriodSeconds":1,"#)]
#[case(r#"{"serviceAccount":"a"}"#, r#""serviceAccountName":"a","serviceAccount":"a""#)]
#[case(
    r#"{"hostNetwork":true,"containers":[{"name":"c","ports":[{"containerPort":80}]}]}"#,
    r#"[{"hostPort":80,"containerPort":80,"protocol":"TCP"}]"#
)]
#[case(
    r#"{"volumes":[{"name":"v","hostPath":{"path":"/x"}},{"name":"w"}]}"#,
    r#"[{"name":"v","hostPath":{"path":"/x","type":""}},{"name":"w","emptyDir":{}}]"#
)]
#[case(
    r#"{"volumes":[{"name":"v","downwardAPI":{"items":[{"path":"a","fieldRef":{"fieldPath":"metadata.name"}}]}}]}"#,
    r#"{"items":[{"path":"a","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}],"defaultMode":420}"#
)]
#[case(
    r#"{"volumes":[{"name":"v","image":{"reference":"x:1"}}]}"#,
    r#"{"reference":"x:1","pullPolicy":"IfNotPresent"}"#
)]
#[case(r#"{"containers":[{"name":"c","livenessProbe":{"httpGet":{"port":80},"periodSeconds":0}}]}"#, r#"{"httpGet":{"path":"/","port":80,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}"#)]
#[case(r#"{"containers":[{"name":"c","readinessProbe":{"grpc":{"port":1}}}]}"#, r#"{"grpc":{"port":1,"service":""},"#)]
#[case(
    r#"{"containers":[{"name":"c","lifecycle":{"preStop":{"httpGet":{"port":"x"}}}}]}"#,
    r#""preStop":{"httpGet":{"path":"/","port":"x","scheme":"HTTP"}}"#
)]
#[case(r#"{"containers":[{"name":"c","resources":{"limits":{"cpu":"0.1234567","memory":"1.5Gi"},"requests":{"memory":"1000m"}}}]}"#, r#"{"limits":{"cpu":"124m","memory":"1536Mi"},"requests":{"cpu":"124m","memory":"1"}}"#)]
#[case(
    r#"{"resources":{"limits":{"cpu":"2","memory":"2Gi"}},"containers":[{"name":"c","resources":{"requests":{"cpu":"500m"},"limits":{"memory":"1Gi","hugepages-2Mi":"4Mi"}}}]}"#,
    r#""resources":{"limits":{"cpu":"2","hugepages-2Mi":"4Mi","memory":"2Gi"},"requests":{"cpu":"500m","hugepages-2Mi":"4Mi","memory":"1Gi"}}}"#
)]
fn fields_default(#[case] spec: &str, #[case] part: &str) {
    let spec = defaulted(spec);
    assert!(spec.contains(part), "{spec}");
}

/// A status of the manifest is nobody's business, and decoding changes it all the same.
#[rstest]
#[case(r#"{"podIP":"10.0.0.1"}"#, r#""podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}]"#)]
#[case(
    r#"{"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.2"},{"ip":"10.0.0.1"}]}"#,
    r#""podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}]"#
)]
#[case(r#"{"podIPs":[{"ip":"10.0.0.2"}]}"#, r#""podIP":"10.0.0.2","podIPs":[{"ip":"10.0.0.2"}]"#)]
#[case(r#"{"allocatedResources":{"cpu":"0.0001"}}"#, r#"{"cpu":"1m"}"#)]
#[case(r#"{"containerStatuses":[{"resources":{"limits":{"cpu":"0.5"}}}]}"#, r#"{"limits":{"cpu":"500m"}}"#)]
#[case(r#"{"extendedResourceClaimStatus":{}}"#, r#"{"requestMappings":null,"resourceClaimName":""}"#)]
#[case(r#"{"nodeAllocatableResourceClaimStatuses":[{}]}"#, r#"[{"resourceClaimName":"","resources":null}]"#)]
fn a_status_is_converted(#[case] status: &str, #[case] part: &str) {
    let text = format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"status":{status}}}"#);
    let printed = gojson::pod(&decode::manifest(text.as_bytes()).expect("good"));
    assert!(printed.contains(part), "{printed}");
}
