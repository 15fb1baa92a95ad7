//! Affinity rules and label selectors.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Affinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Errors, FieldError, invalid_each, metadata, names};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Checks `spec.affinity`.
pub(super) fn check(out: &mut Errors, affinity: &Affinity) {
    if let Some(node) = &affinity.node_affinity {
        let path = "spec.affinity.nodeAffinity";
        if let Some(selector) = &node.required_during_scheduling_ignored_during_execution {
            node_selector(out, &format!("{path}.{REQUIRED}"), selector);
        }
        let preferred = &node.preferred_during_scheduling_ignored_during_execution;
        for (index, term) in preferred.iter().flatten().enumerate() {
            let path = format!("{path}.{PREFERRED}[{index}]");
            weight(out, &path, term.weight);
            node_term(out, &format!("{path}.preference"), &term.preference, false);
        }
    }
    if let Some(each) = &affinity.pod_affinity {
        pods(
            out,
            "spec.affinity.podAffinity",
            each.required_during_scheduling_ignored_during_execution.as_deref(),
            each.preferred_during_scheduling_ignored_during_execution.as_deref(),
        );
    }
    if let Some(each) = &affinity.pod_anti_affinity {
        pods(
            out,
            "spec.affinity.podAntiAffinity",
            each.required_during_scheduling_ignored_during_execution.as_deref(),
            each.preferred_during_scheduling_ignored_during_execution.as_deref(),
        );
    }
}

fn weight(out: &mut Errors, path: &str, weight: i32) {
    if !(1..=100).contains(&weight) {
        out.push(FieldError::invalid_raw(&format!("{path}.weight"), weight, "must be in the range 1-100"));
    }
}

fn node_selector(out: &mut Errors, path: &str, selector: &NodeSelector) {
    let path = format!("{path}.nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        out.push(FieldError::required(&path, "must have at least one node selector term"));
    }
    for (index, term) in selector.node_selector_terms.iter().enumerate() {
        node_term(out, &format!("{path}[{index}]"), term, true);
    }
}

/// Values must be such that labels may have where the term is `strict`: upstream lets preferred terms have any.
fn node_term(out: &mut Errors, path: &str, term: &NodeSelectorTerm, strict: bool) {
    for (index, requirement) in term.match_expressions.iter().flatten().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let values = requirement.values.as_deref().unwrap_or_default();
        operator(out, &path, &requirement.operator, values, true);
        invalid_each(out, &format!("{path}.key"), &requirement.key, names::qualified(&requirement.key));
        for (index, value) in values.iter().enumerate().filter(|_| strict) {
            invalid_each(out, &format!("{path}.values[{index}]"), value, names::label_value(value));
        }
    }
    for (index, requirement) in term.match_fields.iter().flatten().enumerate() {
        node_field(out, &format!("{path}.matchFields[{index}]"), requirement);
    }
}

fn node_field(out: &mut Errors, path: &str, requirement: &NodeSelectorRequirement) {
    let values = requirement.values.as_deref().unwrap_or_default();
    match requirement.operator.as_str() {
        "In" | "NotIn" => {
            if values.len() != 1 {
                out.push(FieldError::required(
                    &format!("{path}.values"),
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
                ));
            }
        }
        other => {
            out.push(FieldError::invalid_word(&format!("{path}.operator"), other, "not a valid selector operator"));
        }
    }
    if requirement.key == "metadata.name" {
        for (index, value) in values.iter().enumerate() {
            invalid_each(out, &format!("{path}.values[{index}]"), value, names::subdomain(value));
        }
    } else {
        out.push(FieldError::invalid(&format!("{path}.key"), &requirement.key, "not a valid field selector key"));
    }
}

