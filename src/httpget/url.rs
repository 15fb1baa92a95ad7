//! The URLs of probes and of the URL source: `http` and `https`, host, port, path and query. Not a general parser.

use std::fmt;

/// A URL without user and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `https` instead of `http`.
    pub https: bool,
    /// Host name or address, IPv6 without brackets; may be empty, which is this node.
    pub host: String,
    /// The port as written.
    pub explicit_port: Option<u16>,
    /// Path and query; starts with a slash.
    pub target: String,
}

impl Url {
    /// Puts one together. `path` may have a query and may lack its slash; a fragment is dropped, blanks and the like are escaped.
    pub fn new(https: bool, host: &str, port: u16, path: &str) -> Self {
        Self { https, host: host.to_owned(), explicit_port: Some(port), target: target(path) }
    }

    /// Reads one. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("missing protocol scheme")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(format!("unsupported protocol scheme {scheme:?}")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let explicit_port = match port.filter(|port| !port.is_empty()) {
            Some(port) => Some(port.parse().map_err(|_| format!("invalid port {:?} after host", format!(":{port}")))?),
            None => None,
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(Self { https, host: host.to_owned(), explicit_port, target: target(path) })
    }

    /// The port to dial.
    pub fn port(&self) -> u16 {
        self.explicit_port.unwrap_or(if self.https { 443 } else { 80 })
    }

    /// Host and port as the `Host` header has them.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.explicit_port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// Where a `Location` leads from here, and whether it names no host.
    pub fn join(&self, location: &str) -> Result<(Self, bool), String> {
        if location.split(['/', '?', '#']).next().is_some_and(|start| start.contains(':')) {
            return Self::parse(location).map(|url| (url, false));
        }
        if location.starts_with("//") {
            let scheme = if self.https { "https:" } else { "http:" };
            return Self::parse(&format!("{scheme}{location}")).map(|url| (url, true));
        }
        let path = self.target.split('?').next().unwrap_or("/");
        let joined = if location.starts_with('/') {
            location.to_owned()
        } else if location.starts_with('?') {
            format!("{path}{location}")
        } else {
            let directory = path.rfind('/').map_or("/", |at| &path[..=at]);
            without_dots(&format!("{directory}{location}"))
        };
        Ok((Self { target: target(&joined), ..self.clone() }, true))
    }
}

/// Resolves `.` and `..` in the path of `target`.
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let path = format!("/{}", parts.join("/"));
    query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"))
}

/// Path and query with a slash before them, fit for a request line.
fn target(path: &str) -> String {
    let path = path.split('#').next().unwrap_or_default();
    let mut out = String::from(if path.starts_with('/') { "" } else { "/" });
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://10.0.0.1:80/x?y=1#z", "http://10.0.0.1:80/x?y=1")]
    #[case("https://[::1]:8443", "https://[::1]:8443/")]
    #[case("HTTP://user:secret@host/a b", "http://host/a%20b")]
    #[case("http://:80?q", "http://:80/?q")]
    fn read_and_printed(#[case] text: &str, #[case] printed: &str) {
        assert_eq!(Url::parse(text).unwrap().to_string(), printed);
    }

    #[rstest]
    #[case("host/path", "missing protocol scheme")]
    #[case("ftp://host", "unsupported protocol scheme \"ftp\"")]
    #[case("http://host:x/", "invalid port \":x\" after host")]
    fn refused(#[case] text: &str, #[case] why: &str) {
        assert_eq!(Url::parse(text).unwrap_err(), why);
    }

    #[rstest]
    #[case("/c", "http://h:1/c", true)]
    #[case("c?d", "http://h:1/a/c?d", true)]
    #[case("../c/./d", "http://h:1/c/d", true)]
    #[case("?e=http://x", "http://h:1/a/b?e=http://x", true)]
    #[case("//o/c", "http://o/c", true)]
    #[case("http://o:2", "http://o:2/", false)]
    fn followed(#[case] location: &str, #[case] to: &str, #[case] relative: bool) {
        let (url, is_relative) = Url::parse("http://h:1/a/b?q").unwrap().join(location).unwrap();
        assert_eq!((url.to_string().as_str(), is_relative), (to, relative));
    }

    #[test]
    fn a_probes_path_gets_its_slash() {
        assert_eq!(Url::new(false, "", 80, "healthz").to_string(), "http://:80/healthz");
    }
}
