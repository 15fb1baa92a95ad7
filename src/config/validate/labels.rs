//! Rules for `--node-labels`: the form of keys and values, and which `kubernetes.io` names a node may give itself. Part of `validate`.

use super::Named;

/// Labels of the reserved domains that a kubelet may set.
const ALLOWED: &[&str] = &[
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
];

/// Checks the labels of `--node-labels`.
///
/// # Errors
/// What upstream prints behind `failed to validate kubelet flags`.
pub fn node_labels(labels: &Named) -> Result<(), String> {
    let mut unknown = Vec::new();
    let mut malformed = Vec::new();
    for (key, value) in labels {
        if let Some(namespace) = key.split_once('/').map(|(namespace, _)| namespace)
            && within(namespace, &["kubernetes.io", "k8s.io"])
            && !within(namespace, &["kubelet.kubernetes.io", "node.kubernetes.io"])
            && !ALLOWED.contains(&key.as_str())
        {
            unknown.push(key.clone());
        }
        let name = key.rsplit_once('/').map_or(key.as_str(), |(_, name)| name);
        if !is_name(name) || (!value.is_empty() && !is_name(value)) {
            malformed.push(format!(
                "'{key}' - a key and a value must be at most 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends"
            ));
        }
    }
    if !unknown.is_empty() {
        return Err(format!(
            "unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: [{}]\n--node-labels in the 'kubernetes.io' namespace \
             must begin with an allowed prefix (kubelet.kubernetes.io, node.kubernetes.io) or be in the specifically allowed set ({})",
            unknown.join(" "),
            ALLOWED.join(", ")
        ));
    }
    if malformed.is_empty() { Ok(()) } else { Err(format!("invalid node labels: {}", malformed.join("; "))) }
}

fn within(namespace: &str, domains: &[&str]) -> bool {
    domains.iter().any(|d| namespace == *d || namespace.strip_suffix(d).is_some_and(|rest| rest.ends_with('.')))
}

fn is_name(text: &str) -> bool {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && end(text.chars().next())
        && end(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
