//! Says in the log what is remarkable about a configuration. Part of `command`; the remarks come from `config::load`.

use crate::config::{
    Note,
    decode::{KeyFault, KeyNote, strict_text},
    gates::Stage,
};

pub(super) fn log(notes: &[Note]) {
    for note in notes {
        match note {
            Note::DeprecatedFlag(line) => tracing::warn!("{line}"),
            Note::Keys { file, keys } => {
                // Upstream's line first, for those who look for it; then one per key, for those who must find it.
                tracing::info!(err = strict_text(keys), "Using lenient decoding as strict decoding failed");
                for key in keys {
                    tracing::warn!(at = format!("{}:{}", file.display(), key.line), key = key.path, "{}", remark(key));
                }
            }
            Note::SkippedDropIn(path) => {
                tracing::debug!(path = %path.display(), "Skipped file in drop-in directory (does not have .conf extension)");
            }
            Note::Gate(gate) => {
                let stage = if gate.stage == Stage::Deprecated { "deprecated" } else { "GA" };
                tracing::info!(
                    featureGate = gate.name,
                    value = gate.value,
                    "Warning: setting {stage} feature gate. It will be removed in a future release."
                );
            }
            Note::UnparsableNodeIps(ips) => {
                tracing::warn!(ips = ips.join(","), "Could not parse some node IP(s), ignoring them");
            }
            Note::InvalidClusterDns(ip) => tracing::error!(IP = ip, "Invalid clusterDNS IP"),
        }
    }
}

/// What a user has to know about a key.
pub(super) fn remark(key: &KeyNote) -> String {
    match &key.fault {
        KeyFault::Unknown { suggestion: Some(name) } => {
            format!("Unknown configuration key, ignored: did you mean {name}?")
        }
        KeyFault::Unknown { suggestion: None } => "Unknown configuration key, ignored".to_owned(),
        KeyFault::Duplicate => "Configuration key stands there twice: the last value counts".to_owned(),
    }
}
