//! Which credentials are for which image: the rules by which a registry's address, perhaps with `*` and a path, covers a repository. Pure.
//! As kubelet 1.36, which has them from Docker.

use std::{collections::BTreeMap, fmt};

use cri_proto::v1;

/// A name and a password. Debug shows neither.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// Logins by the address they are for, as somebody wrote it.
pub type Entries = BTreeMap<String, Login>;

/// Docker Hub's address in docker configurations.
const HUB: &str = "index.docker.io";

/// Logins by cleaned address.
#[derive(Debug, Default)]
pub struct Keyring(BTreeMap<String, Vec<Login>>);

impl Keyring {
    /// A keyring of all these.
    pub fn of(entries: impl IntoIterator<Item = Entries>) -> Self {
        let mut keyring = Self::default();
        for (address, login) in entries.into_iter().flatten() {
            let bare = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).unwrap_or(&address);
            let Some(url) = Address::parse(bare) else {
                tracing::error!("An address in a docker configuration is invalid and ignored");
                continue;
            };
            // `/v1/` and `/v2/` are how old configurations write the whole registry.
            let path = url.path.strip_prefix("/v1").or_else(|| url.path.strip_prefix("/v2"));
            let path = path.filter(|rest| rest.starts_with('/')).unwrap_or(url.path);
            let key = format!("{}{}", url.host, if path == "/" { "" } else { path });
            keyring.0.entry(key).or_default().push(login);
        }
        keyring
    }

    /// What is for `repository` (`docker.io/library/nginx`), the most specific address first.
    pub fn lookup(&self, repository: &str) -> Vec<v1::AuthConfig> {
        let matching = self.0.iter().rev().filter(|(address, _)| matches(address, repository));
        let mut logins: Vec<&Login> = matching.flat_map(|(_, logins)| logins).collect();
        if logins.is_empty() && is_of_hub(repository) {
            logins.extend(self.0.get(HUB).into_iter().flatten());
        }
        logins.into_iter().map(auth).collect()
    }
}

fn auth(login: &Login) -> v1::AuthConfig {
    v1::AuthConfig { username: login.username.clone(), password: login.password.clone(), ..Default::default() }
}

/// An address without its scheme.
struct Address<'a> {
    host: &'a str,
    path: &'a str,
}

impl<'a> Address<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        let bad = |c: char| c.is_control() || matches!(c, ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
        (!host.contains(bad) && !path.chars().any(char::is_control)).then_some(Self { host, path })
    }

    /// Host and port; without a port if what stands there is none.
    fn split(&self) -> (&'a str, &'a str) {
        match self.host.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
            _ => (self.host, ""),
        }
    }
}

/// Whether the address covers the repository: the same port, as many labels, each label by glob, and a path that begins it.
pub fn matches(address: &str, repository: &str) -> bool {
    let (Some(address), Some(repository)) = (Address::parse(address), Address::parse(repository)) else { return false };
    let ((host, port), (of_image, port_of_image)) = (address.split(), repository.split());
    let (labels, of_image): (Vec<&str>, Vec<&str>) = (host.split('.').collect(), of_image.split('.').collect());
    port == port_of_image
        && labels.len() == of_image.len()
        && repository.path.starts_with(address.path)
        && labels.iter().zip(of_image).all(|(pattern, label)| glob(pattern.as_bytes(), label.as_bytes()))
}

/// `*` is any run, `?` one; everything else is itself.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|at| glob(rest, text.get(at..).unwrap_or_default())),
        Some((b'?', rest)) => !text.is_empty() && glob(rest, text.get(1..).unwrap_or_default()),
        Some((byte, rest)) => text.first() == Some(byte) && glob(rest, text.get(1..).unwrap_or_default()),
    }
}

/// Whether the image is Docker Hub's: it has no registry before it, or Docker's own.
fn is_of_hub(repository: &str) -> bool {
    match repository.split_once('/') {
        None => !repository.is_empty(),
        Some((first, _)) => first == "docker.io" || first == HUB || (!first.is_empty() && !first.contains(['.', ':'])),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("*.docker.io", "blah.docker.io/x", true)]
    #[case("*.docker.io", "not.right.io/x", false)]
    #[case("*.docker.io", "a.b.docker.io/x", false)]
    #[case("reg.example:5000", "reg.example:5000/x", true)]
    #[case("reg.example:5000", "reg.example/x", false)]
    #[case("reg.example/team", "reg.example/team/x", true)]
    #[case("reg.example/team", "reg.example/teams", true)]
    #[case("reg.example/team", "reg.example/other", false)]
    #[case("r*g.example", "reg.example/x", true)]
    #[case("123456789.dkr.ecr.*.amazonaws.com", "123456789.dkr.ecr.us-east-1.amazonaws.com/x", true)]
    #[case("[::1]:5000", "[::1]:5000/x", true)]
    fn addresses(#[case] address: &str, #[case] repository: &str, #[case] covered: bool) {
        assert_eq!(matches(address, repository), covered);
    }

    #[rstest]
    #[case("reg.example/team/x", &["b", "a"])]
    #[case("reg.example/x", &["a"])]
    #[case("other.example/x", &[])]
    #[case("docker.io/library/nginx", &["hub"])]
    #[case("old.example/x", &["old"])]
    fn the_most_specific_comes_first(#[case] repository: &str, #[case] users: &[&str]) {
        let login = |name: &str| Login { username: name.to_owned(), password: "p".to_owned() };
        let entries = [
            ("reg.example", "a"),
            ("https://reg.example/team", "b"),
            ("https://index.docker.io/v1/", "hub"),
            ("http://old.example/v2/", "old"),
        ];
        let keyring = Keyring::of([entries.iter().map(|(at, name)| ((*at).to_owned(), login(name))).collect()]);
        let found: Vec<String> = keyring.lookup(repository).into_iter().map(|auth| auth.username).collect();
        assert_eq!(found, users);
    }

    #[test]
    fn a_login_is_not_shown() {
        let login = Login { username: "me".into(), password: "secret".into() };
        assert!(!format!("{login:?}").contains("me") && !format!("{login:?}").contains("secret"));
    }
}