/// An operator and the number of its values; `node` selectors also compare numbers.
fn operator(out: &mut Errors, path: &str, operator: &str, values: &[String], node: bool) {
    let at = format!("{path}.values");
    match operator {
        "In" | "NotIn" => {
            if values.is_empty() {
                out.push(FieldError::required(&at, "must be specified when `operator` is 'In' or 'NotIn'"));
            }
        }
        "Exists" | "DoesNotExist" => {
            if !values.is_empty() {
                out.push(FieldError::forbidden(
                    &at,
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                ));
            }
        }
        "Gt" | "Lt" if node => {
            if values.len() != 1 {
                out.push(FieldError::required(&at, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
            }
        }
        other => {
            out.push(FieldError::invalid_word(&format!("{path}.operator"), other, "not a valid selector operator"));
        }
    }
}

fn pods(
    out: &mut Errors,
    path: &str,
    required: Option<&[PodAffinityTerm]>,
    preferred: Option<&[WeightedPodAffinityTerm]>,
) {
    for (index, term) in required.into_iter().flatten().enumerate() {
        pod_term(out, &format!("{path}.{REQUIRED}[{index}]"), term);
    }
    for (index, term) in preferred.into_iter().flatten().enumerate() {
        let path = format!("{path}.{PREFERRED}[{index}]");
        weight(out, &path, term.weight);
        pod_term(out, &format!("{path}.podAffinityTerm"), &term.pod_affinity_term);
    }
}

fn pod_term(out: &mut Errors, path: &str, term: &PodAffinityTerm) {
    if let Some(selector) = &term.label_selector {
        label_selector(out, &format!("{path}.labelSelector"), selector);
    }
    if let Some(selector) = &term.namespace_selector {
        label_selector(out, &format!("{path}.namespaceSelector"), selector);
    }
    for namespace in term.namespaces.iter().flatten() {
        invalid_each(out, &format!("{path}.namespace"), namespace, names::label(namespace));
    }
    let at = format!("{path}.topologyKey");
    let none = Vec::new();
    label_keys(
        out,
        path,
        term.match_label_keys.as_ref().unwrap_or(&none),
        term.mismatch_label_keys.as_ref().unwrap_or(&none),
        term.label_selector.as_ref(),
    );
    if term.topology_key.is_empty() {
        out.push(FieldError::required(&at, "can not be empty"));
    }
    invalid_each(out, &at, &term.topology_key, names::qualified(&term.topology_key));
}

/// Checks `matchLabelKeys` and `mismatchLabelKeys` against the selector that they add to.
pub(super) fn label_keys(
    out: &mut Errors,
    path: &str,
    matching: &[String],
    mismatching: &[String],
    selector: Option<&LabelSelector>,
) {
    for (field, keys) in [("matchLabelKeys", matching), ("mismatchLabelKeys", mismatching)] {
        let at = format!("{path}.{field}");
        if selector.is_none() && !keys.is_empty() {
            out.push(FieldError::forbidden(&at, "must not be specified when labelSelector is not set"));
            continue;
        }
        for (index, key) in keys.iter().enumerate() {
            invalid_each(out, &format!("{at}[{index}]"), key, names::qualified(key));
        }
    }
    if let Some(selector) = selector {
        let mut known: BTreeSet<&str> = selector.match_labels.iter().flatten().map(|(key, _)| key.as_str()).collect();
        for key in selector.match_expressions.iter().flatten().map(|expression| expression.key.as_str()) {
            // Upstream has merged the keys into the selector before: here they stand there twice.
            if let (Some(index), false) = (matching.iter().rposition(|own| own == key), known.insert(key)) {
                let why = "exists in both matchLabelKeys and labelSelector";
                out.push(FieldError::invalid(&format!("{path}[{index}]"), key, why));
            }
        }
    }
    for (index, key) in matching.iter().enumerate().filter(|(_, key)| mismatching.contains(key)) {
        let why = "exists in both matchLabelKeys and mismatchLabelKeys";
        out.push(FieldError::invalid(&format!("{path}.matchLabelKeys[{index}]"), key, why));
    }
}

/// Checks a label selector.
pub(super) fn label_selector(out: &mut Errors, path: &str, selector: &LabelSelector) {
    metadata::labels(out, &format!("{path}.matchLabels"), selector.match_labels.as_ref());
    for (index, requirement) in selector.match_expressions.iter().flatten().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let values = requirement.values.as_deref().unwrap_or_default();
        operator(out, &path, &requirement.operator, values, false);
        invalid_each(out, &format!("{path}.key"), &requirement.key, names::qualified(&requirement.key));
        for (index, value) in values.iter().enumerate() {
            invalid_each(out, &format!("{path}.values[{index}]"), value, names::label_value(value));
        }
    }
}
