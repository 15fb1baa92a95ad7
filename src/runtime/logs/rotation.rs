//! Rotation of one container's log on disk: which old files go, which are compressed, what the current one is renamed to. Asking the runtime
//! to open a new one is the rotator's matter.
//!
//! As kubelet 1.36's container log manager: the newest rotated file stays uncompressed until the next rotation. Names carry UTC, where
//! upstream's carry the node's local time.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};
use world::Files;

use super::gzip::{self, SUFFIX, TEMPORARY};

/// What becomes of the rotated files of a log. Names, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Left over or too old: to be removed.
    pub remove: Vec<String>,
    /// To be compressed.
    pub compress: Vec<String>,
}

/// Sorts the names of a log's rotated files, `<log>.…`: leftovers of a compression that was cut off go; of the rest the newest stay, so
/// that with the current file and the one that is about to be rotated there are `max_files`.
pub fn sort(names: &[String], max_files: usize) -> Sorted {
    let all: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut sorted = Sorted::default();
    let mut kept = Vec::new();
    for name in &all {
        let compressed_too = all.contains(format!("{name}{SUFFIX}").as_str());
        if name.ends_with(TEMPORARY) || compressed_too {
            sorted.remove.push((*name).to_owned());
        } else {
            kept.push((*name).to_owned());
        }
    }
    // One place is the current log's, one is for the log that is rotated now.
    let keep = max_files.saturating_sub(2);
    let stay = kept.split_off(kept.len().saturating_sub(keep));
    sorted.remove.extend(kept);
    sorted.compress = stay.into_iter().filter(|name| !name.ends_with(SUFFIX)).collect();
    sorted
}

/// Removes and compresses what earlier rotations left.
///
/// # Errors
/// What a file operation met, with upstream's words before it.
pub async fn tidy(files: &Files, log: &Path, max_files: usize) -> Result<(), String> {
    let dir = log.parent().unwrap_or(Path::new("/"));
    let own = log.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let entries = files.read_dir(dir).map_err(|e| format!("failed to list rotated logs: {e}"))?;
    let prefix = format!("{own}.");
    let names: Vec<String> = entries.into_iter().map(|e| e.name).filter(|name| name.starts_with(&prefix)).collect();
    let sorted = sort(&names, max_files);
    for name in sorted.remove {
        match files.remove_file(&dir.join(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("failed to remove old log {name:?}: {error}"));
            }
            _ => {}
        }
    }
    for name in sorted.compress {
        gzip::compress(files, &dir.join(&name)).await.map_err(|e| format!("failed to compress log {name:?}: {e}"))?;
    }
    Ok(())
}

/// The name of the current log once it is rotated.
pub fn rotated(log: &Path, now: Timestamp) -> PathBuf {
    let stamp = now.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M%S").to_string();
    gzip::with_suffix(log, &format!(".{stamp}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::none(&[], 5, &[], &[])]
    #[case::the_newest_is_compressed_at_last(&["0.log.1.gz", "0.log.2"], 5, &[], &["0.log.2"])]
    #[case::too_many(&["0.log.1.gz", "0.log.2.gz", "0.log.3.gz", "0.log.4"], 5, &["0.log.1.gz"], &["0.log.4"])]
    #[case::two_files_keep_none(&["0.log.1"], 2, &["0.log.1"], &[])]
    #[case::cut_off(&["0.log.1", "0.log.1.tmp"], 5, &["0.log.1.tmp"], &["0.log.1"])]
    #[case::cut_off_later(&["0.log.1", "0.log.1.gz"], 5, &["0.log.1"], &[])]
    fn old_files(#[case] names: &[&str], #[case] max_files: usize, #[case] remove: &[&str], #[case] compress: &[&str]) {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let sorted = sort(&names, max_files);
        assert_eq!((sorted.remove, sorted.compress), (own(remove), own(compress)));
    }

    fn own(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_rotated_log_is_named_after_the_moment() {
        let now: Timestamp = "2026-01-02T03:04:05.9Z".parse().unwrap();
        assert_eq!(rotated(Path::new("/a/0.log"), now), Path::new("/a/0.log.20260102-030405"));
    }
}
