//! A JSON value against the schema: drops unknown fields and zero values, and reports wrong types in the words of Go's
//! decoder. Reading YAML is elsewhere.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::{DecodeError, UnknownField, json, time};
use crate::api::gojson;
use crate::api::quantity::Quantity;
use crate::api::schema::{Field, Omit, Shape, Type};

/// What Go calls a JSON value in type errors.
pub(super) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The value with known fields only. `null` and the zero values that Go would not print count as absent.
///
/// As in Go, a field of the wrong type is remembered and decoding goes on: the first one is reported, unless a value
/// that reads itself (quantity, time) fails later, which stops decoding at once.
///
/// `text` is what the value was read from, if that was JSON: Go reads its numbers as they are spelt.
pub(super) fn clean(value: &Value, of: &'static Type, text: Option<&str>) -> Result<Value, DecodeError> {
    let mut walk = Walk { text, ..Walk::default() };
    let clean = walk.object(value, of)?;
    match walk.first {
        Some((text, _)) => Err(DecodeError::Field(text)),
        None => Ok(clean),
    }
}

/// Where the value stands that [`clean`] refuses: `spec.containers[1].image`.
pub(super) fn refused_at(value: &Value, of: &'static Type) -> Option<String> {
    let mut walk = Walk::default();
    match walk.object(value, of) {
        // Nothing has left the path since the value was met.
        Err(_) => Some(walk.exact()),
        Ok(_) => walk.first.map(|(_, at)| at),
    }
}

/// Odd numbers are looked up as they are spelt until this much has been read, each time the whole text; then they are shown as they came
/// out. The first is always looked up: it is the one that errors tell.
const LOOKED_THROUGH: usize = 2 << 20;

