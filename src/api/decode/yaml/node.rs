//! A part of a YAML document on its way to JSON: what it holds, how it is merged into a mapping, and as what it stands in JSON and in Go's
//! errors. Not how it is read: that is `compose`'s.

use serde_json::{Map, Value};

use super::{
    DecodeError,
    resolve::{self, Scalar},
};
use crate::api::gojson;

/// More text than this is not shown in an error.
const MAX_SHOWN: usize = 64 << 10;

/// A part of the document.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    /// In the order of their text; of equal keys the last counts.
    Mapping(Vec<(String, Node)>),
}

pub(super) fn refused(text: impl std::fmt::Display) -> DecodeError {
    DecodeError::Syntax(format!("yaml: {text}"))
}

/// Why a key cannot be one of JSON's.
pub(super) enum BadKey {
    /// Found while the document is read.
    Yaml(DecodeError),
    /// Found on the way to JSON, when the whole document has been read.
    Json(DecodeError),
}

fn bad_key(of: &str, value: &Node) -> BadKey {
    BadKey::Json(DecodeError::Syntax(format!("unsupported map key of type: {of}, value: {}", value.shown())))
}

pub(super) fn no_map() -> DecodeError {
    refused("map merge requires map or sequence of maps as the value")
}

/// What a merge key brings is set where it stands: over what came before, under what follows. Of several the first counts.
pub(super) fn merge(entries: &mut Vec<(String, Node)>, value: Node) -> Result<(), DecodeError> {
    match value {
        Node::Mapping(more) => entries.extend(more),
        Node::Sequence(maps) => {
            for map in maps.into_iter().rev() {
                let Node::Mapping(more) = map else { return Err(no_map()) };
                entries.extend(more);
            }
        }
        Node::Scalar(_) => return Err(no_map()),
    }
    Ok(())
}

/// A key as JSON has it.
pub(super) fn text_of(key: Node, value: &Node) -> Result<String, BadKey> {
    match key {
        Node::Scalar(Scalar::Text(text)) => Ok(text),
        Node::Scalar(Scalar::Bool(value)) => Ok(value.to_string()),
        Node::Scalar(Scalar::Int(number)) => Ok(number.to_string()),
        Node::Scalar(Scalar::Float(number)) => Ok(resolve::float_key(number)),
        Node::Scalar(Scalar::Uint(number)) => Err(bad_key(&format!("uint64, key: {number:#x}"), value)),
        Node::Scalar(Scalar::Null) => Err(bad_key("%!s(<nil>), key: <nil>", value)),
        Node::Sequence(_) | Node::Mapping(_) => Err(BadKey::Yaml(refused(format!("invalid map key: {}", key.shown())))),
    }
}

impl Node {
    /// How much text there is in it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Scalar(Scalar::Text(text)) => text.len(),
            Self::Scalar(_) => 0,
            Self::Sequence(items) => items.iter().map(Self::bytes).sum(),
            Self::Mapping(entries) => entries.iter().map(|(key, node)| key.len() + node.bytes()).sum(),
        }
    }

    /// As Go shows a value in its own syntax; keys all as text.
    fn shown(&self) -> String {
        if self.bytes() > MAX_SHOWN { "…".to_owned() } else { self.shown_whole() }
    }

    fn shown_whole(&self) -> String {
        match self {
            Self::Scalar(Scalar::Null) => "<nil>".to_owned(),
            Self::Scalar(Scalar::Text(text)) => gojson::go_quoted(text),
            Self::Scalar(Scalar::Uint(number)) => format!("{number:#x}"),
            Self::Scalar(scalar) => gojson::plain(&scalar.clone().into_value()),
            Self::Sequence(items) => {
                let items: Vec<String> = items.iter().map(Self::shown_inside).collect();
                format!("[]interface {{}}{{{}}}", items.join(", "))
            }
            Self::Mapping(entries) => {
                let entry =
                    |(key, node): &(String, Node)| format!("{}:{}", gojson::go_quoted(key), node.shown_inside());
                let entries: Vec<String> = entries.iter().map(entry).collect();
                format!("map[interface {{}}]interface {{}}{{{}}}", entries.join(", "))
            }
        }
    }

    fn shown_inside(&self) -> String {
        match self {
            Self::Scalar(Scalar::Null) => "interface {}(nil)".to_owned(),
            other => other.shown_whole(),
        }
    }

    pub(super) fn into_value(self) -> Result<Value, DecodeError> {
        Ok(match self {
            Self::Scalar(Scalar::Float(number)) if !number.is_finite() => {
                let sign = if number > 0.0 { "+" } else { "-" };
                let shown = if number.is_nan() { "NaN".to_owned() } else { format!("{sign}Inf") };
                return Err(DecodeError::Syntax(format!("json: unsupported value: {shown}")));
            }
            Self::Scalar(scalar) => scalar.into_value(),
            Self::Sequence(items) => Value::Array(items.into_iter().map(Self::into_value).collect::<Result<_, _>>()?),
            Self::Mapping(entries) => {
                let mut map = Map::with_capacity(entries.len());
                for (key, node) in entries {
                    map.insert(key, node.into_value()?);
                }
                Value::Object(map)
            }
        })
    }
}
