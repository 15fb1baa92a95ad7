//! Golden lines of both forms.

use std::{
    io,
    sync::{Arc, Mutex},
};

use rstest::rstest;

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `say` logs, with line numbers replaced.
fn logged(format: LogFormat, verbosity: u32, say: impl FnOnce()) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let sink = Sink::default();
        let clock = WallClock::simulated();
        clock.step(jiff::SignedDuration::from_micros(1_234_567));
        let klog = Klog::new(Logging { format, verbosity }, clock, 4321, sink.clone());
        tracing::subscriber::with_default(klog.subscriber(), say);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let mut out = text.clone();
        for piece in text.split("tests.rs:").skip(1) {
            let digits: String = piece.chars().take_while(char::is_ascii_digit).collect();
            out = out.replace(&format!("tests.rs:{digits}"), "tests.rs:42");
        }
        out
    })
}

#[test]
fn text_lines_are_klogs() {
    let text = logged(LogFormat::Text, 0, || {
        tracing::info!(pod = "default/web", attempt = 3, ready = true, "Starting pod");
        tracing::warn!(err = "two\nlines", "It is \"odd\"");
        tracing::error!(path = %"/tmp/x", "Cannot read");
    });
    assert_eq!(
        text,
        "I0101 00:00:01.234567    4321 tests.rs:42] \"Starting pod\" pod=\"default/web\" attempt=3 ready=true\n\
         W0101 00:00:01.234567    4321 tests.rs:42] \"It is \\\"odd\\\"\" err=<\n\ttwo\n\tlines\n >\n\
         E0101 00:00:01.234567    4321 tests.rs:42] \"Cannot read\" path=\"/tmp/x\"\n"
    );
}

#[test]
fn json_lines_are_objects() {
    let text = logged(LogFormat::Json, 0, || {
        tracing::info!(pod = "default/web", n = 1.5, "Starting");
        tracing::error!(err = "gone", "Cannot read");
    });
    assert_eq!(
        text,
        "{\"ts\":1767225601234.567,\"caller\":\"klog/tests.rs:42\",\"msg\":\"Starting\",\"v\":0,\"pod\":\"default/web\",\"n\":1.5}\n\
         {\"ts\":1767225601234.567,\"caller\":\"klog/tests.rs:42\",\"msg\":\"Cannot read\",\"err\":\"gone\"}\n"
    );
}

#[rstest]
#[case(0, "info\n")]
#[case(2, "info\nv2\n")]
#[case(4, "info\nv2\ndebug\n")]
#[case(6, "info\nv2\ndebug\ntrace\n")]
fn verbosity_decides(#[case] verbosity: u32, #[case] shown: &str) {
    let text = logged(LogFormat::Text, verbosity, || {
        tracing::info!("info");
        tracing::info!(v = 2, "v2");
        tracing::debug!("debug");
        tracing::trace!("trace");
        tracing::info!(target: "h2::codec", "never");
    });
    let messages: String = text.lines().map(|l| format!("{}\n", l.split('"').nth(1).unwrap())).collect();
    assert_eq!(messages, shown);
}

#[test]
fn events_are_logged_with_their_own_names() {
    let text = logged(LogFormat::Text, 0, || {
        tracing::info!(r#type = "Normal", message_ = "Started container web", "Event occurred");
    });
    assert_eq!(
        text,
        "I0101 00:00:01.234567    4321 tests.rs:42] \"Event occurred\" type=\"Normal\" message=\"Started container web\"\n"
    );
}
