//! Keys that stand more than once in a mapping: the last of them counts, and who wrote the others should know. JSON is read as YAML for
//! this. Never an error: what cannot be parsed is somebody else's to tell.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser};

/// More events than this are not looked at.
const MAX_EVENTS: usize = 1_000_000;

/// A key that does not count: its path, its line, and the line of the one after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overridden {
    /// As `spec.containers[0].image`.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// Where the key stands again.
    pub again: usize,
}

/// A mapping or sequence that has begun.
enum Open {
    /// Lines by key, and the key whose value comes next.
    Mapping {
        path: String,
        lines: BTreeMap<String, usize>,
        key: Option<String>,
    },
    Sequence {
        path: String,
        next: usize,
    },
}

impl Open {
    /// Where the next node is; `None` if it is a key.
    fn place(&mut self) -> Option<String> {
        match self {
            Self::Sequence { path, next } => {
                *next += 1;
                Some(format!("{path}[{}]", *next - 1))
            }
            Self::Mapping { path, key, .. } => {
                let key = key.take()?;
                Some(if path.is_empty() { key } else { format!("{path}.{key}") })
            }
        }
    }
}

/// Those of the first document, in the order of their second lines.
pub(super) fn overridden(text: &str) -> Vec<Overridden> {
    let (mut found, mut open) = (Vec::new(), Vec::<Open>::new());
    for event in Parser::new_from_str(text).take(MAX_EVENTS) {
        let Ok((event, span)) = event else { break };
        match event {
            Event::DocumentEnd | Event::StreamEnd => break,
            Event::SequenceEnd | Event::MappingEnd => drop(open.pop()),
            Event::Scalar(..) | Event::Alias(_) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                let place = open.last_mut().map_or_else(|| Some(String::new()), Open::place);
                match (&event, place, open.last_mut()) {
                    (Event::Scalar(text, ..), None, Some(Open::Mapping { path, lines, key })) => {
                        let line = span.start.line();
                        let merges = text == "<<";
                        if let Some(before) = lines.insert(text.to_string(), line).filter(|_| !merges) {
                            let path = if path.is_empty() { text.to_string() } else { format!("{path}.{text}") };
                            found.push(Overridden { path, line: before, again: line });
                        }
                        *key = Some(text.to_string());
                    }
                    // A key that is no word: only that a value follows it is of interest.
                    (event, None, Some(Open::Mapping { key, .. })) => {
                        *key = Some("?".to_owned());
                        if !matches!(event, Event::Alias(_)) {
                            open.push(Open::Sequence { path: "?".to_owned(), next: 0 });
                        }
                    }
                    (Event::SequenceStart(..), Some(path), _) => open.push(Open::Sequence { path, next: 0 }),
                    (Event::MappingStart(..), Some(path), _) => {
                        open.push(Open::Mapping { path, lines: BTreeMap::new(), key: None });
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::none("a: 1\nb: {a: 1}\nc: [{a: 1}, {a: 2}]\n", &[])]
    #[case::at_the_top("a: 1\nb: 2\na: 3\n", &[("a", 1, 3)])]
    #[case::three_times("a: 1\na: 2\na: 3\n", &[("a", 1, 2), ("a", 2, 3)])]
    #[case::nested("spec:\n  containers:\n  - name: c\n    image: x\n    image: y\n", &[("spec.containers[0].image", 4, 5)])]
    #[case::second_item("l:\n- [1, {a: 1}]\n- b: 1\n  b: 2\n", &[("l[1].b", 3, 4)])]
    #[case::flow("{a: 1, b: {c: 1,\n c: 2}}", &[("b.c", 1, 2)])]
    #[case::json("{\"a\": [1, 2],\n \"a\": 2}", &[("a", 1, 2)])]
    #[case::of_a_mapping_over_another("a: {x: 1}\na: {x: 2}\n", &[("a", 1, 2)])]
    #[case::merges("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", &[])]
    #[case::aliases("a: &a {x: 1}\nb: [*a, *a]\nb: *a\n", &[("b", 2, 3)])]
    #[case::first_document("a: 1\n---\na: 2\na: 3\n", &[])]
    #[case::broken("a: 1\na: 2\nb: [", &[("a", 1, 2)])]
    #[case::odd_keys("? [a, b]\n: 1\n? {c: 1}\n: 2\nd: 1\nd: 2\n", &[("d", 5, 6)])]
    fn keys_that_stand_again(#[case] text: &str, #[case] wanted: &[(&str, usize, usize)]) {
        let found = overridden(text);
        let found: Vec<_> = found.iter().map(|each| (each.path.as_str(), each.line, each.again)).collect();
        assert_eq!(found, wanted);
    }
}
