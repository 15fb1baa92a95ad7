//! Files: content, modes, links, renames, removal.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use rstest::rstest;
use world::{
    Programs,
    files::{DirEntry, FileKind},
    programs::Invocation,
};

use crate::{Arm, on_all_files};

on_all_files!(
    writes_and_reads,
    modes_are_exact,
    reads_are_bounded,
    appends,
    directories_are_listed_in_order,
    links_are_followed_or_not,
    links_lead_on,
    a_dangling_link_is_written_through,
    renames_replace,
    an_atomic_write_leaves_nothing,
    what_is_no_file_is_refused,
    removing_all_does_not_follow_links,
    removing_all_goes_deep,
    facts_tell_files_apart,
    owners_are_set,
    there_is_room,
);

async fn writes_and_reads(arm: Arm) {
    let path = arm.path("a");
    arm.files.write(&path, b"first, longer", 0o644).unwrap();
    arm.files.write(&path, b"second", 0o644).unwrap();
    assert_eq!(arm.files.read(&path, 100).unwrap(), b"second");
    let facts = arm.files.metadata(&path).unwrap();
    assert_eq!((facts.kind, facts.size), (FileKind::File, 6));
    arm.files.write(&path, b"", 0o644).unwrap();
    assert_eq!(arm.files.read(&path, 0).unwrap(), b"");
    arm.files.write(&path, b"\xff", 0o644).unwrap();
    assert_eq!(arm.files.read_to_string(&path, 10).unwrap_err().kind(), ErrorKind::InvalidData);
}

async fn modes_are_exact(arm: Arm) {
    let mode = |path: &Path| arm.files.metadata(path).unwrap().mode;
    for wanted in [0o600, 0o666, 0o4755, 0o000, 0o644] {
        arm.files.write(&arm.path("file"), b"x", wanted).unwrap();
        assert_eq!(mode(&arm.path("file")), wanted, "{wanted:o}");
        arm.files.remove_file(&arm.path("file")).unwrap();
    }
    arm.files.write(&arm.path("file"), b"x", 0o666).unwrap();
    arm.files.write(&arm.path("file"), b"x", 0o640).unwrap();
    assert_eq!(mode(&arm.path("file")), 0o640);
    drop(arm.files.append(&arm.path("file"), 0o777).unwrap());
    assert_eq!(mode(&arm.path("file")), 0o640, "appending leaves a file's mode");
    drop(arm.files.append(&arm.path("log"), 0o666).unwrap());
    assert_eq!(mode(&arm.path("log")), 0o666);
    arm.files.create_dir(&arm.path("dir"), 0o1777).unwrap();
    assert_eq!(mode(&arm.path("dir")), 0o1777);
    arm.files.create_dir_all(&arm.path("dir/b/c"), 0o775).unwrap();
    assert_eq!((mode(&arm.path("dir/b")), mode(&arm.path("dir/b/c"))), (0o775, 0o775));
    assert_eq!(mode(&arm.path("dir")), 0o1777);
    arm.files.create_dir_all(&arm.path("dir/b"), 0o700).unwrap();
    assert_eq!(mode(&arm.path("dir/b")), 0o775, "an existing directory is left as it is");
    arm.files.symlink(Path::new("log"), &arm.path("link")).unwrap();
    arm.files.set_mode(&arm.path("link"), 0o604).unwrap();
    assert_eq!(mode(&arm.path("log")), 0o604);
}

