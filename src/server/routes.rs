//! Which path is answered by what, on which server; and Go's rules for paths that differ by a slash. As upstream's read-only server,
//! which always behaves as if debugging handlers were off.

use http::{Method, Request, StatusCode, header};

use super::{Face, Site, health, metrics, pods, reply::Reply};

/// Path trees that exist but are turned off: they answer with 405 whatever is below them.
const DISABLED: &[&str] =
    &["/run/", "/exec/", "/attach/", "/portForward/", "/containerLogs/", "/runningpods/", "/debug/pprof/", "/logs/"];

/// Answers a request.
pub(super) fn answer<B>(site: &Site, request: &Request<B>) -> Reply {
    let (method, path) = (request.method(), request.uri().path());
    let cleaned = clean(path);
    if cleaned != path && method != Method::CONNECT {
        return Reply::moved(method, &with_query(&cleaned, request.uri().query()));
    }
    if let Some(reply) = health::answer(site, path, request.uri().query()) {
        return reply;
    }
    if site.face == Face::Healthz {
        return Reply::not_found();
    }
    match path {
        "/pods" | "/pods/" => only_get(method).or_else(|| accepts_json(request)).unwrap_or_else(|| pods::list(site)),
        "/stats/summary" => match *method {
            Method::GET | Method::POST => accepts_json(request).unwrap_or_else(stats),
            _ => Reply::method_not_allowed("GET, POST"),
        },
        "/metrics" => metrics::kubelet(site),
        "/metrics/cadvisor" | "/metrics/resource" | "/metrics/probes" | "/metrics/slis" => metrics::empty(),
        path if path.starts_with("/pods/") || path.starts_with("/stats/") => Reply::no_route(),
        path if DISABLED.iter().any(|d| path.starts_with(d)) => {
            Reply::error(StatusCode::METHOD_NOT_ALLOWED, "Debug endpoints are disabled.")
        }
        path if path == "/stats" || DISABLED.iter().any(|d| d.strip_suffix('/') == Some(path)) => {
            Reply::moved(method, &with_query(&format!("{path}/"), request.uri().query()))
        }
        _ => Reply::not_found(),
    }
}

fn only_get(method: &Method) -> Option<Reply> {
    (method != Method::GET).then(|| Reply::method_not_allowed("GET"))
}

/// Refuses a client that wants anything but JSON.
fn accepts_json<B>(request: &Request<B>) -> Option<Reply> {
    let accept = request.headers().get(header::ACCEPT)?.to_str().ok()?;
    let wanted = accept.split(',').map(|part| part.split(';').next().unwrap_or(part).trim());
    let fits = |part: &str| part.is_empty() || part == "*/*" || part == "application/json";
    (!wanted.into_iter().any(fits)).then(|| {
        Reply::text("406: Not Acceptable\n\nAvailable representations: application/json")
            .status(StatusCode::NOT_ACCEPTABLE)
    })
}

/// Upstream answers like this as long as it has no statistics.
fn stats() -> Reply {
    Reply::text("Internal Error: failed to get root cgroup stats: this kubelet does not collect statistics")
        .status(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A path without empty, `.` and `..` parts; a trailing slash stays.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut out = format!("/{}", parts.join("/"));
    if path.ends_with('/') && out.len() > 1 {
        out.push('/');
    }
    out
}

fn with_query(path: &str, query: Option<&str>) -> String {
    query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}
