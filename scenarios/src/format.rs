//! Scenario files as data: a mapping of metadata, the kubelet's configuration, the runtime's make-up and a list of steps. Says nothing
//! of how steps are carried out.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

pub mod condition;
pub mod crash;
mod heads;
pub mod length;
pub mod parse;
pub mod place;
pub mod problem;
pub mod runtime;
pub mod step;
#[cfg(test)]
mod tests;
pub mod tree;
mod words;

use length::Length;
use place::At;
use runtime::RuntimeSetup;
use step::{Content, Step, StepForm};
use tree::Tree;

pub use parse::parse;
pub use problem::{Problem, Source};

/// A scenario: what is there at first, and what is done and expected step by step.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Scenario", title = "A Podlab scenario")]
pub struct ScenarioForm {
    /// What the scenario shows, in one line. The file's name if it is not given.
    name: Option<String>,
    /// Why it matters, for people.
    description: Option<String>,
    /// Names of upstream's tests that check the same.
    upstream: Vec<String>,
    /// An issue of upstream's because of which upstream's kubelet fails this scenario.
    known_upstream_bug: Option<String>,
    /// Words to choose scenarios by.
    tags: Vec<String>,
    /// What all randomness is drawn from. 1 if it is not given.
    seed: Option<u64>,
    /// How long the scenario may take, in its own time. 1h if it is not given.
    limit: Option<Length>,
    /// Invariants that this scenario breaks on purpose, by number, and why: all others are looked at after every event.
    except_invariants: BTreeMap<u8, String>,
    /// Where it can run. Everywhere if it is not given.
    targets: Option<Vec<TargetKind>>,
    /// The kubelet.
    kubelet: KubeletSetup,
    /// The runtime: its personality, images, behaviours and first faults, in the fake runtime's own words.
    runtime: Option<RuntimeSetup>,
    /// Files that are there before anything starts: path, or name in the manifest directory, and text.
    files: BTreeMap<String, String>,
    /// Manifests that are there before anything starts: name in the manifest directory, and YAML.
    manifests: BTreeMap<String, Tree>,
    /// TCP ports of the node that somebody else listens on.
    busy_ports: Vec<u16>,
    /// What is done and expected, in order.
    steps: Vec<At<StepForm>>,
}

/// Where a scenario can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// All in one process, under virtual time.
    Sim,
    /// A kubelet process on a runtime behind a socket, in real time.
    Process,
}

/// How the kubelet is set up.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct KubeletSetup {
    /// Merged over the tutorial's configuration; null removes a key.
    pub config: Option<Tree>,
    /// The configuration file's whole text instead, for files that are wrong.
    pub config_text: Option<String>,
    /// No configuration file at all, although the kubelet is told of one.
    pub no_config: bool,
    /// Further flags.
    pub flags: Vec<String>,
    /// Whether it runs before the first step. Yes if it is not given.
    pub start: Option<bool>,
}

/// A scenario, checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file.
    pub source: Source,
    /// The folder of the file, for files beside it.
    pub folder: PathBuf,
    /// A name that no other scenario of a run has: the path without its ending.
    pub id: String,
    /// What it shows.
    pub name: String,
    /// Why it matters.
    pub description: Option<String>,
    /// Names of upstream's tests that check the same.
    pub upstream: Vec<String>,
    /// Why upstream's kubelet fails it.
    pub known_upstream_bug: Option<String>,
    /// Words to choose it by.
    pub tags: Vec<String>,
    /// What all randomness is drawn from.
    pub seed: u64,
    /// How long it may take in its own time.
    pub limit: Duration,
    /// Invariants that are not looked at, by number, and why.
    pub except: BTreeMap<u8, String>,
    /// Where it can run.
    pub targets: Vec<TargetKind>,
    /// The kubelet.
    pub kubelet: KubeletSetup,
    /// The runtime.
    pub runtime: Option<RuntimeSetup>,
    /// Files there at first: path and content.
    pub files: Vec<(String, Content)>,
    /// Ports of the node that somebody else listens on.
    pub busy_ports: Vec<u16>,
    /// What is done and expected.
    pub steps: Vec<Step>,
}

/// How long a scenario may take when nothing is said.
pub const LIMIT: Duration = Duration::from_secs(3600);

/// The JSON schema of scenario files, for editors.
pub fn schema() -> String {
    let schema = schemars::schema_for!(ScenarioForm);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text.push('\n');
    text
}
