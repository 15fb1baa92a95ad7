//! Answers in the shape of Go's HTTP library: `http.Error`, not found, redirects, and when a body has a length. Knows no routes.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use world::World;

/// Go's server knows the length of a body up to its write buffer; a longer one is sent in chunks.
const BUFFERED: usize = 2048;

/// An answer in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Headers set by the handler.
    pub headers: Vec<(HeaderName, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// `text/plain; charset=utf-8`
const PLAIN: &str = "text/plain; charset=utf-8";

impl Reply {
    /// A 200 whose type is left to be guessed, which for text is plain.
    pub fn text(body: impl Into<Vec<u8>>) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body: body.into() }
    }

    /// A 200 of this type.
    pub fn typed(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::text(body).header(header::CONTENT_TYPE, content_type)
    }

    /// Adds a header.
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Changes the status.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Text that a browser must not take for anything else.
    pub fn plain(status: StatusCode, body: impl Into<Vec<u8>>) -> Self {
        Self::typed(PLAIN, body).header(header::X_CONTENT_TYPE_OPTIONS, "nosniff").status(status)
    }

    /// Go's `http.Error`: the text and an end of line.
    pub fn error(status: StatusCode, text: &str) -> Self {
        Self::plain(status, format!("{text}\n"))
    }

    /// Go's answer to a path that nobody registered.
    pub fn not_found() -> Self {
        Self::error(StatusCode::NOT_FOUND, "404 page not found")
    }

    /// The answer of a registered web service that has no route there.
    pub fn no_route() -> Self {
        Self::text("404: Page Not Found").status(StatusCode::NOT_FOUND)
    }

    /// The answer of a route that exists with another method.
    pub fn method_not_allowed(allowed: &str) -> Self {
        Self::text("405: Method Not Allowed").status(StatusCode::METHOD_NOT_ALLOWED).header(header::ALLOW, allowed)
    }

    /// Go's permanent redirect.
    pub fn moved(method: &http::Method, location: &str) -> Self {
        let reply = Self::text("").status(StatusCode::MOVED_PERMANENTLY);
        let reply = match *method {
            http::Method::GET | http::Method::HEAD => reply.header(header::CONTENT_TYPE, "text/html; charset=utf-8"),
            _ => reply,
        }
        .header(header::LOCATION, location);
        match *method {
            http::Method::GET => {
                Self { body: format!("<a href=\"{location}\">Moved Permanently</a>.\n\n").into_bytes(), ..reply }
            }
            _ => reply,
        }
    }

    /// The whole response, dated.
    pub fn into_response(self, world: &World) -> Response<Payload> {
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        let mut headers = HeaderMap::new();
        for (name, text) in &self.headers {
            headers.insert(name, value(text));
        }
        let guessed = !headers.contains_key(header::CONTENT_TYPE) && !self.body.is_empty();
        headers.insert(header::DATE, value(&world.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        let sized = self.body.len() <= BUFFERED;
        if sized {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        }
        if guessed {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PLAIN));
        }
        let mut response = Response::new(Payload { data: Some(Bytes::from(self.body)), sized });
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

/// A body in one piece, whose length is told or not.
#[derive(Debug)]
pub(super) struct Payload {
    data: Option<Bytes>,
    sized: bool,
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.data.take().filter(|d| !d.is_empty()).map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.data {
            Some(data) if self.sized => SizeHint::with_exact(data.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
