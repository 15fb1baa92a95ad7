//! What is to say about a manifest before anybody runs it: refused, ignored, in need of an API server. Pure; asks the same decoding,
//! validation and admission rules as the kubelet. Not where the lines are: that is the reader's of the file.

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use crate::{
    api::{
        decode::{self, DecodeError, Overridden},
        identity::Source,
        labels, pod, references,
        static_pod::{self, RefusedError},
    },
    pods::admission,
    sources,
};

mod meaning;
mod volumes;

/// What a finding means for the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The pod does not run.
    Refused,
    /// The pod does not run because something it names lives in an API server only.
    NeedsApiServer,
    /// The pod is taken, and waits for ever.
    NeverStarts,
    /// It runs as if this were not there.
    Ignored,
}

impl Weight {
    /// In a word or three.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NeedsApiServer => "needs an API server",
            Self::NeverStarts => "never starts",
            Self::Ignored => "ignored",
        }
    }
}

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The field: `spec.containers[0].image`; empty for the whole document.
    pub path: String,
    /// The line, from 1, where the text itself says so.
    pub line: Option<usize>,
    /// What it means.
    pub weight: Weight,
    /// For people, without the path.
    pub text: String,
}

impl Finding {
    fn new(weight: Weight, path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, weight, text: text.into() }
    }
}

/// All there is to say about a manifest, a Pod or a PodList: by weight, then in the order of the rules.
pub fn manifest(bytes: &[u8]) -> Vec<Finding> {
    let mut out = Vec::new();
    let value = match decode::document(bytes) {
        Ok(value) => value,
        Err(error) => return vec![broken(bytes, &error)],
    };
    if value.get("kind").and_then(Value::as_str) == Some("PodList") {
        match decode::list(bytes) {
            Ok(pods) => {
                for (index, pod) in pods.into_iter().enumerate() {
                    let raw = value.get("items").and_then(|items| items.get(index)).unwrap_or(&Value::Null);
                    one(&mut out, pod, raw, &format!("items[{index}]."));
                }
                out.push(Finding::new(
                    Weight::Ignored,
                    "kind",
                    "only a URL may give a list of pods: a file with one is refused",
                ));
            }
            Err(error) => out.push(broken(bytes, &error)),
        }
    } else {
        match decode::manifest(bytes) {
            Ok(pod) => one(&mut out, pod, &value, ""),
            Err(error) => out.push(broken(bytes, &error)),
        }
    }
    for (path, text) in sources::unknown_fields(bytes) {
        out.push(Finding::new(Weight::Ignored, path, text));
    }
    for Overridden { path, line, again } in decode::overridden(bytes) {
        let text = format!("written again in line {again}, which counts");
        out.push(Finding { line: Some(line), ..Finding::new(Weight::Ignored, path, text) });
    }
    if let Some(line) = decode::second_document(bytes) {
        let text = "only the first YAML document of a manifest is read";
        out.push(Finding { line: Some(line), ..Finding::new(Weight::Ignored, "", text) });
    }
    out.sort_by_key(|finding| finding.weight);
    out
}

/// Whether any of them keeps a pod from running.
pub fn refuse(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.weight != Weight::Ignored)
}

/// Bytes that are no pod.
fn broken(bytes: &[u8], error: &DecodeError) -> Finding {
    let mut text = error.to_string();
    if matches!(error, DecodeError::Type(_)) {
        let what = match decode::document(bytes) {
            Ok(Value::Null) => Some("there is nothing in the file"),
            Ok(Value::Object(_)) | Err(_) => None,
            Ok(Value::Array(_)) => Some("this is a list, where a manifest has one object"),
            Ok(_) => Some("this is text, where a manifest has an object"),
        };
        if let Some(what) = what {
            text = format!("{what} ({text}): a manifest begins with apiVersion and kind");
        }
    }
    if matches!(error, DecodeError::Field(_))
        && let Some(hint) = hint(&text)
    {
        text = format!("{text}: {hint}");
    }
    let path = match error {
        DecodeError::Field(_) => decode::refused_at(bytes).unwrap_or_default(),
        DecodeError::NotAPod(_) | DecodeError::NotAList(_) => "kind".to_owned(),
        DecodeError::Syntax(_) | DecodeError::Type(_) => String::new(),
    };
    let line =
        text.strip_prefix("yaml: line ").and_then(|rest| rest.split(':').next()).and_then(|line| line.parse().ok());
    Finding { line, ..Finding::new(Weight::Refused, path, text) }
}

