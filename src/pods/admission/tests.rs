//! Tests of admission: one table of pods and what is said of them.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn pod(spec: Value) -> Pod {
    let mut spec = spec;
    if spec.get("containers").is_none() {
        spec["containers"] = json!([{"name": "c", "image": "i"}]);
    }
    serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": spec})).unwrap()
}

fn requesting(cpu: &str, memory: &str) -> Value {
    json!({"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]})
}

fn on_port(port: i32, ip: &str, protocol: &str) -> Value {
    json!({"containers": [{"name": "c", "image": "i", "ports": [
        {"containerPort": 80, "hostPort": port, "hostIP": ip, "protocol": protocol}]}]})
}

fn node() -> Node {
    Node {
        name: "node1".to_owned(),
        labels: Node::standard_labels("node1", "amd64", &BTreeMap::from([("rack".to_owned(), "7".to_owned())])),
        allocatable: Allocatable {
            milli_cpu: 2000,
            memory: 1 << 30,
            pods: 2,
            ephemeral_storage: Some(1 << 30),
            huge_pages: [(2048, 4 << 20), (1 << 20, 0)].into(),
        },
        apparmor: false,
        supplemental_groups_policy: false,
        allowed_sysctls: vec!["kernel.msg*".to_owned()],
    }
}

fn affinity(key: &str, operator: &str, values: &[&str]) -> Value {
    json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}]}}}})
}

fn sysctl(name: &str) -> Value {
    json!({"securityContext": {"sysctls": [{"name": name, "value": "1"}]}})
}

const PREEMPTION: &str = "Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to \
                          preempt: no set of running pods found to reclaim resources: ";

#[rstest]
#[case::plain(json!({}), &[], "")]
#[case::selected(json!({"nodeSelector": {"kubernetes.io/os": "linux", "rack": "7"}}), &[], "")]
#[case::not_selected(json!({"nodeSelector": {"rack": "8"}}), &[], "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector")]
#[case::affinity_in(affinity("rack", "In", &["6", "7"]), &[], "")]
#[case::affinity_gt(affinity("rack", "Gt", &["6"]), &[], "")]
#[case::affinity_lt(affinity("rack", "Lt", &["7"]), &[], "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector")]
#[case::affinity_not_in(affinity("rack", "NotIn", &["7"]), &[], "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector")]
#[case::affinity_absent(affinity("gpu", "DoesNotExist", &[]), &[], "")]
#[case::empty_term(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}}}}), &[], "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector")]
#[case::other_node(json!({"nodeName": "node2"}), &[], "NodeName: Predicate NodeName failed: node(s) didn't match the requested node name")]
#[case::windows(json!({"os": {"name": "windows"}}), &[], "PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS")]
#[case::strict_groups(json!({"securityContext": {"supplementalGroupsPolicy": "Strict"}}), &[], "SupplementalGroupsPolicyNotSupported: SupplementalGroupsPolicy=Strict is not supported in this node")]
#[case::same_port(on_port(80, "", "TCP"), &[on_port(80, "127.0.0.1", "TCP")], "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports")]
#[case::other_protocol(on_port(80, "", "UDP"), &[on_port(80, "", "TCP")], "")]
#[case::other_address(on_port(80, "10.0.0.1", "TCP"), &[on_port(80, "127.0.0.1", "TCP")], "")]
#[case::fits(requesting("1", "512Mi"), &[requesting("1", "512Mi")], "")]
#[case::too_much_cpu(requesting("4100m", "1Mi"), &[], "UnexpectedAdmissionError: PREEMPTION[(res: cpu, q: 2100), ]")]
#[case::too_much_with_others(requesting("1500m", "1Gi"), &[requesting("1", "1Mi")], "UnexpectedAdmissionError: PREEMPTION[(res: cpu, q: 500), (res: memory, q: 1048576), ]")]
#[case::too_many(json!({}), &[json!({}), json!({})], "UnexpectedAdmissionError: PREEMPTION[(res: pods, q: 1), ]")]
#[case::too_much_disk(json!({"containers": [{"name": "c", "resources": {"requests": {"ephemeral-storage": "3Gi"}}}]}), &[], "UnexpectedAdmissionError: PREEMPTION[(res: ephemeral-storage, q: 2147483648), ]")]
#[case::unknown_pages(json!({"containers": [{"name": "c", "resources": {"requests": {"hugepages-3Mi": "6Mi"}}}]}), &[], "UnexpectedAdmissionError: PREEMPTION[(res: hugepages-3Mi, q: 6291456), ]")]
#[case::own_name(json!({"containers": [{"name": "c", "resources": {"requests": {"kubernetes.io/foo": "1"}}}]}), &[], "UnexpectedAdmissionError: PREEMPTION[(res: kubernetes.io/foo, q: 1), ]")]
#[case::extended(json!({"containers": [{"name": "c", "resources": {"requests": {"example.com/foo": "1"}}}]}), &[], "")]
#[case::huge_pages_fit(json!({"containers": [{"name": "c", "resources": {"requests": {"hugepages-2Mi": "4Mi"}}}]}), &[], "")]
#[case::huge_pages_with_others(json!({"containers": [{"name": "c", "resources": {"requests": {"hugepages-2Mi": "4Mi"}}}]}), &[json!({"containers": [{"name": "c", "resources": {"requests": {"hugepages-2Mi": "2Mi"}}}]})], "UnexpectedAdmissionError: PREEMPTION[(res: hugepages-2Mi, q: 2097152), ]")]
#[case::no_huge_pages(json!({"containers": [{"name": "c", "resources": {"requests": {"hugepages-1Gi": "1Gi"}}}]}), &[], "UnexpectedAdmissionError: PREEMPTION[(res: hugepages-1Gi, q: 1073741824), ]")]
#[case::unknown_resources_are_ignored(json!({"containers": [{"name": "c", "resources": {"requests": {"example.com/gpu": "9"}}}]}), &[], "")]
#[case::apparmor(json!({"containers": [{"name": "c", "securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}]}), &[], "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host")]
#[case::apparmor_of_the_pod(json!({"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "p"}}}), &[], "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host")]
#[case::apparmor_unconfined(json!({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}), &[], "")]
#[case::port_before_resources({let mut p = on_port(80, "", "TCP"); p["containers"][0]["resources"] = json!({"requests": {"cpu": "9"}}); p}, &[on_port(80, "", "TCP")], "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports")]
#[case::safe_sysctl(sysctl("net/ipv4/tcp_syncookies"), &[], "")]
#[case::allowed_sysctl(sysctl("kernel.msgmax"), &[], "")]
#[case::unsafe_sysctl(sysctl("kernel.sem"), &[], "SysctlForbidden: forbidden sysctl: \"kernel.sem\" not allowlisted")]
fn pods(#[case] spec: Value, #[case] others: &[Value], #[case] told: &str) {
    let other = |(number, spec): (usize, &Value)| {
        let mut other = pod(spec.clone());
        other.metadata.uid = Some(format!("other {number}"));
        Arc::new(other)
    };
    let others: Neighbours = others.iter().enumerate().map(other).collect();
    let said = match admit(&pod(spec), &others, &node()) {
        Ok(victims) => {
            assert!(victims.is_empty(), "nobody has a priority");
            String::new()
        }
        Err(rejection) => format!("{}: {}", rejection.reason, rejection.message),
    };
    assert_eq!(said, told.replace("PREEMPTION", PREEMPTION));
}

