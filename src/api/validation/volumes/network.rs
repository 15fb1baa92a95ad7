//! Volumes that live elsewhere: network file systems, disks and cluster objects. Mostly that their fields are there.

use k8s_openapi::api::core::v1::{
    AWSElasticBlockStoreVolumeSource, AzureDiskVolumeSource, AzureFileVolumeSource, CSIVolumeSource,
    CephFSVolumeSource, CinderVolumeSource, FCVolumeSource, FlexVolumeSource, FlockerVolumeSource,
    GCEPersistentDiskVolumeSource, GitRepoVolumeSource, GlusterfsVolumeSource, ISCSIVolumeSource, NFSVolumeSource,
    PersistentVolumeClaimVolumeSource, PhotonPersistentDiskVolumeSource, PortworxVolumeSource, QuobyteVolumeSource,
    RBDVolumeSource, ScaleIOVolumeSource, StorageOSVolumeSource, VsphereVirtualDiskVolumeSource,
};

use super::{Errors, FieldError, local_path, one_of, require, text};
use crate::api::gojson;
use crate::api::validation::{invalid_each, invalid_number, names};

/// The longest a Quobyte tenant may be, in bytes.
const QUOBYTE_TENANT_MAX: usize = 64;

fn partition(out: &mut Errors, path: &str, partition: Option<i32>) {
    let number = i64::from(partition.unwrap_or(0));
    // Nothing is no partition, and the text leaves it out.
    if number != 0 {
        invalid_number(out, path, number, names::range(number, 1, 255));
    }
}

pub(super) fn git_repo(out: &mut Errors, path: &str, source: &GitRepoVolumeSource) {
    require(out, &format!("{path}.repository"), &source.repository);
    local_path(out, &format!("{path}.directory"), text(&source.directory));
}

/// Upstream's inner path is `persistentDisk`, whatever the field is called.
pub(super) fn gce_persistent_disk(out: &mut Errors, path: &str, source: &GCEPersistentDiskVolumeSource) {
    let path = path.replace("gcePersistentDisk", "persistentDisk");
    require(out, &format!("{path}.pdName"), &source.pd_name);
    partition(out, &format!("{path}.partition"), source.partition);
}

pub(super) fn aws_elastic_block_store(out: &mut Errors, path: &str, source: &AWSElasticBlockStoreVolumeSource) {
    require(out, &format!("{path}.volumeID"), &source.volume_id);
    partition(out, &format!("{path}.partition"), source.partition);
}

pub(super) fn nfs(out: &mut Errors, path: &str, source: &NFSVolumeSource) {
    require(out, &format!("{path}.server"), &source.server);
    let at = format!("{path}.path");
    require(out, &at, &source.path);
    if !source.path.starts_with('/') {
        out.push(FieldError::invalid(&at, &source.path, "must be an absolute path"));
    }
}

pub(super) fn iscsi(out: &mut Errors, path: &str, source: &ISCSIVolumeSource) {
    require(out, &format!("{path}.targetPortal"), &source.target_portal);
    let at = format!("{path}.iqn");
    if require(out, &at, &source.iqn) {
        if !["iqn", "eui", "naa"].iter().any(|prefix| source.iqn.starts_with(prefix)) {
            out.push(FieldError::invalid(&at, &source.iqn, "must be valid format starting with iqn, eui, or naa"));
        } else if !iscsi_name(&source.iqn) {
            out.push(FieldError::invalid(&at, &source.iqn, "must be valid format"));
        }
    }
    let lun = i64::from(source.lun);
    invalid_number(out, &format!("{path}.lun"), lun, names::range(lun, 0, 255));
    if (source.chap_auth_discovery == Some(true) || source.chap_auth_session == Some(true))
        && source.secret_ref.is_none()
    {
        out.push(FieldError::required(&format!("{path}.secretRef"), ""));
    }
    if let Some(initiator) = &source.initiator_name
        && !iscsi_name(initiator)
    {
        let known = ["iqn", "eui", "naa"].iter().any(|start| initiator.starts_with(start));
        let why = if known { "must be valid format" } else { "must be valid format starting with iqn, eui, or naa" };
        out.push(FieldError::invalid(&format!("{path}.initiatorname"), initiator, why));
    }
}

