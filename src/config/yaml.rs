//! YAML as a tree that knows its lines. Not bound to any type: `decode` holds it against the field table. Duplicate keys are kept
//! as notes, the last one wins, as sigs.k8s.io/yaml does where it is lenient.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

/// A value and the line it stands on, counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Line of the value's first character.
    pub line: u64,
    /// The value.
    pub value: Yaml,
}

/// A YAML value.
#[derive(Clone, Debug, PartialEq)]
pub enum Yaml {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Line of the key.
    pub line: u64,
    /// The key.
    pub key: String,
    /// What stands behind it.
    pub node: Node,
}

impl Yaml {
    /// The kind of value in the words of Go's JSON decoder.
    pub fn json_kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Float(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "object",
        }
    }

    /// The value of `key` in a mapping; the last one where it is repeated.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Self::Map(entries) => entries.iter().rev().find(|e| e.key == key).map(|e| &e.node),
            _ => None,
        }
    }
}

/// The text is not YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("yaml: line {line}: {message}")]
pub struct YamlError {
    /// Where, counted from 1; 0 if that is not known.
    pub line: u64,
    /// What is wrong there.
    pub message: String,
}

/// Parses one document.
///
/// # Errors
/// The text is not YAML, or is built to exhaust memory by aliases.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        let line = e.location().map_or(0, |l| l.line());
        let message = e.without_snippet().to_string();
        // The parser puts the place behind its message; the place is a field of its own here.
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        YamlError { line, message: message.lines().next().unwrap_or_default().to_owned() }
    })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Yaml>::deserialize(deserializer)?;
        Ok(Self { line: spanned.defined.line(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        Yaml::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Yaml, E> {
        Ok(Yaml::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Yaml, E> {
        Ok(i64::try_from(value).map_or(Yaml::Float(value as f64), Yaml::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Yaml, E> {
        Ok(Yaml::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Yaml, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Node>()? {
            items.push(item);
        }
        Ok(Yaml::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Yaml, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Node>()? {
            let node = access.next_value::<Node>()?;
            let text = match key.value {
                Yaml::Text(text) => text,
                Yaml::Int(n) => n.to_string(),
                Yaml::Float(n) => n.to_string(),
                Yaml::Bool(b) => b.to_string(),
                Yaml::Null => "null".to_owned(),
                Yaml::List(_) | Yaml::Map(_) => {
                    return Err(serde::de::Error::custom("a list or mapping cannot be a key"));
                }
            };
            entries.push(Entry { line: key.line, key: text, node });
        }
        Ok(Yaml::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_lines() {
        let node = parse("a: 1\nb:\n  c: [x, 'y']\n  c: no\n").unwrap();
        let Yaml::Map(top) = &node.value else { panic!("{node:?}") };
        assert_eq!((top[0].key.as_str(), top[0].line, &top[0].node.value), ("a", 1, &Yaml::Int(1)));
        let Yaml::Map(inner) = &top[1].node.value else { panic!("{node:?}") };
        assert_eq!((inner[0].line, inner[1].line), (3, 4));
        assert_eq!(inner[1].node.value, Yaml::Bool(false), "YAML 1.1 booleans, as upstream reads them");
        assert_eq!(top[1].node.value.get("c").map(|n| n.line), Some(4), "the last one wins");
    }

    #[test]
    fn what_is_not_yaml_names_the_line() {
        let error = parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(error.line >= 2, "{error}");
        assert!(!error.message.is_empty() && !error.message.contains('\n'), "{error}");
    }

    #[test]
    fn json_is_yaml() {
        let node = parse("{\"a\": {\"b\": null}}").unwrap();
        assert_eq!(node.value.get("a").and_then(|a| a.value.get("b")).map(|b| &b.value), Some(&Yaml::Null));
    }
}
