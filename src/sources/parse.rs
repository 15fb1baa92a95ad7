//! Bytes to a static pod ready to run: decoding, identity, validation, API references, in upstream's order and words. Pure.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

use crate::api::{
    decode,
    identity::{self, Source},
    pod, references, validation,
};

/// Reads one manifest. The error is what upstream logs, without the file before it.
pub fn manifest(bytes: &[u8], source: Source<'_>, node_name: &str) -> Result<Arc<Pod>, String> {
    let pod = decode::manifest(bytes).map_err(|error| match error {
        decode::DecodeError::NotAPod(_) => error.to_string(),
        _ => format!("couldn't parse as pod({error}), please check config file"),
    })?;
    static_pod(pod, source, node_name)
}

/// Gives a decoded pod its identity and checks it.
pub fn static_pod(mut decoded: Pod, source: Source<'_>, node_name: &str) -> Result<Arc<Pod>, String> {
    if pod::name(&decoded).is_empty() {
        return Err("invalid pod: name is needed for the pod".to_owned());
    }
    identity::apply_static_defaults(&mut decoded, source, node_name);
    let errors = validation::validate_pod(&decoded);
    if !errors.is_empty() {
        return Err(validation::to_aggregate(&errors));
    }
    references::static_pod(&decoded)?;
    Ok(Arc::new(decoded))
}

/// What is wrong in a manifest without stopping it: fields that nobody knows, with the nearest known name.
pub fn remarks(bytes: &[u8]) -> Vec<String> {
    decode::unknown_fields(bytes)
        .into_iter()
        .map(|field| {
            let name = field.path.rsplit('.').next().unwrap_or_default();
            let near = |known: &&&str| strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase());
            match field.known.iter().min_by_key(near).filter(|known| near(known) <= 2) {
                Some(known) => format!("unknown field {:?} is ignored: did you mean {known:?}?", field.path),
                None => format!("unknown field {:?} is ignored", field.path),
            }
        })
        .collect()
}
