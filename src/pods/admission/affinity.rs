//! Node selectors and required node affinity against the node's labels, as upstream's scheduler helpers. Preferred terms do not count.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, PodSpec};

use crate::pods::admission::Node;

/// Whether the node is one that the pod asks for.
pub fn matches(spec: &PodSpec, node: &Node) -> bool {
    let selected = spec.node_selector.iter().flatten().all(|(key, value)| node.labels.get(key) == Some(value));
    let required = spec
        .affinity
        .as_ref()
        .and_then(|affinity| affinity.node_affinity.as_ref())
        .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    selected
        && required.is_none_or(|required| {
            required.node_selector_terms.iter().any(|term| {
                let expressions = term.match_expressions.as_deref().unwrap_or_default();
                let fields = term.match_fields.as_deref().unwrap_or_default();
                // A term that says nothing selects nothing.
                !(expressions.is_empty() && fields.is_empty())
                    && expressions.iter().all(|one| holds(one, &node.labels))
                    && fields.iter().all(|one| holds(one, &of_name(&node.name)))
            })
        })
}

fn of_name(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("metadata.name".to_owned(), name.to_owned())])
}

fn holds(one: &NodeSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let label = labels.get(&one.key);
    let values = one.values.as_deref().unwrap_or_default();
    let number = |text: &str| text.parse::<i64>().ok();
    let compare = |holds: fn(i64, i64) -> bool| {
        let (Some(label), [value]) = (label, values) else { return false };
        number(label).zip(number(value)).is_some_and(|(label, value)| holds(label, value))
    };
    match one.operator.as_str() {
        "In" => label.is_some_and(|label| values.contains(label)),
        "NotIn" => label.is_none_or(|label| !values.contains(label)),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        "Gt" => compare(|label, value| label > value),
        "Lt" => compare(|label, value| label < value),
        _ => false,
    }
}
