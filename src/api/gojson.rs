//! Kubernetes objects as Go's encoder prints them: declaration order, omission rules, escapes, numbers, quantities. Guided
//! by [`crate::api::schema`]; knows no particular type.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{ContainerPort, LifecycleHandler, Pod, PodSpec, PodStatus};
use serde::Serialize;
use serde_json::{Number, Value};

use crate::api::quantity::Quantity;
use crate::api::schema::{self, Field, Omit, Shape, Type};

/// A pod without `kind` and `apiVersion`, as in a list.
pub fn pod(pod: &Pod) -> String {
    let mut value = to_value(pod);
    if let Value::Object(map) = &mut value {
        map.remove("apiVersion");
        map.remove("kind");
    }
    value_as(&value, &schema::POD)
}

/// A pod with `kind` and `apiVersion`, as a single object.
pub fn pod_with_kind(pod: &Pod) -> String {
    render(pod, &schema::POD)
}

/// A pod's spec alone.
pub fn pod_spec(spec: &PodSpec) -> String {
    render(spec, &schema::POD_SPEC)
}

/// A pod's status alone.
pub fn pod_status(status: &PodStatus) -> String {
    render(status, &schema::POD_STATUS)
}

/// A lifecycle handler: the annotation `io.kubernetes.container.preStopHandler`.
pub fn lifecycle_handler(handler: &LifecycleHandler) -> String {
    render(handler, &schema::LIFECYCLE_HANDLER)
}

/// Container ports as an array: the annotation `io.kubernetes.container.ports`.
pub fn container_ports(ports: &[ContainerPort]) -> String {
    let items: Vec<String> = ports.iter().map(|port| render(port, &schema::CONTAINER_PORT)).collect();
    format!("[{}]", items.join(","))
}

/// Any object of a known type.
pub fn render<T: Serialize>(object: &T, of: &'static Type) -> String {
    value_as(&to_value(object), of)
}

/// A JSON value read as an object of a known type. Fields that the type does not have are left out.
pub fn value_as(value: &Value, of: &'static Type) -> String {
    let mut out = String::new();
    write_struct(&mut out, Some(value), of);
    out
}

/// Any JSON, compact, keys in their order, with Go's escapes and numbers.
pub fn plain(value: &Value) -> String {
    let mut out = String::new();
    write_plain(&mut out, value);
    out
}

/// A JSON string as Go's encoder writes it: `<`, `>`, `&`, U+2028 and U+2029 escaped too.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_string(&mut out, text);
    out
}

