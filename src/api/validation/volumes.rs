//! Volumes: names, exactly one source each, and paths inside volumes. Sources have files of their own.

mod certificates;
mod ephemeral;
mod generated;
mod network;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{HostPathVolumeSource, Pod, Volume};

use super::mounts::Volumes;
use super::{Errors, FieldError, invalid_each, names, one_of, require, text};
use crate::api::quantity::Quantity;
use crate::api::{gojson, pod};

/// Checks `spec.volumes`; gives back those without a fault, the only ones mounts may name.
pub(super) fn check<'a>(out: &mut Errors, pod: &'a Pod) -> Volumes<'a> {
    let volumes = pod::spec(pod).volumes.as_deref().unwrap_or_default();
    let claim = |volume: &Volume| format!("{}-{}", pod::name(pod), volume.name);
    let made: BTreeSet<String> = volumes.iter().filter(|volume| volume.ephemeral.is_some()).map(claim).collect();
    let mut good = Volumes::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = format!("spec.volumes[{index}]");
        let before = out.len();
        let checked = source(out, &path, volume);
        if checked == Some("ephemeral") && !volume.name.is_empty() {
            let name = claim(volume);
            let faults = names::subdomain(&name).into_iter();
            let faults = faults.map(|why| format!("PVC name {}: {why}", gojson::go_quoted(&name)));
            invalid_each(out, &format!("{path}.name"), &volume.name, faults.collect());
        }
        if require(out, &format!("{path}.name"), &volume.name) {
            invalid_each(out, &format!("{path}.name"), &volume.name, names::label(&volume.name));
        }
        if good.contains_key(volume.name.as_str()) {
            out.push(FieldError::duplicate(&format!("{path}.name"), &volume.name));
        }
        if out.len() == before {
            good.insert(&volume.name, volume);
        }
        if let Some(own) = volume.persistent_volume_claim.as_ref().filter(|own| made.contains(&own.claim_name)) {
            let why = "must not reference a PVC that gets created for an ephemeral volume";
            out.push(FieldError::invalid(&format!("{path}.persistentVolumeClaim.claimName"), &own.claim_name, why));
        }
    }
    good
}

type Check<'a> = Box<dyn Fn(&mut Errors, &str) + 'a>;

/// Checks that there is one source, and that one: the first of several. Gives back its field.
fn source(out: &mut Errors, path: &str, volume: &Volume) -> Option<&'static str> {
    // Upstream's order, which decides which source is the one too many.
    let mut sources: Vec<(&'static str, Check<'_>)> = Vec::new();
    macro_rules! source {
        ($field:ident, $name:literal, $check:expr) => {
            if let Some(each) = &volume.$field {
                sources.push(($name, Box::new(move |out, path| $check(out, path, each))));
            }
        };
    }
    source!(
        empty_dir,
        "emptyDir",
        |out: &mut Errors, path: &str, each: &k8s_openapi::api::core::v1::EmptyDirVolumeSource| {
            if each.size_limit.as_ref().is_some_and(|limit| Quantity::of(limit).sign() < 0) {
                out.push(FieldError::forbidden(
                    &format!("{path}.sizeLimit"),
                    "SizeLimit field must be a valid resource quantity",
                ));
            }
        }
    );
    source!(host_path, "hostPath", host_path);
    source!(git_repo, "gitRepo", network::git_repo);
    source!(gce_persistent_disk, "gcePersistentDisk", network::gce_persistent_disk);
    source!(aws_elastic_block_store, "awsElasticBlockStore", network::aws_elastic_block_store);
    source!(secret, "secret", generated::secret);
    source!(nfs, "nfs", network::nfs);
    source!(iscsi, "iscsi", network::iscsi);
    source!(glusterfs, "glusterfs", network::glusterfs);
    source!(flocker, "flocker", network::flocker);
    source!(persistent_volume_claim, "persistentVolumeClaim", network::persistent_volume_claim);
    source!(rbd, "rbd", network::rbd);
    source!(cinder, "cinder", network::cinder);
    // Upstream spells two of them in its own way when they are one too many.
    source!(cephfs, "cephfs", network::cephfs);
    source!(quobyte, "quobyte", network::quobyte);
    source!(downward_api, "downwardAPI", generated::downward_api);
    source!(fc, "fc", network::fc);
    source!(flex_volume, "flexVolume", network::flex);
    source!(config_map, "configMap", generated::config_map);
    source!(azure_file, "azureFile", network::azure_file);
    source!(vsphere_volume, "vsphereVolume", network::vsphere);
    source!(photon_persistent_disk, "photonPersistentDisk", network::photon);
    source!(portworx_volume, "portworxVolume", network::portworx);
    source!(azure_disk, "azureDisk", network::azure_disk);
    source!(storageos, "storageos", network::storage_os);
    source!(projected, "projected", generated::projected);
    source!(scale_io, "scaleIO", network::scale_io);
    source!(csi, "csi", network::csi);
    source!(ephemeral, "ephemeral", ephemeral::check);
    source!(image, "image", generated::image);

    for (count, (name, check)) in sources.iter().enumerate() {
        let path = format!("{path}.{name}");
        if count > 0 {
            let path = path.replace(".cephfs", ".cephFS").replace(".downwardAPI", ".downwarAPI");
            out.push(FieldError::forbidden(&path, "may not specify more than 1 volume type"));
        } else {
            check(out, &path);
        }
    }
    if sources.is_empty() {
        out.push(FieldError::required(path, "must specify a volume type"));
    }
    sources.first().map(|(name, _)| *name)
}

fn host_path(out: &mut Errors, path: &str, source: &HostPathVolumeSource) {
    const TYPES: [&str; 8] =
        ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    if !require(out, &format!("{path}.path"), &source.path) {
        return;
    }
    no_backsteps(out, &format!("{path}.path"), &source.path);
    one_of(out, &format!("{path}.type"), text(&source.type_), &TYPES);
}

/// No `..` element.
pub(super) fn no_backsteps(out: &mut Errors, path: &str, target: &str) {
    if target.split('/').any(|part| part == "..") {
        out.push(FieldError::invalid(path, target, "must not contain '..'"));
    }
}

/// A relative path without `..` elements.
pub(super) fn descending_path(out: &mut Errors, path: &str, target: &str) {
    if target.starts_with('/') {
        out.push(FieldError::invalid(path, target, "must be a relative path"));
    }
    no_backsteps(out, path, target);
}

/// A descending path that does not begin with `..`, which is reserved for the files' own links.
pub(super) fn local_path(out: &mut Errors, path: &str, target: &str) {
    descending_path(out, path, target);
    if target.starts_with("..") && !target.starts_with("../") {
        out.push(FieldError::invalid(path, target, "must not start with '..'"));
    }
}