#[derive(Default)]
struct Walk<'t> {
    /// The whole text, if it is JSON.
    text: Option<&'t str>,
    /// How much of it has been read again to see how numbers are spelt.
    looked_through: Cell<usize>,
    /// The fields on the way, with the index where one is a list.
    path: Vec<(&'static str, Option<usize>)>,
    /// How many struct fields deep, by the length of the path there, and the Go name of the embedded struct that holds it.
    embedded: Vec<(usize, &'static str)>,
    /// The first wrong type, and where it stands.
    first: Option<(String, String)>,
}

impl Walk<'_> {
    fn object(&mut self, value: &Value, of: &'static Type) -> Result<Value, DecodeError> {
        let mut out = Map::new();
        let Some(map) = value.as_object() else { return Ok(Value::Object(out)) };
        for (name, inner) in map {
            let Some(field) = of.field(name) else { continue };
            if inner.is_null() {
                continue;
            }
            let embedded = embedded(of, field.name);
            self.embedded.extend(embedded.map(|name| (self.path.len(), name)));
            self.path.push((field.name, None));
            let read = self.shape(inner, &field.shape, of)?;
            self.path.pop();
            if embedded.is_some() {
                self.embedded.pop();
            }
            if let Some(read) = read.filter(|read| field.omit != Omit::Empty || nil_counts(of, field) || !zero(read)) {
                out.insert(field.name.to_owned(), read);
            }
        }
        Ok(Value::Object(out))
    }

    fn shape(&mut self, value: &Value, shape: &Shape, of: &'static Type) -> Result<Option<Value>, DecodeError> {
        Ok(match shape {
            Shape::Str(go) => self.only(value.is_string(), value, go, of),
            Shape::Bool => self.only(value.is_boolean(), value, "bool", of),
            Shape::Int32 => self.int(value, i64::from(i32::MIN)..=i64::from(i32::MAX), "int32", of),
            Shape::Int64 => self.int(value, i64::MIN..=i64::MAX, "int64", of),
            Shape::IntOrString if value.is_string() => Some(value.clone()),
            Shape::IntOrString => {
                self.own(|walk| walk.int(value, i64::from(i32::MIN)..=i64::from(i32::MAX), "int32", of))?
            }
            Shape::Quantity => Some(self.quantity(value, None)?),
            Shape::Time => self.time(value, of)?,
            Shape::Raw => Some(value.clone()),
            Shape::Struct(inner) if value.is_object() => Some(self.object(value, inner)?),
            Shape::Struct(inner) => self.wrong(value, &format!("v1.{}", inner.name), of),
            Shape::Structs(inner) => match value.as_array() {
                Some(items) => {
                    let mut list = Vec::with_capacity(items.len());
                    for (index, item) in items.iter().enumerate() {
                        if let Some(last) = self.path.last_mut() {
                            last.1 = Some(index);
                        }
                        if !(item.is_object() || item.is_null()) {
                            self.wrong(item, &format!("v1.{}", inner.name), of);
                        }
                        list.push(self.object(item, inner)?);
                    }
                    Some(Value::Array(list))
                }
                None => self.wrong(value, &format!("[]v1.{}", inner.name), of),
            },
            Shape::Strs(go) => self.list(value, go, of, |walk, item| match item {
                Value::Null => Some(Value::from("")),
                item => walk.only(item.is_string(), item, go, of),
            }),
            Shape::Int64s => self.list(value, "int64", of, |walk, item| match item {
                Value::Null => Some(Value::from(0)),
                item => walk.int(item, i64::MIN..=i64::MAX, "int64", of),
            }),
            Shape::Int32s => self.list(value, "int32", of, |walk, item| match item {
                Value::Null => Some(Value::from(0)),
                item => walk.int(item, i64::from(i32::MIN)..=i64::from(i32::MAX), "int32", of),
            }),
            Shape::StrMap => match value.as_object() {
                Some(map) => {
                    let mut out = Map::new();
                    for (key, item) in map {
                        let read = match item {
                            Value::Null => Some(Value::from("")),
                            item => self.only(item.is_string(), item, "string", of),
                        };
                        out.extend(read.map(|read| (key.clone(), read)));
                    }
                    Some(Value::Object(out))
                }
                None => self.wrong(value, "map[string]string", of),
            },
            Shape::Resources | Shape::Reported => match value.as_object() {
                Some(map) => {
                    let mut out = Map::new();
                    for (key, item) in map {
                        out.insert(key.clone(), self.quantity(item, Some(key))?);
                    }
                    Some(Value::Object(out))
                }
                // One list goes without a name of its own.
                None if of.name == "NodeAllocatableResourceClaimStatus" => {
                    self.wrong(value, "map[v1.ResourceName]resource.Quantity", of)
                }
                None => self.wrong(value, "v1.ResourceList", of),
            },
        })
    }

    fn list(
        &mut self,
        value: &Value,
        go: &str,
        of: &'static Type,
        mut each: impl FnMut(&mut Self, &Value) -> Option<Value>,
    ) -> Option<Value> {
        match value.as_array() {
            Some(items) => {
                let mut list = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    if let Some(last) = self.path.last_mut() {
                        last.1 = Some(index);
                    }
                    list.extend(each(self, item));
                }
                Some(Value::Array(list))
            }
            None => self.wrong(value, &format!("[]{go}"), of),
        }
    }

    fn only(&mut self, right: bool, value: &Value, go: &str, of: &'static Type) -> Option<Value> {
        if right { Some(value.clone()) } else { self.wrong(value, go, of) }
    }

    fn int(
        &mut self,
        value: &Value,
        range: std::ops::RangeInclusive<i64>,
        go: &str,
        of: &'static Type,
    ) -> Option<Value> {
        match value {
            Value::Number(number) => match number.as_i64().filter(|number| range.contains(number)) {
                Some(number) => Some(Value::from(number)),
                None => match self.spelling(value, None) {
                    Some("-0") => Some(Value::from(0)),
                    spelt => {
                        let spelt = spelt.map_or_else(|| gojson::plain(value), str::to_owned);
                        self.wrong_text(&format!("number {spelt}"), go, of)
                    }
                },
            },
            _ => self.wrong(value, go, of),
        }
    }

    /// How a number with a fraction or an exponent stands in JSON; `key` is that of the map where the path ends.
    fn spelling(&self, value: &Value, key: Option<&str>) -> Option<&str> {
        let text = self.text.filter(|_| value.is_f64())?;
        let before = self.looked_through.get();
        if before > 0 && before + text.len() > LOOKED_THROUGH {
            return None;
        }
        self.looked_through.set(before + text.len());
        let path: Vec<_> = self.path.iter().copied().chain(key.map(|key| (key, None))).collect();
        json::spelt(text, &path)
    }

    fn quantity(&self, value: &Value, key: Option<&str>) -> Result<Value, DecodeError> {
        let text = match value {
            Value::Null => "0".to_owned(),
            Value::String(text) => text.trim().to_owned(),
            other => self.spelling(other, key).map_or_else(|| gojson::plain(other), str::to_owned),
        };
        Quantity::parse(&text).map_err(|error| DecodeError::Field(error.to_string()))?;
        Ok(Value::from(text))
    }

    fn time(&mut self, value: &Value, of: &'static Type) -> Result<Option<Value>, DecodeError> {
        match value.as_str() {
            Some(text) => time::check(text).map_err(DecodeError::Field).map(|()| Some(value.clone())),
            None => self.own(|walk| walk.wrong(value, "string", of)),
        }
    }

    /// A value that reads itself: what is wrong with it ends the decoding, and is told before all that was wrong before.
    fn own(&mut self, read: impl FnOnce(&mut Self) -> Option<Value>) -> Result<Option<Value>, DecodeError> {
        let before = self.first.take();
        let read = read(self);
        match self.first.take() {
            Some((text, _)) => Err(DecodeError::Field(text)),
            None => {
                self.first = before;
                Ok(read)
            }
        }
    }

    fn wrong(&mut self, value: &Value, go: &str, of: &'static Type) -> Option<Value> {
        self.wrong_text(json_kind(value), go, of)
    }

    fn wrong_text(&mut self, what: &str, go: &str, of: &'static Type) -> Option<Value> {
        if self.first.is_none() {
            let mut path: Vec<&str> = self.path.iter().map(|(name, _)| *name).collect();
            for (at, name) in self.embedded.iter().rev() {
                path.insert(*at, name);
            }
            let path = path.join(".");
            let text = format!("json: cannot unmarshal {what} into Go struct field {}.{path} of type {go}", of.name);
            self.first = Some((text, self.exact()));
        }
        None
    }

    fn exact(&self) -> String {
        let steps = self.path.iter().map(|(name, index)| match index {
            Some(index) => format!("{name}[{index}]"),
            None => (*name).to_owned(),
        });
        steps.collect::<Vec<_>>().join(".")
    }
}

