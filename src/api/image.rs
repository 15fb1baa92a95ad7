//! Image references as Docker's grammar reads them: domain, path, tag, digest, with the short forms filled in. Pulling and
//! comparing images is elsewhere.

use std::fmt;

/// A parsed image reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The registry: `docker.io` when none is written.
    pub domain: String,
    /// The repository in it: `library/nginx` for a bare `nginx`.
    pub path: String,
    /// The tag as written; nothing when there is none.
    pub tag: Option<String>,
    /// `sha256:…`, when written.
    pub digest: Option<String>,
}

/// Why a reference could not be parsed. Display is upstream's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Not in the grammar.
    #[error("invalid reference format")]
    Format,
    /// The repository has capital letters.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// Looks like an image id.
    #[error("invalid repository name: cannot specify 64-byte hexadecimal strings")]
    Id,
    /// Longer than 255 bytes.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
            return Err(ReferenceError::Id);
        }
        // Capital letters are looked for before the rest of the grammar.
        let (_, remainder) = split_domain(text);
        let repository = remainder.split(':').next().unwrap_or_default();
        if repository.chars().any(char::is_uppercase) {
            return Err(ReferenceError::Uppercase(repository.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(ReferenceError::Format);
        }
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[slash..].find(':') {
            Some(colon) => (&rest[..slash + colon], Some(&rest[slash + colon + 1..])),
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Format);
        }
        let (domain, path) = split_domain(name);
        if !is_domain(&domain) || !path.split('/').all(is_path_component) {
            return Err(ReferenceError::Format);
        }
        if domain.len() + 1 + path.len() > 255 {
            return Err(ReferenceError::TooLong);
        }
        Ok(Self { domain, path, tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
    }

    /// The tag that counts: the written one, `latest` when there is neither tag nor digest, otherwise nothing.
    pub fn effective_tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// The pull policy of an image without one: `Always` for the tag `latest`, otherwise `IfNotPresent`, unreadable
/// references included.
pub fn default_pull_policy(image: &str) -> &'static str {
    match Reference::parse(image) {
        Ok(reference) if reference.effective_tag() == Some("latest") => "Always",
        _ => "IfNotPresent",
    }
}

fn split_domain(name: &str) -> (String, String) {
    let (mut domain, mut path) = match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || first.chars().any(char::is_uppercase) =>
        {
            (first.to_owned(), rest.to_owned())
        }
        _ => ("docker.io".to_owned(), name.to_owned()),
    };
    if domain == "index.docker.io" {
        domain = "docker.io".to_owned();
    }
    if domain == "docker.io" && !path.contains('/') {
        path = format!("library/{path}");
    }
    (domain, path)
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = if let Some(v6) = domain.strip_prefix('[') {
        let Some((inside, rest)) = v6.split_once(']') else { return false };
        let inside_good = !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        return inside_good && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    } else {
        match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        }
    };
    port.is_none_or(is_port)
        && host.split('.').all(|part| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        })
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_path_component(part: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    let mut at = 0;
    loop {
        let start = at;
        while at < bytes.len() && word(bytes[at]) {
            at += 1;
        }
        if at == start {
            return false;
        }
        if at == bytes.len() {
            return true;
        }
        let joint = at;
        while at < bytes.len() && !word(bytes[at]) {
            at += 1;
        }
        let separator = &part[joint..at];
        if !(matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')) {
            return false;
        }
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = tag.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= 128
        && word(bytes[0])
        && bytes[1..].iter().all(|byte| word(*byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let parts = algorithm.split(['+', '.', '-', '_']).all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let length = match algorithm {
        "sha256" => hex.len() == 64,
        "sha384" => hex.len() == 96,
        "sha512" => hex.len() == 128,
        _ => hex.len() >= 32,
    };
    parts && length && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SHA: &str = "@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[rstest]
    #[case("nginx", "Always")]
    #[case("nginx:latest", "Always")]
    #[case("nginx:1.29", "IfNotPresent")]
    #[case("reg:5000/foo", "Always")]
    #[case("reg:5000/foo:v1", "IfNotPresent")]
    #[case("UPPER/Case::x", "IfNotPresent")]
    #[case("BAD IMG", "IfNotPresent")]
    #[case("", "IfNotPresent")]
    fn pull_policies_default_by_tag(#[case] image: &str, #[case] want: &str) {
        assert_eq!(default_pull_policy(image), want);
        assert_eq!(default_pull_policy(&format!("foo:latest{SHA}")), "Always");
        assert_eq!(default_pull_policy(&format!("foo{SHA}")), "IfNotPresent");
    }

    #[rstest]
    #[case("nginx", "docker.io/library/nginx")]
    #[case("foo/bar:1", "docker.io/foo/bar:1")]
    #[case("index.docker.io/nginx", "docker.io/library/nginx")]
    #[case("localhost/x", "localhost/x")]
    #[case("Reg/x", "Reg/x")]
    #[case("registry.k8s.io/a__b/c--d:V_1.2-3", "registry.k8s.io/a__b/c--d:V_1.2-3")]
    #[case("[::1]:5000/x", "[::1]:5000/x")]
    fn short_forms_are_filled_in(#[case] text: &str, #[case] want: &str) {
        assert_eq!(Reference::parse(text).expect(text).to_string(), want);
    }

    #[rstest]
    #[case("a/B", ReferenceError::Uppercase("a/B".to_owned()))]
    #[case("a..b", ReferenceError::Format)]
    #[case("a:", ReferenceError::Format)]
    #[case("a:-x", ReferenceError::Format)]
    #[case("a@sha256:00", ReferenceError::Format)]
    #[case("-a/b", ReferenceError::Format)]
    #[case("a//b", ReferenceError::Format)]
    #[case(&SHA[8..], ReferenceError::Id)]
    fn bad_references_are_refused(#[case] text: &str, #[case] want: ReferenceError) {
        assert_eq!(Reference::parse(text), Err(want));
    }
}
