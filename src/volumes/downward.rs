//! downwardAPI volumes: their content, and the atomic way in which it is written. As upstream's atomic writer.

use std::{collections::BTreeMap, io, path::Path};

use k8s_openapi::api::core::v1::{DownwardAPIVolumeSource, Pod};
use world::{World, files::FileKind};

use crate::runtime::{
    RuntimeSettings,
    container_config::field::{metadata_field, resource_field},
};

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Content.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// Files by relative path.
pub type Payload = BTreeMap<String, Item>;

/// What the volume holds.
pub fn payload(pod: &Pod, source: &DownwardAPIVolumeSource, settings: &RuntimeSettings) -> Result<Payload, String> {
    let default = source.default_mode.unwrap_or(0o644);
    let mut files = Payload::new();
    for item in source.items.iter().flatten() {
        let path = item.path.trim_end_matches('/');
        let bad =
            path.is_empty() || path.starts_with('/') || path.starts_with("..") || path.split('/').any(|p| p == "..");
        if bad {
            return Err(format!("invalid path: {path:?}"));
        }
        let text = if let Some(selector) = &item.field_ref {
            metadata_field(pod, &selector.field_path)?
        } else if let Some(selector) = &item.resource_field_ref {
            resource_field(pod, None, selector, false, settings)?
        } else {
            continue;
        };
        let mode = u32::try_from(item.mode.unwrap_or(default)).unwrap_or(0o644);
        files.insert(path.to_owned(), Item { bytes: text.into_bytes(), mode });
    }
    Ok(files)
}

const DATA: &str = "..data";

/// Writes the content into a fresh directory and turns the link `..data` over to it; nothing is touched when nothing has changed.
pub fn write(world: &World, dir: &Path, payload: &Payload) -> io::Result<()> {
    let files = &world.files;
    let data = dir.join(DATA);
    let old = files.read_link(&data).ok();
    if let Some(old) = &old
        && unchanged(world, &dir.join(old), payload)
    {
        return Ok(());
    }
    let now = world.clock.now();
    let stamp = now.strftime("%Y_%m_%d_%H_%M_%S").to_string();
    let mut rng = world.random.fork(&format!("downward {} {now}", dir.display()));
    let digits: String = world::random::hex(&mut rng, 10).bytes().map(|b| char::from(b'0' + b % 10)).collect();
    let name = format!("..{stamp}.{digits}");
    let fresh = dir.join(&name);
    files.create_dir(&fresh, 0o755)?;
    for (path, item) in payload {
        let path = fresh.join(path);
        if let Some(parent) = path.parent() {
            files.create_dir_all(parent, 0o755)?;
        }
        files.write(&path, &item.bytes, item.mode)?;
    }
    let temporary = dir.join("..data_tmp");
    let _ = files.remove_file(&temporary);
    files.symlink(Path::new(&name), &temporary)?;
    files.rename(&temporary, &data)?;
    let heads: Vec<&str> = {
        let mut heads: Vec<&str> = payload.keys().filter_map(|p| p.split('/').next()).collect();
        heads.dedup();
        heads
    };
    for head in &heads {
        if files.symlink_metadata(&dir.join(head)).is_err() {
            files.symlink(&Path::new(DATA).join(head), &dir.join(head))?;
        }
    }
    for entry in files.read_dir(dir)? {
        if entry.kind == FileKind::Symlink && !entry.name.starts_with("..") && !heads.contains(&entry.name.as_str()) {
            files.remove_file(&dir.join(entry.name))?;
        }
    }
    if let Some(old) = old {
        files.remove_dir_all(&dir.join(old))?;
    }
    Ok(())
}

/// Whether the directory holds exactly this content; modes do not count.
fn unchanged(world: &World, dir: &Path, payload: &Payload) -> bool {
    let same = payload.iter().all(|(path, item)| {
        world.files.read(&dir.join(path), item.bytes.len() as u64).is_ok_and(|old| old == item.bytes)
    });
    same && count(world, dir) == payload.len()
}

fn count(world: &World, dir: &Path) -> usize {
    let entries = world.files.read_dir(dir).unwrap_or_default();
    entries.iter().map(|e| if e.kind == FileKind::Directory { count(world, &dir.join(&e.name)) } else { 1 }).sum()
}
