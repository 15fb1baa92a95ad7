//! Manifest bytes to a JSON value the way upstream's YAML reader sees them. Types of fields are checked elsewhere.

use serde_json::Value;

use super::DecodeError;

/// The first document of the bytes, as JSON.
pub(super) fn document(bytes: &[u8]) -> Result<Value, DecodeError> {
    let text = std::str::from_utf8(bytes).map_err(|error| DecodeError::Syntax(error.to_string()))?;
    serde_json::from_str(text).map_err(|error| DecodeError::Syntax(error.to_string()))
}
