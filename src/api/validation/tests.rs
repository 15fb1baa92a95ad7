//! The corpus: manifests with one defect each, and what the real decoder, validator and reference check said of them.

use crate::api::{decode, identity, pod, references};

use super::*;

const CORPUS: &str = include_str!("../../../tests/fixtures/validation/corpus.yaml");
const EXPECTED: &str = include_str!("../../../tests/fixtures/validation/expected.txt");
/// How many manifests must get exactly upstream's answer. Only ever goes up. The one missing is a Service, which upstream
/// answers with a dump of its own memory.
const EXACT: usize = 231;

/// What the kubelet logs for a manifest, without the file around it; nothing when the pod is taken.
fn answer(manifest: &str) -> Option<String> {
    let mut pod = match decode::manifest(manifest.as_bytes()) {
        Ok(pod) => pod,
        Err(error) => return Some(error.to_string()),
    };
    if pod::name(&pod).is_empty() {
        return Some("invalid pod: name is needed for the pod".to_owned());
    }
    identity::apply_static_defaults(&mut pod, identity::Source::File("/etc/kubernetes/manifests/x.yaml"), "node1");
    let errors = validate_pod(&pod);
    if !errors.is_empty() {
        return Some(to_aggregate(&errors));
    }
    references::static_pod(&pod).err()
}

#[test]
fn the_corpus_gets_upstreams_answers() {
    let manifests: Vec<&str> = CORPUS.split("\n---\n").collect();
    let mut expected: Vec<(&str, Option<&str>)> = Vec::new();
    for line in EXPECTED.lines() {
        if let Some(error) = line.strip_prefix("    ERR ") {
            expected.last_mut().expect("a title comes first").1 = Some(error);
        } else if line.starts_with('[') {
            expected.push((line, None));
        }
    }
    assert_eq!(manifests.len(), expected.len());
    let mut exact = 0;
    let mut wrong = String::new();
    for (manifest, (title, want)) in manifests.iter().zip(expected) {
        let got = answer(manifest);
        if got.as_deref() == want {
            exact += 1;
        } else {
            wrong.push_str(&format!("{title}\n  want {want:?}\n  got  {got:?}\n"));
        }
    }
    assert!(exact >= EXACT, "{exact} of {} exact, {EXACT} wanted:\n{wrong}", manifests.len());
    assert_eq!(exact, EXACT, "better than before: raise EXACT. Still wrong:\n{wrong}");
}

#[test]
fn errors_read_as_in_go() {
    let errors = [FieldError::required("a", ""), FieldError::invalid("b", "x", "no")];
    assert_eq!(to_aggregate(&errors), "invalid pod: [a: Required value b: Invalid value: \"x\": no]");
}
