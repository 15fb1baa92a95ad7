//! The corpus: manifests with one defect each, and what the real decoder, validator and reference check said of them.

mod rules;
mod volumes;
mod whole;

use crate::api::identity::Source;
use crate::api::{decode, static_pod};

use super::*;

const CORPUS: &str = include_str!("../../../tests/fixtures/validation/corpus.yaml");
const EXPECTED: &str = include_str!("../../../tests/fixtures/validation/expected.txt");
const RANDOM: &str = include_str!("../../../tests/fixtures/validation/random.yaml");
const RANDOM_EXPECTED: &str = include_str!("../../../tests/fixtures/validation/random-expected.txt");
/// How many manifests must get exactly upstream's answer. Only ever goes up. The one missing is a Service, which upstream
/// answers with a dump of its own memory.
const EXACT: usize = 231;

/// What the kubelet logs for a manifest, without the file around it; nothing when the pod is taken.
fn answer(manifest: &str) -> Option<String> {
    let source = Source::File("/etc/kubernetes/manifests/x.yaml");
    match decode::manifest(manifest.as_bytes()) {
        Ok(pod) => static_pod::accept(pod, source, "node1").err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "how many are exact is what people run it for")]
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
    eprintln!("{exact} of {} manifests get exactly upstream's answer", manifests.len());
    assert!(exact >= EXACT, "{exact} of {} exact, {EXACT} wanted:\n{wrong}", manifests.len());
    assert_eq!(exact, EXACT, "better than before: raise EXACT. Still wrong:\n{wrong}");
}

#[test]
fn errors_read_as_in_go() {
    let errors = [FieldError::required("a", ""), FieldError::invalid("b", "x", "no")];
    assert_eq!(to_aggregate(&errors), "invalid pod: [a: Required value b: Invalid value: \"x\": no]");
}

/// Manifests with many defects at once, drawn at random, and each error that the real validator gave; its order is a map's.
#[test]
fn random_manifests_get_upstreams_errors() {
    let manifests: Vec<&str> = RANDOM.split("\n---\n").collect();
    let answers: Vec<&str> = RANDOM_EXPECTED.split("\n---\n").collect();
    assert_eq!(manifests.len(), answers.len());
    let mut wrong = String::new();
    for (index, (manifest, want)) in manifests.iter().zip(answers).enumerate() {
        let source = Source::File("/etc/kubernetes/manifests/x.yaml");
        let mut got: Vec<String> = match decode::manifest(manifest.as_bytes()) {
            Err(error) => vec![error.to_string()],
            Ok(pod) => match static_pod::accept(pod, source, "node1") {
                Ok(_) => vec!["OK".to_owned()],
                Err(static_pod::RefusedError::Invalid(errors)) => errors.iter().map(ToString::to_string).collect(),
                Err(error) => vec![error.to_string()],
            },
        };
        let mut want: Vec<&str> = want.trim_end().lines().collect();
        got.sort();
        want.sort();
        if got != want {
            wrong.push_str(&format!("{index}\n{manifest}\n  want {want:#?}\n  got  {got:#?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
