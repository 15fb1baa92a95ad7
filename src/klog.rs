//! Log lines as upstream's: klog's text, or one JSON object per line. A `tracing` layer; decides form and verbosity, not what is said
//! nor where it goes. Times are the wall clock's, in UTC.

use std::{
    fmt,
    io::Write,
    sync::{Mutex, PoisonError},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};
use world::WallClock;

use crate::config::{LogFormat, Logging};

mod json;
mod text;

/// Crates whose own chatter is never logged: it is about bytes and futures, and would name real times.
const SILENT: &[&str] =
    &["h2", "hyper", "hyper_util", "tonic", "tower", "tokio", "tokio_util", "mio", "axum", "serde_saphyr"];

/// A value of a log line.
#[derive(Clone, Debug, PartialEq)]
enum LogValue {
    /// Shown in quotes.
    Text(String),
    /// Shown as it is.
    Int(i128),
    /// Shown as it is.
    Float(f64),
    /// Shown as it is.
    Bool(bool),
}

/// What a line says, before it has a form.
#[derive(Debug)]
struct Line<'a> {
    level: Level,
    /// klog's level: 0 is always shown.
    verbosity: u32,
    time: jiff::Timestamp,
    pid: u32,
    file: &'a str,
    line: u32,
    message: String,
    values: Vec<(String, LogValue)>,
}

/// A `tracing` layer that writes lines in klog's forms.
///
/// Levels are klog's in this way: errors, warnings and information are always shown, `debug!` is V(4), `trace!` is V(6); a field
/// named `v` says another verbosity. Raw identifiers and a trailing underscore of field names are dropped, so that `message_` can be
/// logged as `message`.
pub struct Klog {
    logging: Logging,
    clock: WallClock,
    pid: u32,
    out: Mutex<Box<dyn Write + Send>>,
}

impl fmt::Debug for Klog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Klog({:?})", self.logging)
    }
}

impl Klog {
    /// Lines of this form and verbosity to `out`, with the id of this process in them.
    pub fn new(logging: Logging, clock: WallClock, pid: u32, out: impl Write + Send + 'static) -> Self {
        Self { logging, clock, pid, out: Mutex::new(Box::new(out)) }
    }

    /// A whole subscriber that only writes these lines: set it as the default of a thread in simulation, or of the process.
    pub fn subscriber(self) -> impl Subscriber + Send + Sync {
        tracing_subscriber::registry().with(self)
    }
}

impl<S: Subscriber> Layer<S> for Klog {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let root = metadata.target().split("::").next().unwrap_or_default();
        !SILENT.contains(&root) && of_level(*metadata.level()) <= self.logging.verbosity.max(explicit(metadata))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields { message: String::new(), verbosity: None, values: Vec::new() };
        event.record(&mut fields);
        let verbosity = fields.verbosity.unwrap_or_else(|| of_level(*metadata.level()));
        if verbosity > self.logging.verbosity && *metadata.level() > Level::WARN {
            return;
        }
        let line = Line {
            level: *metadata.level(),
            verbosity,
            time: self.clock.now(),
            pid: self.pid,
            file: metadata.file().unwrap_or("unknown"),
            line: metadata.line().unwrap_or(0),
            message: fields.message,
            values: fields.values,
        };
        let text = match self.logging.format {
            LogFormat::Text => text::format(&line),
            LogFormat::Json => json::format(&line),
        };
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // There is nowhere to tell that the log cannot be written.
        let _ = out.write_all(text.as_bytes());
    }
}

/// klog's verbosity of a level.
fn of_level(level: Level) -> u32 {
    match level {
        Level::TRACE => 6,
        Level::DEBUG => 4,
        _ => 0,
    }
}

/// An event that has a field `v` is looked at whatever its level: only its value decides.
fn explicit(metadata: &Metadata<'_>) -> u32 {
    if metadata.fields().field("v").is_some() { u32::MAX } else { 0 }
}

/// Collects the fields of an event.
struct Fields {
    message: String,
    verbosity: Option<u32>,
    values: Vec<(String, LogValue)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: LogValue) {
        match (field.name(), value) {
            ("message", LogValue::Text(text)) => self.message = text,
            ("v", LogValue::Int(n)) => self.verbosity = u32::try_from(n).ok(),
            (name, value) => {
                let name = name.trim_start_matches("r#").trim_end_matches('_');
                self.values.push((name.to_owned(), value));
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, LogValue::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, LogValue::Text(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, LogValue::Int(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, LogValue::Int(value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, LogValue::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, LogValue::Bool(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, LogValue::Text(value.to_string()));
    }
}

#[cfg(test)]
mod tests;