async fn reads_are_bounded(arm: Arm) {
    let path = arm.path("a");
    arm.files.write(&path, b"0123456789", 0o644).unwrap();
    assert_eq!(arm.files.read(&path, 10).unwrap(), b"0123456789");
    assert_eq!(arm.files.read(&path, 9).unwrap_err().kind(), ErrorKind::FileTooLarge);
    assert_eq!(arm.files.read(&path, u64::MAX).unwrap(), b"0123456789");
    assert_eq!(arm.files.read_tail(&path, 3).unwrap(), b"789");
    assert_eq!(arm.files.read_tail(&path, 0).unwrap(), b"");
    assert_eq!(arm.files.read_tail(&path, u64::MAX).unwrap(), b"0123456789");
    assert_eq!(arm.files.read_at(&path, 2, 3).unwrap(), b"234");
    assert_eq!(arm.files.read_at(&path, 8, 3).unwrap(), b"89");
    assert_eq!(arm.files.read_at(&path, 11, u64::MAX).unwrap(), b"");
}

async fn appends(arm: Arm) {
    let path = arm.path("log");
    let mut log = arm.files.append(&path, 0o640).unwrap();
    log.append(b"one ").unwrap();
    log.append(b"two ").unwrap();
    arm.files.append(&path, 0o640).unwrap().append(b"three ").unwrap();
    // As a rotation does.
    arm.files.rename(&path, &arm.path("old")).unwrap();
    log.append(b"four").unwrap();
    assert_eq!(arm.files.read(&arm.path("old"), 100).unwrap(), b"one two three four");
    assert!(!arm.files.exists(&path));
    arm.files.remove_file(&arm.path("old")).unwrap();
    log.append(b"into nothing").unwrap();
}

async fn directories_are_listed_in_order(arm: Arm) {
    for name in ["b", "a", "C", "é", ".hidden"] {
        arm.files.write(&arm.path(name), b"", 0o644).unwrap();
    }
    arm.files.create_dir(&arm.path("dir"), 0o755).unwrap();
    arm.files.symlink(Path::new("dir"), &arm.path("link")).unwrap();
    (arm.make_fifo)(arm.path("fifo"));
    let entry = |name: &str, kind| DirEntry { name: name.to_owned(), kind };
    let listed = arm.files.read_dir(&arm.path("")).unwrap();
    let expected = [
        entry(".hidden", FileKind::File),
        entry("C", FileKind::File),
        entry("a", FileKind::File),
        entry("b", FileKind::File),
        entry("dir", FileKind::Directory),
        entry("fifo", FileKind::Fifo),
        entry("link", FileKind::Symlink),
        entry("é", FileKind::File),
    ];
    assert_eq!(listed, expected);
    assert_eq!(arm.files.read_dir(&arm.path("link")).unwrap(), []);
}

async fn links_are_followed_or_not(arm: Arm) {
    arm.files.write(&arm.path("a"), b"content", 0o600).unwrap();
    arm.files.symlink(Path::new("a"), &arm.path("relative")).unwrap();
    arm.files.symlink(&arm.path("a"), &arm.path("absolute")).unwrap();
    for link in [arm.path("relative"), arm.path("absolute")] {
        assert_eq!(arm.files.read(&link, 100).unwrap(), b"content");
        assert_eq!(arm.files.metadata(&link).unwrap(), arm.files.metadata(&arm.path("a")).unwrap());
        assert_eq!(arm.files.symlink_metadata(&link).unwrap().kind, FileKind::Symlink);
    }
    assert_eq!(arm.files.read_link(&arm.path("relative")).unwrap(), PathBuf::from("a"));
    assert_eq!(arm.files.read_link(&arm.path("absolute")).unwrap(), arm.path("a"));
    assert_eq!(arm.files.symlink_metadata(&arm.path("relative")).unwrap().size, 1);
    arm.files.remove_file(&arm.path("relative")).unwrap();
    assert!(arm.files.exists(&arm.path("a")));
    arm.files.symlink(Path::new("nowhere"), &arm.path("dangling")).unwrap();
    assert!(!arm.files.exists(&arm.path("dangling")));
    assert!(arm.files.symlink_metadata(&arm.path("dangling")).is_ok());
}

