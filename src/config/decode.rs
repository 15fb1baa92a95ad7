//! Holds a YAML tree against the field table: typed JSON comes out, or the first field of a wrong type. Unknown and duplicate keys are
//! noted, not refused: upstream decodes strictly first, then leniently, and only logs the difference.

use serde_json::{Map, Value};

use super::{
    fields::{Field, Kind},
    yaml::{Entry, Node, Yaml},
};
use crate::api::duration;

/// A key that upstream's strict decoding objects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyNote {
    /// Line of the key.
    pub line: u64,
    /// The key with what it stands below: `authentication.anonymus`.
    pub path: String,
    /// What is wrong with it.
    pub fault: KeyFault,
}

/// What is wrong with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// There is no such field; perhaps this one was meant.
    Unknown {
        /// The nearest name there is, if any is near.
        suggestion: Option<String>,
    },
    /// The key stands there twice; the last value counts.
    Duplicate,
}

/// Objections in the words of Go's strict decoder: keys that stand there twice first, in one bunch.
pub fn strict_text(notes: &[KeyNote]) -> String {
    let mut texts = Vec::new();
    let twice: Vec<String> = notes
        .iter()
        .filter(|n| n.fault == KeyFault::Duplicate)
        .map(|n| {
            format!("\n  line {}: key {:?} already set in map", n.line, n.path.rsplit('.').next().unwrap_or(&n.path))
        })
        .collect();
    if !twice.is_empty() {
        texts.push(format!("yaml: unmarshal errors:{}", twice.concat()));
    }
    let unknown = notes.iter().filter(|n| n.fault != KeyFault::Duplicate);
    texts.extend(unknown.map(|n| format!("unknown field {:?}", n.path)));
    format!("strict decoding error: {}", texts.join(", "))
}

/// A value of the wrong type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{go_text}")]
pub struct TypeError {
    /// Line of the value.
    pub line: u64,
    /// The field.
    pub path: String,
    /// What Go's decoder says.
    pub go_text: String,
    /// What to write instead.
    pub advice: &'static str,
}

/// What an explicit null in the file becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// Nothing, as if the key were not there.
    Unset,
    /// A null: a merge patch removes a key by it.
    Kept,
}

/// Reads `node` as an object with these fields.
///
/// # Errors
/// The first value, in the order of the file, whose type is not its field's.
pub fn decode(
    node: &Node,
    fields: &'static [Field],
    nulls: Nulls,
    notes: &mut Vec<KeyNote>,
) -> Result<Map<String, Value>, TypeError> {
    Decoder { nulls, notes }.object(node, fields, "", "v1beta1.KubeletConfiguration")
}

struct Decoder<'a> {
    nulls: Nulls,
    notes: &'a mut Vec<KeyNote>,
}

