//! Where an answer sends its reader, and what of the headers goes along. As Go's client; whether to follow is the caller's to decide.

use http::{Response, header};
use hyper::body::Incoming;

use super::Url;

/// What only the first host may see.
const SENSITIVE: [&str; 6] =
    ["authorization", "www-authenticate", "cookie", "cookie2", "proxy-authorization", "proxy-authenticate"];

/// Where an answer sends its reader, if it does.
pub(super) fn target(response: &Response<Incoming>, from: &Url) -> Option<Result<(Url, bool), String>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?;
    let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
    (!location.is_empty())
        .then(|| from.join(&location).map_err(|why| format!("failed to parse Location header {location:?}: {why}")))
}

/// The headers for the next request: it tells where it comes from, unless the headers say so themselves, and a host that is not the first
/// one's learns no secrets.
pub(super) fn follow(headers: &mut Vec<(String, String)>, (from, to): (&Url, &Url), first_host: &str, referer: bool) {
    let first = first_host.to_lowercase();
    let host = to.host.to_lowercase();
    if host != first && !host.ends_with(&format!(".{first}")) {
        headers.retain(|(name, _)| !SENSITIVE.contains(&name.to_lowercase().as_str()));
    }
    if referer {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("referer"));
        if !from.https || to.https {
            headers.push(("Referer".to_owned(), from.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://a.example/x", "http://a.example/y", &["Authorization", "X-Token", "Referer: http://a.example/x"])]
    #[case("http://a.example/x", "http://b.a.example/", &["Authorization", "X-Token", "Referer: http://a.example/x"])]
    #[case("http://a.example/x", "http://b.example/", &["X-Token", "Referer: http://a.example/x"])]
    #[case("https://a.example/x", "http://a.example/", &["Authorization", "X-Token"])]
    fn headers_that_go_along(#[case] from: &str, #[case] to: &str, #[case] want: &[&str]) {
        let mut headers = vec![("Authorization".to_owned(), "t".to_owned()), ("X-Token".to_owned(), "t".to_owned())];
        let (from, to) = (Url::parse(from).unwrap(), Url::parse(to).unwrap());
        follow(&mut headers, (&from, &to), "a.example", true);
        let show = |(name, value): &(String, String)| {
            if name == "Referer" { format!("{name}: {value}") } else { name.clone() }
        };
        assert_eq!(headers.iter().map(show).collect::<Vec<_>>(), want);
    }
}
