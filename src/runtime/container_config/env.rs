//! The environment of a container, with references expanded in order. Pure but for files that `fileKeyRef` names, which the caller reads.

use crate::{
    api::{
        expansion::{self, expand},
        pod as api_pod,
    },
    local_objects::{Data, Kind},
    runtime::container_config::{ContainerInput, field},
};

/// A file of variables in a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvFile {
    /// Where it is on the node.
    pub path: String,
    /// Its text; `None` if it is not there.
    pub text: Option<String>,
}

/// Gives a file by volume name and path.
pub type ReadFile<'a> = &'a dyn Fn(&str, &str) -> Result<EnvFile, String>;

/// A line of this many bytes is too long for upstream's reader of files of variables.
const MAX_LINE: usize = 64 * 1024;

/// Gives the data of a ConfigMap or Secret of the pod's namespace; `None` if there is none of that name.
pub type ReadObject<'a> = &'a dyn Fn(Kind, &str) -> Option<Data>;

/// Builds the environment. `read_file` gives the text of a file in a volume by volume name and path.
pub fn environment(
    input: &ContainerInput<'_>,
    read_file: ReadFile<'_>,
    read_object: ReadObject<'_>,
) -> Result<Vec<(String, String)>, String> {
    let mut envs = from_objects(input, read_object)?;
    let mut size: usize = envs.iter().map(|(_, value)| value.len()).sum();
    for entry in input.container.env.iter().flatten() {
        let literal = entry.value.as_deref().unwrap_or_default();
        let value = if !literal.is_empty() {
            expand(literal, |name| lookup(&envs, name))
        } else if let Some(source) = &entry.value_from {
            if let Some(selector) = &source.field_ref {
                field::env_field(input.pod, &selector.field_path, input.pod_ips, input.settings)?
            } else if let Some(selector) = &source.resource_field_ref {
                field::resource_field(input.pod, Some(input.container), selector, true, input.settings)?
            } else if let Some(selector) = &source.file_key_ref {
                // Volumes that no container mounts are not set up.
                let known = api_pod::used_volumes(input.pod).iter().any(|v| v.name == selector.volume_name);
                if !known {
                    return Err(format!("cannot find the volume {:?} referenced by FileKeyRef", selector.volume_name));
                }
                let file = read_file(&selector.volume_name, &selector.path)?;
                // An optional key may be missing, but not its file.
                let value = file.text.as_deref().map(|text| file_value(text, &selector.key));
                match value.and_then(Result::ok).ok_or("couldn't parse env file")? {
                    Some(value) if !value.is_empty() => value,
                    _ if selector.optional.unwrap_or(false) => continue,
                    _ => {
                        return Err(format!(
                            "environment variable key {:?} not found in file {:?}",
                            selector.key, file.path
                        ));
                    }
                }
            } else if let Some(selector) = &source.config_map_key_ref {
                let wanted = (Kind::ConfigMap, selector.name.as_str(), selector.key.as_str());
                match object_value(input, wanted, selector.optional.unwrap_or(false), read_object)? {
                    Some(value) => value,
                    None => continue,
                }
            } else if let Some(selector) = &source.secret_key_ref {
                let wanted = (Kind::Secret, selector.name.as_str(), selector.key.as_str());
                match object_value(input, wanted, selector.optional.unwrap_or(false), read_object)? {
                    Some(value) => value,
                    None => continue,
                }
            } else {
                String::new()
            }
        } else {
            String::new()
        };
        size = size.saturating_add(value.len());
        if size > expansion::LIMIT {
            return Err(format!("environment is larger than {} bytes", expansion::LIMIT));
        }
        match envs.iter_mut().find(|(name, _)| *name == entry.name) {
            Some((_, old)) => *old = value,
            None => envs.push((entry.name.clone(), value)),
        }
    }
    Ok(envs)
}

/// `envFrom`, in order; later ones have the last word. Keys that no variable can be named are left out.
fn from_objects(input: &ContainerInput<'_>, read_object: ReadObject<'_>) -> Result<Vec<(String, String)>, String> {
    let mut envs: Vec<(String, String)> = Vec::new();
    for source in input.container.env_from.iter().flatten() {
        let (kind, name, optional) = if let Some(map) = &source.config_map_ref {
            (Kind::ConfigMap, &map.name, map.optional)
        } else if let Some(secret) = &source.secret_ref {
            (Kind::Secret, &secret.name, secret.optional)
        } else {
            continue;
        };
        let data = match read_object(kind, name) {
            Some(data) => data,
            None if optional.unwrap_or(false) => continue,
            None => return Err(kind.not_found(name)),
        };
        let prefix = source.prefix.as_deref().unwrap_or_default();
        for (key, value) in data.0 {
            let name = format!("{prefix}{key}");
            if name.is_empty() || !name.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'=') {
                continue;
            }
            let value = String::from_utf8_lossy(&value).into_owned();
            match envs.iter_mut().find(|(known, _)| *known == name) {
                Some((_, old)) => *old = value,
                None => envs.push((name, value)),
            }
        }
    }
    Ok(envs)
}

