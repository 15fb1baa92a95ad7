//! Container logs on the node: the pod's log directory, restart counts from old files, flat links. Rotation is below, the log format elsewhere.

use std::{io, path::Path};

use world::Files;

pub mod gzip;
pub mod rotation;

/// The restart count that log files imply when no container is left to tell: highest `<n>.log…` plus one, 0 without any.
pub fn restart_count_from_logs(files: &Files, dir: &Path) -> i32 {
    let entries = files.read_dir(dir).unwrap_or_default();
    let numbers = entries.iter().filter_map(|entry| {
        let (number, rest) = entry.name.split_once('.')?;
        let is_log = rest == "log" || rest.starts_with("log.");
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        (is_log && digits).then(|| number.parse::<i32>().ok()).flatten()
    });
    numbers.max().map_or(0, |n| n.saturating_add(1))
}

/// Makes the flat link to a container's log, if the log is there.
pub fn link(files: &Files, links: &Path, name: &str, log: &Path) -> io::Result<()> {
    if !files.exists(log) {
        return Ok(());
    }
    let link = links.join(name);
    if files.symlink_metadata(&link).is_ok() {
        files.remove_file(&link)?;
    }
    files.create_dir_all(links, 0o755)?;
    files.symlink(log, &link)
}

/// Removes a log file with its rotated siblings (`<log>*`).
pub fn remove_logs(files: &Files, log: &Path) -> io::Result<()> {
    let (Some(dir), Some(name)) = (log.parent(), log.file_name().and_then(|n| n.to_str())) else { return Ok(()) };
    let entries = match files.read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        if entry.name.starts_with(name) {
            files.remove_file(&dir.join(entry.name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use world::{Files, WallClock, sim::MemoryFiles};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_count_goes_on_after_the_newest_log() {
        let files = Files::new(MemoryFiles::new(WallClock::simulated()));
        let dir = Path::new("/var/log/pods/p/c");
        assert_eq!(restart_count_from_logs(&files, dir), 0);
        files.create_dir_all(dir, 0o755).unwrap();
        for name in ["0.log", "7.log.20260101-000000.gz", "10.log.tmp", "x.log", "99.txt"] {
            files.write(&dir.join(name), b"", 0o640).unwrap();
        }
        assert_eq!(restart_count_from_logs(&files, dir), 11);
        remove_logs(&files, &dir.join("7.log")).unwrap();
        assert!(!files.exists(&dir.join("7.log.20260101-000000.gz")));
        assert!(files.exists(&dir.join("0.log")));
    }
}
