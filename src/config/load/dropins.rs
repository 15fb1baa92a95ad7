//! The drop-in files of `--config-dir`: found, read, merged over the configuration. Part of `load`. As upstream: a key that stands there
//! twice is refused here, and null takes a key away.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use world::{World, files::FileKind};

use super::{
    super::{
        decode::{KeyFault, Nulls, TypeError, decode, strict_text},
        document::Document,
        fields::KUBELET_CONFIGURATION,
        yaml::{self, Yaml},
    },
    ConfigError, FILE_LIMIT, Note, go_reason, place, read_advice,
};

/// Merges the `.conf` files below `directory` into the document, in the order of their paths.
pub(super) fn merge(
    world: &World,
    document: &mut Document,
    directory: &Path,
    notes: &mut Vec<Note>,
) -> Result<(), ConfigError> {
    let mut files = Vec::new();
    walk(world, directory, &mut files).map_err(|e| {
        ConfigError::DropIn(format!(
            "failed to walk through kubelet dropin directory {:?}: lstat {}: {} (create the directory, or leave out --config-dir)",
            directory.display().to_string(),
            directory.display(),
            go_reason(&e)
        ))
    })?;
    for file in files {
        if file.extension().is_none_or(|e| e != "conf") {
            notes.push(Note::SkippedDropIn(file));
            continue;
        }
        let patch = read(world, &file, notes).map_err(ConfigError::DropIn)?;
        document.merge(patch);
    }
    document.fill_defaults();
    Ok(())
}

/// All files below a directory, depth first, each directory's entries by name.
fn walk(world: &World, directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in world.files.read_dir(directory)? {
        let path = directory.join(&entry.name);
        match entry.kind {
            FileKind::Directory => walk(world, &path, files)?,
            _ => files.push(path),
        }
    }
    Ok(())
}

fn read(world: &World, path: &Path, notes: &mut Vec<Note>) -> Result<Map<String, Value>, String> {
    let shown = path.display().to_string();
    let fail = |reason: String| format!("failed to load kubelet dropin file, path: {shown}, {reason}");
    let text = world
        .files
        .read_to_string(path, FILE_LIMIT)
        .map_err(|e| fail(format!("error: open {shown}: {} ({})", go_reason(&e), read_advice(&e))))?;
    if text.is_empty() {
        return Err(fail(format!("error: kubelet config file {shown:?} was empty")));
    }
    let node = yaml::parse(&text).map_err(|e| fail(format!("error: {e} ({})", place(&shown, e.line))))?;
    let said = |key| match node.value.get(key).map(|n| &n.value) {
        Some(Yaml::Text(text)) => text.clone(),
        _ => String::new(),
    };
    match (said("apiVersion").as_str(), said("kind").as_str()) {
        ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration") => {}
        ("", "") => return Err(fail("no apiVersion/kind".to_owned())),
        (version, kind) => {
            let version = if version.is_empty() { "/" } else { version };
            return Err(fail(format!("unknown apiVersion/kind: {version}, Kind={kind}")));
        }
    }
    let mut keys = Vec::new();
    let patch = decode(&node, KUBELET_CONFIGURATION, Nulls::Kept, &mut keys).map_err(|e: TypeError| {
        format!(
            "failed to unmarshal merged JSON into kubelet configuration: {} ({}: {} {})",
            e.go_text,
            place(&shown, e.line),
            e.path,
            e.advice
        )
    })?;
    if let Some(note) = keys.iter().find(|n| n.fault == KeyFault::Duplicate) {
        return Err(fail(format!("error: {}", strict_text(std::slice::from_ref(note)))));
    }
    if !keys.is_empty() {
        notes.push(Note::Keys { file: path.to_owned(), keys });
    }
    Ok(patch)
}
