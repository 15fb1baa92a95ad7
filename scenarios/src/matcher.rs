//! Whether an expectation is a subset of a value, and where it is not. Knows nothing of pods or calls.
//!
//! A mapping wants its keys and lets others be. A list of mappings with a key of their own (`name`, `type`, `key` …) wants each of its
//! items by that key, wherever it stands; any other list wants the same length and each item in its place. A scalar wants itself; a
//! number also fits a text that says it, as protobuf's JSON writes 64-bit numbers. Null fits what is not there. A mapping of `$` keys
//! is a question: see [`OPERATORS`].

use serde_json::Value;

use crate::format::{
    place::Place,
    problem::{Complaint, suggestion},
    tree::{Node, Tree},
};

#[cfg(test)]
mod tests;

/// The questions an expectation can ask instead of naming a value.
pub const OPERATORS: &[(&str, &str)] = &[
    ("$absent", "true: not there or null"),
    ("$any", "true: there, whatever it is"),
    ("$exactly", "this and nothing else, without the subset rule"),
    ("$contains", "a text with this part, or a list with such an item"),
    ("$starts-with", "a text that starts so"),
    ("$ends-with", "a text that ends so"),
    ("$length", "a list, mapping or text of that length"),
    ("$not", "anything but this"),
    ("$one-of", "one of these"),
    ("$at-least", "a number not below"),
    ("$at-most", "a number not above"),
];

/// Keys by which items of a list are told apart, the first that all items have.
const IDENTITIES: &[&str] =
    &["name", "type", "key", "containerPort", "container_port", "mountPath", "container_path", "ip"];

/// One place where an expectation and a value differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path within the value: `status.containerStatuses[web].ready`.
    pub path: String,
    /// Where the expectation stands.
    pub place: Place,
    /// What is wanted.
    pub expected: String,
    /// What is there.
    pub actual: String,
}

/// All differences of `actual` from `expected`; none if it fits. A missing value is `None`.
pub fn differences(expected: &Tree, actual: Option<&Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", expected, actual, &mut found);
    found
}

/// Whether `actual` fits.
pub fn fits(expected: &Tree, actual: Option<&Value>) -> bool {
    differences(expected, actual).is_empty()
}

/// Refuses questions that nobody knows.
///
/// # Errors
/// A key starts with `$` and is not one of [`OPERATORS`].
pub fn check_operators(tree: &Tree) -> Result<(), Complaint> {
    match &tree.node {
        Node::Scalar(_) => Ok(()),
        Node::List(items) => items.iter().try_for_each(check_operators),
        Node::Map(entries) => entries.iter().try_for_each(|(key, value)| {
            if key.starts_with('$') && !OPERATORS.iter().any(|(name, _)| name == key) {
                let names = || OPERATORS.iter().map(|(name, _)| *name);
                let help = suggestion(key, names()).map(|name| format!("did you mean `{name}`?"));
                let help = help.unwrap_or_else(|| format!("known are {}", names().collect::<Vec<_>>().join(", ")));
                return Err(Complaint::new(value.place, format!("unknown question `{key}`"), help));
            }
            check_operators(value)
        }),
    }
}

fn compare(path: &str, expected: &Tree, actual: Option<&Value>, found: &mut Vec<Difference>) {
    match &expected.node {
        Node::Map(entries) if !entries.is_empty() && entries.iter().all(|(key, _)| key.starts_with('$')) => {
            for (operator, operand) in entries {
                if !holds(operator, operand, actual) {
                    found.push(difference(path, operand.place, format!("{operator} {}", show_tree(operand)), actual));
                }
            }
        }
        Node::Map(entries) => match actual {
            Some(Value::Object(object)) => {
                for (key, value) in entries {
                    compare(&join(path, key), value, object.get(key), found);
                }
            }
            _ => found.push(difference(path, expected.place, show_tree(expected), actual)),
        },
        Node::List(items) => match actual {
            Some(Value::Array(values)) => compare_lists(path, expected, items, values, found),
            None | Some(Value::Null) if items.is_empty() => {}
            _ => found.push(difference(path, expected.place, show_tree(expected), actual)),
        },
        Node::Scalar(value) => {
            if !same_scalar(value, actual) {
                found.push(difference(path, expected.place, show(value), actual));
            }
        }
    }
}

