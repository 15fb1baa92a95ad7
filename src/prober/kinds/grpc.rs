//! The grpc probe: `grpc.health.v1.Health/Check` over plain HTTP/2 on a connection of its own. Texts as kubelet 1.36.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{
    Code, Request,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;
use world::{
    Net,
    net::{Address, Conn},
};

use crate::{api::duration::GoDuration, prober::kinds::Verdict};

/// How Go's dial waits between attempts.
const FIRST_REDIAL: Duration = Duration::from_secs(1);

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheckRequest {
    /// Which service; empty is the server as a whole.
    #[prost(string, tag = "1")]
    pub service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheckResponse {
    /// `ServingStatus`.
    #[prost(enumeration = "ServingStatus", tag = "1")]
    pub status: i32,
}

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ServingStatus {
    /// Not known.
    Unknown = 0,
    /// Well.
    Serving = 1,
    /// Not well.
    NotServing = 2,
    /// No such service (only in Watch).
    ServiceUnknown = 3,
}

/// Asks once.
pub async fn check(net: &Net, address: &Address, service: String, timeout: Duration) -> Verdict {
    let deadline = Instant::now() + timeout;
    let shown = GoDuration::from_std(timeout);
    let Ok(channel) = timeout_at(deadline, connect(net, address)).await else {
        return Verdict::Failure(format!(
            "timeout: failed to connect service {:?} within {shown}: context deadline exceeded",
            address.to_string()
        ));
    };
    let rpc = async {
        let (channel, work) = channel;
        let call = async {
            let mut client = tonic::client::Grpc::new(channel);
            client.ready().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
            let path = http::uri::PathAndQuery::from_static("/grpc.health.v1.Health/Check");
            let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
            client.unary(Request::new(HealthCheckRequest { service }), path, codec).await
        };
        work.beside(call).await
    };
    match timeout_at(deadline, rpc).await {
        Ok(Ok(reply)) => match reply.into_inner().status {
            status if status == i32::from(ServingStatus::Serving) => Verdict::Success,
            status => {
                let name = match ServingStatus::try_from(status) {
                    Ok(ServingStatus::Unknown) => "UNKNOWN".to_owned(),
                    Ok(ServingStatus::NotServing) => "NOT_SERVING".to_owned(),
                    Ok(ServingStatus::ServiceUnknown) => "SERVICE_UNKNOWN".to_owned(),
                    Ok(ServingStatus::Serving) | Err(_) => status.to_string(),
                };
                Verdict::Failure(format!("service unhealthy (responded with {name:?})"))
            }
        },
        Ok(Err(status)) if status.code() == Code::Unimplemented => Verdict::Failure(format!(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {}",
            status.message()
        )),
        Ok(Err(status)) if status.code() != Code::DeadlineExceeded => {
            Verdict::Failure(format!("error: health rpc probe failed: {}", crate::cri::status::from_tonic(&status)))
        }
        Ok(Err(_)) | Err(_) => Verdict::Failure(format!("timeout: health rpc did not complete within {shown}")),
    }
}

/// The connection's own work, done beside the call instead of in a task.
struct Work(futures_util::stream::FuturesUnordered<Boxed>, std::sync::Arc<Queue>);

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct Queue {
    new: Mutex<Vec<Boxed>>,
    wake: tokio::sync::Notify,
}

impl Work {
    async fn beside<T>(mut self, call: impl Future<Output = T>) -> T {
        use futures_util::StreamExt as _;
        tokio::pin!(call);
        loop {
            self.0.extend(self.1.new.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
            tokio::select! {
                biased;
                () = self.1.wake.notified() => {}
                Some(()) = self.0.next(), if !self.0.is_empty() => {}
                done = &mut call => return done,
            }
        }
    }
}

#[derive(Clone)]
struct Spawn(std::sync::Arc<Queue>);

impl hyper::rt::Executor<Boxed> for Spawn {
    fn execute(&self, future: Boxed) {
        self.0.new.lock().unwrap_or_else(PoisonError::into_inner).push(future);
        self.0.wake.notify_one();
    }
}

/// Dials until somebody answers, as a blocking dial does.
async fn connect(net: &Net, address: &Address) -> (Channel, Work) {
    let mut delay = FIRST_REDIAL;
    loop {
        if let Ok(conn) = net.dial(address).await
            && let Ok(ready) = channel(conn, address).await
        {
            return ready;
        }
        sleep(delay).await;
        delay = delay.mul_f64(1.6);
    }
}

async fn channel(conn: Conn, address: &Address) -> Result<(Channel, Work), tonic::transport::Error> {
    let queue = std::sync::Arc::new(Queue::default());
    let work = Work(futures_util::stream::FuturesUnordered::new(), queue.clone());
    let one = std::sync::Arc::new(Mutex::new(Some(conn)));
    let connector = tower::service_fn(move |_: Uri| {
        let conn = one.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move { conn.map(TokioIo::new).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected)) }
    });
    let endpoint = Endpoint::from_shared(format!("http://{}", authority(address)))?
        .user_agent("kube-probe/1.36 grpc-go/1.79.3")?
        .executor(Spawn(queue));
    // Lazy: the handshake is part of the call, whose work is done beside it.
    Ok((endpoint.connect_with_connector_lazy(connector), work))
}

/// The `:authority`: an address without a host is this node.
fn authority(address: &Address) -> String {
    match address {
        Address::Tcp { host, port } if host.is_empty() => format!("localhost:{port}"),
        other => other.to_string(),
    }
}
