//! The configuration as a JSON object on its way from file, drop-ins and flags to its final form: defaults, merging, access by path.
//! Its values have been held against the field table before, so reading a field cannot fail: what is not there is zero.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use serde_json::{Map, Value};

use super::fields::{DEFAULT_EVICTION_HARD, Field, KUBELET_CONFIGURATION, Kind, PATH_FIELDS};
use crate::api::duration::{self, GoDuration};

/// A KubeletConfiguration, complete or on its way there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document(pub Map<String, Value>);

impl Document {
    /// What flags start from when there is no configuration file: unlike the file's defaults it lets everybody in and serves read-only.
    pub fn flags_only() -> Self {
        let mut document = Self::default();
        document.set("authentication.anonymous.enabled", Value::from(true));
        document.set("authentication.webhook.enabled", Value::from(false));
        document.set("authorization.mode", Value::from("AlwaysAllow"));
        document.set("readOnlyPort", Value::from(10255));
        document.fill_defaults();
        document
    }

    /// Puts a default into every field that has one and no value, and all fields into upstream's order.
    pub fn fill_defaults(&mut self) {
        let report_follows = !self.is_zero("nodeStatusUpdateFrequency") && self.is_zero("nodeStatusReportFrequency");
        let pulls_in_parallel = self.int("maxParallelImagePulls") >= 2 && self.get("serializeImagePulls").is_none();
        self.0 = filled(std::mem::take(&mut self.0), KUBELET_CONFIGURATION);
        if report_follows {
            let frequency = self.text("nodeStatusUpdateFrequency").to_owned();
            self.set("nodeStatusReportFrequency", Value::from(frequency));
        }
        if pulls_in_parallel {
            self.set("serializeImagePulls", Value::from(false));
        }
        if self.int("podPidsLimit") < 0 {
            self.set("podPidsLimit", Value::from(-1));
        }
    }

    /// Gives `evictionHard` its defaults: all of them if it is not set, the missing ones if the file asks for that.
    pub fn fill_eviction(&mut self) {
        let set = self.get("evictionHard").is_some();
        if set && !self.flag("mergeDefaultEvictionSettings") {
            return;
        }
        let mut hard = self.texts_by_name("evictionHard");
        for (signal, threshold) in DEFAULT_EVICTION_HARD {
            hard.entry((*signal).to_owned()).or_insert_with(|| (*threshold).to_owned());
        }
        self.set("evictionHard", hard.into_iter().collect());
        self.0 = filled(std::mem::take(&mut self.0), KUBELET_CONFIGURATION);
    }

    /// Makes the paths in it absolute, taking relative ones from `directory`.
    pub fn resolve_paths(&mut self, directory: &Path) {
        for field in PATH_FIELDS {
            let path = self.text(field);
            if !path.is_empty() && !path.starts_with('/') {
                let path = clean(&directory.join(path));
                self.set(field, Value::from(path.to_string_lossy().into_owned()));
            }
        }
    }

    /// Merges `patch` into it: objects key by key, everything else replaced, null removes (RFC 7386).
    pub fn merge(&mut self, patch: Map<String, Value>) {
        merge(&mut self.0, patch);
    }

    /// The value at a dotted path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let mut names = path.split('.');
        let mut value = self.0.get(names.next()?)?;
        for name in names {
            value = value.as_object()?.get(name)?;
        }
        Some(value)
    }

    /// Puts a value at a dotted path.
    pub fn set(&mut self, path: &str, value: Value) {
        let mut object = &mut self.0;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                object.insert(name.to_owned(), value);
                return;
            }
            let inner = object.entry(name.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            object = inner.as_object_mut().expect("made an object just above");
        }
    }

    /// A boolean; false if it is not set.
    pub fn flag(&self, path: &str) -> bool {
        self.get(path).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A whole number; 0 if it is not set.
    pub fn int(&self, path: &str) -> i64 {
        self.get(path).and_then(Value::as_i64).unwrap_or(0)
    }

    /// A number; 0 if it is not set.
    pub fn float(&self, path: &str) -> f64 {
        self.get(path).and_then(Value::as_f64).unwrap_or(0.0)
    }

    /// A text; empty if it is not set.
    pub fn text(&self, path: &str) -> &str {
        self.get(path).and_then(Value::as_str).unwrap_or("")
    }

    /// A length of time; negative counts as 0.
    pub fn length(&self, path: &str) -> Duration {
        self.duration(path).to_std().unwrap_or_default()
    }

    /// A length of time; 0 if it is not set.
    pub fn duration(&self, path: &str) -> GoDuration {
        match self.get(path) {
            Some(Value::Number(nanos)) => GoDuration(nanos.as_i64().unwrap_or(0)),
            Some(Value::String(text)) => duration::parse(text).unwrap_or_default(),
            _ => GoDuration::default(),
        }
    }

    /// A list of texts; empty if it is not set.
    pub fn texts(&self, path: &str) -> Vec<String> {
        self.get(path).and_then(Value::as_array).map(|items| texts(items)).unwrap_or_default()
    }

    /// Texts by name; empty if it is not set.
    pub fn texts_by_name(&self, path: &str) -> BTreeMap<String, String> {
        let Some(map) = self.get(path).and_then(Value::as_object) else { return BTreeMap::new() };
        map.iter().filter_map(|(name, v)| Some((name.clone(), v.as_str()?.to_owned()))).collect()
    }

    /// Lists of texts by name; empty if it is not set.
    pub fn lists_by_name(&self, path: &str) -> BTreeMap<String, Vec<String>> {
        let Some(map) = self.get(path).and_then(Value::as_object) else { return BTreeMap::new() };
        map.iter().filter_map(|(name, v)| Some((name.clone(), texts(v.as_array()?)))).collect()
    }

    /// A list of objects; empty if it is not set.
    pub fn objects(&self, path: &str) -> Vec<Document> {
        let Some(items) = self.get(path).and_then(Value::as_array) else { return Vec::new() };
        items.iter().filter_map(|v| Some(Document(v.as_object()?.clone()))).collect()
    }

    fn is_zero(&self, path: &str) -> bool {
        self.get(path).is_none_or(zero)
    }
}

fn texts(items: &[Value]) -> Vec<String> {
    items.iter().filter_map(|v| Some(v.as_str()?.to_owned())).collect()
}

/// `object` in the order of `fields`, with defaults where there is no value, or a zero that means none.
fn filled(mut object: Map<String, Value>, fields: &[Field]) -> Map<String, Value> {
    let mut out = Map::new();
    for field in fields {
        let present = object.shift_remove(field.name).filter(|v| field.pointer || !zero(v));
        let value = match (present, field.default) {
            (Some(value), _) => value,
            (None, "") => continue,
            (None, default) => serde_json::from_str(default).expect("the table's defaults are JSON"),
        };
        let value = match (field.kind, value) {
            (Kind::Object(_, inner), Value::Object(object)) => Value::Object(filled(object, inner)),
            (_, value) => value,
        };
        out.insert(field.name.to_owned(), value);
    }
    out
}

/// Whether a value is the zero of its Go type.
fn zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "0s",
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}

fn merge(object: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match (value, object.get_mut(&key)) {
            (Value::Null, _) => {
                object.shift_remove(&key);
            }
            (Value::Object(patch), Some(Value::Object(inner))) => merge(inner, patch),
            (Value::Object(patch), _) => {
                let mut inner = Map::new();
                merge(&mut inner, patch);
                object.insert(key, Value::Object(inner));
            }
            (value, _) => {
                object.insert(key, value);
            }
        }
    }
}

/// A path without `.` and `..`, by its text alone, as Go's `filepath.Clean`.
pub fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests;
