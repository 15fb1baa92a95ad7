//! Errors of CRI calls in the shape that Go's gRPC library gives them. The one place where tonic's own codes and texts are translated.
//!
//! A deadline is `Cancelled "Timeout expired"` in tonic and `DeadlineExceeded "context deadline exceeded"` in Go; a broken connection is
//! `Unknown "transport error"` against `Unavailable`. Users read these texts in events and container states.

use std::{error::Error, fmt, io};

pub use tonic::Code;

/// Why a CRI call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CriError {
    /// The runtime answered with a status, or the connection failed.
    #[error("rpc error: code = {name} desc = {message}", name = GoCode(*code))]
    Rpc {
        /// gRPC code.
        code: Code,
        /// The status message alone.
        message: String,
    },
    /// The reply was a success but not one that the kubelet accepts.
    #[error("{0}")]
    Reply(String),
}

impl CriError {
    /// A failure with this code and message.
    pub fn rpc(code: Code, message: impl Into<String>) -> Self {
        Self::Rpc { code, message: message.into() }
    }

    /// The deadline of a call passed.
    pub fn deadline_exceeded() -> Self {
        Self::rpc(Code::DeadlineExceeded, "context deadline exceeded")
    }

    /// The code; a refused reply counts as `Unknown`, as for Go's `status.FromError`.
    pub fn code(&self) -> Code {
        match self {
            Self::Rpc { code, .. } => *code,
            Self::Reply(_) => Code::Unknown,
        }
    }

    /// Whether the runtime does not know the object. Only the code counts, never the text.
    pub fn is_not_found(&self) -> bool {
        self.code() == Code::NotFound
    }

    /// Whether the runtime does not have the call.
    pub fn is_unimplemented(&self) -> bool {
        self.code() == Code::Unimplemented
    }

    /// Whether the deadline passed.
    pub fn is_deadline_exceeded(&self) -> bool {
        self.code() == Code::DeadlineExceeded
    }

    /// The message without the `rpc error: …` before it, as upstream shows it in waiting messages.
    pub fn desc(&self) -> &str {
        match self {
            Self::Rpc { message, .. } => message,
            Self::Reply(text) => text,
        }
    }

    /// Puts words before the message of an error that is not a gRPC status, keeping the code otherwise.
    pub fn with_message(self, text: impl Into<String>) -> Self {
        match self {
            Self::Rpc { code, .. } => Self::Rpc { code, message: text.into() },
            Self::Reply(_) => Self::Reply(text.into()),
        }
    }
}

/// A code as Go prints it.
struct GoCode(Code);

impl fmt::Display for GoCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Code::Ok => "OK",
            Code::Cancelled => "Canceled",
            Code::Unknown => "Unknown",
            Code::InvalidArgument => "InvalidArgument",
            Code::DeadlineExceeded => "DeadlineExceeded",
            Code::NotFound => "NotFound",
            Code::AlreadyExists => "AlreadyExists",
            Code::PermissionDenied => "PermissionDenied",
            Code::ResourceExhausted => "ResourceExhausted",
            Code::FailedPrecondition => "FailedPrecondition",
            Code::Aborted => "Aborted",
            Code::OutOfRange => "OutOfRange",
            Code::Unimplemented => "Unimplemented",
            Code::Internal => "Internal",
            Code::Unavailable => "Unavailable",
            Code::DataLoss => "DataLoss",
            Code::Unauthenticated => "Unauthenticated",
        })
    }
}

/// A dial that failed, with Go's words for it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("connection error: desc = \"transport: Error while dialing: dial {target}: {why}\"")]
pub struct DialError {
    /// `unix /run/x.sock` or `tcp 127.0.0.1:80`.
    pub target: String,
    /// `connect: connection refused` and the like.
    pub why: String,
}

impl DialError {
    /// Words for an I/O error of a dial to `target`.
    pub fn new(target: String, error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "connect: no such file or directory".to_owned(),
            io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
            io::ErrorKind::PermissionDenied => "connect: permission denied".to_owned(),
            io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
            _ => format!("connect: {error}"),
        };
        Self { target, why }
    }
}

/// Translates what tonic says.
pub fn from_tonic(status: &tonic::Status) -> CriError {
    let mut cause: Option<&(dyn Error + 'static)> = status.source();
    while let Some(error) = cause {
        if let Some(dial) = error.downcast_ref::<DialError>() {
            return CriError::rpc(Code::Unavailable, dial.to_string());
        }
        cause = error.source();
    }
    let message = status.message();
    match status.code() {
        Code::Cancelled if message == "Timeout expired" => CriError::deadline_exceeded(),
        Code::OutOfRange if message.contains("message length too large") => {
            CriError::rpc(Code::ResourceExhausted, format!("grpc: received message larger than max ({message})"))
        }
        Code::Unknown if message.starts_with("Service was not ready") => {
            // The connection's own task has ended, which only happens when the kubelet does.
            CriError::rpc(Code::Cancelled, "grpc: the client connection is closing")
        }
        Code::Unknown | Code::Internal | Code::Cancelled | Code::Unavailable if came_from_transport(status) => {
            CriError::rpc(Code::Unavailable, "error reading from server: EOF")
        }
        code => CriError::rpc(code, message),
    }
}

/// Whether the status was made on this side: those that a server sent have no source.
fn came_from_transport(status: &tonic::Status) -> bool {
    let message = status.message();
    status.source().is_some()
        || message.starts_with("h2 protocol error")
        || message.starts_with("transport error")
        || message.starts_with("error reading a body from connection")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(tonic::Status::not_found("no such container"), "rpc error: code = NotFound desc = no such container")]
    #[case(
        tonic::Status::cancelled("Timeout expired"),
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
    )]
    #[case(tonic::Status::cancelled("stopped"), "rpc error: code = Canceled desc = stopped")]
    #[case(tonic::Status::unknown("boom"), "rpc error: code = Unknown desc = boom")]
    #[case(tonic::Status::unimplemented("unknown method X"), "rpc error: code = Unimplemented desc = unknown method X")]
    fn prints_as_go(#[case] status: tonic::Status, #[case] text: &str) {
        assert_eq!(from_tonic(&status).to_string(), text);
    }

    #[test]
    fn a_dial_error_keeps_its_words() {
        let dial = DialError::new("unix /run/x.sock".to_owned(), &io::ErrorKind::NotFound.into());
        let status = tonic::Status::from_error(Box::new(dial));
        assert_eq!(
            from_tonic(&status).to_string(),
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix /run/x.sock: \
             connect: no such file or directory\""
        );
    }
}
