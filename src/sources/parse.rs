//! Bytes to a static pod ready to run, with the errors and remarks that the log shows. The rules themselves are the API's. Pure.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

use crate::api::{decode, identity::Source, references, static_pod};

/// What a manifest says.
pub struct Manifest {
    /// Its pod.
    pub pod: Arc<Pod>,
    /// What is wrong in it without stopping it.
    pub remarks: Vec<String>,
}

/// Reads the manifest of a file: its pod, and what is wrong in it without stopping it, fields that nobody knows, with the nearest known
/// name. The error is what upstream logs about it. `local` is whether ConfigMaps and Secrets lie on this node.
pub fn manifest(bytes: &[u8], path: &str, node_name: &str, local: bool) -> Result<Manifest, String> {
    let (pod, unknown) = decode::manifest_and_unknown(bytes)
        .map_err(|error| format!("{path}: couldn't parse as pod({error}), please check config file"))?;
    Ok(Manifest { pod: accept(pod, Source::File(path), node_name, local)?, remarks: remarks(unknown) })
}

/// Gives a decoded pod its identity and checks it.
pub fn accept(pod: Pod, source: Source<'_>, node_name: &str, local: bool) -> Result<Arc<Pod>, String> {
    let rule = if local { references::static_pod_with_local_objects } else { references::static_pod };
    static_pod::accept_with(pod, source, node_name, rule).map(Arc::new).map_err(|error| error.to_string())
}

fn remarks(unknown: Vec<decode::UnknownField>) -> Vec<String> {
    let tell = |(path, text): (String, String)| match text.split_once(": ") {
        Some((_, hint)) => format!("unknown field {path:?} is ignored: {hint}"),
        None => format!("unknown field {path:?} is ignored"),
    };
    suggested(unknown).into_iter().map(tell).collect()
}

/// The fields that nobody knows: where each stands, and what to say of it.
pub fn unknown_fields(bytes: &[u8]) -> Vec<(String, String)> {
    suggested(decode::unknown_fields(bytes))
}

fn suggested(unknown: Vec<decode::UnknownField>) -> Vec<(String, String)> {
    let tell = |field: decode::UnknownField| {
        let name = field.path.rsplit('.').next().unwrap_or_default().to_lowercase();
        let distance = |known: &&&str| strsim::damerau_levenshtein(&name, &known.to_lowercase());
        let text = match field.known.iter().min_by_key(distance).filter(|known| distance(known) <= 2) {
            Some(known) => format!("unknown field: did you mean {known:?}?"),
            None => "unknown field".to_owned(),
        };
        (field.path, text)
    };
    unknown.into_iter().map(tell).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("kind: Pod\n", "/m/a.yaml: couldn't parse as pod(")]
    #[case("apiVersion: v1\nkind: ConfigMap\n", "/m/a.yaml: couldn't parse as pod(invalid pod: ")]
    #[case("apiVersion: v1\nkind: Pod\n", "invalid pod: name is needed for the pod")]
    fn refused(#[case] text: &str, #[case] start: &str) {
        let error = manifest(text.as_bytes(), "/m/a.yaml", "node1", false).err().unwrap();
        assert!(error.starts_with(start), "{error}");
    }

    #[test]
    fn unknown_fields_are_told_with_a_suggestion() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  xyzzy: 1\n  containers: [{name: c, image: i, imagePullpolicy: Never}]\n";
        let mut all = manifest(text.as_bytes(), "/m/a.yaml", "node1", false).ok().unwrap().remarks;
        all.sort();
        assert_eq!(
            all,
            [
                "unknown field \"spec.containers[0].imagePullpolicy\" is ignored: did you mean \"imagePullPolicy\"?",
                "unknown field \"spec.xyzzy\" is ignored",
            ]
        );
    }
}