/// What to do about a value of the wrong type, as Go complains of it.
fn hint(complaint: &str) -> Option<&'static str> {
    let (found, rest) = complaint.strip_prefix("json: cannot unmarshal ")?.split_once(' ')?;
    let (_, wanted) = rest.rsplit_once(" of type ")?;
    match (found, wanted) {
        ("number", "string") => Some("put the number in quotes"),
        // YAML 1.1 has more words for these than true and false.
        ("bool", "string") => Some("put the word in quotes, or it is a boolean, as are y, n, yes, no, on and off"),
        ("string", "int32" | "int64") => Some("write a number without quotes"),
        ("string", "bool") => Some("write true or false without quotes"),
        _ => None,
    }
}

/// One pod; `raw` is what the manifest says of it, and `at` stands before every path.
fn one(out: &mut Vec<Finding>, mut pod: Pod, raw: &Value, at: &str) {
    let first = out.len();
    let source = Source::File("manifest");
    let mut accepted = static_pod::accept(pod.clone(), source, "node");
    if accepted == Err(RefusedError::Nameless) {
        out.push(Finding::new(Weight::Refused, "metadata.name", "name is needed for the pod"));
        pod.metadata.name = Some("unnamed".to_owned());
        accepted = static_pod::accept(pod.clone(), source, "node");
    }
    if let Err(RefusedError::Invalid(errors)) = &accepted {
        for error in errors {
            let text = error.to_string();
            let text = text.strip_prefix(&error.path).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
            out.push(Finding::new(Weight::Refused, error.path.clone(), text));
        }
    }
    if let Err(rejection) = admission::anywhere(&pod, &[]) {
        let path = match rejection.reason {
            "SysctlForbidden" => "spec.securityContext.sysctls",
            "PodOSNotSupported" => "spec.os.name",
            _ => "metadata.labels.kubernetes.io/os",
        };
        out.push(Finding::new(Weight::Refused, path, format!("{}: {}", rejection.reason, rejection.message)));
    }
    // What the decoder drops refers to nothing: the pod itself is asked, not its text.
    let mut needs = meaning::needs_api_server(&serde_json::to_value(&pod).unwrap_or_default());
    // The decoder keeps the two names of one field alike.
    let written = |name: &str| raw.get("spec").and_then(|spec| spec.get(name)).is_some();
    needs.retain(|finding| match finding.path.strip_prefix("spec.serviceAccount") {
        Some("") => written("serviceAccount"),
        Some("Name") => written("serviceAccountName"),
        _ => true,
    });
    if let Err(text) = references::static_pod(&pod)
        && needs.is_empty()
    {
        needs.push(Finding::new(Weight::NeedsApiServer, "spec", text));
    }
    out.extend(needs);
    if pod::annotations(&pod).contains_key(labels::CONFIG_MIRROR) {
        let path = format!("metadata.annotations.{}", labels::CONFIG_MIRROR);
        out.push(Finding::new(Weight::NeverStarts, path, "it is taken for the copy of another pod"));
    }
    let more = volumes::never_made(&pod, out);
    out.extend(more);
    out.extend(meaning::ignored(raw));
    for finding in out.iter_mut().skip(first) {
        finding.path.insert_str(0, at);
    }
}

#[cfg(test)]
mod tests;
