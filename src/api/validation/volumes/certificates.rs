//! Projected sources that certificates come from: trust bundles of the cluster, and certificates issued to the pod. Nothing issues
//! them here; what is written of them is checked all the same.

use k8s_openapi::api::core::v1::{ClusterTrustBundleProjection, PodCertificateProjection};
use serde_json::{Value, json};

use super::{Errors, FieldError, local_path, require, text};
use crate::api::validation::{affinity, invalid_each, metadata, names};
use crate::api::{gojson, schema};

/// The longest a pod's certificate may last, in seconds: 91 days.
const LIFETIME_MAX: i32 = 91 * 24 * 60 * 60;
/// The same where Kubernetes itself signs: a day.
const OWN_LIFETIME_MAX: i32 = 24 * 60 * 60;
/// The longest domain of a signer, in bytes.
const DOMAIN_MAX: usize = 253;
/// The longest name of a signer: a domain, a slash, and a namespace and a name with a dot between.
const SIGNER_MAX: usize = DOMAIN_MAX + 1 + 63 + 1 + 253;

/// Checks a `clusterTrustBundle`.
pub(super) fn cluster_trust_bundle(out: &mut Errors, path: &str, bundle: &ClusterTrustBundleProjection) {
    match (&bundle.name, &bundle.signer_name) {
        (Some(_), Some(_)) => {
            out.push(FieldError::invalid_raw(path, shown(bundle), "only one of name and signerName may be used"));
        }
        (Some(name), None) => {
            let at = format!("{path}.name");
            if name.is_empty() {
                out.push(FieldError::required(&at, "must be a valid object name"));
            }
            let faults = bundle_name(name).into_iter().map(|why| format!("not a valid clustertrustbundlename: {why}"));
            invalid_each(out, &at, name, faults.collect());
            if let Some(selector) = &bundle.label_selector {
                out.push(FieldError::invalid_raw(
                    &format!("{path}.labelSelector"),
                    gojson::render(selector, &schema::LABEL_SELECTOR),
                    "labelSelector must be unset if name is specified",
                ));
            }
        }
        (None, Some(name)) => {
            let at = format!("{path}.signerName");
            if name.is_empty() {
                out.push(FieldError::required(&at, "must be a valid signer name"));
            }
            signer(out, &at, name);
            if let Some(selector) = &bundle.label_selector {
                affinity::label_selector(out, &format!("{path}.labelSelector"), selector);
            }
        }
        (None, None) => out.push(FieldError::required(path, "either name or signerName must be specified")),
    }
    let at = format!("{path}.path");
    require(out, &at, &bundle.path);
    local_path(out, &at, &bundle.path);
}

/// The bundle as upstream's internal type prints in errors: Go names, every field.
fn shown(bundle: &ClusterTrustBundleProjection) -> String {
    let selector = bundle.label_selector.as_ref().map(|selector| gojson::render(selector, &schema::LABEL_SELECTOR));
    // The selector alone has names of its own, and is text already.
    format!(
        "{{\"Name\":{},\"SignerName\":{},\"LabelSelector\":{},\"Optional\":{},\"Path\":{}}}",
        gojson::plain(&json!(bundle.name)),
        gojson::plain(&json!(bundle.signer_name)),
        selector.as_deref().unwrap_or("null"),
        gojson::plain(&json!(bundle.optional)),
        gojson::plain(&Value::from(bundle.path.as_str())),
    )
}

/// What is wrong with the name of a bundle; that of a signer stands before it, with colons.
fn bundle_name(name: &str) -> Vec<String> {
    match name.rsplit_once(':') {
        Some(("", _)) => vec!["ClusterTrustBundle without signer name must not have \":\" in its name".to_owned()],
        Some((signer, _)) if signer.contains('/') => {
            let (signer, start) = (signer.replace(':', "/"), signer.replace('/', ":"));
            vec![format!("ClusterTrustBundle for signerName {signer} must be named with prefix {start}:")]
        }
        Some((_, rest)) => names::subdomain(rest),
        None => names::subdomain(name),
    }
}

