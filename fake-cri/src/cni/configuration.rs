//! Network configurations on disk: lists of plugins, and single plugins, as libcni loads them.

use std::{io, path::Path};

use serde_json::{Map, Value};
use world::Files;

use super::{VERSIONS, request::CONFIG_LIMIT};
use crate::os::in_go;

/// A network: plugins that are called one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Its name.
    pub name: String,
    /// Version of the protocol.
    pub version: String,
    /// Whether CHECK is not to be called.
    pub disable_check: bool,
    /// The plugins, with their own keys.
    pub plugins: Vec<Map<String, Value>>,
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl NetworkConfig {
    /// Reads a list (`plugins`), or a single plugin, which becomes a list of one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        let failed = |why: String| Err(ConfigError(why));
        let whole: Map<String, Value> = match serde_json::from_slice(text) {
            Ok(whole) => whole,
            Err(error) => return failed(format!("error parsing configuration: {error}")),
        };
        let text = |key: &str| whole.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, version) = (text("name"), text("cniVersion"));
        if name.is_empty() {
            return failed("error parsing configuration list: no name".to_owned());
        }
        let version = if version.is_empty() { "0.3.0".to_owned() } else { version };
        if !VERSIONS.contains(&version.as_str()) {
            return failed(format!("network {name}: version {version:?} is not supported, {VERSIONS:?} are"));
        }
        let plugins = match whole.get("plugins") {
            Some(Value::Array(list)) => list.iter().map(|p| p.as_object().cloned().unwrap_or_default()).collect(),
            Some(_) => return failed(format!("network {name}: \"plugins\" is not a list")),
            None => vec![whole.clone()],
        };
        let typed = |p: &Map<String, Value>| p.get("type").and_then(Value::as_str).is_some_and(|t| !t.is_empty());
        if plugins.is_empty() {
            return failed("error parsing configuration list: no plugins in list".to_owned());
        }
        if let Some(index) = plugins.iter().position(|p| !typed(p)) {
            return failed(format!("network {name}: plugin {index} has no type"));
        }
        let disable_check = match whole.get("disableCheck") {
            Some(Value::Bool(value)) => *value,
            Some(Value::String(value)) => value == "true",
            _ => false,
        };
        Ok(Self { name, version, disable_check, plugins })
    }

    /// The configurations in a directory, sorted by file name; `.conf`, `.conflist` and `.json` are looked at.
    ///
    /// # Errors
    /// Of the first file that cannot be read, with its path.
    pub fn load(files: &Files, directory: &Path) -> Result<Vec<Self>, ConfigError> {
        let unread = |path: &Path, e: &io::Error| ConfigError(format!("open {}: {}", path.display(), in_go(e)));
        let entries = files.read_dir(directory).map_err(|e| unread(directory, &e))?;
        let mut found = Vec::new();
        for entry in entries {
            let path = directory.join(&entry.name);
            if !matches!(path.extension().and_then(|e| e.to_str()), Some("conf" | "conflist" | "json")) {
                continue;
            }
            let text = files.read(&path, CONFIG_LIMIT as u64).map_err(|e| unread(&path, &e))?;
            found.push(Self::parse(&text).map_err(|e| ConfigError(format!("{}: {e}", path.display())))?);
        }
        Ok(found)
    }

    /// What one plugin is given: its keys, name and version, the result so far, and what its capabilities ask for.
    pub fn for_plugin(
        &self,
        plugin: &Map<String, Value>,
        previous: Option<&Value>,
        capabilities: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut config = plugin.clone();
        config.insert("name".to_owned(), Value::from(self.name.clone()));
        config.insert("cniVersion".to_owned(), Value::from(self.version.clone()));
        if let Some(previous) = previous {
            config.insert("prevResult".to_owned(), previous.clone());
        }
        let declared = plugin.get("capabilities").and_then(Value::as_object);
        let given: Map<String, Value> = capabilities
            .iter()
            .filter(|(name, _)| declared.is_some_and(|d| d.get(*name) == Some(&Value::Bool(true))))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !given.is_empty() {
            config.insert("runtimeConfig".to_owned(), Value::Object(given));
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use world::{WallClock, sim::MemoryFiles};

    use super::*;

    #[rstest]
    #[case("{", "error parsing configuration: EOF")]
    #[case(r#"{"plugins":[]}"#, "error parsing configuration list: no name")]
    #[case(r#"{"name":"n","plugins":[]}"#, "error parsing configuration list: no plugins in list")]
    #[case(r#"{"name":"n","plugins":[{}]}"#, "network n: plugin 0 has no type")]
    #[case(r#"{"name":"n","plugins":7}"#, "network n: \"plugins\" is not a list")]
    #[case(r#"{"name":"n","cniVersion":"7.0.0","plugins":[]}"#, "network n: version \"7.0.0\" is not supported")]
    fn refused(#[case] text: &str, #[case] why: &str) {
        let error = NetworkConfig::parse(text.as_bytes()).expect_err("it is refused").to_string();
        assert!(error.starts_with(why), "{error}");
    }

    #[test]
    fn files_are_taken_in_order_and_a_single_plugin_is_a_list() {
        let files = Files::new(MemoryFiles::empty(WallClock::system()));
        files.create_dir_all(Path::new("/c"), 0o755).expect("made");
        let write =
            |name: &str, text: &str| files.write(&Path::new("/c").join(name), text.as_bytes(), 0o644).expect("written");
        write("20-b.conf", r#"{"name":"b","cniVersion":"1.0.0","type":"bridge"}"#);
        write("10-a.conflist", r#"{"name":"a","cniVersion":"1.0.0","plugins":[{"type":"bridge"},{"type":"portmap"}]}"#);
        write("README", "no configuration");
        let found = NetworkConfig::load(&files, Path::new("/c")).expect("two networks");
        assert_eq!(found.iter().map(|n| (n.name.as_str(), n.plugins.len())).collect::<Vec<_>>(), [("a", 2), ("b", 1)]);
        write("30-c.json", "{");
        let error = NetworkConfig::load(&files, Path::new("/c")).expect_err("one is broken").to_string();
        assert!(error.starts_with("/c/30-c.json: "), "{error}");
    }
}