/// A string as Go's `%q` shows it in messages.
pub fn go_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            ' ' | '\'' => out.push(c),
            c if c < ' ' || c == '\x7f' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if !prints(c) => {
                let code = u32::from(c);
                let _ = if code < 0x1_0000 { write!(out, "\\u{code:04x}") } else { write!(out, "\\U{code:08x}") };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether Go takes a character for one that can be printed; of all spaces that is only the plain one.
pub fn prints(c: char) -> bool {
    matches!(c, ' ' | '"' | '\'' | '\\')
        || !(c.is_control() || c.is_whitespace() || c.escape_debug().next() == Some('\\'))
}

fn to_value<T: Serialize>(object: &T) -> Value {
    serde_json::to_value(object).expect("API objects have string keys and finite numbers")
}

/// So many entries are looked through one by one.
const FEW: usize = 12;

fn write_struct(out: &mut String, value: Option<&Value>, of: &'static Type) {
    out.push('{');
    let mut first = true;
    for field in of.fields {
        let inner = value.and_then(|value| entry(value, field.name)).filter(|inner| !inner.is_null());
        if !printed(field, inner) {
            continue;
        }
        if !first {
            out.push(',');
        }
        first = false;
        write_string(out, field.name);
        out.push(':');
        match (inner.filter(|inner| !(field.omit == Omit::Null && hollow(inner))), field.omit) {
            (None, Omit::Null) => out.push_str("null"),
            _ => write_shape(out, inner, &field.shape),
        }
    }
    out.push('}');
}

/// A list or map with nothing in it. Our types have no other for one that is not there.
fn hollow(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// The value of a key. Few of a type's fields are there: looking through those is faster than hashing the names of all.
fn entry<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let map = value.as_object()?;
    if map.len() > FEW { map.get(name) } else { map.iter().find(|(key, _)| *key == name).map(|(_, value)| value) }
}

fn printed(field: &Field, value: Option<&Value>) -> bool {
    match field.omit {
        Omit::Never | Omit::Null => true,
        Omit::Nil => value.is_some(),
        Omit::Empty => value.is_some_and(|value| match value {
            Value::Null => false,
            Value::Bool(on) => *on,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
        }),
    }
}

fn write_shape(out: &mut String, value: Option<&Value>, shape: &Shape) {
    match shape {
        Shape::Struct(of) => write_struct(out, value, of),
        Shape::Structs(of) => match value {
            Some(Value::Array(items)) => {
                write_list(out, items.iter(), |out, item| write_struct(out, Some(item), of));
            }
            _ => out.push_str("null"),
        },
        Shape::Quantity => write_quantity(out, value),
        Shape::Resources => match value {
            Some(Value::Object(map)) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(name, _)| *name);
                out.push('{');
                for (index, (name, quantity)) in entries.into_iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(out, name);
                    out.push(':');
                    write_quantity(out, Some(quantity));
                }
                out.push('}');
            }
            _ => out.push_str("null"),
        },
        Shape::StrMap | Shape::Reported => match value {
            Some(Value::Object(map)) => write_sorted(out, map),
            _ => out.push_str("null"),
        },
        Shape::Str(_) => match value {
            Some(value) => write_plain(out, value),
            None => out.push_str("\"\""),
        },
        Shape::Bool => match value {
            Some(value) => write_plain(out, value),
            None => out.push_str("false"),
        },
        Shape::Int32 | Shape::Int64 | Shape::IntOrString => match value {
            Some(value) => write_plain(out, value),
            None => out.push('0'),
        },
        Shape::Time | Shape::Raw | Shape::Strs(_) | Shape::Int64s | Shape::Int32s => match value {
            Some(value) => write_plain(out, value),
            None => out.push_str("null"),
        },
    }
}

fn write_quantity(out: &mut String, value: Option<&Value>) {
    let text = match value {
        Some(Value::String(text)) => Quantity::shown(text),
        Some(other) => Quantity::shown(&other.to_string()),
        None => "0".to_owned(),
    };
    write_string(out, &text);
}

fn write_list<'a, T: 'a>(out: &mut String, items: impl Iterator<Item = &'a T>, mut each: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(']');
}

/// Go sorts the keys of maps.
fn write_sorted(out: &mut String, map: &serde_json::Map<String, Value>) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    out.push('{');
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(out, key);
        out.push(':');
        write_plain(out, value);
    }
    out.push('}');
}

fn write_plain(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(on) => out.push_str(if *on { "true" } else { "false" }),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => write_list(out, items.iter(), write_plain),
        Value::Object(map) => {
            out.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write_plain(out, value);
            }
            out.push('}');
        }
    }
}

fn write_number(out: &mut String, number: &Number) {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        let _ = write!(out, "{number}");
        return;
    };
    let size = float.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{float:e}");
        // Go writes a sign in the exponent and no leading zero.
        match text.split_once('e') {
            Some((mantissa, exponent)) if !exponent.starts_with('-') => {
                let _ = write!(out, "{mantissa}e+{exponent}");
            }
            _ => out.push_str(&text),
        }
    } else {
        let _ = write!(out, "{float}");
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| is_escaped(*c)) {
        out.push_str(&text[plain..at]);
        plain = at + c.len_utf8();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            other => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

fn is_escaped(c: char) -> bool {
    matches!(c, '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f')
}

#[cfg(test)]
mod tests;
