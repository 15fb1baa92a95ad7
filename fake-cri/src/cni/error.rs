//! Errors as plugins print them: a code, a message, details.

use serde::{Deserialize, Serialize};

/// Codes of the specification.
pub mod code {
    /// The configuration's version is not spoken.
    pub const VERSION: u32 = 1;
    /// Environment is missing or wrong.
    pub const ENVIRONMENT: u32 = 4;
    /// Reading or writing failed.
    pub const IO: u32 = 5;
    /// What is no JSON.
    pub const DECODE: u32 = 6;
    /// A configuration that cannot be.
    pub const CONFIG: u32 = 7;
    /// Come back later.
    pub const AGAIN: u32 = 11;
    /// Not able to serve ADD.
    pub const NOT_AVAILABLE: u32 = 50;
    /// What the reference plugins use for all else.
    pub const OTHER: u32 = 999;
}

/// An error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}", self.shown())]
pub struct Error {
    /// Version of the protocol.
    #[serde(rename = "cniVersion", default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Code.
    pub code: u32,
    /// Message.
    pub msg: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl Error {
    /// An error of a code.
    pub fn new(code: u32, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), ..Self::default() }
    }

    /// An error of the general code.
    pub fn other(msg: impl Into<String>) -> Self {
        Self::new(code::OTHER, msg)
    }

    /// With details.
    #[must_use]
    pub fn with(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    fn shown(&self) -> String {
        if self.details.is_empty() { self.msg.clone() } else { format!("{}; {}", self.msg, self.details) }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(code::IO, crate::os::in_go(&error))
    }
}