async fn links_lead_on(arm: Arm) {
    arm.files.create_dir_all(&arm.path("x/y"), 0o755).unwrap();
    arm.files.write(&arm.path("x/found"), b"1", 0o644).unwrap();
    arm.files.symlink(Path::new("x/y"), &arm.path("l")).unwrap();
    // `..` after a link is above where the link leads.
    assert_eq!(arm.files.read(&arm.path("l/../found"), 10).unwrap(), b"1");
    arm.files.symlink(Path::new("../found"), &arm.path("x/y/back")).unwrap();
    assert_eq!(arm.files.read(&arm.path("l/back"), 10).unwrap(), b"1");
    let mut last = "x/found".to_owned();
    for n in 0..41 {
        let link = format!("chain{n}");
        arm.files.symlink(Path::new(&last), &arm.path(&link)).unwrap();
        last = link;
    }
    assert!(arm.files.exists(&arm.path("chain39")), "forty links are followed");
    let kind = arm.files.read(&arm.path("chain40"), 10).unwrap_err().kind();
    assert_eq!(format!("{kind:?}"), "FilesystemLoop");
}

async fn a_dangling_link_is_written_through(arm: Arm) {
    arm.files.symlink(Path::new("target"), &arm.path("link")).unwrap();
    arm.files.write(&arm.path("link"), b"x", 0o666).unwrap();
    assert_eq!(arm.files.symlink_metadata(&arm.path("target")).unwrap().mode, 0o666);
    arm.files.symlink(Path::new("log"), &arm.path("to-log")).unwrap();
    arm.files.append(&arm.path("to-log"), 0o666).unwrap().append(b"y").unwrap();
    assert_eq!(arm.files.read(&arm.path("log"), 10).unwrap(), b"y");
    assert_eq!(arm.files.symlink_metadata(&arm.path("log")).unwrap().mode, 0o666);
}

async fn renames_replace(arm: Arm) {
    arm.files.write(&arm.path("a"), b"new", 0o644).unwrap();
    arm.files.write(&arm.path("b"), b"old", 0o644).unwrap();
    let moved = arm.files.metadata(&arm.path("a")).unwrap().inode;
    arm.files.rename(&arm.path("a"), &arm.path("b")).unwrap();
    assert_eq!(arm.files.read(&arm.path("b"), 10).unwrap(), b"new");
    assert_eq!(arm.files.metadata(&arm.path("b")).unwrap().inode, moved);
    assert!(!arm.files.exists(&arm.path("a")));
    arm.files.create_dir_all(&arm.path("dir/in"), 0o755).unwrap();
    arm.files.create_dir(&arm.path("empty"), 0o755).unwrap();
    arm.files.rename(&arm.path("dir"), &arm.path("empty")).unwrap();
    assert!(arm.files.exists(&arm.path("empty/in")));
    arm.files.symlink(Path::new("b"), &arm.path("link")).unwrap();
    arm.files.rename(&arm.path("link"), &arm.path("moved-link")).unwrap();
    assert_eq!(arm.files.read_link(&arm.path("moved-link")).unwrap(), Path::new("b"));
}

async fn an_atomic_write_leaves_nothing(arm: Arm) {
    let path = arm.path("status");
    arm.files.write(&path, b"old", 0o600).unwrap();
    arm.files.write_atomic(&path, b"new", 0o644).unwrap();
    assert_eq!(arm.files.read(&path, 10).unwrap(), b"new");
    assert_eq!(arm.files.metadata(&path).unwrap().mode, 0o644);
    arm.files.create_dir_all(&arm.path("dir/in"), 0o755).unwrap();
    assert_eq!(arm.files.write_atomic(&arm.path("dir"), b"x", 0o644).unwrap_err().kind(), ErrorKind::IsADirectory);
    let names: Vec<_> = arm.files.read_dir(&arm.path("")).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["dir", "status"]);
}

