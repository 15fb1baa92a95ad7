//! Accepts connections and speaks HTTP/1.1 on them in the shape of Go's server: its header case, and a date from the wall clock.
//! Not what is answered: that is `routes`.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use world::{
    Tasks,
    net::{Conn, Listener},
};

use super::{Site, reply::Payload, routes};

/// How long to wait after a connection could not be accepted, as Go's server at most does.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves until the task is dropped. Each connection is a task of its own in `tasks`.
pub(super) async fn serve(mut listener: Listener, site: Arc<Site>, tasks: Tasks) {
    loop {
        match listener.accept().await {
            Ok(conn) => drop(tasks.spawn("http-connection", connection(conn, site.clone()))),
            Err(error) => {
                tracing::warn!(err = %error, address = %listener.local(), "Cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(conn: Conn, site: Arc<Site>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let site = site.clone();
        async move { Ok::<Response<Payload>, Infallible>(routes::answer(&site, &request).into_response(&site.world)) }
    });
    let outcome = http1::Builder::new()
        .auto_date_header(false)
        .title_case_headers(true)
        .half_close(true)
        .serve_connection(TokioIo::new(conn), service)
        .await;
    if let Err(error) = outcome {
        tracing::debug!(err = %error, "A connection ended early");
    }
}
