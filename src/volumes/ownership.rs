//! `fsGroup`: group and modes of everything in a volume, children first. Failures are logged, as upstream does.

use std::path::Path;

use world::{Files, files::FileKind};

/// Gives `dir` and all in it to `group`. `read_only`: readable for the group instead of writable.
pub fn set(files: &Files, dir: &Path, group: Option<i64>, read_only: bool) {
    let Some(group) = group.and_then(|g| u32::try_from(g).ok()) else { return };
    walk(files, dir, group, read_only);
}

fn walk(files: &Files, path: &Path, group: u32, read_only: bool) {
    let Ok(meta) = files.symlink_metadata(path) else { return };
    if meta.kind == FileKind::Directory {
        for entry in files.read_dir(path).unwrap_or_default() {
            walk(files, &path.join(entry.name), group, read_only);
        }
    }
    if let Err(error) = files.chown(path, None, Some(group)) {
        tracing::error!(path = %path.display(), %error, "Chown failed");
    }
    if meta.kind == FileKind::Symlink {
        return;
    }
    let mut mode = meta.mode | if read_only { 0o440 } else { 0o660 };
    if meta.kind == FileKind::Directory {
        mode |= 0o2110;
    }
    if let Err(error) = files.set_mode(path, mode) {
        tracing::error!(path = %path.display(), %error, "Chmod failed");
    }
}
