//! What a plugin is asked: command and attachment from the environment, configuration from standard input.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Error, NetworkResult, VERSIONS, code};

/// Longest configuration that is read.
pub const CONFIG_LIMIT: usize = 4 * 1024 * 1024;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// Attach.
    Add,
    /// Detach.
    Del,
    /// Is it still as ADD left it?
    Check,
    /// Drop what no longer belongs to anybody.
    Gc,
    /// Could an ADD be served?
    Status,
    /// Which versions are spoken?
    Version,
}

impl Command {
    /// Its name in the environment.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }

    /// The command of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Add, Self::Del, Self::Check, Self::Gc, Self::Status, Self::Version]
            .into_iter()
            .find(|c| c.name() == name)
    }

    /// Variables without which it cannot be done.
    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Add | Self::Check => &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
            Self::Del => &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
            Self::Gc | Self::Status => &["CNI_PATH"],
            Self::Version => &[],
        }
    }
}

/// One call of a plugin.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is to be done.
    pub command: Command,
    /// Id of the sandbox.
    pub container_id: String,
    /// Path of its network namespace; may be empty for DEL.
    pub netns: String,
    /// Name of the interface in it.
    pub ifname: String,
    /// The configuration.
    pub config: Map<String, Value>,
}

impl Request {
    /// Reads a call.
    ///
    /// # Errors
    /// What is missing or wrong, with the specification's codes.
    pub fn read(environment: &BTreeMap<String, String>, input: &[u8]) -> Result<Self, Error> {
        let name = environment.get("CNI_COMMAND").map_or("", String::as_str);
        let variable = |name: &str| environment.get(name).cloned().unwrap_or_default();
        if name.is_empty() {
            return Err(Error::new(code::ENVIRONMENT, "required env variables [CNI_COMMAND] missing"));
        }
        let command = Command::parse(name)
            .ok_or_else(|| Error::new(code::ENVIRONMENT, format!("unknown CNI_COMMAND: {name}")))?;
        let missing: Vec<&str> = command.needs().iter().copied().filter(|n| variable(n).is_empty()).collect();
        if !missing.is_empty() {
            let text = format!("required env variables [{}] missing", missing.join(","));
            return Err(Error::new(code::ENVIRONMENT, text));
        }
        let request = Self {
            command,
            container_id: variable("CNI_CONTAINERID"),
            netns: variable("CNI_NETNS"),
            ifname: variable("CNI_IFNAME"),
            config: config(input)?,
        };
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Error> {
        let named = matches!(self.command, Command::Add | Command::Del | Command::Check);
        let legal = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if named
            && !(self.container_id.starts_with(|c: char| c.is_ascii_alphanumeric())
                && self.container_id.chars().all(legal))
        {
            let text = format!("invalid characters in containerID: {}", self.container_id);
            return Err(Error::new(code::ENVIRONMENT, text));
        }
        if named
            && (self.ifname.len() > 15
                || matches!(self.ifname.as_str(), "." | "..")
                || self.ifname.contains(['/', ':', ' ']))
        {
            return Err(Error::new(code::ENVIRONMENT, format!("interface name is invalid: {}", self.ifname)));
        }
        if self.command == Command::Version {
            return Ok(());
        }
        let version = self.version();
        if !VERSIONS.contains(&version.as_str()) {
            let details = format!("config is {version:?}, plugin supports {VERSIONS:?}");
            return Err(Error::new(code::VERSION, "incompatible CNI versions").with(details));
        }
        let name = self.name();
        if name.is_empty() {
            return Err(Error::new(code::CONFIG, "missing network name"));
        }
        if !(name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(legal)) {
            return Err(Error::new(code::CONFIG, format!("invalid characters found in network name: {name}")));
        }
        let newest = super::version(&version);
        match self.command {
            Command::Check if newest < (0, 4, 0) => {
                Err(Error::new(code::VERSION, "config version does not allow CHECK"))
            }
            Command::Gc | Command::Status if newest < (1, 1, 0) => {
                Err(Error::new(code::VERSION, format!("config version does not allow {}", self.command.name())))
            }
            _ => Ok(()),
        }
    }

    fn text(&self, key: &str) -> String {
        self.config.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Version of the configuration; results are in it too.
    pub fn version(&self) -> String {
        let version = self.text("cniVersion");
        if version.is_empty() { "0.1.0".to_owned() } else { version }
    }

    /// Name of the network.
    pub fn name(&self) -> String {
        self.text("name")
    }

    /// The plugin that is asked for.
    pub fn kind(&self) -> String {
        self.text("type")
    }

    /// The result of the plugins before this one.
    ///
    /// # Errors
    /// If it is none.
    pub fn previous(&self) -> Result<Option<NetworkResult>, Error> {
        match self.config.get("prevResult") {
            None | Some(Value::Null) => Ok(None),
            Some(value) => NetworkResult::read(value)
                .map(Some)
                .map_err(|e| Error::new(code::DECODE, format!("could not parse prevResult: {e}"))),
        }
    }
}

/// Reads a configuration: an object, not too large.
fn config(input: &[u8]) -> Result<Map<String, Value>, Error> {
    if input.len() > CONFIG_LIMIT {
        return Err(Error::new(code::DECODE, format!("the configuration is longer than {CONFIG_LIMIT} bytes")));
    }
    let trimmed = input.trim_ascii();
    if trimmed.is_empty() {
        return Err(Error::new(code::DECODE, "error unmarshall network config: unexpected end of JSON input"));
    }
    serde_json::from_slice(trimmed)
        .map_err(|e| Error::new(code::DECODE, format!("error unmarshall network config: {e}")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    const ALL: &[(&str, &str)] = &[
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "abc"),
        ("CNI_NETNS", "/n"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/p"),
    ];

    #[rstest]
    #[case(&[], "{}", code::ENVIRONMENT, "required env variables [CNI_COMMAND] missing")]
    #[case(&[("CNI_COMMAND", "FLY")], "{}", code::ENVIRONMENT, "unknown CNI_COMMAND: FLY")]
    #[case(&[("CNI_COMMAND", "ADD")], "{}", code::ENVIRONMENT, "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing")]
    #[case(&[("CNI_COMMAND", "GC")], "{}", code::ENVIRONMENT, "required env variables [CNI_PATH] missing")]
    #[case(ALL, "", code::DECODE, "error unmarshall network config: unexpected end of JSON input")]
    #[case(
        ALL,
        "[]",
        code::DECODE,
        "error unmarshall network config: invalid type: sequence, expected a map at line 1 column 0"
    )]
    #[case(ALL, r#"{"cniVersion":"9.9.9","name":"n"}"#, code::VERSION, "incompatible CNI versions")]
    #[case(ALL, r#"{"cniVersion":"1.0.0"}"#, code::CONFIG, "missing network name")]
    #[case(
        ALL,
        r#"{"cniVersion":"1.0.0","name":"../n"}"#,
        code::CONFIG,
        "invalid characters found in network name: ../n"
    )]
    fn refused(#[case] variables: &[(&str, &str)], #[case] input: &str, #[case] code: u32, #[case] text: &str) {
        let error = Request::read(&env(variables), input.as_bytes()).expect_err("it is refused");
        assert_eq!((error.code, error.msg.as_str()), (code, text));
    }