#[test]
fn the_os_label_is_the_pods_own() {
    let mut labelled = pod(json!({}));
    labelled.metadata.labels = Some(BTreeMap::from([("kubernetes.io/os".to_owned(), "windows".to_owned())]));
    assert_eq!(
        admit(&labelled, &Neighbours::default(), &node()).unwrap_err().reason,
        "PodOSSelectorNodeLabelDoesNotMatch"
    );
}

fn ranked(name: &str, priority: i32, requests: Value, limits: Value) -> Arc<Pod> {
    let resources = json!({"requests": requests, "limits": limits});
    let mut pod =
        pod(json!({"priority": priority, "containers": [{"name": "c", "image": "i", "resources": resources}]}));
    pod.metadata.name = Some(name.to_owned());
    pod.metadata.uid = Some(name.to_owned());
    Arc::new(pod)
}

/// Who makes way: only lower priorities, the cheapest class first, no more than needed, the smaller of two.
#[rstest]
#[case::enough_room("1", 10, "fits")]
#[case::the_small_burstable_goes("1200m", 10, "small")]
#[case::the_large_burstable_is_enough_by_itself("1700m", 10, "large")]
#[case::both_and_the_guaranteed_last("3", 10, "large small sure")]
#[case::equals_stay("1200m", 5, "[(res: cpu, q: 200), ]")]
#[case::not_even_all_are_enough("9", 10, "[(res: cpu, q: 6000), ]")]
fn preemption(#[case] cpu: &str, #[case] priority: i32, #[case] told: &str) {
    let others = [
        ranked("none", 5, json!({}), json!({})),
        ranked("sure", 5, json!({"cpu": "1", "memory": "1Mi"}), json!({"cpu": "1", "memory": "1Mi"})),
        ranked("large", 5, json!({"cpu": "700m"}), json!({})),
        ranked("small", 5, json!({"cpu": "300m"}), json!({})),
        ranked("above", 20, json!({"cpu": "0"}), json!({})),
    ];
    let others = Neighbours::from_iter(others);
    let mut node = node();
    node.allocatable = Allocatable { milli_cpu: 3000, pods: 10, ..node.allocatable };
    let newcomer = ranked("new", priority, json!({"cpu": cpu}), json!({}));
    let told = if told == "fits" { "" } else { told };
    match admit(&newcomer, &others, &node) {
        Ok(victims) => {
            let names: Vec<&str> = victims.iter().filter_map(|pod| pod.metadata.name.as_deref()).collect();
            assert_eq!(names.join(" "), told);
        }
        Err(rejection) => assert_eq!(rejection.message, format!("{PREEMPTION}{told}")),
    }
}
