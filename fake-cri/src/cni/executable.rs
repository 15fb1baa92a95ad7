//! The plugins as an executable: one call from environment and standard input to exit code, with a journal and faults by file.
//!
//! A configuration may say `"fakeCni": {"journal": FILE, "faults": FILE}`; else the variables `FAKE_CNI_JOURNAL` and `FAKE_CNI_FAULTS`
//! do. Faults are a YAML list in the language of [`crate::faults`]; what a rule's `rpc` is matched against is `cni.PLUGIN.COMMAND`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use world::World;

use super::{Error, Request, code, plugins};
use crate::{
    faults::{Action, Call, Fault, Faults},
    os::in_go,
};

/// Largest file of faults, and of the calls that they have seen.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// What a call leaves: the exit code and what goes to standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub output: String,
}

impl Answer {
    fn failed(error: &Error) -> Self {
        let output = serde_json::to_string_pretty(error).unwrap_or_default() + "\n";
        Self { code: 1, output }
    }
}

/// A file that the configuration or the environment names.
fn file(environment: &BTreeMap<String, String>, config: &Value, key: &str, variable: &str) -> Option<PathBuf> {
    let named = config.get("fakeCni").and_then(|f| f.get(key)).and_then(Value::as_str).map(str::to_owned);
    named.or_else(|| environment.get(variable).cloned()).filter(|n| !n.is_empty()).map(PathBuf::from)
}

/// What goes wrong with this call. Each call is a process of its own, so those before it are played again from a file beside the faults.
fn decide(world: &World, path: &Path, rpc: &str, container: &str) -> Result<Action, Error> {
    let wrong = |why: String| Error::new(code::CONFIG, format!("{}: {why}", path.display()));
    let text = world.files.read_to_string(path, FILE_LIMIT).map_err(|e| wrong(e.to_string()))?;
    let rules: Vec<Fault> = serde_saphyr::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    let faults = Faults::new(world.random.fork("cni/faults"));
    faults.set(rules).map_err(wrong)?;
    let mut seen = path.to_owned().into_os_string();
    seen.push(".calls");
    let seen = PathBuf::from(seen);
    for line in world.files.read_to_string(&seen, FILE_LIMIT).unwrap_or_default().lines() {
        let (rpc, container) = line.split_once(' ').unwrap_or((line, ""));
        faults.decide(&Call { rpc, container: Some(container), ..Call::default() });
    }
    world.files.append(&seen, 0o644)?.append(format!("{rpc} {container}\n").as_bytes())?;
    Ok(faults.decide(&Call { rpc, container: Some(container), ..Call::default() }))
}

/// One call of the plugin `called`, unless the configuration names another.
pub async fn run(world: &World, called: &str, environment: &BTreeMap<String, String>, input: &[u8]) -> Answer {
    let config: Value = serde_json::from_slice(input).unwrap_or(Value::Null);
    let kind = config.get("type").and_then(Value::as_str).unwrap_or_default();
    // An address plugin is called with the configuration of the plugin that delegates to it.
    let plugin = if plugins::NAMES.contains(&called) { called } else { kind };
    let command = environment.get("CNI_COMMAND").cloned().unwrap_or_default();
    let container = environment.get("CNI_CONTAINERID").cloned().unwrap_or_default();
    let answer = answer(world, plugin, (&command, &container), environment, &config, input).await;
    if let Some(path) = file(environment, &config, "journal", "FAKE_CNI_JOURNAL") {
        let variables: BTreeMap<&String, &String> = environment.iter().filter(|(n, _)| n.starts_with("CNI_")).collect();
        let line = json!({
            "time": world.clock.now().to_string(),
            "plugin": plugin,
            "command": command,
            "env": variables,
            "stdin": config,
            "stdout": serde_json::from_str(&answer.output).unwrap_or_else(|_| Value::from(answer.output.clone())),
            "code": answer.code,
        });
        let written = world.files.append(&path, 0o644).and_then(|mut f| f.append(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            return Answer::failed(&Error::new(code::IO, format!("{}: {}", path.display(), in_go(&error))));
        }
    }
    answer
}

async fn answer(
    world: &World,
    plugin: &str,
    (command, container): (&str, &str),
    environment: &BTreeMap<String, String>,
    config: &Value,
    input: &[u8],
) -> Answer {
    let action = match file(environment, config, "faults", "FAKE_CNI_FAULTS") {
        Some(path) => match decide(world, &path, &format!("cni.{plugin}.{command}"), container) {
            Ok(action) => action,
            Err(error) => return Answer::failed(&error),
        },
        None => Action::Ok,
    };
    if let Action::Cut = action {
        // What a plugin leaves that dies in the middle.
        return Answer { code: 2, output: "{\"cniVersion\":".to_owned() };
    }
    if let Err(status) = action.before().await {
        return Answer::failed(&super::runtime::injected(&status));
    }
    let result = Request::read(environment, input).and_then(|request| plugins::invoke(&world.files, plugin, &request));
    if let Err(status) = action.after().await {
        return Answer::failed(&super::runtime::injected(&status));
    }
    match result {
        Ok(Some(value)) => Answer { code: 0, output: serde_json::to_string_pretty(&value).unwrap_or_default() + "\n" },
        Ok(None) => Answer { code: 0, output: String::new() },
        Err(error) => Answer::failed(&error),
    }
}
