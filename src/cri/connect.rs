//! A lazy gRPC channel over the world's network, with Go's redial back-off. Not the calls themselves.
//!
//! As upstream's client: base delay 100 ms, at most 3 s between dials, 5 s to connect; while a back-off runs, calls fail at once with
//! the error of the last dial.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use world::{
    Net, Tasks,
    net::{Address, Conn},
};

use crate::cri::status::DialError;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LAST_DELAY: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A channel to `address` that dials when first used and again after a failure.
pub fn channel(net: &Net, address: &Address, tasks: &Tasks) -> Channel {
    // The authority is `localhost` as Go's client sends it for unix sockets; the address itself is the connector's affair.
    Endpoint::from_static("http://localhost").executor(Spawn(tasks.clone())).connect_with_connector_lazy(Connector {
        net: net.clone(),
        address: address.clone(),
        state: Arc::default(),
    })
}

/// Runs the connection's own tasks in our task tree.
#[derive(Clone)]
struct Spawn(Tasks);

impl hyper::rt::Executor<Pin<Box<dyn Future<Output = ()> + Send>>> for Spawn {
    fn execute(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(self.0.spawn("cri-connection", future));
    }
}

#[derive(Default)]
struct Redial {
    delay: Option<Duration>,
    not_before: Option<Instant>,
    last: Option<DialError>,
}

#[derive(Clone)]
struct Connector {
    net: Net,
    address: Address,
    state: Arc<Mutex<Redial>>,
}

impl Connector {
    fn target(&self) -> String {
        match &self.address {
            Address::Unix(path) => format!("unix {}", path.display()),
            tcp => format!("tcp {tcp}"),
        }
    }

    async fn dial(self) -> Result<TokioIo<Conn>, DialError> {
        {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(not_before), Some(last)) = (state.not_before, &state.last)
                && Instant::now() < not_before
            {
                return Err(last.clone());
            }
        }
        let outcome = match tokio::time::timeout(CONNECT_TIMEOUT, self.net.dial(&self.address)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(conn) => {
                *state = Redial::default();
                Ok(TokioIo::new(conn))
            }
            Err(error) => {
                let delay = state.delay.map_or(FIRST_DELAY, |d| (d.mul_f64(1.6)).min(LAST_DELAY));
                let error = DialError::new(self.target(), &error);
                *state =
                    Redial { delay: Some(delay), not_before: Some(Instant::now() + delay), last: Some(error.clone()) };
                Err(error)
            }
        }
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Conn>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().dial())
    }
}
