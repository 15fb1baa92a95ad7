//! The command line in pflag's manner: `--flag=value`, `--flag value`, `-v 4`, underscores as dashes. Turns arguments into values;
//! what they mean is the table's and the caller's matter. Error texts as upstream.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::{Map, Value, json};

use super::{decode::nearest, document::Document};
use crate::api::duration;
use table::{Deprecation, FLAGS, Flag, Sets, Takes};

pub mod table;

/// A command line, parsed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arguments {
    /// Values of flags that only the command line has, by name; the last one counts.
    command: BTreeMap<&'static str, Value>,
    /// Values for fields of the configuration, by flag; those that can be repeated are joined.
    fields: BTreeMap<&'static str, (&'static str, Value)>,
    /// Deprecated flags in use, each once, in the order of the command line.
    pub deprecated: Vec<String>,
}

/// A command line that cannot be understood. The words are pflag's; behind them what was probably meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// There is no such flag.
    #[error("unknown flag: --{name}{}", suggested(.suggestion))]
    Unknown {
        /// What was written.
        name: String,
        /// The nearest flag there is, if any is near.
        suggestion: Option<String>,
    },
    /// There is no flag of that letter.
    #[error("unknown shorthand flag: {letter:?} in -{group}{}", suggested(.suggestion))]
    UnknownShorthand {
        /// The letter.
        letter: char,
        /// All that stands behind the dash.
        group: String,
        /// The long flag that was probably meant.
        suggestion: Option<String>,
    },
    /// Nothing follows a flag that takes a value.
    #[error("flag needs an argument: {0}")]
    NeedsArgument(String),
    /// Something like `--=x`.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// The value is not what the flag takes.
    #[error("invalid argument {value:?} for {flag:?} flag: {reason}")]
    Invalid {
        /// What was given.
        value: String,
        /// The flag with its dashes.
        flag: String,
        /// Why not.
        reason: String,
    },
}

fn suggested(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|s| format!(" (did you mean --{s}?)")).unwrap_or_default()
}

