//! On which line of a manifest each of its fields stands. Reads YAML, and JSON as YAML; checks nothing.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

/// Lines by path: `spec.containers[0].image`.
pub(super) struct Marks(BTreeMap<String, usize>);

impl Marks {
    /// The lines of the first document; none if it cannot be read.
    pub(super) fn of(text: &str) -> Self {
        let options = serde_saphyr::options! {
            duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
            with_snippet: false,
            budget: serde_saphyr::budget! { max_nodes: 50_000, max_events: 200_000 },
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
        };
        let mut lines = BTreeMap::new();
        // A tab is blank space to JSON, but not to YAML.
        let text = if text.trim_start().starts_with('{') { text.replace('\t', " ") } else { text.to_owned() };
        let end = kubelet::api::decode::second_document(text.as_bytes());
        let first: String = text.split_inclusive('\n').take(end.map_or(usize::MAX, |line| line - 1)).collect();
        if let Ok(tree) = serde_saphyr::from_str_with_options::<Tree>(&first, options) {
            tree.gather(String::new(), &mut lines);
        }
        Self(lines)
    }

    /// The line of a field, or of the nearest one around it that is written down.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            // Keys of maps stand in brackets in the API's paths: `metadata.labels[a.b/c]`.
            if let Some((map, key)) = path.strip_suffix(']').and_then(|path| path.split_once('['))
                && let Some(line) = self.0.get(&format!("{map}.{key}"))
            {
                return Some(*line);
            }
            let Some(end) = path.rfind(['.', '[']) else { return (!self.0.is_empty()).then_some(1) };
            path = path.get(..end).unwrap_or_default();
        }
    }
}

enum Tree {
    Leaf,
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Tree)>),
}

impl Tree {
    fn gather(&self, path: String, lines: &mut BTreeMap<String, usize>) {
        let number = |line: u64| usize::try_from(line).unwrap_or(usize::MAX);
        match self {
            Self::Leaf => {}
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let at = format!("{path}[{index}]");
                    lines.insert(at.clone(), number(item.referenced.line()));
                    item.value.gather(at, lines);
                }
            }
            Self::Map(entries) => {
                for (key, value) in entries {
                    let at = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
                    lines.insert(at.clone(), number(key.referenced.line()));
                    value.gather(at, lines);
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            if key.value.len() > 4096 {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            entries.push((key, map.next_value()?));
        }
        Ok(Tree::Map(entries))
    }
}
