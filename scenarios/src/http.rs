//! One HTTP request over a world's network, as curl makes it. No pools, no redirects, no TLS.

use std::{collections::BTreeMap, io, pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use world::{Net, net::Address};

/// The longest body that is read.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers by their names in small letters; several values are joined with commas.
    pub headers: BTreeMap<String, String>,
    /// The body; what is not UTF-8 is replaced.
    pub body: String,
}

/// A URL of the kind that scenarios write: `http://host:port/path?query`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// The host: a name or an IP address.
    pub host: String,
    /// The port, 80 if the URL does not say.
    pub port: u16,
    /// Path and query.
    pub path: String,
}

impl std::str::FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: http::Uri = text.parse().map_err(|e| format!("{text:?} is no URL: {e}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("{text:?} is no URL of the kind http://host:port/path"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| format!("{text:?} names no host"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(80), path: path.to_owned() })
    }
}

/// Asks for `url` at `address`.
///
/// # Errors
/// Nobody listens, the connection breaks, or the answer takes over ten seconds.
pub async fn get(net: &Net, address: &Address, url: &Url) -> io::Result<Answer> {
    match tokio::time::timeout(PATIENCE, exchange(net, address, url)).await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 10s")),
    }
}

async fn exchange(net: &Net, address: &Address, url: &Url) -> io::Result<Answer> {
    let conn = net.dial(address).await?;
    let (mut sender, driver) =
        hyper::client::conn::http1::handshake(TokioIo::new(conn)).await.map_err(io::Error::other)?;
    let request = http::Request::get(&url.path)
        .header("Host", format!("{}:{}", url.host, url.port))
        .header("User-Agent", "curl/8.0.1")
        .header("Accept", "*/*")
        .header("Connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(io::Error::other)?.to_bytes();
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in &head.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.entry(name.as_str().to_owned()).and_modify(|all| *all = format!("{all}, {value}")).or_insert(value);
        }
        Ok(Answer { status: head.status.as_u16(), headers, body: String::from_utf8_lossy(&body).into_owned() })
    };
    // The connection makes progress only while it is polled.
    match select(pin!(answer), pin!(driver)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, answer)) => answer.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url: Url = "http://localhost:10255/healthz?verbose".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("localhost", 10255, "/healthz?verbose"));
        let url: Url = "http://[::1]/".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("::1", 80, "/"));
        assert!("https://localhost/".parse::<Url>().is_err());
        assert!("localhost/pods".parse::<Url>().is_err());
        assert!("http:///pods".parse::<Url>().is_err());
    }
}