/// Checks a `podCertificate`.
pub(super) fn pod_certificate(out: &mut Errors, path: &str, certificate: &PodCertificateProjection) {
    const KEY_TYPES: [&str; 6] = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];
    signer(out, &format!("{path}.signerName"), &certificate.signer_name);
    let at = format!("{path}.userAnnotations");
    for key in certificate.user_annotations.iter().flatten().map(|(key, _)| key.to_lowercase()) {
        if !require(out, &at, &key) {
            continue;
        }
        let mut faults = names::qualified(&key);
        if faults.is_empty() && !key.contains('/') {
            faults.push("must be a domain-prefixed key (such as \"acme.io/foo\")".to_owned());
        }
        invalid_each(out, &at, &key, faults);
    }
    metadata::annotations_size(out, &at, certificate.user_annotations.as_ref());
    let key_type = certificate.key_type.as_str();
    if !KEY_TYPES.contains(&key_type) {
        out.push(FieldError::not_supported_text(&format!("{path}.keyType"), key_type, &KEY_TYPES));
    }
    if let Some(seconds) = certificate.max_expiration_seconds {
        let at = format!("{path}.maxExpirationSeconds");
        if seconds < 3600 {
            out.push(FieldError::invalid_raw(&at, seconds, "if provided, maxExpirationSeconds must be >= 3600"));
        }
        let max = if is_own(&certificate.signer_name) { OWN_LIFETIME_MAX } else { LIFETIME_MAX };
        if seconds > max {
            let why = format!("if provided, maxExpirationSeconds must be <= {max}");
            out.push(FieldError::invalid_raw(&at, seconds, why));
        }
    }
    let files = [
        ("credentialBundlePath", &certificate.credential_bundle_path),
        ("keyPath", &certificate.key_path),
        ("certificateChainPath", &certificate.certificate_chain_path),
    ];
    if files.iter().all(|(_, target)| text(target).is_empty()) {
        out.push(FieldError::required(
            path,
            "specify at least one of credentialBundlePath, keyPath, and certificateChainPath",
        ));
    }
    for (field, target) in files {
        if !text(target).is_empty() {
            local_path(out, &format!("{path}.{field}"), text(target));
        }
    }
}

/// Whether a signer is one of Kubernetes itself.
fn is_own(signer: &str) -> bool {
    let host = signer.split('/').next().unwrap_or_default();
    host == "kubernetes.io" || host.ends_with(".kubernetes.io")
}

/// `example.com/signer-name`.
fn signer(out: &mut Errors, path: &str, name: &str) {
    if !require(out, path, name) {
        return;
    }
    let Some((domain, rest)) = name.split_once('/').filter(|(_, rest)| !rest.contains('/')) else {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        out.push(FieldError::invalid(path, name, why));
        return;
    };
    if domain.len() > DOMAIN_MAX {
        out.push(FieldError::too_long(path, DOMAIN_MAX));
    }
    first_bad_part(out, path, domain, names::label);
    if !domain.contains('.') {
        let why = "should be a domain with at least two segments separated by dots";
        out.push(FieldError::invalid(path, domain, why));
    }
    first_bad_part(out, path, rest, names::subdomain);
    if name.len() > SIGNER_MAX {
        out.push(FieldError::too_long(path, SIGNER_MAX));
    }
}

/// Of the parts between dots only the first bad one is told.
fn first_bad_part(out: &mut Errors, path: &str, whole: &str, grammar: fn(&str) -> Vec<String>) {
    if let Some((part, faults)) =
        whole.split('.').map(|part| (part, grammar(part))).find(|(_, faults)| !faults.is_empty())
    {
        let part = gojson::go_quoted(part);
        let faults = faults.into_iter().map(|why| format!("validating label {part}: {why}"));
        invalid_each(out, path, whole, faults.collect());
    }
}