fn compare_lists(path: &str, expected: &Tree, items: &[Tree], values: &[Value], found: &mut Vec<Difference>) {
    if let Some(key) = identity(items) {
        for item in items {
            let wanted = item.get(key).map(Tree::to_json);
            let label = wanted.as_ref().map(plain).unwrap_or_default();
            let path = format!("{path}[{label}]");
            match values.iter().find(|value| value.get(key) == wanted.as_ref()) {
                Some(value) => compare(&path, item, Some(value), found),
                None => {
                    let there: Vec<_> = values.iter().filter_map(|value| value.get(key)).map(plain).collect();
                    found.push(Difference {
                        path,
                        place: item.place,
                        expected: show_tree(item),
                        actual: format!("none with this {key}; there are: {}", there.join(", ")),
                    });
                }
            }
        }
        return;
    }
    if items.len() != values.len() {
        let actual = Value::Array(values.to_vec());
        found.push(difference(path, expected.place, show_tree(expected), Some(&actual)));
        return;
    }
    for (index, (item, value)) in items.iter().zip(values).enumerate() {
        compare(&format!("{path}[{index}]"), item, Some(value), found);
    }
}

/// The key that tells the items of a list apart, if they have one.
fn identity(items: &[Tree]) -> Option<&'static str> {
    if items.is_empty() {
        return None;
    }
    let has = |item: &Tree, key: &str| matches!(item.get(key), Some(Tree { node: Node::Scalar(_), .. }));
    IDENTITIES.iter().copied().find(|key| items.iter().all(|item| has(item, key)))
}

fn holds(operator: &str, operand: &Tree, actual: Option<&Value>) -> bool {
    let there = actual.filter(|value| !value.is_null());
    match operator {
        "$absent" => there.is_none() == (operand.to_json() != Value::Bool(false)),
        "$any" => there.is_some() == (operand.to_json() != Value::Bool(false)),
        "$exactly" => actual == Some(&operand.to_json()),
        "$not" => !fits(operand, actual),
        "$one-of" => matches!(&operand.node, Node::List(items) if items.iter().any(|item| fits(item, actual))),
        "$contains" => match there {
            Some(Value::String(text)) => text.contains(&plain(&operand.to_json())),
            Some(Value::Array(values)) => values.iter().any(|value| fits(operand, Some(value))),
            _ => false,
        },
        "$starts-with" => {
            there.and_then(Value::as_str).is_some_and(|text| text.starts_with(&plain(&operand.to_json())))
        }
        "$ends-with" => there.and_then(Value::as_str).is_some_and(|text| text.ends_with(&plain(&operand.to_json()))),
        "$length" => {
            let length = match there {
                Some(Value::String(text)) => text.chars().count(),
                Some(Value::Array(values)) => values.len(),
                Some(Value::Object(entries)) => entries.len(),
                None => 0,
                Some(_) => return false,
            };
            fits(operand, Some(&Value::from(length)))
        }
        "$at-least" => number(actual).zip(number(Some(&operand.to_json()))).is_some_and(|(a, b)| a >= b),
        "$at-most" => number(actual).zip(number(Some(&operand.to_json()))).is_some_and(|(a, b)| a <= b),
        _ => false,
    }
}

fn number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn same_scalar(expected: &Value, actual: Option<&Value>) -> bool {
    match (expected, actual) {
        (Value::Null, None | Some(Value::Null)) => true,
        // protobuf's JSON leaves out what has its default.
        (Value::Number(n), None) => n.as_f64() == Some(0.0),
        (Value::Bool(false), None) => true,
        (Value::String(text), None) => text.is_empty(),
        (Value::Number(number), Some(Value::String(text))) => number.to_string() == *text,
        (Value::Number(a), Some(Value::Number(b))) => a.as_f64() == b.as_f64(),
        (expected, Some(actual)) => expected == actual,
        _ => false,
    }
}

fn join(path: &str, key: &str) -> String {
    match (path, key.contains(['.', '/', ' '])) {
        ("", false) => key.to_owned(),
        (_, true) => format!("{path}[{key:?}]"),
        _ => format!("{path}.{key}"),
    }
}

fn difference(path: &str, place: Place, expected: String, actual: Option<&Value>) -> Difference {
    let actual = actual.map_or_else(|| "(not there)".to_owned(), show);
    let path = if path.is_empty() { "(the whole)".to_owned() } else { path.to_owned() };
    Difference { path, place, expected, actual }
}

/// A scalar without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How much of a value a difference shows, in bytes.
const SHOWN: usize = 400;

fn show(value: &Value) -> String {
    let mut text = value.to_string();
    if text.len() > SHOWN {
        let end = (0..=SHOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn show_tree(tree: &Tree) -> String {
    show(&tree.to_json())
}
