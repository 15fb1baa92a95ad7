//! One HTTP/1.1 GET over the world's network, with redirects, as Go's client does it and in its words. No pool, no proxies, HTTP/2 neither,
//! no cookies. Used by probes and by the URL source, which bring their own headers and limits.

use std::{error::Error as _, io, time::Duration};

use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};
use world::{Net, net::Address};

use crate::cri::status::DialError;

mod redirect;
mod tls;
mod url;

pub use tls::{Authorities, PLAIN_ANSWER, Trust};
pub use url::Url;

/// Most redirects of one request.
const REDIRECTS: usize = 10;

/// Which redirects are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// All.
    Follow,
    /// Those to the host of the first request; another one is an answer like any other.
    SameHost,
}

/// What to ask for.
#[derive(Clone, Debug)]
pub struct Get {
    /// Where.
    pub url: Url,
    /// Headers, in order. `Host` replaces the URL's.
    pub headers: Vec<(String, String)>,
    /// Whether the server may send the body packed. It is unpacked unless the headers say themselves what may be sent.
    pub packed: bool,
    /// Who must vouch for an HTTPS server.
    pub trust: Trust,
    /// Which redirects are followed.
    pub redirects: Redirects,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Bytes of the body that are read.
    pub limit: usize,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether the body is longer than the limit.
    pub cut: bool,
}

/// No answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GetError {
    /// There were no headers: `Get "http://…": dial tcp …: connect: connection refused`.
    #[error("{0}")]
    Request(String),
    /// The body broke off.
    #[error("{0}")]
    Body(String),
}

impl Get {
    /// Sends it. Dropping the future closes the connection.
    ///
    /// # Errors
    /// See [`GetError`]; the texts are those of Go's `net/http`.
    pub async fn send(mut self, net: &Net) -> Result<Answer, GetError> {
        let deadline = Instant::now() + self.timeout;
        let first_host = self.url.host.clone();
        let mut host = header_value(&self.headers, "host");
        let referer = header_value(&self.headers, "referer").is_none();
        let unpack = self.packed && header_value(&self.headers, "accept-encoding").is_none();
        for followed in 0.. {
            let shown = self.url.to_string();
            let fail = |why: &str| GetError::Request(format!("Get {shown:?}: {why}"));
            let late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
            let exchange = async {
                let conn = dial(net, &self.url, &self.trust).await?;
                let request = self.request(host.as_deref(), unpack)?;
                Ok::<_, String>((conn, request))
            };
            let (conn, request) = match timeout_at(deadline, exchange).await {
                Ok(Ok(ready)) => ready,
                Ok(Err(why)) => return Err(fail(&why)),
                Err(_) => return Err(fail(late)),
            };
            let (mut sender, connection) = http1::Builder::new()
                .title_case_headers(true)
                .handshake::<_, Empty<bytes::Bytes>>(TokioIo::new(conn))
                .await
                .map_err(|error| fail(&reason(&error)))?;
            let limit = self.limit;
            let redirects = self.redirects;
            let from = self.url.clone();
            let step = async {
                let response = match timeout_at(deadline, sender.send_request(request)).await {
                    Ok(Ok(response)) => response,
                    Ok(Err(error)) => return Err(fail(&reason(&error))),
                    Err(_) => return Err(fail(late)),
                };
                if let Some(to) = redirect::target(&response, &from) {
                    let to = to.map_err(|why| fail(&why))?;
                    if redirects == Redirects::Follow || to.0.host == first_host {
                        return if followed >= REDIRECTS - 1 {
                            Err(GetError::Request(format!("Get {:?}: stopped after 10 redirects", to.0.to_string())))
                        } else {
                            Ok(Step::Elsewhere(to.0, to.1))
                        };
                    }
                }
                match timeout_at(deadline, read(response, limit, unpack)).await {
                    Ok(answer) => answer.map(Step::Done),
                    Err(_) => Err(GetError::Body(
                        "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
                            .to_owned(),
                    )),
                }
            };
            tokio::pin!(connection);
            tokio::pin!(step);
            let step = tokio::select! {
                biased;
                step = &mut step => step,
                // The answer may still be on its way to the other half.
                _ = &mut connection => step.await,
            };
            match step? {
                Step::Done(answer) => return Ok(answer),
                Step::Elsewhere(url, relative) => {
                    if !relative {
                        host = None;
                    }
                    redirect::follow(&mut self.headers, (&self.url, &url), &first_host, referer);
                    self.url = url;
                }
            }
        }
        unreachable!("the number of redirects is bounded")
    }

    fn request(&self, host: Option<&str>, packed: bool) -> Result<Request<Empty<bytes::Bytes>>, String> {
        let authority = self.url.authority();
        let mut request = Request::get(self.url.target.as_str()).header(header::HOST, host.unwrap_or(&authority));
        for (name, value) in self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
            request = request.header(name, value);
        }
        if packed {
            request = request.header(header::ACCEPT_ENCODING, "gzip");
        }
        request.body(Empty::new()).map_err(|error| format!("net/http: {error}"))
    }
}

enum Step {
    Done(Answer),
    /// The next URL, and whether it was given without a host.
    Elsewhere(Url, bool),
}

/// The first value of a header, if it is not empty.
fn header_value(headers: &[(String, String)], name: &str) -> Option<String> {
    let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
}

async fn dial(net: &Net, url: &Url, trust: &Trust) -> Result<world::net::Conn, String> {
    let address = Address::tcp(url.host.clone(), url.port());
    let conn = net.dial(&address).await.map_err(|error| {
        let error = DialError::new(format!("tcp {address}"), &error);
        format!("dial {}: {}", error.target, error.why)
    })?;
    if url.https { tls::connect(conn, &url.host, trust).await } else { Ok(conn) }
}

async fn read(response: Response<Incoming>, limit: usize, unpack: bool) -> Result<Answer, GetError> {
    let status = response.status();
    let encoding = response.headers().get(header::CONTENT_ENCODING);
    let unpack = unpack && encoding.is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
    let mut incoming = response.into_body();
    let mut answer = Answer { status, body: Vec::new(), cut: false };
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| {
            let reason = reason(&error);
            GetError::Body(if reason == "EOF" { "unexpected EOF".to_owned() } else { reason })
        })?;
        let Ok(data) = frame.into_data() else { continue };
        answer.body.extend_from_slice(&data);
        if answer.body.len() > limit {
            answer.body.truncate(limit);
            answer.cut = true;
            break;
        }
    }
    if unpack { unpacked(answer, limit) } else { Ok(answer) }
}

/// The body as it was before it was packed, up to the limit.
fn unpacked(packed: Answer, limit: usize) -> Result<Answer, GetError> {
    use std::io::Read as _;
    let mut body = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = flate2::read::MultiGzDecoder::new(packed.body.as_slice()).take(most).read_to_end(&mut body);
    let cut = packed.cut || body.len() > limit;
    body.truncate(limit);
    match read {
        Err(error) if !cut => Err(GetError::Body(match error.kind() {
            io::ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
            _ => "gzip: invalid header".to_owned(),
        })),
        _ => Ok(Answer { status: packed.status, body, cut }),
    }
}

/// Go's words for what went wrong with a connection.
fn reason(error: &hyper::Error) -> String {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionReset) => "read: connection reset by peer".to_owned(),
        Some(io::ErrorKind::BrokenPipe) => "write: broken pipe".to_owned(),
        Some(io::ErrorKind::UnexpectedEof) => "EOF".to_owned(),
        _ if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => "EOF".to_owned(),
        _ if error.is_parse() => "net/http: HTTP/1.x transport connection broken: malformed HTTP response".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