/// `iqn.YYYY-MM.domain:id`, `eui.` and 16 letters or digits, or `naa.` and 32. Like upstream, content with any character for the dot of the
/// latter two, and with an `iqn.` that does not stand at the start.
fn iscsi_name(name: &str) -> bool {
    let id = |rest: &str, count: usize| {
        let mut chars = rest.chars();
        let dot = chars.next().is_some_and(|c| c != '\n');
        let id = chars.as_str();
        dot && id.len() == count && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if let Some(rest) = name.strip_prefix("eui") {
        return id(rest, 16);
    }
    if let Some(rest) = name.strip_prefix("naa") {
        return id(rest, 32);
    }
    name.match_indices("iqn.").any(|(at, start)| qualified_name(&name[at + start.len()..]))
}

/// `YYYY-MM.domain:id`.
fn qualified_name(text: &str) -> bool {
    let Some((start, id)) = text.split_once(':') else { return false };
    let bytes = start.as_bytes();
    bytes.len() > 8
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[5..7].iter().all(u8::is_ascii_digit)
        && bytes[7] == b'.'
        && bytes[8..].iter().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte))
        && !id.is_empty()
        && !id.contains([',', ';', '*', '&', '$', '|', ' ', '\t', '\n', '\x0c', '\r'])
}

pub(super) fn glusterfs(out: &mut Errors, path: &str, source: &GlusterfsVolumeSource) {
    require(out, &format!("{path}.endpoints"), &source.endpoints);
    require(out, &format!("{path}.path"), &source.path);
}

pub(super) fn flocker(out: &mut Errors, path: &str, source: &FlockerVolumeSource) {
    let (name, uuid) = (text(&source.dataset_name), text(&source.dataset_uuid));
    if name.is_empty() && uuid.is_empty() {
        out.push(FieldError::required(path, "one of datasetName and datasetUUID is required"));
    }
    if !name.is_empty() && !uuid.is_empty() {
        out.push(FieldError::invalid(
            path,
            "resource",
            "datasetName and datasetUUID can not be specified simultaneously",
        ));
    }
    if name.contains('/') {
        out.push(FieldError::invalid(&format!("{path}.datasetName"), name, "must not contain '/'"));
    }
}

pub(super) fn persistent_volume_claim(out: &mut Errors, path: &str, source: &PersistentVolumeClaimVolumeSource) {
    require(out, &format!("{path}.claimName"), &source.claim_name);
}

fn monitors(out: &mut Errors, path: &str, monitors: &[String]) {
    if monitors.is_empty() {
        out.push(FieldError::required(&format!("{path}.monitors"), ""));
    }
}

pub(super) fn rbd(out: &mut Errors, path: &str, source: &RBDVolumeSource) {
    monitors(out, path, &source.monitors);
    require(out, &format!("{path}.image"), &source.image);
}

pub(super) fn cephfs(out: &mut Errors, path: &str, source: &CephFSVolumeSource) {
    monitors(out, path, &source.monitors);
}

pub(super) fn cinder(out: &mut Errors, path: &str, source: &CinderVolumeSource) {
    require(out, &format!("{path}.volumeID"), &source.volume_id);
    if let Some(secret) = &source.secret_ref {
        require(out, &format!("{path}.secretRef.name"), &secret.name);
    }
}

pub(super) fn quobyte(out: &mut Errors, path: &str, source: &QuobyteVolumeSource) {
    const FORM: &str = "must be a host:port pair or multiple pairs separated by commas";
    let at = format!("{path}.registry");
    if source.registry.is_empty() {
        out.push(FieldError::required(&at, FORM));
    } else if text(&source.tenant).len() > QUOBYTE_TENANT_MAX {
        let why = "must be a UUID and may not exceed a length of 64 characters";
        out.push(FieldError::required(&format!("{path}.tenant"), why));
    } else {
        let bad = source.registry.split(',').filter(|pair| !has_host_and_port(pair));
        out.extend(bad.map(|_| FieldError::invalid(&at, &source.registry, FORM)));
    }
    require(out, &format!("{path}.volume"), &source.volume);
}

/// Whether Go's `net.SplitHostPort` takes a text; what host and port are it does not ask.
fn has_host_and_port(pair: &str) -> bool {
    let Some((host, port)) = pair.rsplit_once(':') else { return false };
    let plain = |text: &str| !text.contains(['[', ']']);
    match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').is_some_and(plain) && plain(port),
        None => !host.contains(':') && plain(host) && plain(port),
    }
}

