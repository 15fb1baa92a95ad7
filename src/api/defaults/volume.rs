//! Defaults of volumes. A volume without a source is an empty directory.

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, Volume};
use serde_json::Value;

use super::container::field_ref;
use super::text;
use crate::api::image;

/// Mode bits of files in generated volumes: 0644.
const FILE_MODE: i32 = 0o644;

pub(super) fn apply(volume: &mut Volume) {
    if sourceless(volume) {
        volume.empty_dir = Some(Default::default());
    }
    if let Some(host_path) = &mut volume.host_path {
        host_path.type_.get_or_insert_with(String::new);
    }
    if let Some(secret) = &mut volume.secret {
        secret.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(config_map) = &mut volume.config_map {
        config_map.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(downward) = &mut volume.downward_api {
        downward.default_mode.get_or_insert(FILE_MODE);
        downward.items.iter_mut().flatten().for_each(downward_file);
    }
    if let Some(projected) = &mut volume.projected {
        projected.default_mode.get_or_insert(FILE_MODE);
        for source in projected.sources.iter_mut().flatten() {
            if let Some(token) = &mut source.service_account_token {
                token.expiration_seconds.get_or_insert(60 * 60);
            }
            if let Some(downward) = &mut source.downward_api {
                downward.items.iter_mut().flatten().for_each(downward_file);
            }
        }
    }
    if let Some(image) = &mut volume.image {
        text(&mut image.pull_policy, image::default_pull_policy(image.reference.as_deref().unwrap_or_default()));
    }
    if let Some(ephemeral) = &mut volume.ephemeral
        && let Some(template) = &mut ephemeral.volume_claim_template
    {
        text(&mut template.spec.volume_mode, "Filesystem");
    }
    network(volume);
}

/// Network disks; they cannot run without their drivers, but the printed pod carries the defaults.
fn network(volume: &mut Volume) {
    if let Some(iscsi) = &mut volume.iscsi {
        text(&mut iscsi.iscsi_interface, "default");
    }
    if let Some(rbd) = &mut volume.rbd {
        text(&mut rbd.pool, "rbd");
        text(&mut rbd.user, "admin");
        text(&mut rbd.keyring, "/etc/ceph/keyring");
    }
    if let Some(scale_io) = &mut volume.scale_io {
        text(&mut scale_io.storage_mode, "ThinProvisioned");
        text(&mut scale_io.fs_type, "xfs");
    }
    if let Some(disk) = &mut volume.azure_disk {
        disk.caching_mode.get_or_insert_with(|| "ReadWrite".to_owned());
        disk.kind.get_or_insert_with(|| "Shared".to_owned());
        disk.fs_type.get_or_insert_with(|| "ext4".to_owned());
        disk.read_only.get_or_insert(false);
    }
}

fn downward_file(file: &mut DownwardAPIVolumeFile) {
    if let Some(field) = &mut file.field_ref {
        field_ref(field);
    }
}

fn sourceless(volume: &Volume) -> bool {
    // The name is the only field that is not a source.
    match serde_json::to_value(volume) {
        Ok(Value::Object(map)) => map.len() <= 1,
        _ => false,
    }
}
