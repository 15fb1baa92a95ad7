//! Volumes that are taken with their manifest and then never come about in standalone mode: the pod that mounts one does not start.

use k8s_openapi::api::core::v1::{Pod, Volume};
use serde_json::Value;

use super::{Finding, Weight};
use crate::{api::pod, volumes::paths};

/// A finding for each volume that a container mounts and nothing makes. `known` is what is said already.
pub(super) fn never_made(of: &Pod, known: &[Finding]) -> Vec<Finding> {
    let all = pod::spec(of).volumes.as_deref().unwrap_or_default();
    let used = pod::used_volumes(of);
    let mounted = |volume: &Volume| used.iter().any(|each| each.name == volume.name);
    let tell = |(index, volume): (usize, &Volume)| {
        let why = reason(volume)?;
        let path = format!("spec.volumes[{index}].{}", kind(volume)?);
        let said = known.iter().any(|finding| finding.path.starts_with(&path));
        (mounted(volume) && !said).then(|| Finding::new(Weight::NeverStarts, path, why))
    };
    all.iter().enumerate().filter_map(tell).collect()
}

fn reason(volume: &Volume) -> Option<&'static str> {
    if volume.projected.is_some() {
        Some("projected volumes are made with the help of an API server, unless --local-objects takes its place")
    } else if paths::waits_for_attachment(volume) {
        Some("only an API server says that it is attached to the node")
    } else if volume.git_repo.is_some() {
        Some("the plugin for this kind of volume is disabled")
    } else if paths::has_no_plugin(volume) {
        Some("there is no plugin for this kind of volume")
    } else {
        None
    }
}

/// The field that says what the volume is.
fn kind(volume: &Volume) -> Option<String> {
    let Ok(Value::Object(fields)) = serde_json::to_value(volume) else { return None };
    fields.into_iter().map(|(field, _)| field).find(|field| field != "name")
}
