//! Restart policies and rules of single containers, and resize policies.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container;

use super::{Errors, FieldError, one_of};

/// The most restart rules a container may have.
const RULES_MAX: usize = 20;
/// The most exit codes a rule may name.
const EXIT_CODES_MAX: usize = 255;

/// Checks a container's own `restartPolicy` and `restartPolicyRules`.
pub(super) fn policy(out: &mut Errors, path: &str, container: &Container) {
    let rules = container.restart_policy_rules.as_deref().unwrap_or_default();
    let at = format!("{path}.restartPolicy");
    match container.restart_policy.as_deref() {
        None if !rules.is_empty() => {
            out.push(FieldError::required(&at, "must specify restartPolicy when restart rules are used"));
        }
        None => {}
        Some(word) => {
            one_of(out, &at, word, &["Always", "Never", "OnFailure"]);
        }
    }
    let all = format!("{path}.restartPolicyRules");
    if rules.len() > RULES_MAX {
        out.push(FieldError::too_many(&all, rules.len(), RULES_MAX));
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("{all}[{index}]");
        one_of(out, &format!("{path}.action"), &rule.action, &["Restart", "RestartAllContainers"]);
        let Some(codes) = &rule.exit_codes else {
            out.push(FieldError::required(&format!("{path}.exitCodes"), "must be specified"));
            continue;
        };
        let path = format!("{path}.exitCodes");
        one_of(out, &format!("{path}.operator"), &codes.operator, &["In", "NotIn"]);
        let values = codes.values.as_deref().unwrap_or_default();
        if values.len() > EXIT_CODES_MAX {
            out.push(FieldError::too_many(&format!("{path}.values"), values.len(), EXIT_CODES_MAX));
        }
    }
}

/// The same for an init container, whose rules without a policy are not looked at further.
pub(super) fn init_policy(out: &mut Errors, path: &str, container: &Container) {
    if container.restart_policy.is_some() {
        policy(out, path, container);
    } else if container.restart_policy_rules.as_ref().is_some_and(|rules| !rules.is_empty()) {
        let why = "must specify restartPolicy when restart rules are used";
        out.push(FieldError::required(&format!("{path}.restartPolicy"), why));
    }
}

/// Checks `resizePolicy` against the pod's restart policy.
pub(super) fn resize(out: &mut Errors, path: &str, container: &Container, pod_policy: &str) {
    let path = format!("{path}.resizePolicy");
    let mut seen = BTreeSet::new();
    for (index, policy) in container.resize_policy.iter().flatten().enumerate() {
        if !seen.insert(policy.resource_name.as_str()) {
            out.push(FieldError::duplicate_word(&format!("{path}[{index}]"), &policy.resource_name));
        }
        for (word, known) in
            [(&policy.resource_name, ["cpu", "memory"]), (&policy.restart_policy, ["NotRequired", "RestartContainer"])]
        {
            if word.is_empty() {
                out.push(FieldError::required(&path, ""));
            } else {
                one_of(out, &path, word, &known);
            }
        }
        if pod_policy == "Never" && policy.restart_policy != "NotRequired" {
            out.push(FieldError::invalid_word(
                &path,
                &policy.restart_policy,
                "must be 'NotRequired' when pod `restartPolicy` is 'Never'",
            ));
        }
    }
}

/// A plain init container cannot be restarted to resize it.
pub(super) fn init_resize(out: &mut Errors, path: &str, container: &Container) {
    for (index, policy) in container.resize_policy.iter().flatten().enumerate() {
        if policy.restart_policy == "RestartContainer" {
            out.push(FieldError::invalid(
                &format!("{path}.resizePolicy[{index}].restartPolicy"),
                &policy.restart_policy,
                "must not be set to 'RestartContainer' for non-sidecar initContainers",
            ));
        }
    }
}
