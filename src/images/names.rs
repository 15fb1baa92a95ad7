//! Image names as upstream reads them: a missing tag becomes `latest`; what is no reference at all is refused. Pure.

/// The name with its default tag. The error is Go's text for a name that cannot be parsed.
pub fn with_default_tag(image: &str) -> Result<String, String> {
    let fail = |why: &str| format!("couldn't parse image name {image:?}: {why}");
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    if let Some(digest) = digest
        && !is_digest(digest)
    {
        return Err(fail("invalid reference format"));
    }
    let slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[slash..].find(':') {
        Some(at) => (&rest[..slash + at], Some(&rest[slash + at + 1..])),
        None => (rest, None),
    };
    if name.is_empty() || !is_name(name) || tag.is_some_and(|t| !is_tag(t)) {
        let lower = name.to_ascii_lowercase();
        if name != lower && is_name(&lower) && tag.is_none_or(is_tag) {
            return Err(fail("invalid reference format: repository name must be lowercase"));
        }
        return Err(fail("invalid reference format"));
    }
    if tag.is_some() || digest.is_some() { Ok(image.to_owned()) } else { Ok(format!("{image}:latest")) }
}

fn is_tag(tag: &str) -> bool {
    let mut chars = tag.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
        && tag.len() <= 128
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty() && hex.len() >= 32 && hex.chars().all(|c| c.is_ascii_hexdigit())
    })
}

fn is_name(name: &str) -> bool {
    let mut parts = name.split('/').peekable();
    let first = parts.peek().copied().unwrap_or_default();
    let has_more = name.contains('/');
    // A first part with a dot, a port or capitals is a host.
    let is_host = has_more
        && (first == "localhost" || first.contains(['.', ':']) || first.chars().any(|c| c.is_ascii_uppercase()));
    if is_host {
        parts.next();
        if !is_host_name(first) {
            return false;
        }
    }
    parts.all(is_component)
}

fn is_host_name(host: &str) -> bool {
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => (host, Some(port)),
        _ => (host, None),
    };
    let port_fits = port.is_none_or(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_digit()));
    let v6 = host.starts_with('[') && host.ends_with(']');
    port_fits
        && (v6
            || host.split('.').all(|label| {
                !label.is_empty()
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            }))
}

/// Lower-case letters and digits, separated by one dot, one or two underscores, or dashes.
fn is_component(part: &str) -> bool {
    let allowed = part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'));
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !allowed || !edge(part.chars().next()) || !edge(part.chars().last()) {
        return false;
    }
    let mut separator = String::new();
    for c in part.chars() {
        if matches!(c, '.' | '_' | '-') {
            separator.push(c);
            continue;
        }
        let fits = matches!(separator.as_str(), "" | "." | "_" | "__") || separator.chars().all(|c| c == '-');
        if !fits {
            return false;
        }
        separator.clear();
    }
    true
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("nginx", "nginx:latest")]
    #[case("nginx:1.27", "nginx:1.27")]
    #[case("localhost:5000/a/b", "localhost:5000/a/b:latest")]
    #[case("localhost:5000/a/b:1", "localhost:5000/a/b:1")]
    #[case("127.0.0.1:1/none:1", "127.0.0.1:1/none:1")]
    #[case("registry.k8s.io/pause", "registry.k8s.io/pause:latest")]
    #[case(
        "a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    )]
    fn tags(#[case] written: &str, #[case] asked: &str) {
        assert_eq!(with_default_tag(written).unwrap(), asked);
    }

    #[rstest]
    #[case("UPPER/Bad:::x", "couldn't parse image name \"UPPER/Bad:::x\": invalid reference format")]
    #[case("Nginx", "couldn't parse image name \"Nginx\": invalid reference format: repository name must be lowercase")]
    #[case("a..b", "couldn't parse image name \"a..b\": invalid reference format")]
    #[case("a:", "couldn't parse image name \"a:\": invalid reference format")]
    #[case("a@sha256:1", "couldn't parse image name \"a@sha256:1\": invalid reference format")]
    fn refusals(#[case] written: &str, #[case] error: &str) {
        assert_eq!(with_default_tag(written).unwrap_err(), error);
    }
}
