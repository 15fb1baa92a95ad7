//! Last words of a container: its termination log, or the end of its output. Read whenever an exited container is looked at.
//!
//! As kubelet 1.36: at most the last 4096 bytes of the file; with FallbackToLogsOnError the last 80 lines or 2048 bytes of the log.

use std::{io, path::Path};

use cri_proto::v1;
use world::Files;

use crate::api::{labels, reasons};

/// Longest termination message.
const MAX_MESSAGE: u64 = 4096;
/// Longest fallback, in bytes.
const MAX_FALLBACK: usize = 2048;
/// Longest fallback, in lines.
const MAX_FALLBACK_LINES: usize = 80;
/// How much of the log is read to find them: lines have stamps before them.
const LOG_TAIL: u64 = 64 * 1024;

/// The runtime's message with the container's own joined to it.
pub fn message(files: &Files, status: &v1::ContainerStatus) -> String {
    let annotation = |key: &str| status.annotations.get(key).map(String::as_str).unwrap_or_default();
    let path = annotation(labels::CONTAINER_TERMINATION_MESSAGE_PATH);
    let (mut text, mut fall_back) = from_file(files, status, path);
    let policy = annotation(labels::CONTAINER_TERMINATION_MESSAGE_POLICY);
    fall_back &= policy == "FallbackToLogsOnError"
        && status.exit_code != 0
        && status.reason != reasons::terminated::CONTAINER_CANNOT_RUN;
    if fall_back {
        text = log_tail(files, Path::new(&status.log_path));
    }
    match (status.message.is_empty(), text.is_empty()) {
        (true, _) => text,
        (false, true) => status.message.clone(),
        (false, false) => format!("{}: {text}", status.message),
    }
}

/// The file's text, and whether the log may stand in for it.
fn from_file(files: &Files, status: &v1::ContainerStatus, path: &str) -> (String, bool) {
    if path.is_empty() {
        return (String::new(), true);
    }
    let Some(mount) = status.mounts.iter().find(|m| m.container_path == path) else { return (String::new(), true) };
    match files.read_tail(Path::new(&mount.host_path), MAX_MESSAGE) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let empty = text.is_empty();
            (text, empty)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => (String::new(), true),
        Err(error) => (format!("Error on reading termination log {}: {error}", mount.host_path), false),
    }
}

/// The last lines of a CRI log, without stamps and stream names.
fn log_tail(files: &Files, path: &Path) -> String {
    let Ok(bytes) = files.read_tail(path, LOG_TAIL) else { return String::new() };
    let text = String::from_utf8_lossy(&bytes);
    let mut out = String::new();
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[lines.len().saturating_sub(MAX_FALLBACK_LINES)..] {
        let mut fields = line.splitn(4, ' ');
        let (Some(_), Some(_), Some(tag)) = (fields.next(), fields.next(), fields.next()) else { continue };
        out.push_str(fields.next().unwrap_or_default());
        if !tag.starts_with('P') {
            out.push('\n');
        }
    }
    let mut from = out.len().saturating_sub(MAX_FALLBACK);
    while !out.is_char_boundary(from) {
        from += 1;
    }
    out.split_off(from)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use world::{WallClock, sim::MemoryFiles};

    use super::*;

    #[rstest]
    #[case::file("said", "File", 1, "", "", "said")]
    #[case::runtime_and_file("said", "File", 1, "", "boom", "boom: said")]
    #[case::no_fallback("", "File", 1, "", "", "")]
    #[case::fallback("", "FallbackToLogsOnError", 1, "", "", "one\ntwo\n")]
    #[case::success("", "FallbackToLogsOnError", 0, "", "", "")]
    #[case::never_ran("", "FallbackToLogsOnError", 1, "ContainerCannotRun", "", "")]
    #[case::file_wins("said", "FallbackToLogsOnError", 1, "", "", "said")]
    #[tokio::test(start_paused = true)]
    async fn last_words(
        #[case] file: &str,
        #[case] policy: &str,
        #[case] exit_code: i32,
        #[case] reason: &str,
        #[case] runtime: &str,
        #[case] expected: &str,
    ) {
        let files = Files::new(MemoryFiles::new(WallClock::simulated()));
        files.create_dir_all(Path::new("/t"), 0o755).unwrap();
        files.write(Path::new("/t/log"), file.as_bytes(), 0o666).unwrap();
        let log =
            "2026-01-01T00:00:00Z stdout F one\n2026-01-01T00:00:00Z stderr P t\n2026-01-01T00:00:00Z stderr F wo\n";
        files.write(Path::new("/t/0.log"), log.as_bytes(), 0o640).unwrap();
        let status = v1::ContainerStatus {
            exit_code,
            reason: reason.into(),
            message: runtime.into(),
            log_path: "/t/0.log".into(),
            mounts: vec![v1::Mount {
                container_path: "/dev/termination-log".into(),
                host_path: "/t/log".into(),
                ..Default::default()
            }],
            annotations: [
                (labels::CONTAINER_TERMINATION_MESSAGE_PATH.to_owned(), "/dev/termination-log".to_owned()),
                (labels::CONTAINER_TERMINATION_MESSAGE_POLICY.to_owned(), policy.to_owned()),
            ]
            .into(),
            ..Default::default()
        };
        assert_eq!(message(&files, &status), expected);
    }
}