pub(super) fn fc(out: &mut Errors, path: &str, source: &FCVolumeSource) {
    let wwns: &[String] = source.target_wwns.as_deref().unwrap_or_default();
    let wwids: &[String] = source.wwids.as_deref().unwrap_or_default();
    let at = format!("{path}.targetWWNs");
    if wwns.is_empty() && wwids.is_empty() {
        out.push(FieldError::required(&at, "must specify either targetWWNs or wwids, but not both"));
    }
    if !wwns.is_empty() && !wwids.is_empty() {
        out.push(FieldError::invalid_raw(
            &at,
            gojson::plain(&serde_json::json!(wwns)),
            "targetWWNs and wwids can not be specified simultaneously",
        ));
    }
    if !wwns.is_empty() {
        let at = format!("{path}.lun");
        match source.lun {
            Some(lun) => invalid_number(out, &at, i64::from(lun), names::range(i64::from(lun), 0, 255)),
            None => out.push(FieldError::required(&at, "lun is required if targetWWNs is specified")),
        }
    }
}

pub(super) fn flex(out: &mut Errors, path: &str, source: &FlexVolumeSource) {
    require(out, &format!("{path}.driver"), &source.driver);
    for key in source.options.iter().flatten().map(|(key, _)| key) {
        let namespace = format!(".{}", key.split('/').next().unwrap_or_default().to_lowercase());
        if namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io") {
            out.push(FieldError::invalid(
                &format!("{path}.options[{key}]"),
                key,
                "kubernetes.io and k8s.io namespaces are reserved",
            ));
        }
    }
}

pub(super) fn azure_file(out: &mut Errors, path: &str, source: &AzureFileVolumeSource) {
    require(out, &format!("{path}.secretName"), &source.secret_name);
    require(out, &format!("{path}.shareName"), &source.share_name);
}

pub(super) fn azure_disk(out: &mut Errors, path: &str, source: &AzureDiskVolumeSource) {
    require(out, &format!("{path}.diskName"), &source.disk_name);
    require(out, &format!("{path}.diskURI"), &source.disk_uri);
    if let Some(mode) = &source.caching_mode {
        one_of(out, &format!("{path}.cachingMode"), mode, &["None", "ReadOnly", "ReadWrite"]);
    }
    if let Some(kind) = &source.kind {
        one_of(out, &format!("{path}.kind"), kind, &["Dedicated", "Managed", "Shared"]);
        const MANAGED: &str =
            "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
        const BLOB: &str = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
        let (start, form) = if kind == "Managed" { ("/subscriptions/", MANAGED) } else { ("https://", BLOB) };
        if !source.disk_uri.starts_with(start) {
            out.push(FieldError::not_supported_text(&format!("{path}.diskURI"), &source.disk_uri, &[form]));
        }
    }
}

pub(super) fn vsphere(out: &mut Errors, path: &str, source: &VsphereVirtualDiskVolumeSource) {
    require(out, &format!("{path}.volumePath"), &source.volume_path);
}

pub(super) fn photon(out: &mut Errors, path: &str, source: &PhotonPersistentDiskVolumeSource) {
    require(out, &format!("{path}.pdID"), &source.pd_id);
}

pub(super) fn portworx(out: &mut Errors, path: &str, source: &PortworxVolumeSource) {
    require(out, &format!("{path}.volumeID"), &source.volume_id);
}

pub(super) fn storage_os(out: &mut Errors, path: &str, source: &StorageOSVolumeSource) {
    let name = text(&source.volume_name);
    if require(out, &format!("{path}.volumeName"), name) {
        invalid_each(out, &format!("{path}.volumeName"), name, names::label(name));
    }
    let namespace = text(&source.volume_namespace);
    if !namespace.is_empty() {
        invalid_each(out, &format!("{path}.volumeNamespace"), namespace, names::label(namespace));
    }
    if let Some(secret) = &source.secret_ref {
        require(out, &format!("{path}.secretRef.name"), &secret.name);
    }
}

pub(super) fn scale_io(out: &mut Errors, path: &str, source: &ScaleIOVolumeSource) {
    require(out, &format!("{path}.gateway"), &source.gateway);
    require(out, &format!("{path}.system"), &source.system);
    require(out, &format!("{path}.volumeName"), text(&source.volume_name));
}

pub(super) fn csi(out: &mut Errors, path: &str, source: &CSIVolumeSource) {
    let at = format!("{path}.driver");
    if require(out, &at, &source.driver) {
        if source.driver.len() > 63 {
            out.push(FieldError::too_long(&at, 63));
        }
        invalid_each(out, &at, &source.driver, names::subdomain(&source.driver.to_lowercase()));
    }
    if let Some(secret) = &source.node_publish_secret_ref
        && require(out, &format!("{path}.nodePublishSecretRef.name"), &secret.name)
    {
        // Upstream leaves the reference out of this path.
        invalid_each(out, &format!("{path}.name"), &secret.name, names::subdomain(&secret.name));
    }
}
