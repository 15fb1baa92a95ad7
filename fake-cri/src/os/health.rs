//! The health service of gRPC as a simulated process serves it: `Check`, in plain HTTP/2, and nothing else. Who is well is the caller's say.

use std::{convert::Infallible, future::Future, io, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use world::Tasks;

use super::{Code, Process, surroundings::PodListener};

/// The one method.
const CHECK: &str = "/grpc.health.v1.Health/Check";

/// gRPC's code of an answer.
const OK: u16 = 0;
/// gRPC's code for a request that cannot be read.
const INVALID_ARGUMENT: u16 = 3;
/// gRPC's code for a service of which nothing is known.
const NOT_FOUND: u16 = 5;
/// gRPC's code for another method.
const UNIMPLEMENTED: u16 = 12;

/// Largest request that is read: its frame and the name of a service.
const REQUEST_LIMIT: usize = 4096;

/// Bytes before a message: whether it is compressed, and its length.
const FRAME: usize = 5;

/// How the service of that name is: whether it serves; `None` if there is none of that name.
pub type Health = Arc<dyn Fn(&str) -> Option<bool> + Send + Sync>;

#[derive(Clone, PartialEq, prost::Message)]
struct CheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CheckResponse {
    /// 1 is serving, 2 is not.
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Lets HTTP/2 work in the tasks of the process.
#[derive(Clone)]
struct InTasks(Tasks);

impl<F> hyper::rt::Executor<F> for InTasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(self.0.spawn("h2", future));
    }
}

/// Serves on a port of the pod until the process ends.
///
/// # Errors
/// No more connections can be had.
pub async fn serve_on(mut listener: PodListener, process: &Process, health: Health) -> io::Result<Code> {
    let tasks = process.kernel().tasks().child("grpc");
    let _ended = tasks.token().drop_guard();
    loop {
        let conn = listener.accept().await?;
        let health = health.clone();
        let service = service_fn(move |request| answer(health.clone(), request));
        let served = hyper::server::conn::http2::Builder::new(InTasks(tasks.clone()))
            .serve_connection(TokioIo::new(conn), service);
        drop(tasks.spawn("connection", served));
    }
}

async fn answer(
    health: Health,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let known = request.uri().path() == CHECK;
    let body = Limited::new(request.into_body(), REQUEST_LIMIT).collect().await;
    let asked = body.ok().and_then(|body| {
        let bytes = body.to_bytes();
        CheckRequest::decode(bytes.get(FRAME..)?).ok()
    });
    let (message, code) = match asked {
        _ if !known => (None, UNIMPLEMENTED),
        None => (None, INVALID_ARGUMENT),
        Some(request) => match health(&request.service) {
            Some(serves) => (Some(CheckResponse { status: if serves { 1 } else { 2 } }), OK),
            None => (None, NOT_FOUND),
        },
    };
    let mut frame = Vec::new();
    if let Some(message) = message {
        let message = message.encode_to_vec();
        frame.extend([0, 0, 0, 0, u8::try_from(message.len()).unwrap_or(0)]);
        frame.extend(message);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    let body = Full::new(Bytes::from(frame)).with_trailers(std::future::ready(Some(Ok(trailers)))).boxed();
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}