impl Arguments {
    /// Parses arguments. Positional ones are returned apart: the kubelet takes none.
    ///
    /// # Errors
    /// The first argument that cannot be understood.
    pub fn parse(args: &[String]) -> Result<(Self, Vec<String>), FlagError> {
        let mut parsed = Self::default();
        let mut positional = Vec::new();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if arg == "--" {
                positional.extend(rest.cloned());
                break;
            } else if let Some(long) = arg.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                if name.is_empty() || name.starts_with('-') {
                    return Err(FlagError::Syntax(arg.clone()));
                }
                let name = name.replace('_', "-");
                let flag = FLAGS.iter().find(|f| f.name == name).ok_or_else(|| FlagError::Unknown {
                    suggestion: nearest(&name, FLAGS.iter().filter(|f| !f.hidden).map(|f| f.name)),
                    name,
                })?;
                let value = match value.or_else(|| flag.alone().map(str::to_owned)) {
                    Some(value) => value,
                    None => rest.next().cloned().ok_or_else(|| FlagError::NeedsArgument(arg.clone()))?,
                };
                parsed.put(flag, &value)?;
            } else if let Some(group) = arg.strip_prefix('-').filter(|g| !g.is_empty()) {
                parsed.shorthands(group, &mut rest)?;
            } else {
                positional.push(arg.clone());
            }
        }
        Ok((parsed, positional))
    }

    /// Reads what stands behind a single dash: `v=4`, `v4`, `v` `4`, `h`.
    fn shorthands<'a>(&mut self, group: &str, rest: &mut impl Iterator<Item = &'a String>) -> Result<(), FlagError> {
        for (at, letter) in group.char_indices() {
            let flag = FLAGS.iter().find(|f| f.shorthand() == Some(letter)).ok_or_else(|| {
                let long = group.split('=').next().unwrap_or(group);
                FlagError::UnknownShorthand {
                    letter,
                    group: group.to_owned(),
                    suggestion: nearest(long, FLAGS.iter().filter(|f| !f.hidden).map(|f| f.name)),
                }
            })?;
            let behind = &group[at + letter.len_utf8()..];
            if let Some(value) = behind.strip_prefix('=') {
                return self.put(flag, value);
            }
            if let Some(alone) = flag.alone() {
                self.put(flag, alone)?;
                continue;
            }
            let value = if behind.is_empty() {
                rest.next().cloned().ok_or_else(|| FlagError::NeedsArgument(format!("{letter:?} in -{group}")))?
            } else {
                behind.to_owned()
            };
            return self.put(flag, &value);
        }
        Ok(())
    }

    fn put(&mut self, flag: &'static Flag, text: &str) -> Result<(), FlagError> {
        let value = value_of(flag.takes, text).map_err(|reason| FlagError::Invalid {
            value: text.to_owned(),
            flag: match flag.shorthand() {
                Some(letter) => format!("-{letter}, --{}", flag.name),
                None => format!("--{}", flag.name),
            },
            reason,
        })?;
        if let Some(why) = deprecation(flag) {
            let line = format!("Flag --{} has been deprecated, {why}", flag.name);
            if !self.deprecated.contains(&line) {
                self.deprecated.push(line);
            }
        }
        match flag.sets {
            Sets::Nothing => {}
            Sets::Command => {
                let held = self.command.entry(flag.name).or_default();
                *held = joined(std::mem::take(held), value);
            }
            Sets::Field(path) => {
                let (_, held) = self.fields.entry(flag.name).or_insert((path, Value::Null));
                *held = joined(std::mem::take(held), value);
            }
        }
        Ok(())
    }

    /// Writes the values of flags into the fields they set: a flag wins over files. Feature gates are merged, everything else replaced.
    pub fn apply(&self, document: &mut Document) {
        for (path, value) in self.fields.values() {
            let mut value = value.clone();
            if *path == "featureGates"
                && let Some(Value::Object(from_files)) = document.get(path)
            {
                value = joined(Value::Object(from_files.clone()), value);
            }
            document.set(path, value);
        }
    }

    /// The gates set by the flag, by name.
    pub fn feature_gates(&self) -> BTreeMap<String, bool> {
        let Some((_, Value::Object(gates))) = self.fields.get("feature-gates") else { return BTreeMap::new() };
        gates.iter().map(|(name, on)| (name.clone(), on.as_bool().unwrap_or(false))).collect()
    }

    /// Whether a flag was given.
    pub fn given(&self, name: &str) -> bool {
        self.command.contains_key(name) || self.fields.contains_key(name)
    }

    /// The text of a flag that only the command line has, or its default.
    pub fn text(&self, name: &str) -> &str {
        match self.command.get(name) {
            Some(value) => value.as_str().unwrap_or(""),
            None => default_of(name),
        }
    }

    /// The boolean of a flag that only the command line has.
    pub fn flag(&self, name: &str) -> bool {
        self.command.get(name).and_then(Value::as_bool).unwrap_or_else(|| default_of(name) == "true")
    }

    /// The number of a flag that only the command line has.
    pub fn int(&self, name: &str) -> i64 {
        self.command.get(name).and_then(Value::as_i64).unwrap_or_else(|| default_of(name).parse().unwrap_or(0))
    }

    /// The map of a flag that only the command line has.
    pub fn map(&self, name: &str) -> BTreeMap<String, String> {
        let Some(Value::Object(map)) = self.command.get(name) else { return BTreeMap::new() };
        map.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap_or("").to_owned())).collect()
    }
}

fn default_of(name: &str) -> &'static str {
    FLAGS.iter().find(|f| f.name == name).map_or("", |f| f.default)
}

/// What upstream prints when a flag on its way out is used.
fn deprecation(flag: &Flag) -> Option<&'static str> {
    match flag.deprecation {
        Deprecation::No => None,
        Deprecation::Config => Some(
            "This parameter should be set via the config file specified by the Kubelet's --config flag. See \
             https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/ for more information.",
        ),
        Deprecation::Cadvisor => Some(
            "This is a cadvisor flag that was mistakenly registered with the Kubelet. Due to legacy concerns, it will follow the \
             standard CLI deprecation timeline before being removed.",
        ),
        Deprecation::Other => Some("will be removed in a future version."),
    }
}

/// `new` put to what the flag held: maps and lists grow, anything else is replaced.
fn joined(held: Value, new: Value) -> Value {
    match (held, new) {
        (Value::Object(mut held), Value::Object(new)) => {
            for (key, value) in new {
                let before = held.get_mut(&key).map(std::mem::take);
                held.insert(
                    key,
                    match (before, value) {
                        (Some(Value::Array(before)), value @ Value::Array(_)) => joined(Value::Array(before), value),
                        (_, value) => value,
                    },
                );
            }
            held.sort_keys();
            Value::Object(held)
        }
        (Value::Array(mut held), Value::Array(new)) => {
            held.extend(new);
            Value::Array(held)
        }
        (_, new) => new,
    }
}

