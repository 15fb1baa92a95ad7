//! Manifest bytes to a JSON value the way upstream's reader sees them: YAML 1.1 scalars, merge keys, last duplicate wins,
//! first document only, JSON when it starts with `{`. Types of fields are checked elsewhere.

use std::borrow::Cow;

use serde_json::Value;

use super::{DecodeError, json};

mod compose;
mod node;
mod prologue;
mod reader;
mod resolve;
mod tabs;
mod twice;

use prologue::first_document;
pub use twice::Overridden;

/// The first document of the bytes, as JSON. Objects read from YAML have their keys sorted, as Go's conversion leaves them.
pub(super) fn document(bytes: &[u8]) -> Result<Value, DecodeError> {
    let text = String::from_utf8_lossy(bytes);
    // Behind a byte order mark nothing is taken for JSON.
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(&text).or_else(|error| {
            let refuse = |why| DecodeError::Syntax(format!("couldn't get version/kind; json parse error: {why}"));
            match json::complaint(&text) {
                Some(why) => Err(refuse(why)),
                // A number beyond floats is sound; it is looked at as it is spelt.
                None => serde_json::from_str(&json::with_floats(&text)).map_err(|_| refuse(error.to_string())),
            }
        });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let first = first_document(text);
    if let Some(why) = reader::complaint(bytes, first.len()) {
        return Err(DecodeError::Syntax(format!("yaml: {why}")));
    }
    if first.trim().is_empty() {
        return Ok(Value::Null);
    }
    if let Some((line, why)) = prologue::complaint(first) {
        return Err(DecodeError::Syntax(format!("yaml: line {line}: {why}")));
    }
    // To YAML 1.1 it is a line's end, to other readers a character as any.
    if first.contains('\u{85}') {
        compose::first_document(&first.replace('\u{85}', "\n"))
    } else {
        compose::first_document(first)
    }
}

/// The bytes themselves, if they are JSON already.
pub(super) fn json_text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let text = String::from_utf8_lossy(bytes);
    text.trim_start().starts_with('{').then_some(text)
}

/// What the parser says, at the start of a scalar, of a tab before a later line of it.
const TAB_IN_SCALAR: &str = "while scanning a plain scalar, found a tab";

/// The parser's message as people know it from Go's YAML library, in one line and without the position.
fn in_upstreams_words(message: &str) -> String {
    const WORDS: [(&str, &str); 13] = [
        ("tabs disallowed", "found character that cannot start any token"),
        (TAB_IN_SCALAR, "found a tab character that violates indentation"),
        ("unexpected character", "found character that cannot start any token"),
        ("unclosed bracket '['", "did not find expected ',' or ']'"),
        ("unclosed bracket '{'", "did not find expected ',' or '}'"),
        ("unclosed quote", "found unexpected end of stream"),
        ("simple key expected ':'", "could not find expected ':'"),
        ("misplaced bracket", "did not find expected node content"),
        ("mismatched bracket '['", "did not find expected ',' or ']'"),
        ("mismatched bracket '{'", "did not find expected ',' or '}'"),
        ("invalid trailing content after", "did not find expected key"),
        ("comment intercepting the multiline text", "did not find expected key"),
        ("unexpected EOF while parsing a block", "did not find expected node content"),
    ];
    let first = message.lines().next().unwrap_or_default();
    let text = first.rsplit_once(" at line ").map_or(first, |(text, _)| text).trim_start_matches("error: ");
    match WORDS.iter().find(|(theirs, _)| text.starts_with(theirs)) {
        Some((_, known)) => (*known).to_owned(),
        None => match text.split_once(", ").filter(|(when, _)| when.starts_with("while ")) {
            Some((_, what)) => what.to_owned(),
            None => text.to_owned(),
        },
    }
}

/// Keys of the first document that do not count, as they stand again in their mapping.
pub(super) fn overridden(text: &str) -> Vec<Overridden> {
    twice::overridden(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The line of the marker behind which a further document with content stands. JSON has one document.
pub(super) fn second_document(text: &str) -> Option<usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        return None;
    }
    let first = first_document(text);
    let rest = text.get(first.len()..).unwrap_or_default();
    let content = |line: &&str| {
        let bare = line.trim();
        !(bare.is_empty() || bare.starts_with('#') || bare == "---" || bare == "...")
    };
    rest.lines().any(|line| content(&line)).then(|| first.lines().count() + 1)
}
