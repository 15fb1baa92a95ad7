//! Field errors in Go's words: path, kind, value, detail. Which errors there are is decided elsewhere.

use std::fmt;

use crate::api::gojson;

/// What sort of wrong a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Missing.
    Required,
    /// Present and not acceptable.
    Invalid,
    /// Not one of the listed values.
    NotSupported,
    /// Seen before in a place where values are unique.
    Duplicate,
    /// Refers to something that is not there.
    NotFound,
    /// May not be set here.
    Forbidden,
    /// Too many bytes.
    TooLong,
    /// Too many items.
    TooMany,
}

/// One error about one field. Displays as Go's `field.Error`: `spec.containers[0].name: Required value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where: `spec.containers[0].ports[1].name`.
    pub path: String,
    /// What sort.
    pub kind: Kind,
    /// The value as shown; empty for the sorts that show none.
    pub value: String,
    /// The rest of the text; may be empty.
    pub detail: String,
}

impl FieldError {
    fn new(path: &str, kind: Kind, value: String, detail: impl Into<String>) -> Self {
        Self { path: path.to_owned(), kind, value, detail: detail.into() }
    }

    /// `<path>: Required value[: <detail>]`.
    pub fn required(path: &str, detail: impl Into<String>) -> Self {
        Self::new(path, Kind::Required, String::new(), detail)
    }

    /// `<path>: Invalid value: "<value>": <detail>` for a string.
    pub fn invalid(path: &str, value: &str, detail: impl Into<String>) -> Self {
        Self::new(path, Kind::Invalid, gojson::go_quoted(value), detail)
    }

    /// The same for a word of a type of its own, or one behind a pointer: Go shows these as JSON.
    pub fn invalid_word(path: &str, value: &str, detail: impl Into<String>) -> Self {
        Self::new(path, Kind::Invalid, gojson::quoted(value), detail)
    }

    /// `<path>: Invalid value: <value>: <detail>` for anything shown without quotes (numbers, booleans, JSON).
    pub fn invalid_raw(path: &str, value: impl fmt::Display, detail: impl Into<String>) -> Self {
        Self::new(path, Kind::Invalid, value.to_string(), detail)
    }

    /// `<path>: Unsupported value: "<value>": supported values: "a", "b"`, in the order given.
    /// Nearly all such values are words of types of their own, so JSON.
    pub fn not_supported(path: &str, value: &str, supported: &[&str]) -> Self {
        Self { value: gojson::quoted(value), ..Self::not_supported_text(path, value, supported) }
    }

    /// The same for a plain string.
    pub fn not_supported_text(path: &str, value: &str, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|each| gojson::go_quoted(each)).collect();
        let detail = if list.is_empty() { String::new() } else { format!("supported values: {}", list.join(", ")) };
        Self::new(path, Kind::NotSupported, gojson::go_quoted(value), detail)
    }

    /// `<path>: Duplicate value: "<value>"`.
    pub fn duplicate(path: &str, value: &str) -> Self {
        Self::new(path, Kind::Duplicate, gojson::go_quoted(value), "")
    }

    /// The same for a word of a type of its own.
    pub fn duplicate_word(path: &str, value: &str) -> Self {
        Self::new(path, Kind::Duplicate, gojson::quoted(value), "")
    }

    /// `<path>: Not found: "<value>"[: <detail>]`.
    pub fn not_found(path: &str, value: &str, detail: impl Into<String>) -> Self {
        Self::new(path, Kind::NotFound, gojson::go_quoted(value), detail)
    }

    /// `<path>: Forbidden[: <detail>]`.
    pub fn forbidden(path: &str, detail: impl Into<String>) -> Self {
        Self::new(path, Kind::Forbidden, String::new(), detail)
    }

    /// `<path>: Too long: may not be more than <max> bytes`.
    pub fn too_long(path: &str, max: usize) -> Self {
        Self::new(path, Kind::TooLong, String::new(), format!("may not be more than {max} bytes"))
    }

    /// `<path>: Too many: <count>: must have at most <max> items`.
    pub fn too_many(path: &str, count: usize, max: usize) -> Self {
        Self::new(path, Kind::TooMany, count.to_string(), format!("must have at most {max} items"))
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Required => "Required value",
            Kind::Invalid => "Invalid value",
            Kind::NotSupported => "Unsupported value",
            Kind::Duplicate => "Duplicate value",
            Kind::NotFound => "Not found",
            Kind::Forbidden => "Forbidden",
            Kind::TooLong => "Too long",
            Kind::TooMany => "Too many",
        };
        write!(f, "{}: {kind}", self.path)?;
        if !self.value.is_empty() {
            write!(f, ": {}", self.value)?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for FieldError {}

/// The text upstream logs for a refused pod: `invalid pod: [<error> <error>]`, a space between, brackets even around one.
pub fn to_aggregate(errors: &[FieldError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    format!("invalid pod: [{}]", texts.join(" "))
}
