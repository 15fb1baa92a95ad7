//! Tolerations and topology spread. The node they would be weighed against does not exist here; their syntax counts.

use k8s_openapi::api::core::v1::{Toleration, TopologySpreadConstraint};

use super::{Errors, FieldError, affinity, invalid_each, names, one_of, text};

/// Checks `spec.tolerations`.
pub(super) fn tolerations(out: &mut Errors, tolerations: &[Toleration]) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let path = format!("spec.tolerations[{index}]");
        let (key, operator) = (text(&toleration.key), text(&toleration.operator));
        let (value, effect) = (text(&toleration.value), text(&toleration.effect));
        let at = format!("{path}.operator");
        if !key.is_empty() {
            invalid_each(out, &format!("{path}.key"), key, names::qualified(key));
        }
        if key.is_empty() && operator != "Exists" {
            out.push(FieldError::invalid_word(
                &at,
                operator,
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            ));
        }
        if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
            out.push(FieldError::invalid_word(
                &format!("{path}.effect"),
                effect,
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            ));
        }
        match operator {
            "" | "Equal" => {
                let faults = names::label_value(value);
                if !faults.is_empty() {
                    out.push(FieldError::invalid(&at, value, faults.join(";")));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    out.push(FieldError::invalid(&at, value, "value must be empty when `operator` is 'Exists'"));
                }
            }
            // The gate is off, and the list names them all the same.
            "Lt" | "Gt" => {
                out.push(FieldError::not_supported(&at, operator, &["Equal", "Exists", "Lt", "Gt"]));
            }
            _ => out.push(FieldError::not_supported(&at, operator, &["Equal", "Exists"])),
        }
        if !effect.is_empty() {
            one_of(out, &format!("{path}.effect"), effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
        }
    }
}

/// Checks `spec.topologySpreadConstraints`.
pub(super) fn topology_spread(out: &mut Errors, constraints: &[TopologySpreadConstraint]) {
    for (index, constraint) in constraints.iter().enumerate() {
        let path = format!("spec.topologySpreadConstraints[{index}]");
        if constraint.max_skew <= 0 {
            out.push(FieldError::invalid_raw(
                &format!("{path}.maxSkew"),
                constraint.max_skew,
                "must be greater than zero",
            ));
        }
        let (key, action) = (&constraint.topology_key, &constraint.when_unsatisfiable);
        let at = format!("{path}.topologyKey");
        if key.is_empty() {
            out.push(FieldError::required(&at, "can not be empty"));
        }
        one_of(out, &format!("{path}.whenUnsatisfiable"), action, &["DoNotSchedule", "ScheduleAnyway"]);
        let alike =
            |other: &TopologySpreadConstraint| other.topology_key == *key && other.when_unsatisfiable == *action;
        // The first of two is told.
        if constraints.iter().skip(index + 1).any(alike) {
            out.push(FieldError::duplicate(
                &format!("{path}.{{topologyKey, whenUnsatisfiable}}"),
                &format!("{{{key}, {action}}}"),
            ));
        }
        if let Some(domains) = constraint.min_domains {
            let at = format!("{path}.minDomains");
            if domains <= 0 {
                out.push(FieldError::invalid_raw(&at, domains, "must be greater than zero"));
            }
            if action != "DoNotSchedule" {
                out.push(FieldError::invalid_raw(
                    &at,
                    domains,
                    format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"),
                ));
            }
        }
        for (field, policy) in [
            ("nodeAffinityPolicy", &constraint.node_affinity_policy),
            ("nodeTaintsPolicy", &constraint.node_taints_policy),
        ] {
            if let Some(policy) = policy {
                one_of(out, &format!("{path}.{field}"), policy, &["Honor", "Ignore"]);
            }
        }
        let selector = constraint.label_selector.as_ref();
        let keys = constraint.match_label_keys.as_deref().unwrap_or_default();
        affinity::label_keys(out, &path, keys, &[], selector);
        if let Some(selector) = selector {
            affinity::label_selector(out, &format!("{path}.labelSelector"), selector);
        }
    }
}
