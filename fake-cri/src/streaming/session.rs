//! One client of a container's process: its streams by name, whatever carries them, and how the end is told. As `k8s.io/cri-streaming`.

use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::wire::{Gone, Outgoing};
use crate::os::{
    OpenFile as _, Terminal,
    pipe::{PipeReader, PipeWriter},
};

/// Which streams a client has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The client sends input.
    pub stdin: bool,
    /// It gets output.
    pub stdout: bool,
    /// It gets errors.
    pub stderr: bool,
    /// There is a terminal.
    pub tty: bool,
}

/// Version of the remotecommand protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// `channel.k8s.io`: input is shut at once, errors are text.
    V1,
    /// `v2.channel.k8s.io`: input may end.
    V2,
    /// `v3.channel.k8s.io`: terminals have a size.
    V3,
    /// `v4.channel.k8s.io`: the end is told as a status.
    V4,
    /// `v5.channel.k8s.io`, of WebSocket only: input may end there, too.
    V5,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    /// What the client sends.
    pub stdin: Option<Arc<PipeReader>>,
    /// Output to the client.
    pub stdout: Option<Outgoing>,
    /// Errors to the client.
    pub stderr: Option<Outgoing>,
    /// How the session ended.
    pub error: Outgoing,
    /// Sizes of the client's window, as JSON.
    pub resize: Option<Arc<PipeReader>>,
    /// The protocol.
    pub version: Version,
    /// Cancelled when the client has gone.
    pub gone: CancellationToken,
}

/// Why a session did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The command ended with another status than 0.
    Exit {
        /// The status.
        code: i32,
        /// What is said about it.
        text: String,
    },
    /// Nothing could be run, or the runtime failed.
    Internal(String),
}

/// The end of a session as clients of version 4 read it.
#[derive(Debug, Serialize)]
struct Status<'a> {
    status: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
}

#[derive(Debug, Serialize)]
struct Details {
    causes: [Cause; 1],
}

#[derive(Debug, Serialize)]
struct Cause {
    reason: &'static str,
    message: String,
}

/// What the error stream says, for a version of the protocol.
fn told(result: &Result<(), Failure>, version: Version) -> Vec<u8> {
    let message = match result {
        Ok(()) => String::new(),
        Err(Failure::Exit { text, .. }) => format!("command terminated with non-zero exit code: {text}"),
        Err(Failure::Internal(text)) => format!("Internal error occurred: {text}"),
    };
    if version < Version::V4 {
        return message.into_bytes();
    }
    let mut status = Status { status: "Success", message: &message, reason: "", details: None, code: None };
    match result {
        Ok(()) => {}
        Err(Failure::Exit { code, .. }) => {
            let cause = Cause { reason: "ExitCode", message: code.to_string() };
            status = Status {
                status: "Failure",
                reason: "NonZeroExitCode",
                details: Some(Details { causes: [cause] }),
                ..status
            };
        }
        Err(Failure::Internal(_)) => {
            status = Status { status: "Failure", reason: "InternalError", code: Some(500), ..status };
        }
    }
    serde_json::to_vec(&status).expect("texts and numbers have a JSON form")
}

impl Session {
    /// Tells how it ended and closes what goes to the client.
    pub async fn finish(self, result: Result<(), Failure>) {
        let _ = self.error.write(&told(&result, self.version)).await;
        for stream in self.stdout.iter().chain(&self.stderr) {
            stream.close().await;
        }
        if self.version == Version::V1 {
            self.error.reset().await;
        }
        self.error.close().await;
    }
}

/// Copies what a process writes to the client, to its end. What a client does not want any more is dropped, so that no process waits
/// for it.
pub(super) async fn pump(from: Arc<PipeReader>, to: Option<Outgoing>) {
    let mut to = to;
    while let Ok(bytes) = from.read(super::spdy::DATA_BYTES).await {
        if bytes.is_empty() {
            return;
        }
        if let Some(out) = &to
            && out.write(&bytes).await == Err(Gone)
        {
            to = None;
        }
    }
}

