//! klog's text form: `I1123 08:09:10.123456    4321 kubelet.go:42] "message" key="value"`. Part of `klog`.

use std::fmt::Write as _;

use tracing::Level;

use super::{Line, LogValue};
use crate::api::gojson::go_quoted;

pub(super) fn format(line: &Line<'_>) -> String {
    let letter = match line.level {
        Level::ERROR => 'E',
        Level::WARN => 'W',
        _ => 'I',
    };
    let time = line.time.strftime("%m%d %H:%M:%S");
    let micros = line.time.subsec_nanosecond() / 1000;
    let file = line.file.rsplit('/').next().unwrap_or(line.file);
    let mut out =
        format!("{letter}{time}.{micros:06} {:>7} {file}:{}] {}", line.pid, line.line, go_quoted(&line.message));
    for (name, value) in &line.values {
        // Writing to a String cannot fail.
        let _ = match value {
            LogValue::Text(text) if text.contains('\n') => write!(out, " {name}=<\n{} >", indented(text)),
            LogValue::Text(text) => write!(out, " {name}={}", go_quoted(text)),
            LogValue::Int(n) => write!(out, " {name}={n}"),
            LogValue::Float(n) => write!(out, " {name}={n}"),
            LogValue::Bool(b) => write!(out, " {name}={b}"),
        };
    }
    out.push('\n');
    out
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("\t{line}\n")).collect()
}
