//! The JSON form of log lines: time in milliseconds, caller, message, verbosity, values. Part of `klog`.

use serde_json::{Map, Value};
use tracing::Level;

use super::{Line, LogValue};

pub(super) fn format(line: &Line<'_>) -> String {
    let mut object = Map::new();
    object.insert("ts".to_owned(), Value::from(line.time.as_nanosecond() as f64 / 1e6));
    object.insert("caller".to_owned(), Value::from(format!("{}:{}", caller(line.file), line.line)));
    object.insert("msg".to_owned(), Value::from(line.message.as_str()));
    // Upstream's errors have no verbosity: that is how they are told apart.
    if line.level != Level::ERROR {
        object.insert("v".to_owned(), Value::from(line.verbosity));
    }
    for (name, value) in &line.values {
        let value = match value {
            LogValue::Text(text) => Value::from(text.as_str()),
            LogValue::Int(n) => i64::try_from(*n).map_or_else(|_| Value::from(n.to_string()), Value::from),
            LogValue::Float(n) => Value::from(*n),
            LogValue::Bool(b) => Value::from(*b),
        };
        object.insert(name.clone(), value);
    }
    let mut text = Value::Object(object).to_string();
    text.push('\n');
    text
}

/// The last two parts of a path.
fn caller(file: &str) -> &str {
    match file.rmatch_indices('/').nth(1) {
        Some((at, _)) => &file[at + 1..],
        None => file,
    }
}