    #[rstest]
    #[case("CHECK", "0.3.1")]
    #[case("GC", "1.0.0")]
    #[case("STATUS", "0.4.0")]
    fn commands_have_their_versions(#[case] command: &str, #[case] version: &str) {
        let mut variables = env(ALL);
        variables.insert("CNI_COMMAND".to_owned(), command.to_owned());
        let input = format!(r#"{{"cniVersion":"{version}","name":"n"}}"#);
        assert_eq!(Request::read(&variables, input.as_bytes()).expect_err("it is refused").code, code::VERSION);
    }

    #[test]
    fn a_container_id_cannot_be_a_path() {
        let mut variables = env(ALL);
        variables.insert("CNI_CONTAINERID".to_owned(), "../../etc".to_owned());
        let error = Request::read(&variables, br#"{"cniVersion":"1.0.0","name":"n"}"#).expect_err("it is refused");
        assert_eq!(error.code, code::ENVIRONMENT);
    }

    proptest::proptest! {
        #[test]
        fn no_input_makes_it_panic(input in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = Request::read(&env(ALL), &input);
        }

        #[test]
        fn no_json_makes_it_panic(previous in "[\\[\\]{}\":,0-9a-z./]{0,80}") {
            let input = format!(r#"{{"cniVersion":"1.1.0","name":"n","type":"bridge","prevResult":{previous}}}"#);
            if let Ok(request) = Request::read(&env(ALL), input.as_bytes()) {
                let _ = request.previous();
            }
        }
    }
}
