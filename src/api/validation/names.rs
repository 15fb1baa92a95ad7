//! The grammars of names, labels, ports and addresses, each with upstream's message. A check gives its messages; where they
//! go is the caller's business.

/// `a lowercase RFC 1123 label …`.
pub(super) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
pub(super) const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const UNDERSCORE_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
pub(super) const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
pub(super) const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_MAP_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
const ENV_NAME: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";
const IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Starts and ends with `edge`, has `edge` or `inner` between.
fn framed(text: &str, edge: fn(u8) -> bool, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            edge(*first) && edge(*last) && bytes.iter().all(|byte| edge(*byte) || inner.contains(byte))
        }
        _ => false,
    }
}

fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

/// The same of what goes by the newer rules of labels.
fn too_many_bytes(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(|part| framed(part, lower, b"-"))
}

/// DNS-1123 label: container, volume and namespace names.
pub(super) fn label(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 63 {
        out.push(too_long(63));
    }
    if !framed(text, lower, b"-") {
        out.push(if is_subdomain(text) { "must not contain dots".to_owned() } else { LABEL.to_owned() });
    }
    out
}

/// DNS-1123 subdomain: pod names and most object names.
pub(super) fn subdomain(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 253 {
        out.push(too_long(253));
    }
    if !is_subdomain(text) {
        out.push(SUBDOMAIN.to_owned());
    }
    out
}

/// The beginning of a name: a hyphen may end it. Upstream puts a letter in the place of the hyphen and of what stands before it.
pub(super) fn prefix(text: &str) -> Vec<String> {
    match text.strip_suffix('-').filter(|start| !start.is_empty()) {
        // Cut in the middle of a character it would be no name either.
        Some(start) => subdomain(&format!("{}a", start.get(..start.len() - 1).unwrap_or(start))),
        None => subdomain(text),
    }
}

/// A DNS search path: a subdomain whose labels may have underscores.
pub(super) fn search_path(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 253 {
        out.push(too_long(253));
    }
    if !text.split('.').all(|part| framed(part.strip_prefix('_').unwrap_or(part), lower, b"-_")) {
        out.push(UNDERSCORE_SUBDOMAIN.to_owned());
    }
    out
}

/// `[prefix/]name`: label and annotation keys, finalizers, condition types.
pub(super) fn qualified(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                out.push("prefix part must be non-empty".to_owned());
            } else {
                if prefix.len() > 253 {
                    out.push(format!("prefix part {}", too_many_bytes(253)));
                }
                if !is_subdomain(prefix) {
                    out.push(format!("prefix part {SUBDOMAIN}"));
                }
            }
            *name
        }
        _ => {
            return vec![format!(
                "a valid label key {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        out.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        out.push(format!("name part {}", too_many_bytes(63)));
    }
    if !framed(name, |byte| byte.is_ascii_alphanumeric(), b"-_.") {
        out.push(format!("name part {QUALIFIED}"));
    }
    out
}

/// A label's value.
pub(super) fn label_value(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 63 {
        out.push(too_many_bytes(63));
    }
    if !text.is_empty() && !framed(text, |byte| byte.is_ascii_alphanumeric(), b"-_.") {
        out.push(LABEL_VALUE.to_owned());
    }
    out
}

/// A port's name.
pub(super) fn port_name(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 15 {
        out.push(too_long(15));
    }
    if text.is_empty() || !text.bytes().all(|byte| lower(byte) || byte == b'-') {
        out.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        out.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        out.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        out.push("must not begin or end with a hyphen".to_owned());
    }
    out
}

/// A port's number.
pub(super) fn port_number(number: i64) -> Vec<String> {
    range(number, 1, 65535)
}

/// A user or group id.
pub(super) fn id(number: i64) -> Vec<String> {
    range(number, 0, i64::from(i32::MAX))
}

/// A number between two others.
pub(super) fn range(number: i64, low: i64, high: i64) -> Vec<String> {
    if (low..=high).contains(&number) {
        Vec::new()
    } else {
        vec![format!("must be between {low} and {high}, inclusive")]
    }
}

/// An environment variable's name, in the relaxed grammar of 1.34.
pub(super) fn env_name(text: &str) -> Vec<String> {
    let good = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    if good { Vec::new() } else { vec![ENV_NAME.to_owned()] }
}

/// A key in a ConfigMap or Secret.
pub(super) fn config_map_key(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 253 {
        out.push(too_long(253));
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        out.push(CONFIG_MAP_KEY.to_owned());
    }
    match text {
        "." => out.push("must not be '.'".to_owned()),
        ".." => out.push("must not be '..'".to_owned()),
        _ if text.starts_with("..") => out.push("must not start with '..'".to_owned()),
        _ => {}
    }
    out
}

/// An HTTP header's name.
pub(super) fn header(text: &str) -> Vec<String> {
    let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if good { Vec::new() } else { vec![HEADER.to_owned()] }
}

/// An IP address, strictly: no leading zeros, no IPv4 in IPv6.
pub(super) fn ip(text: &str) -> Vec<String> {
    match text.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => {
            vec!["must not be an IPv4-mapped IPv6 address".to_owned()]
        }
        Ok(_) => Vec::new(),
        Err(_) => {
            // Go's older parser reads 010 as ten; the newer one refuses it. Both know the difference from rubbish.
            let octets: Vec<&str> = text.split('.').collect();
            let sloppy = octets.len() == 4
                && octets.iter().all(|octet| {
                    !octet.is_empty()
                        && octet.bytes().all(|byte| byte.is_ascii_digit())
                        && octet.trim_start_matches('0').len() <= 3
                        && octet.trim_start_matches('0').parse::<u16>().unwrap_or(0) <= 255
                });
            vec![if sloppy { "must not have leading 0s" } else { IP }.to_owned()]
        }
    }
}

/// A sysctl's name; `.` and `/` both separate.
pub(super) fn is_sysctl(text: &str) -> bool {
    text.len() <= 253 && text.split(['.', '/']).all(|part| framed(part, lower, b"-_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(label, "a-1", 0)]
    #[case(label, "", 1)]
    #[case(label, "-a", 1)]
    #[case(subdomain, "a.b-c", 0)]
    #[case(subdomain, "a..b", 1)]
    #[case(qualified, "a.b/C_d", 0)]
    #[case(qualified, "a/b/c", 1)]
    #[case(qualified, "", 2)]
    #[case(qualified, "/a", 1)]
    #[case(label_value, "", 0)]
    #[case(port_name, "http", 0)]
    #[case(port_name, "-", 2)]
    #[case(env_name, "a b", 0)]
    #[case(env_name, "", 1)]
    #[case(ip, "::1", 0)]
    #[case(ip, "::ffff:1.2.3.4", 1)]
    #[case(ip, "1.2.3", 1)]
    #[case(search_path, "_tcp.a_b", 0)]
    #[case(config_map_key, "..a", 1)]
    #[case(config_map_key, "../a", 2)]
    #[case(prefix, "a-", 0)]
    #[case(prefix, "A-", 0)]
    #[case(prefix, "--", 0)]
    #[case(prefix, "-", 1)]
    #[case(prefix, "-a-", 1)]
    fn grammars_count_their_faults(#[case] check: fn(&str) -> Vec<String>, #[case] text: &str, #[case] faults: usize) {
        assert_eq!(check(text).len(), faults, "{:?}", check(text));
    }
}