/// One key of an object; `None` leaves the variable out.
fn object_value(
    input: &ContainerInput<'_>,
    (kind, name, key): (Kind, &str, &str),
    optional: bool,
    read_object: ReadObject<'_>,
) -> Result<Option<String>, String> {
    let Some(data) = read_object(kind, name) else {
        return if optional { Ok(None) } else { Err(kind.not_found(name)) };
    };
    match data.0.get(key) {
        Some(value) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
        None if optional => Ok(None),
        None => Err(format!("couldn't find key {key} in {} {}/{name}", kind.name(), api_pod::namespace(input.pod))),
    }
}

/// The value of a variable that is set.
pub fn lookup(envs: &[(String, String)], name: &str) -> Option<String> {
    envs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone())
}

/// The value of a key in an environment file (`KEY='value'`); the first one counts.
pub fn file_value(text: &str, key: &str) -> Result<Option<String>, String> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    // The first one too long for upstream's reader ends the reading.
    let whole = |number: usize, line: &str| match line.len() >= MAX_LINE {
        true => Err(format!("line {number} is longer than {MAX_LINE} bytes")),
        false => Ok(()),
    };
    while let Some((number, line)) = lines.next() {
        whole(number, line)?;
        let fail = |why: &str| Err(format!("invalid environment variable format at line {number}: {why}"));
        let line = line.trim_start_matches(BLANKS);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { return fail("missing '='") };
        if name.is_empty() {
            return fail("empty variable name");
        }
        if name.ends_with(BLANKS) {
            return fail("whitespace before '=' is not allowed");
        }
        if value.starts_with(BLANKS) {
            if name == key {
                return Ok(Some(String::new()));
            }
            continue;
        }
        let Some(mut rest) = value.strip_prefix('\'') else { return fail("value must be enclosed in single quotes") };
        let mut content = String::new();
        let behind = loop {
            if let Some((last, behind)) = rest.split_once('\'') {
                content.push_str(last);
                break behind.trim_start_matches(BLANKS);
            }
            content.push_str(rest);
            content.push('\n');
            let Some((number, next)) = lines.next() else { return fail("unclosed single quote") };
            whole(number, next)?;
            rest = next;
        };
        if !behind.is_empty() && !behind.starts_with('#') {
            return fail("unexpected content after closing quote");
        }
        if name == key {
            return Ok(Some(content));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("A='1'\nB='2'\n", "B", Ok(Some("2")))]
    #[case("A='1'\nA='2'\n", "A", Ok(Some("1")))]
    #[case("# c\n\n  A='x' # y\n", "A", Ok(Some("x")))]
    #[case("A='x\ny'\nB='z'", "A", Ok(Some("x\ny")))]
    #[case("A='x\ny'\nB='z'", "B", Ok(Some("z")))]
    #[case("A= 'x'\n", "A", Ok(Some("")))]
    #[case("A='1'\r\nB='2'\r\n", "B", Ok(Some("2")))]
    #[case("A='1'\n", "C", Ok(None))]
    #[case("A='1'\nB\n", "A", Ok(Some("1")))]
    #[case("A=\n", "A", Err("invalid environment variable format at line 1: value must be enclosed in single quotes"))]
    #[case("='1'\n", "A", Err("invalid environment variable format at line 1: empty variable name"))]
    #[case("B='1\n2\n", "A", Err("invalid environment variable format at line 1: unclosed single quote"))]
    #[case(
        "\nB='1' x\n",
        "A",
        Err("invalid environment variable format at line 2: unexpected content after closing quote")
    )]
    #[case("A ='1'\n", "A", Err("invalid environment variable format at line 1: whitespace before '=' is not allowed"))]
    #[case("A=1\n", "A", Err("invalid environment variable format at line 1: value must be enclosed in single quotes"))]
    fn environment_files(#[case] text: &str, #[case] key: &str, #[case] value: Result<Option<&str>, &str>) {
        assert_eq!(file_value(text, key), value.map(|v| v.map(str::to_owned)).map_err(str::to_owned));
    }
}
