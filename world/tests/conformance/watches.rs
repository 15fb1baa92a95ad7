//! Notice of change.

use std::{path::Path, time::Duration};

use world::files::{ChangeKind, Watch};

use crate::{Arm, on_all_files};

on_all_files!(
    a_directory_tells_of_its_entries,
    a_file_tells_of_itself,
    a_directory_tells_of_its_end,
    a_dropped_watch_is_no_burden
);

/// Notices until it is quiet, shortened: what is below `base`, repeats once. On the host a new file's mode may be set after it is made,
/// depending on the umask, so changes of attributes are left out unless asked for.
async fn notices(watch: &mut Watch, base: &Path, attributes: bool) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    while let Ok(Some(change)) = tokio::time::timeout(Duration::from_millis(20), watch.next()).await {
        let change = change.unwrap();
        if change.kind == ChangeKind::Attributes && !attributes {
            continue;
        }
        let path = change.path.strip_prefix(base).unwrap().display().to_string();
        let line = format!("{:?} {path}", change.kind);
        if told.last() != Some(&line) {
            told.push(line);
        }
    }
    told
}

async fn a_directory_tells_of_its_entries(arm: Arm) {
    let dir = arm.path("dir");
    arm.files.create_dir_all(&dir.join("sub"), 0o755).unwrap();
    arm.files.write(&arm.path("outside"), b"x", 0o644).unwrap();
    let mut watch = arm.files.watch(&dir).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, [""; 0]);

    arm.files.write(&dir.join("a"), b"content", 0o644).unwrap();
    assert_eq!(notices(&mut watch, &dir, false).await, ["Create a", "Write a"]);
    arm.files.write(&dir.join("a"), b"more", 0o644).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, ["Write a"]);
    arm.files.append(&dir.join("a"), 0o644).unwrap().append(b"!").unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, ["Write a"]);
    arm.files.set_mode(&dir.join("a"), 0o600).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, ["Attributes a"]);
    arm.files.write(&dir.join("a"), b"", 0o644).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, ["Attributes a", "Write a"]);
    arm.files.rename(&dir.join("a"), &dir.join("b")).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, ["Rename a", "Create b"]);
    arm.files.rename(&arm.path("outside"), &dir.join("b")).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, ["Create b"]);
    arm.files.rename(&dir.join("b"), &arm.path("outside")).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, ["Rename b"]);
    arm.files.symlink(Path::new("nowhere"), &dir.join("link")).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, ["Create link"]);
    arm.files.remove_file(&dir.join("link")).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, ["Remove link"]);
    arm.files.write_atomic(&dir.join("c"), b"x", 0o644).unwrap();
    assert_eq!(notices(&mut watch, &dir, false).await, ["Create .c.tmp", "Write .c.tmp", "Rename .c.tmp", "Create c"]);
    arm.files.write(&dir.join("sub/file"), b"x", 0o644).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, [""; 0], "what is in a subdirectory is not told");
    arm.files.remove_dir_all(&dir.join("sub")).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, ["Remove sub"]);
}

async fn a_file_tells_of_itself(arm: Arm) {
    let path = arm.path("file");
    arm.files.write(&path, b"x", 0o644).unwrap();
    arm.files.symlink(Path::new("file"), &arm.path("link")).unwrap();
    let mut watch = arm.files.watch(&path).unwrap();
    let mut by_link = arm.files.watch(&arm.path("link")).unwrap();
    arm.files.write(&path, b"y", 0o644).unwrap();
    assert_eq!(notices(&mut watch, &arm.path(""), true).await, ["Write file"]);
    assert_eq!(notices(&mut by_link, &arm.path(""), true).await, ["Write link"]);
    arm.files.write(&arm.path("other"), b"z", 0o644).unwrap();
    arm.files.rename(&arm.path("other"), &path).unwrap();
    assert_eq!(notices(&mut watch, &arm.path(""), true).await, ["Attributes file", "Remove file"]);
    assert!(watch.next().await.is_none(), "what was watched is gone");
}

async fn a_directory_tells_of_its_end(arm: Arm) {
    let dir = arm.path("dir");
    arm.files.create_dir(&dir, 0o755).unwrap();
    let mut watch = arm.files.watch(&dir).unwrap();
    arm.files.remove_dir(&dir).unwrap();
    assert_eq!(notices(&mut watch, &arm.path(""), true).await, ["Remove dir"]);
    assert!(watch.next().await.is_none());
    assert!(watch.next().await.is_none(), "the end may be asked for again");
}

async fn a_dropped_watch_is_no_burden(arm: Arm) {
    let dir = arm.path("dir");
    arm.files.create_dir(&dir, 0o755).unwrap();
    for n in 0..300 {
        drop(arm.files.watch(&dir).unwrap());
        arm.files.write(&dir.join(format!("{n}")), b"", 0o644).unwrap();
    }
    let mut watch = arm.files.watch(&dir).unwrap();
    arm.files.remove_file(&dir.join("7")).unwrap();
    assert_eq!(notices(&mut watch, &dir, true).await, ["Remove 7"]);
}