/// The struct embedded in Go's type that has this field; Go names it in the paths of its errors.
fn embedded(of: &Type, field: &str) -> Option<&'static str> {
    match (of.name, field) {
        ("Volume", "name") | ("EphemeralContainer", "targetContainerName") => None,
        ("Volume", _) => Some("VolumeSource"),
        ("EphemeralContainer", _) => Some("EphemeralContainerCommon"),
        ("Probe", "exec" | "httpGet" | "tcpSocket" | "grpc") => Some("ProbeHandler"),
        (
            "ConfigMapEnvSource"
            | "SecretEnvSource"
            | "ConfigMapKeySelector"
            | "SecretKeySelector"
            | "ConfigMapProjection"
            | "SecretProjection"
            | "ConfigMapVolumeSource",
            "name",
        ) => Some("LocalObjectReference"),
        _ => None,
    }
}

/// Whether upstream tells an empty list or map in this field from none.
fn nil_counts(of: &Type, field: &Field) -> bool {
    matches!(
        (of.name, field.name),
        ("ResourceRequirements", "claims" | "limits" | "requests")
            | ("EphemeralContainer", "ports" | "resizePolicy" | "restartPolicyRules")
            | ("PodSecurityContext", "supplementalGroups")
            | ("Capabilities", "add" | "drop")
            | ("ObjectMeta", "ownerReferences" | "finalizers" | "managedFields")
    )
}

fn zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// The unknown fields, in document order.
pub(super) fn unknown(value: &Value, of: &'static Type) -> Vec<UnknownField> {
    let mut out = Vec::new();
    // Most manifests have none, and the paths to all fields need not be spelt to know that.
    if !all_known(value, of) {
        collect(value, of, "", &mut out);
    }
    out
}

fn all_known(value: &Value, of: &'static Type) -> bool {
    value.as_object().into_iter().flatten().all(|(name, inner)| match of.field(name).map(|field| &field.shape) {
        None => false,
        Some(Shape::Struct(of)) => all_known(inner, of),
        Some(Shape::Structs(of)) => inner.as_array().into_iter().flatten().all(|item| all_known(item, of)),
        Some(_) => true,
    })
}

fn collect(value: &Value, of: &'static Type, path: &str, out: &mut Vec<UnknownField>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match of.field(name).map(|field| &field.shape) {
            None => {
                let known = of.fields.iter().map(|field| field.name).collect();
                out.push(UnknownField { path: at, known });
            }
            Some(Shape::Struct(of)) => collect(inner, of, &at, out),
            Some(Shape::Structs(of)) => {
                for (index, item) in inner.as_array().into_iter().flatten().enumerate() {
                    collect(item, of, &format!("{at}[{index}]"), out);
                }
            }
            Some(_) => {}
        }
    }
}
