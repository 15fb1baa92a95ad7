//! From a decoded pod to one the kubelet may run: identity, validation, reference check, in upstream's order. Reading and
//! decoding come before, admission after.

use k8s_openapi::api::core::v1::Pod;

use crate::api::identity::{self, Source};
use crate::api::validation::{self, FieldError};
use crate::api::{pod, references};

/// With namespace, name and separators it still fits a file name.
const LONGEST_UID: usize = 63;

/// Why a decoded pod is refused. Display is what upstream logs, with nothing around it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedError {
    /// `metadata.name` is empty; `generateName` does not count.
    #[error("invalid pod: name is needed for the pod")]
    Nameless,
    /// Fields are wrong.
    #[error("{}", validation::to_aggregate(.0))]
    Invalid(Vec<FieldError>),
    /// It refers to an object that only an API server has.
    #[error("{0}")]
    Reference(String),
}

/// Gives a decoded pod its identity and checks it.
///
/// # Errors
/// [`RefusedError`]: the first stage that fails decides.
pub fn accept(pod: Pod, source: Source<'_>, node_name: &str) -> Result<Pod, RefusedError> {
    accept_with(pod, source, node_name, references::static_pod)
}

/// As [`accept`], with another rule about what a pod may refer to.
///
/// # Errors
/// As [`accept`].
pub fn accept_with(
    mut pod: Pod,
    source: Source<'_>,
    node_name: &str,
    references: impl Fn(&Pod) -> Result<(), String>,
) -> Result<Pod, RefusedError> {
    if pod::name(&pod).is_empty() {
        return Err(RefusedError::Nameless);
    }
    identity::apply_static_defaults(&mut pod, source, node_name);
    let mut errors = validation::validate_pod(&pod);
    errors.extend(bad_uid(pod::uid(&pod)));
    if !errors.is_empty() {
        return Err(RefusedError::Invalid(errors));
    }
    references(&pod).map_err(RefusedError::Reference)?;
    Ok(pod)
}

/// A UID becomes the name of directories and control groups, so it must be one. Upstream does not look: one with `../` in it reaches any
/// directory of the node.
fn bad_uid(uid: &str) -> Option<FieldError> {
    let why = match uid {
        "." => "may not be '.'",
        ".." => "may not be '..'",
        _ if uid.contains('/') => "may not contain '/'",
        _ if uid.chars().any(char::is_control) => "may not contain control characters",
        _ if uid.len() > LONGEST_UID => "must be no more than 63 bytes",
        _ => return None,
    };
    Some(FieldError::invalid("metadata.uid", uid, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::decode;
    use rstest::rstest;

    #[rstest]
    #[case("{}", "[{name: c, image: i}]", "invalid pod: name is needed for the pod")]
    #[case("{generateName: x}", "[{name: c, image: i}]", "invalid pod: name is needed for the pod")]
    #[case("{name: p}", "[]", "invalid pod: [spec.containers: Required value]")]
    #[case(
        "{name: p}",
        "[{name: c, envFrom: [{secretRef: {name: s}}]}]",
        "invalid pod: [spec.containers[0].image: Required value]"
    )]
    #[case(
        "{name: p}",
        "[{name: c, image: i, envFrom: [{secretRef: {name: s}}]}]",
        "static pods may not reference secrets"
    )]
    fn the_first_stage_that_fails_decides(#[case] meta: &str, #[case] containers: &str, #[case] want: &str) {
        let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {meta}\nspec: {{containers: {containers}}}\n");
        let pod = decode::manifest(text.as_bytes()).expect("decodes");
        assert_eq!(accept(pod, Source::File("f"), "n").expect_err("refused").to_string(), want);
    }

    #[test]
    fn a_good_pod_passes() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n";
        let pod = decode::manifest(text.as_bytes()).expect("decodes");
        assert_eq!(pod::name(&accept(pod, Source::File("f"), "n").expect("taken")), "p-n");
    }
}
