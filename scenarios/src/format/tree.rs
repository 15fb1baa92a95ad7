//! A YAML value whose every part knows where it stands: inline manifests and expectations. Bound to no type.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::place::Place;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// Where.
    pub place: Place,
    /// What.
    pub node: Node,
}

/// What a [`Tree`] holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Nothing, a boolean, a number or text.
    Scalar(Value),
    /// A list.
    List(Vec<Tree>),
    /// A mapping in the order of the file.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The value of `key` if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        match &self.node {
            Node::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, tree)| tree),
            _ => None,
        }
    }

    /// The text if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.node {
            Node::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The same without places.
    pub fn to_json(&self) -> Value {
        match &self.node {
            Node::Scalar(value) => value.clone(),
            Node::List(items) => Value::Array(items.iter().map(Tree::to_json).collect()),
            Node::Map(entries) => {
                Value::Object(entries.iter().map(|(k, v)| (k.clone(), v.to_json())).collect::<Map<_, _>>())
            }
        }
    }

    /// The same with every text run through `rewrite`.
    ///
    /// # Errors
    /// The first that `rewrite` gives.
    pub fn try_map_text<E>(&self, rewrite: &mut impl FnMut(&str) -> Result<String, E>) -> Result<Tree, E> {
        let node = match &self.node {
            Node::Scalar(Value::String(text)) => Node::Scalar(Value::String(rewrite(text)?)),
            Node::Scalar(value) => Node::Scalar(value.clone()),
            Node::List(items) => {
                Node::List(items.iter().map(|item| item.try_map_text(rewrite)).collect::<Result<_, E>>()?)
            }
            Node::Map(entries) => {
                let entries = entries.iter().map(|(k, v)| Ok((k.clone(), v.try_map_text(rewrite)?)));
                Node::Map(entries.collect::<Result<_, E>>()?)
            }
        };
        Ok(Tree { place: self.place, node })
    }
}

impl From<Value> for Tree {
    /// A tree that stands nowhere.
    fn from(value: Value) -> Self {
        let node = match value {
            Value::Array(items) => Node::List(items.into_iter().map(Tree::from).collect()),
            Value::Object(entries) => Node::Map(entries.into_iter().map(|(k, v)| (k, Tree::from(v))).collect()),
            scalar => Node::Scalar(scalar),
        };
        Tree { place: Place::default(), node }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Node>::deserialize(deserializer)?;
        Ok(Self { place: spanned.referenced.into(), node: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(v)))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Number(v.into())))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Number(v.into())))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Number::from_f64(v).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Value::String(v.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

impl JsonSchema for Tree {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}