/// Reads one value. The error is Go's text.
fn value_of(takes: Takes, text: &str) -> Result<Value, String> {
    Ok(match takes {
        Takes::Text => Value::from(text),
        Takes::Version => Value::from(text),
        Takes::Bool => Value::from(go_bool(text)?),
        Takes::Int32 => Value::from(go_int(text, 32)?),
        Takes::Int64 => Value::from(go_int(text, 64)?),
        Takes::Duration => Value::from(duration::parse(text).map_err(|e| e.to_string())?.to_string()),
        Takes::Ip => {
            let ip: IpAddr = text.trim().parse().map_err(|_| format!("failed to parse IP: {text:?}"))?;
            Value::from(ip.to_string())
        }
        Takes::Texts if text.is_empty() => Value::Array(Vec::new()),
        Takes::Texts => text.split(',').map(Value::from).collect(),
        Takes::TextMap => pairs(text, '=', |v| Ok(Value::from(v)))?,
        Takes::OneTextMap => match text.split_once('=') {
            Some((name, value)) => json!({ name.trim(): value.trim() }),
            None => return Err(format!("malformed pair, expect string=string: {text}")),
        },
        Takes::LessMap => pairs(text, '<', |v| Ok(Value::from(v)))?,
        Takes::BoolMap => {
            pairs(text, '=', |v| go_bool(v).map(Value::from).map_err(|e| format!("invalid value of {v}, err: {e}")))?
        }
        Takes::Headers => pairs(text, ':', |v| Ok(json!([v])))?,
        Takes::Taints => text.split(',').filter(|t| !t.is_empty()).map(taint).collect::<Result<_, _>>()?,
        Takes::ReservedMemory => reserved_memory(text)?,
        Takes::Vmodule => text
            .split(',')
            .filter(|t| !t.is_empty())
            .map(|item| {
                let (pattern, level) =
                    item.split_once('=').ok_or_else(|| format!("{item:?} does not have the pattern=N format"))?;
                Ok(json!({ "filePattern": pattern, "verbosity": go_int(level, 32)? }))
            })
            .collect::<Result<_, String>>()?,
    })
}

fn pairs(text: &str, separator: char, value: impl Fn(&str) -> Result<Value, String>) -> Result<Value, String> {
    let mut map = Map::new();
    for pair in text.split(',').filter(|p| !p.is_empty()) {
        let (name, raw) = pair
            .split_once(separator)
            .ok_or_else(|| format!("malformed pair, expect string{separator}string: {pair}"))?;
        map.insert(name.trim().to_owned(), value(raw.trim())?);
    }
    map.sort_keys();
    Ok(Value::Object(map))
}

fn taint(text: &str) -> Result<Value, String> {
    let (key_value, effect) = text.rsplit_once(':').ok_or_else(|| format!("invalid taint spec: {text}"))?;
    let (key, value) = key_value.split_once('=').unwrap_or((key_value, ""));
    Ok(json!({ "key": key, "value": value, "effect": effect }))
}

fn reserved_memory(text: &str) -> Result<Value, String> {
    let (node, limits) = text.split_once(':').ok_or(
        "the reserved memory has incorrect format, expected numaNodeID:type=quantity[,type=quantity...], got: "
            .to_owned()
            + text,
    )?;
    let node = go_int(node.trim(), 32)?;
    Ok(json!([{ "numaNode": node, "limits": pairs(limits, '=', |v| Ok(Value::from(v)))? }]))
}

fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

fn go_int(text: &str, bits: u32) -> Result<i64, String> {
    let range = || format!("strconv.ParseInt: parsing {text:?}: value out of range");
    let n: i128 = text.parse().map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))?;
    let n = i64::try_from(n).map_err(|_| range())?;
    if bits == 32 && i32::try_from(n).is_err() { Err(range()) } else { Ok(n) }
}

/// What `--help` prints.
pub fn help() -> String {
    let mut text = String::from(
        "Runs the pods of a directory or a URL on a container runtime, without a control plane.\n\n\
         Settings come from the configuration file, then from the files of --config-dir, then from these flags.\n\n\
         Usage:\n  kubelet [flags]\n\nFlags:\n",
    );
    for flag in FLAGS.iter().filter(|f| !f.hidden) {
        let name = match flag.shorthand() {
            Some(letter) => format!("  -{letter}, --{}", flag.name),
            None => format!("      --{}", flag.name),
        };
        text.push_str(format!("{name} {}", flag.takes.type_name()).trim_end());
        if !matches!(flag.default, "" | "0" | "false") {
            text.push_str(&format!(" (default {})", flag.default));
        }
        match flag.sets {
            Sets::Field(path) => text.push_str(&format!(" (field {path})")),
            Sets::Nothing => text.push_str(" (has no effect)"),
            Sets::Command => {}
        }
        if flag.deprecation != Deprecation::No {
            text.push_str(" (DEPRECATED)");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
