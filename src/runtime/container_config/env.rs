//! The environment of a container, with references expanded in order. Pure but for files that `fileKeyRef` names, which the caller reads.

use crate::{
    api::{
        expansion::{self, expand},
        pod as api_pod,
    },
    local_objects::{Data, Kind},
    runtime::container_config::{ContainerInput, field},
};

/// Gives the text of a file by volume name and path; `None` if it is not there.
pub type ReadFile<'a> = &'a dyn Fn(&str, &str) -> Result<Option<String>, String>;

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
                let known = api_pod::spec(input.pod).volumes.iter().flatten().any(|v| v.name == selector.volume_name);
                if !known {
                    return Err(format!("cannot find the volume {:?} referenced by FileKeyRef", selector.volume_name));
                }
                let value = match read_file(&selector.volume_name, &selector.path)? {
                    Some(text) => file_value(&text, &selector.key).map_err(|_| "couldn't parse env file".to_owned())?,
                    None if selector.optional.unwrap_or(false) => None,
                    None => return Err("couldn't parse env file".to_owned()),
                };
                match value {
                    Some(value) if !value.is_empty() => value,
                    _ if selector.optional.unwrap_or(false) => continue,
                    _ => {
                        return Err(format!(
                            "environment variable key {:?} not found in file {:?}",
                            selector.key, selector.path
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
    let mut rest = text;
    let mut line = 0;
    while !rest.is_empty() {
        line += 1;
        let (current, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let start = current.trim_start();
        if start.trim().is_empty() || start.starts_with('#') {
            rest = after;
            continue;
        }
        let fail = |why: &str| format!("invalid environment variable format at line {line}: {why}");
        let (name, value) = start.split_once('=').ok_or_else(|| fail("missing '='"))?;
        if name.ends_with([' ', '\t']) {
            return Err(fail("whitespace before '=' is not allowed"));
        }
        if value.is_empty() || value.starts_with([' ', '\t']) {
            if name == key {
                return Ok(Some(String::new()));
            }
            rest = after;
            continue;
        }
        // A quoted value may go over several lines: look for its end in all that is left.
        let value_offset = current.len() - value.len();
        let quoted =
            rest[value_offset..].strip_prefix('\'').ok_or_else(|| fail("value must be enclosed in single quotes"))?;
        let end = quoted.find('\'').ok_or_else(|| fail("value must be enclosed in single quotes"))?;
        let (content, behind) = (&quoted[..end], &quoted[end + 1..]);
        let (same_line, next) = behind.split_once('\n').unwrap_or((behind, ""));
        let trailer = same_line.trim();
        if !trailer.is_empty() && !trailer.starts_with('#') {
            return Err(fail("unexpected text after the closing quote"));
        }
        if name == key {
            return Ok(Some(content.to_owned()));
        }
        line += content.matches('\n').count();
        rest = next;
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
    #[case("A='1'\n", "C", Ok(None))]
    #[case("A ='1'\n", "A", Err("invalid environment variable format at line 1: whitespace before '=' is not allowed"))]
    #[case("A=1\n", "A", Err("invalid environment variable format at line 1: value must be enclosed in single quotes"))]
    fn environment_files(#[case] text: &str, #[case] key: &str, #[case] value: Result<Option<&str>, &str>) {
        assert_eq!(file_value(text, key), value.map(|v| v.map(str::to_owned)).map_err(str::to_owned));
    }
}
