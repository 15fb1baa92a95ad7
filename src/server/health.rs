//! `/healthz` and the single checks below it. What is healthy is the view's to say; the form is that of Kubernetes' healthz handlers.

use http::StatusCode;

use super::{Face, Site, reply::Reply};
use crate::api::gojson::go_quoted;

/// The checks of a server, in their order.
fn checks(face: Face) -> &'static [&'static str] {
    match face {
        Face::Healthz => &["ping"],
        Face::ReadOnly => &["ping", "log", "syncloop", "device-plugin"],
    }
}

/// Answers a path of this family, with any method.
pub(super) fn answer(site: &Site, path: &str, query: Option<&str>) -> Option<Reply> {
    if path == "/healthz" {
        return Some(all(site, query.unwrap_or_default()));
    }
    let name = path.strip_prefix("/healthz/")?;
    checks(site.face).contains(&name).then(|| match check(site, name) {
        Ok(()) => Reply::text("ok"),
        Err(why) => Reply::error(StatusCode::INTERNAL_SERVER_ERROR, &format!("internal server error: {why}")),
    })
}

fn check(site: &Site, name: &str) -> Result<(), String> {
    match name {
        "syncloop" => site.view.sync_loop_healthy(),
        // The log is written without a buffer that could block, and there is no device plugin server yet.
        _ => Ok(()),
    }
}

fn all(site: &Site, query: &str) -> Reply {
    let verbose = values(query, "verbose").next().is_some();
    let mut excluded: Vec<String> = values(query, "exclude").collect();
    excluded.sort();
    excluded.dedup();
    let mut failed = false;
    let mut lines = String::new();
    for name in checks(site.face) {
        if excluded.iter().any(|e| e == name) {
            excluded.retain(|e| e != name);
            lines.push_str(&format!("[+]{name} excluded: ok\n"));
            continue;
        }
        match check(site, name) {
            Ok(()) => lines.push_str(&format!("[+]{name} ok\n")),
            Err(why) => {
                failed = true;
                tracing::info!(check = *name, err = why, "healthz check failed");
                lines.push_str(&format!("[-]{name} failed: reason withheld\n"));
            }
        }
    }
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|name| go_quoted(name)).collect();
        lines.push_str(&format!("warn: some health checks cannot be excluded: no matches for {}\n", names.join(",")));
    }
    match (failed, verbose) {
        (true, _) => Reply::error(StatusCode::INTERNAL_SERVER_ERROR, &format!("{lines}healthz check failed")),
        (false, true) => Reply::plain(StatusCode::OK, format!("{lines}healthz check passed\n")),
        (false, false) => Reply::plain(StatusCode::OK, "ok"),
    }
}

/// The values of a query's parameter, decoded.
fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key) == name).then(|| decoded(value))
    })
}

/// Percent-decoding of a query's part.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let hex: Vec<u8> = bytes.by_ref().take(2).collect();
                match std::str::from_utf8(&hex).ok().and_then(|h| u8::from_str_radix(h, 16).ok()) {
                    Some(byte) => out.push(byte),
                    None => {
                        out.push(b'%');
                        out.extend(hex);
                    }
                }
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