/// Copies what the client sends into a pipe, until either ends.
pub(super) async fn feed(from: &PipeReader, to: &PipeWriter) {
    while let Ok(bytes) = from.read(super::spdy::DATA_BYTES).await {
        if bytes.is_empty() || to.write(&bytes).await.is_err() {
            return;
        }
    }
}

/// Copies what the client types to a terminal.
pub(super) async fn typed(from: &PipeReader, terminal: &Terminal) {
    while let Ok(bytes) = from.read(4096).await {
        if bytes.is_empty() {
            return;
        }
        terminal.receive(&bytes).await;
    }
}

/// Longest text of a window's size that is waited for.
const SIZE_BYTES: usize = 256;

/// Gives a terminal the sizes that come in, until one is no size.
pub(super) async fn resized(from: &PipeReader, terminal: &Terminal) {
    let mut text: Vec<u8> = Vec::new();
    while let Ok(bytes) = from.read(SIZE_BYTES).await {
        if bytes.is_empty() {
            return;
        }
        text.extend(bytes);
        let Some(used) = sizes(&text, |columns, rows| terminal.resize(columns, rows)) else { return };
        text.drain(..used);
        if text.len() > SIZE_BYTES {
            return;
        }
    }
}

/// Calls `each` with every whole size in `text`; how much of it that was, or `None` if it is no size.
fn sizes(text: &[u8], mut each: impl FnMut(u16, u16)) -> Option<usize> {
    #[derive(serde::Deserialize)]
    struct Size {
        #[serde(alias = "width", default, rename = "Width")]
        width: u16,
        #[serde(alias = "height", default, rename = "Height")]
        height: u16,
    }
    let mut all = serde_json::Deserializer::from_slice(text).into_iter::<Size>();
    let mut used = 0;
    loop {
        match all.next() {
            Some(Ok(size)) => {
                each(size.width, size.height);
                used = all.byte_offset();
            }
            Some(Err(error)) if error.is_eof() => return Some(used),
            Some(Err(_)) => return None,
            None => return Some(text.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn exit() -> Result<(), Failure> {
        Err(Failure::Exit { code: 3, text: "error executing command [sh], exit code 3".to_owned() })
    }

    #[rstest]
    #[case(Ok(()), Version::V4, r#"{"status":"Success"}"#)]
    #[case(exit(), Version::V5, r#"{"status":"Failure","message":"command terminated with non-zero exit code: error executing command [sh], exit code 3","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#)]
    #[case(Err(Failure::Internal("x".to_owned())), Version::V4, r#"{"status":"Failure","message":"Internal error occurred: x","reason":"InternalError","code":500}"#)]
    #[case(Ok(()), Version::V3, "")]
    #[case(
        exit(),
        Version::V1,
        "command terminated with non-zero exit code: error executing command [sh], exit code 3"
    )]
    fn the_end_is_told_as_upstream_tells_it(
        #[case] result: Result<(), Failure>,
        #[case] version: Version,
        #[case] text: &str,
    ) {
        assert_eq!(String::from_utf8(told(&result, version)).as_deref(), Ok(text));
    }

    #[rstest]
    #[case(r#"{"Width":80,"Height":24}"#, &[(80, 24)], Some(24))]
    #[case("{\"Width\":80,\"Height\":24}\n{\"Width\":1,", &[(80, 24)], Some(24))]
    #[case("{\"Width\":80000}", &[], None)]
    #[case("hello", &[], None)]
    #[case("", &[], Some(0))]
    fn sizes_come_one_after_the_other(#[case] text: &str, #[case] found: &[(u16, u16)], #[case] used: Option<usize>) {
        let mut all = Vec::new();
        assert_eq!(sizes(text.as_bytes(), |c, r| all.push((c, r))), used);
        assert_eq!(all, found);
    }
}