async fn what_is_no_file_is_refused(arm: Arm) {
    (arm.make_fifo)(arm.path("fifo"));
    (arm.make_dead_socket)(arm.path("socket"));
    for (path, kind) in [(arm.path("fifo"), FileKind::Fifo), (arm.path("socket"), FileKind::Socket)] {
        assert_eq!(arm.files.read(&path, 10).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(arm.files.read_tail(&path, 10).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(arm.files.write(&path, b"", 0o644).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(arm.files.append(&path, 0o644).err().unwrap().kind(), ErrorKind::InvalidInput);
        assert_eq!(arm.files.metadata(&path).unwrap().kind, kind);
        arm.files.remove_file(&path).unwrap();
    }
}

async fn removing_all_does_not_follow_links(arm: Arm) {
    arm.files.create_dir_all(&arm.path("keep/dir"), 0o755).unwrap();
    arm.files.write(&arm.path("keep/file"), b"x", 0o644).unwrap();
    arm.files.create_dir_all(&arm.path("go/deep/er"), 0o755).unwrap();
    arm.files.write(&arm.path("go/deep/file"), b"x", 0o400).unwrap();
    arm.files.symlink(&arm.path("keep"), &arm.path("go/to-dir")).unwrap();
    arm.files.symlink(Path::new("../../keep/file"), &arm.path("go/deep/to-file")).unwrap();
    arm.files.symlink(Path::new("go"), &arm.path("link")).unwrap();
    (arm.make_fifo)(arm.path("go/fifo"));
    assert_eq!(arm.files.remove_dir_all(&arm.path("link")).unwrap_err().kind(), ErrorKind::NotADirectory);
    assert!(arm.files.exists(&arm.path("go/deep/er")));
    arm.files.remove_dir_all(&arm.path("go")).unwrap();
    assert!(!arm.files.exists(&arm.path("go")));
    assert!(arm.files.exists(&arm.path("keep/dir")) && arm.files.exists(&arm.path("keep/file")));
    assert_eq!(arm.files.remove_dir_all(&arm.path("go")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(arm.files.remove_dir_all(&arm.path("keep/file")).unwrap_err().kind(), ErrorKind::NotADirectory);
}

/// A container may nest directories deeper than a process may open files or a path may be long.
async fn removing_all_goes_deep(arm: Arm) {
    let deep = |levels: usize| vec!["d"; levels].join("/");
    arm.files.create_dir_all(&arm.path(&deep(900)), 0o755).unwrap();
    for _ in 0..3 {
        // Move what is there one long way down.
        arm.files.create_dir_all(&arm.path(&format!("n/{}", deep(800))), 0o755).unwrap();
        arm.files.rename(&arm.path("d"), &arm.path(&format!("n/{}/moved", deep(800)))).unwrap();
        arm.files.rename(&arm.path("n"), &arm.path("d")).unwrap();
    }
    arm.files.write(&arm.path("d/.removing-0"), b"in the way", 0o644).unwrap();
    arm.files.remove_dir_all(&arm.path("d")).unwrap();
    assert_eq!(arm.files.read_dir(&arm.path("")).unwrap(), []);
}

async fn facts_tell_files_apart(arm: Arm) {
    arm.files.write(&arm.path("a"), b"", 0o644).unwrap();
    arm.files.write(&arm.path("b"), b"", 0o644).unwrap();
    let (a, b) = (arm.files.metadata(&arm.path("a")).unwrap(), arm.files.metadata(&arm.path("b")).unwrap());
    assert_eq!(a.device, b.device);
    assert_ne!(a.inode, b.inode);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    arm.files.write(&arm.path("a"), b"x", 0o644).unwrap();
    let later = arm.files.metadata(&arm.path("a")).unwrap();
    assert!(later.modified > a.modified, "{} {}", later.modified, a.modified);
    assert_eq!(later.inode, a.inode);
}

async fn owners_are_set(arm: Arm) {
    arm.files.write(&arm.path("a"), b"", 0o644).unwrap();
    arm.files.symlink(Path::new("a"), &arm.path("link")).unwrap();
    if !rustix::process::geteuid().is_root() {
        // Only root gives files away; keeping one is for everybody.
        let facts = arm.files.metadata(&arm.path("a")).unwrap();
        return arm.files.chown(&arm.path("a"), Some(facts.uid), None).unwrap();
    }
    arm.files.chown(&arm.path("a"), Some(1000), Some(2000)).unwrap();
    arm.files.chown(&arm.path("link"), None, Some(3000)).unwrap();
    arm.files.chown(&arm.path("a"), None, Some(2001)).unwrap();
    let facts = arm.files.metadata(&arm.path("link")).unwrap();
    assert_eq!((facts.uid, facts.gid), (1000, 2001));
    let facts = arm.files.symlink_metadata(&arm.path("link")).unwrap();
    assert_eq!((facts.uid, facts.gid), (0, 3000));
}

async fn there_is_room(arm: Arm) {
    let room = arm.files.usage(&arm.path("")).unwrap();
    assert!(room.available > 0 && room.available <= room.capacity, "{room:?}");
    assert!(room.inodes_free <= room.inodes, "{room:?}");
    assert_eq!(arm.files.usage(&arm.path("missing")).unwrap_err().kind(), ErrorKind::NotFound);
}

/// Below a root of their own, names and links that point out lead to the root again.
#[rstest]
#[case::absolute_link("/etc")]
#[case::climbing_link("../../../../../../../../etc")]
#[case::both("/../../etc")]
fn no_link_leaves_the_root(#[case] target: &'static str) {
    crate::below_a_root(|arm| async move {
        let files = &arm.files;
        files.symlink(Path::new(target), &arm.path("out")).unwrap();
        assert_eq!(files.read_dir(&arm.path("out")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(files.write(&arm.path("out/new"), b"", 0o644).unwrap_err().kind(), ErrorKind::NotFound);
        files.create_dir(Path::new("/etc"), 0o755).unwrap();
        files.write(&arm.path("out/new"), b"mine", 0o644).unwrap();
        assert_eq!(files.read(Path::new("/etc/new"), 10).unwrap(), b"mine");
        assert_eq!(files.read(Path::new("/../../etc/new"), 10).unwrap(), b"mine");
        files.remove_dir_all(&arm.path("out/../etc")).unwrap();
        assert!(!files.exists(Path::new("/etc")));
    });
}

/// A bind mount has the same device number as what it hides, so only the mount itself tells.
#[test]
#[ignore = "needs root, to mount"]
fn removing_all_stops_at_a_bind_mount() {
    crate::on_host(|arm| async move {
        let run = async |program: &str, args: &[&Path]| {
            let args = args.iter().map(|arg| arg.display().to_string()).collect();
            let call = Invocation { program: program.into(), args, output_limit: 1000, ..Invocation::default() };
            Programs::real().run(call).await.unwrap().code
        };
        arm.files.create_dir(&arm.path("kept"), 0o755).unwrap();
        arm.files.write(&arm.path("kept/precious"), b"x", 0o644).unwrap();
        arm.files.create_dir_all(&arm.path("pod/volume"), 0o755).unwrap();
        assert_eq!(run("/bin/mount", &["--bind".as_ref(), &arm.path("kept"), &arm.path("pod/volume")]).await, 0);
        let inside = arm.files.remove_dir_all(&arm.path("pod"));
        let itself = arm.files.remove_dir_all(&arm.path("pod/volume"));
        assert_eq!(run("/bin/umount", &[&arm.path("pod/volume")]).await, 0);
        assert_eq!(inside.unwrap_err().kind(), ErrorKind::CrossesDevices);
        assert_eq!(itself.unwrap_err().kind(), ErrorKind::CrossesDevices);
        assert!(arm.files.exists(&arm.path("kept/precious")));
        arm.files.remove_dir_all(&arm.path("pod")).unwrap();
    });
}
