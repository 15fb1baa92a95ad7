//! Volumes whose files the kubelet writes itself: secret, configMap, downwardAPI, projected; and image volumes.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, DownwardAPIVolumeSource, ImageVolumeSource, KeyToPath,
    ProjectedVolumeSource, SecretVolumeSource, ServiceAccountTokenProjection, VolumeProjection,
};

use super::{Errors, FieldError, certificates, local_path, one_of, require, text};
use crate::api::validation::selectors;

fn mode(out: &mut Errors, path: &str, mode: Option<i32>) {
    if let Some(bits) = mode.filter(|bits| !(0..=0o777).contains(bits)) {
        out.push(FieldError::invalid_raw(path, bits, "must be a number between 0 and 0777 (octal), both inclusive"));
    }
}

fn items(out: &mut Errors, path: &str, items: Option<&Vec<KeyToPath>>) {
    for (index, item) in items.into_iter().flatten().enumerate() {
        let path = format!("{path}.items[{index}]");
        require(out, &format!("{path}.key"), &item.key);
        let at = format!("{path}.path");
        if require(out, &at, &item.path) {
            local_path(out, &at, &item.path);
        }
        mode(out, &format!("{path}.mode"), item.mode);
    }
}

pub(super) fn secret(out: &mut Errors, path: &str, source: &SecretVolumeSource) {
    require(out, &format!("{path}.secretName"), text(&source.secret_name));
    mode(out, &format!("{path}.defaultMode"), source.default_mode);
    items(out, path, source.items.as_ref());
}

pub(super) fn config_map(out: &mut Errors, path: &str, source: &ConfigMapVolumeSource) {
    require(out, &format!("{path}.name"), &source.name);
    mode(out, &format!("{path}.defaultMode"), source.default_mode);
    items(out, path, source.items.as_ref());
}

pub(super) fn downward_api(out: &mut Errors, path: &str, source: &DownwardAPIVolumeSource) {
    mode(out, &format!("{path}.defaultMode"), source.default_mode);
    for file in source.items.iter().flatten() {
        downward_file(out, path, file);
    }
}

/// Upstream leaves the item's index out of these paths.
fn downward_file(out: &mut Errors, path: &str, file: &DownwardAPIVolumeFile) {
    let at = format!("{path}.path");
    require(out, &at, &file.path);
    local_path(out, &at, &file.path);
    match (&file.field_ref, &file.resource_field_ref) {
        (Some(field), other) => {
            selectors::field(out, &format!("{path}.fieldRef"), field, &selectors::VOLUME_FIELDS);
            if other.is_some() {
                out.push(FieldError::invalid(
                    path,
                    "resource",
                    "fieldRef and resourceFieldRef can not be specified simultaneously",
                ));
            }
        }
        (None, Some(resource)) => selectors::resource(out, &format!("{path}.resourceFieldRef"), resource, true),
        (None, None) => {
            out.push(FieldError::required(path, "one of fieldRef and resourceFieldRef is required"));
        }
    }
    mode(out, &format!("{path}.mode"), file.mode);
}

pub(super) fn projected(out: &mut Errors, path: &str, source: &ProjectedVolumeSource) {
    mode(out, &format!("{path}.defaultMode"), source.default_mode);
    let mut paths = BTreeSet::new();
    for (index, projection) in source.sources.iter().flatten().enumerate() {
        projection_source(out, path, &format!("{path}.sources[{index}]"), projection, &mut paths);
    }
}

fn projection_source<'a>(
    out: &mut Errors,
    volume: &str,
    path: &str,
    projection: &'a VolumeProjection,
    paths: &mut BTreeSet<&'a str>,
) {
    let mut sources = 0;
    let mut claim = |out: &mut Errors, target: &'a str, shown: &str| {
        if !paths.insert(target) {
            out.push(FieldError::invalid(volume, shown, "conflicting duplicate paths"));
        }
    };
    let keyed = [
        ("secret", projection.secret.as_ref().map(|each| (&each.name, &each.items))),
        ("configMap", projection.config_map.as_ref().map(|each| (&each.name, &each.items))),
    ];
    for (field, source) in keyed {
        let Some((name, list)) = source else { continue };
        sources += 1;
        let path = format!("{path}.{field}");
        require(out, &format!("{path}.name"), name);
        items(out, &path, list.as_ref());
        for item in list.iter().flatten().filter(|item| !item.path.is_empty()) {
            claim(out, &item.path, name);
        }
    }
    if let Some(downward) = &projection.downward_api {
        sources += 1;
        for file in downward.items.iter().flatten() {
            downward_file(out, &format!("{path}.downwardAPI"), file);
            if !file.path.is_empty() {
                claim(out, &file.path, &file.path);
            }
        }
    }
    if let Some(token) = &projection.service_account_token {
        sources += 1;
        // Upstream does not compare its path with others.
        service_account_token(out, volume, &format!("{path}.serviceAccountToken"), token);
    }
    if let Some(bundle) = &projection.cluster_trust_bundle {
        sources += 1;
        certificates::cluster_trust_bundle(out, &format!("{path}.clusterTrustBundle"), bundle);
        claim(out, &bundle.path, &bundle.path);
    }
    if let Some(certificate) = &projection.pod_certificate {
        sources += 1;
        certificates::pod_certificate(out, &format!("{path}.podCertificate"), certificate);
        let files = [&certificate.credential_bundle_path, &certificate.key_path, &certificate.certificate_chain_path];
        for target in files.into_iter().map(text).filter(|target| !target.is_empty()) {
            claim(out, target, target);
        }
    }
    if sources > 1 {
        out.push(FieldError::forbidden(path, "may not specify more than 1 volume type per source"));
    }
}

/// Upstream gives the path of the whole volume where the token's file is wrong.
fn service_account_token(out: &mut Errors, volume: &str, path: &str, token: &ServiceAccountTokenProjection) {
    let at = format!("{path}.expirationSeconds");
    let seconds = token.expiration_seconds.unwrap_or(3600);
    if seconds < 600 {
        out.push(FieldError::invalid_raw(&at, seconds, "may not specify a duration less than 10 minutes"));
    }
    if seconds > 1 << 32 {
        out.push(FieldError::invalid_raw(&at, seconds, "may not specify a duration larger than 2^32 seconds"));
    }
    let at = format!("{volume}.path");
    if require(out, &at, &token.path) {
        local_path(out, &at, &token.path);
    }
}

/// An empty reference passes: pods, unlike templates, may leave it to something higher up.
pub(super) fn image(out: &mut Errors, path: &str, source: &ImageVolumeSource) {
    let at = format!("{path}.pullPolicy");
    if require(out, &at, text(&source.pull_policy)) {
        one_of(out, &at, text(&source.pull_policy), &["Always", "IfNotPresent", "Never"]);
    }
}