impl Decoder<'_> {
    fn object(
        &mut self,
        node: &Node,
        fields: &'static [Field],
        path: &str,
        go_name: &str,
    ) -> Result<Map<String, Value>, TypeError> {
        let entries = match &node.value {
            Yaml::Map(entries) => entries,
            Yaml::Null => return Ok(Map::new()),
            other => {
                return Err(mismatch(node.line, path, other, go_name, "must be a mapping with indented keys below it"));
            }
        };
        self.duplicates(entries, path);
        let mut object = Map::new();
        for entry in entries {
            let inner = join(path, &entry.key);
            let Some(field) = fields.iter().find(|f| f.name == entry.key) else {
                self.notes.push(KeyNote {
                    line: entry.line,
                    path: inner,
                    fault: KeyFault::Unknown { suggestion: nearest(&entry.key, fields.iter().map(|f| f.name)) },
                });
                continue;
            };
            match self.value(&entry.node, field.kind, &inner)? {
                // Leniently, the last of two keys wins; an explicit null leaves the field unset.
                Value::Null if self.nulls == Nulls::Unset => object.shift_remove(field.name),
                value => object.insert(field.name.to_owned(), value),
            };
        }
        Ok(object)
    }

    fn duplicates(&mut self, entries: &[Entry], path: &str) {
        for (n, entry) in entries.iter().enumerate() {
            if entries[..n].iter().any(|e| e.key == entry.key) {
                self.notes.push(KeyNote { line: entry.line, path: join(path, &entry.key), fault: KeyFault::Duplicate });
            }
        }
    }

    fn value(&mut self, node: &Node, kind: Kind, path: &str) -> Result<Value, TypeError> {
        let wrong = || mismatch(node.line, path, &node.value, kind.go_name(), kind.advice());
        Ok(match (kind, &node.value) {
            (_, Yaml::Null) => Value::Null,
            (Kind::Bool, Yaml::Bool(b)) => Value::from(*b),
            (Kind::Int32, Yaml::Int(n)) => {
                let large = |_| TypeError { advice: "must be a whole number of at most 2147483647", ..wrong() };
                Value::from(i32::try_from(*n).map_err(large)?)
            }
            (Kind::Int64, Yaml::Int(n)) | (Kind::DurationOrNanos, Yaml::Int(n)) => Value::from(*n),
            (Kind::Int32 | Kind::Int64, Yaml::Float(n)) if n.fract() == 0.0 && n.abs() < 2e9 => Value::from(*n as i64),
            (Kind::Float64, Yaml::Int(n)) => Value::from(*n as f64),
            (Kind::Float64, Yaml::Float(n)) => Value::from(*n),
            (Kind::Text, Yaml::Text(text)) => Value::from(text.as_str()),
            (Kind::Quantity, Yaml::Text(text)) => Value::from(text.as_str()),
            (Kind::Quantity, Yaml::Int(n)) => Value::from(n.to_string()),
            (Kind::Duration | Kind::DurationOrNanos, Yaml::Text(text)) => {
                let duration = duration::parse(text).map_err(|e| TypeError {
                    line: node.line,
                    path: path.to_owned(),
                    go_text: e.to_string(),
                    advice: kind.advice(),
                })?;
                Value::from(duration.to_string())
            }
            // A Go duration decodes itself, so the decoder has lost sight of the field.
            (Kind::Duration, other) => {
                return Err(TypeError {
                    line: node.line,
                    path: path.to_owned(),
                    go_text: format!("json: cannot unmarshal {} into Go value of type string", other.json_kind()),
                    advice: kind.advice(),
                });
            }
            (Kind::Texts, Yaml::List(items)) => self.list(items, Kind::Text, path)?,
            (Kind::Int32s, Yaml::List(items)) => self.list(items, Kind::Int32, path)?,
            (Kind::Objects(go_name, fields), Yaml::List(items)) => {
                let mut list = Vec::with_capacity(items.len());
                for (n, item) in items.iter().enumerate() {
                    list.push(Value::Object(self.object(item, fields, &format!("{path}[{n}]"), go_name)?));
                }
                Value::Array(list)
            }
            (Kind::Object(go_name, fields), Yaml::Map(_)) => Value::Object(self.object(node, fields, path, go_name)?),
            (Kind::TextMap, Yaml::Map(entries)) => self.map(entries, Kind::Text, path)?,
            (Kind::BoolMap, Yaml::Map(entries)) => self.map(entries, Kind::Bool, path)?,
            (Kind::TextsMap, Yaml::Map(entries)) => self.map(entries, Kind::Texts, path)?,
            _ => return Err(wrong()),
        })
    }

    fn list(&mut self, items: &[Node], kind: Kind, path: &str) -> Result<Value, TypeError> {
        items.iter().map(|item| self.value(item, kind, path)).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    fn map(&mut self, entries: &[Entry], kind: Kind, path: &str) -> Result<Value, TypeError> {
        self.duplicates(entries, path);
        let mut map = Map::new();
        for entry in entries {
            map.insert(entry.key.clone(), self.value(&entry.node, kind, &join(path, &entry.key))?);
        }
        map.sort_keys();
        Ok(Value::Object(map))
    }
}

fn mismatch(line: u64, path: &str, found: &Yaml, go_type: &str, advice: &'static str) -> TypeError {
    let number = match found {
        Yaml::Int(n) if go_type.starts_with("int") => format!(" {n}"),
        Yaml::Float(n) if go_type.starts_with("int") => format!(" {n}"),
        _ => String::new(),
    };
    let kind = found.json_kind();
    let go_text = if path.is_empty() {
        format!("json: cannot unmarshal {kind} into Go value of type {go_type}")
    } else {
        format!(
            "json: cannot unmarshal {kind}{number} into Go struct field KubeletConfiguration.{path} of type {go_type}"
        )
    };
    TypeError { line, path: path.to_owned(), go_text, advice }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The candidate that `word` was most likely meant to be; case aside, at most a third of it may differ.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let folded = word.to_lowercase();
    candidates
        .map(|c| (strsim::damerau_levenshtein(&folded, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= (word.len().max(c.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::{super::fields::KUBELET_CONFIGURATION, super::yaml, *};

    #[rstest]
    #[case("staticPodPth", Some("staticPodPath"))]
    #[case("STATICPODPATH", Some("staticPodPath"))]
    #[case("maxpods", Some("maxPods"))]
    #[case("adress", Some("address"))]
    #[case("frobnicate", None)]
    fn the_nearest_name_is_suggested(#[case] word: &str, #[case] name: Option<&str>) {
        assert_eq!(nearest(word, KUBELET_CONFIGURATION.iter().map(|f| f.name)).as_deref(), name);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "([a-zA-Z]{1,6}: ?|- |[\\[\\]{}&*!|>'\"#%@\n ]|[0-9a-z.]{0,4}){0,24}") {
            if let Ok(node) = yaml::parse(&text) {
                let _ = decode(&node, KUBELET_CONFIGURATION, Nulls::Kept, &mut Vec::new());
            }
        }

        /// Any field with any scalar: a value of the field's type, or an error that names the field and its line.
        #[test]
        fn a_value_is_taken_or_its_place_is_named(index in 0..KUBELET_CONFIGURATION.len(), value in "true|7|1\\.5|text|\\[1\\]|\\{a: 1\\}|1m") {
            let field = &KUBELET_CONFIGURATION[index];
            let node = yaml::parse(&format!("# first line\n{}: {value}\n", field.name)).unwrap();
            match decode(&node, KUBELET_CONFIGURATION, Nulls::Unset, &mut Vec::new()) {
                Ok(object) => prop_assert!(object.contains_key(field.name)),
                Err(error) => {
                    prop_assert_eq!(error.line, 2);
                    prop_assert!(error.path.starts_with(field.name));
                }
            }
        }
    }
}
