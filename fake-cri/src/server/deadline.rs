//! Deadlines that clients send with their calls: what is late is `DeadlineExceeded`, as servers in Go answer, whoever looks first.
//!
//! The transport has a timer of its own, which would say `Cancelled`; this one is asked before it and never fires after it.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tonic::Status;
use tower::{Layer, Service};

/// What timers round up to.
const TICK: Duration = Duration::from_micros(999);

/// Puts [`Deadline`] around a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline(inner)
    }
}

/// A service whose late answers are replaced.
#[derive(Clone, Debug)]
pub(super) struct Deadline<S>(S);

/// Reads `grpc-timeout`: digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

impl<S, B, R> Service<http::Request<B>> for Deadline<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>, Error = Infallible>,
    S::Future: Send + 'static,
    R: Default,
{
    type Response = http::Response<R>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let limit = request.headers().get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(timeout);
        let answer = self.0.call(request);
        let Some(limit) = limit else { return Box::pin(answer) };
        Box::pin(async move {
            tokio::select! {
                biased;
                answer = answer => answer,
                () = tokio::time::sleep(limit.saturating_sub(TICK)) => {
                    Ok(Status::deadline_exceeded("context deadline exceeded").into_http())
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_late_exceeds_its_deadline_and_what_is_not_is_passed_on() {
        let slow = service_fn(|_: http::Request<()>| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, Infallible>(http::Response::new(()))
        });
        for (timeout, expected) in [("20m", Some("4")), ("80m", None)] {
            let request = http::Request::builder().header("grpc-timeout", timeout).body(()).expect("a request");
            let answer = DeadlineLayer.layer(slow).oneshot(request).await.expect("an answer");
            let status = answer.headers().get("grpc-status").map(|value| value.to_str().expect("digits"));
            assert_eq!(status, expected, "{timeout}");
        }
    }

    #[rstest]
    #[case("1m", Some(Duration::from_millis(1)))]
    #[case("120S", Some(Duration::from_secs(120)))]
    #[case("4M", Some(Duration::from_secs(240)))]
    #[case("999967u", Some(Duration::from_micros(999_967)))]
    #[case("123456789S", None)]
    #[case("S", None)]
    #[case("", None)]
    #[case("5é", None)]
    fn timeouts(#[case] text: &str, #[case] expected: Option<Duration>) {
        assert_eq!(timeout(text), expected);
    }
}
