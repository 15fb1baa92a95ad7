//! From arguments and files to the validated configuration, in upstream's order: flags, file, drop-ins, flags again, gates, logging,
//! validation. Texts of errors are upstream's, followed by the place and what to do. Logs nothing: notes are handed back.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;
use world::World;

use super::{
    KubeletConfig, build,
    decode::{KeyNote, Nulls, decode},
    document::{Document, clean},
    fields::KUBELET_CONFIGURATION,
    flags::{self, Arguments, FlagError},
    gates::{FeatureGates, GateError, GateNote},
    validate,
    yaml::{self, Yaml},
};

mod dropins;

/// The largest configuration file that is read, in bytes.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// What a command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// To print this and end well.
    Print(String),
    /// To run.
    Run(Box<Loaded>),
}

/// A configuration, and what is to be said about how it came about.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: KubeletConfig,
    /// Remarks for the log.
    pub notes: Vec<Note>,
}

/// A remark about the configuration that does not stop the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A flag on its way out; the whole line.
    DeprecatedFlag(String),
    /// Keys of a file that are not as they should be.
    Keys {
        /// The file.
        file: PathBuf,
        /// The keys.
        keys: Vec<KeyNote>,
    },
    /// A file of the drop-in directory that is not a drop-in.
    SkippedDropIn(PathBuf),
    /// A gate that soon cannot be set any more.
    Gate(GateNote),
    /// Parts of `--node-ip` that are no addresses.
    UnparsableNodeIps(Vec<String>),
    /// Entries of `clusterDNS` that are no addresses.
    InvalidClusterDns(String),
}

/// The configuration does not allow a start. Display is what upstream prints behind `command failed`, then where and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The command line cannot be understood.
    #[error("failed to parse kubelet flag: {0}")]
    Flag(#[from] FlagError),
    /// There is an argument that is no flag.
    #[error("unknown command {0} (the kubelet takes flags only: --name=value)")]
    Positional(String),
    /// A feature gate cannot be set like this.
    #[error("failed to set feature gates from initial flags-based config: {0}")]
    Gate(#[from] GateError),
    /// A flag's value is not allowed.
    #[error("failed to validate kubelet flags: {0}")]
    FlagValue(String),
    /// The configuration file cannot be used.
    #[error(
        "failed to load kubelet config file, path: {path}, error: failed to load Kubelet config file {path}, error {error}"
    )]
    File {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        error: FileError,
    },
    /// A drop-in cannot be used.
    #[error("failed to merge kubelet configs: {0}")]
    DropIn(String),
    /// Logging cannot be set up like this.
    #[error("initialize logging: {0}")]
    Logging(String),
    /// Values that are not allowed, all of them.
    #[error("failed to validate kubelet configuration, error: {}, path: &TypeMeta{{Kind:,APIVersion:,}}", aggregate(.0))]
    Invalid(Vec<String>),
    /// What is checked only when the kubelet is about to run.
    #[error("failed to run Kubelet: {0}")]
    Run(String),
}

/// What is wrong with the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("failed to read kubelet config file \"{path}\", error: open {path}: {reason} ({advice})", path = .path.display())]
    Unreadable {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not, in the host's words.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// It has no bytes.
    #[error(
        "kubelet config file {0:?} was empty (it must hold at least apiVersion: kubelet.config.k8s.io/v1beta1 and kind: \
         KubeletConfiguration)"
    )]
    Empty(String),
    /// It is not what it should be.
    #[error("failed to decode: {text} ({place}: {advice})")]
    Decode {
        /// What upstream says.
        text: String,
        /// File and line.
        place: String,
        /// What to do.
        advice: String,
    },
}

/// Several errors as Kubernetes' aggregate prints them.
fn aggregate(errors: &[String]) -> String {
    match errors {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// Reads the command line and the files it names.
///
/// # Errors
/// The first step that fails; validation reports all it finds.
pub fn load(world: &World, args: &[String]) -> Result<Invocation, ConfigError> {
    let (arguments, positional) = Arguments::parse(args)?;
    if let Some(first) = positional.into_iter().next() {
        return Err(ConfigError::Positional(first));
    }
    if arguments.flag("help") {
        return Ok(Invocation::Print(flags::help()));
    }
    if let Some(text) = version(&arguments) {
        return Ok(Invocation::Print(text));
    }
    let mut notes: Vec<Note> = arguments.deprecated.iter().cloned().map(Note::DeprecatedFlag).collect();
    FeatureGates::new(&arguments.feature_gates())?;
    validate::node_labels(&arguments.map("node-labels")).map_err(ConfigError::FlagValue)?;

    let working_directory = Path::new(arguments.text("working-directory"));
    let mut document = match arguments.text("config") {
        "" => Document::flags_only(),
        path => read_file(world, path, working_directory, &mut notes)?,
    };
    match arguments.text("config-dir") {
        "" => {}
        path => dropins::merge(world, &mut document, &clean(&working_directory.join(path)), &mut notes)?,
    }
    arguments.apply(&mut document);
    let (gates, gate_notes) = FeatureGates::new(&gates_of(&document))?;
    notes.extend(gate_notes.into_iter().map(Note::Gate));

    let facts =
        world.machine.facts().map_err(|e| ConfigError::Run(format!("cannot read the facts of this machine: {e}")))?;
    validate::logging(&document).map_err(ConfigError::Logging)?;
    let faults = validate::all(&document, &gates, facts.cgroups);
    if !faults.is_empty() {
        return Err(ConfigError::Invalid(faults));
    }
    let config = build::build(document, &arguments, gates, &facts, &mut notes).map_err(ConfigError::Run)?;
    Ok(Invocation::Run(Box::new(Loaded { config, notes })))
}

/// The text that `--version` asks for.
fn version(arguments: &Arguments) -> Option<String> {
    match arguments.text("version") {
        "true" => Some(format!("Kubernetes {}\n", crate::VERSION)),
        "raw" => {
            let parts: Vec<&str> = crate::VERSION.trim_start_matches('v').split('.').collect();
            Some(format!(
                "version.Info{{Major:{:?}, Minor:{:?}, GitVersion:{:?}, Platform:\"linux\"}}\n",
                parts.first().unwrap_or(&""),
                parts.get(1).unwrap_or(&""),
                crate::VERSION
            ))
        }
        _ => None,
    }
}

fn gates_of(document: &Document) -> BTreeMap<String, bool> {
    let Some(Value::Object(gates)) = document.get("featureGates") else { return BTreeMap::new() };
    gates.iter().map(|(name, on)| (name.clone(), on.as_bool().unwrap_or(false))).collect()
}

fn read_file(world: &World, given: &str, from: &Path, notes: &mut Vec<Note>) -> Result<Document, ConfigError> {
    let path = clean(&from.join(given));
    let fail = |error| ConfigError::File { path: given.to_owned(), error };
    let text = world.files.read_to_string(&path, FILE_LIMIT).map_err(|e| {
        fail(FileError::Unreadable { reason: go_reason(&e), advice: read_advice(&e), path: path.clone() })
    })?;
    if text.is_empty() {
        return Err(fail(FileError::Empty(path.display().to_string())));
    }
    let shown = path.display().to_string();
    let decode_error =
        |line: u64, text: String, advice: String| fail(FileError::Decode { text, place: place(&shown, line), advice });
    let node = yaml::parse(&text).map_err(|e| {
        decode_error(
            e.line,
            e.to_string(),
            "the file is not YAML; check indentation, colons and quotes there".to_owned(),
        )
    })?;
    identity(&node.value).map_err(|(key, text)| {
        let line = node.value.get(key).map_or(1, |n| n.line);
        let advice = "it must begin with apiVersion: kubelet.config.k8s.io/v1beta1 and kind: KubeletConfiguration";
        decode_error(line, text, advice.to_owned())
    })?;
    let mut keys = Vec::new();
    let object = decode(&node, KUBELET_CONFIGURATION, Nulls::Unset, &mut keys)
        .map_err(|e| decode_error(e.line, e.go_text.clone(), format!("{} {}", e.path, e.advice)))?;
    if !keys.is_empty() {
        keys.sort_by_key(|k| k.line);
        notes.push(Note::Keys { file: path.clone(), keys });
    }
    let mut document = Document(object);
    document.fill_defaults();
    document.fill_eviction();
    document.resolve_paths(path.parent().unwrap_or(Path::new("/")));
    Ok(document)
}

/// Checks that a document says it is a KubeletConfiguration. The error names the key at fault and says what upstream says.
fn identity(document: &Yaml) -> Result<(), (&'static str, String)> {
    if !matches!(document, Yaml::Map(_)) {
        let kind = document.json_kind();
        return Err((
            "kind",
            format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {kind} into Go value of type struct"
            ),
        ));
    }
    let text = |key| match document.get(key).map(|n| &n.value) {
        Some(Yaml::Text(text)) => text.as_str(),
        _ => "",
    };
    let missing = |key: &'static str| (key, format!("Object '{key}' is missing in '{}'", json_text(document)));
    match (text("apiVersion"), text("kind")) {
        (_, "") => Err(missing("kind")),
        ("", _) => Err(missing("apiVersion")),
        ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration") => Ok(()),
        (version, kind) => Err((
            if kind == "KubeletConfiguration" { "apiVersion" } else { "kind" },
            format!(
                "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/kubelet/apis/config/scheme/scheme.go:33\""
            ),
        )),
    }
}

/// The document as JSON with sorted keys, as upstream shows it in a message.
fn json_text(document: &Yaml) -> String {
    fn value(yaml: &Yaml) -> Value {
        match yaml {
            Yaml::Null => Value::Null,
            Yaml::Bool(b) => Value::from(*b),
            Yaml::Int(n) => Value::from(*n),
            Yaml::Float(n) => Value::from(*n),
            Yaml::Text(text) => Value::from(text.as_str()),
            Yaml::List(items) => items.iter().map(|n| value(&n.value)).collect(),
            Yaml::Map(entries) => {
                let mut map: serde_json::Map<_, _> =
                    entries.iter().map(|e| (e.key.clone(), value(&e.node.value))).collect();
                map.sort_keys();
                Value::Object(map)
            }
        }
    }
    value(document).to_string()
}

fn place(file: &str, line: u64) -> String {
    if line == 0 { file.to_owned() } else { format!("{file}:{line}") }
}

/// A host's error in the words of Go.
pub(crate) fn go_reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "is a directory".to_owned(),
        ErrorKind::NotADirectory => "not a directory".to_owned(),
        ErrorKind::AlreadyExists => "file exists".to_owned(),
        ErrorKind::StorageFull => "no space left on device".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "read-only file system".to_owned(),
        ErrorKind::AddrInUse => "bind: address already in use".to_owned(),
        ErrorKind::AddrNotAvailable => "bind: cannot assign requested address".to_owned(),
        ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        _ => error.to_string(),
    }
}

fn read_advice(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "create the file, or name the right one with --config",
        ErrorKind::PermissionDenied => {
            "the kubelet must be able to read it: run as root or change the mode of the file"
        }
        ErrorKind::IsADirectory => "name a file; for a directory of drop-ins use --config-dir",
        ErrorKind::InvalidData => "the file must be text in UTF-8",
        _ => "check the file",
    }
}
