//! Which error each operation gives for each thing in its way.

use std::{io, path::Path};

use world::Files;

use crate::{Arm, on_all_files};

on_all_files!(errors_have_the_hosts_kinds, odd_paths);

type Operation = (&'static str, fn(&Files, &Path) -> io::Result<()>);

const OPERATIONS: [Operation; 17] = [
    ("read", |files, path| files.read(path, 100).map(drop)),
    ("read_tail", |files, path| files.read_tail(path, 100).map(drop)),
    ("read_at", |files, path| files.read_at(path, 1, 100).map(drop)),
    ("write", |files, path| files.write(path, b"x", 0o644)),
    ("append", |files, path| files.append(path, 0o644).map(drop)),
    ("create_dir", |files, path| files.create_dir(path, 0o755)),
    ("create_dir_all", |files, path| files.create_dir_all(path, 0o755)),
    ("read_dir", |files, path| files.read_dir(path).map(drop)),
    ("metadata", |files, path| files.metadata(path).map(drop)),
    ("symlink_metadata", |files, path| files.symlink_metadata(path).map(drop)),
    ("read_link", |files, path| files.read_link(path).map(drop)),
    ("symlink", |files, path| files.symlink(Path::new("x"), path)),
    ("remove_file", |files, path| files.remove_file(path)),
    ("remove_dir", |files, path| files.remove_dir(path)),
    ("remove_dir_all", |files, path| files.remove_dir_all(path)),
    ("set_mode", |files, path| files.set_mode(path, 0o700)),
    ("watch", |files, path| files.watch(path).map(drop)),
];

/// What is there, and the outcome of each of [`OPERATIONS`].
const TABLE: [(&str, [&str; 17]); 7] = [
    (
        "missing",
        [
            "NotFound", "NotFound", "NotFound", "ok", "ok", "ok", "ok", "NotFound", "NotFound", "NotFound", "NotFound",
            "ok", "NotFound", "NotFound", "NotFound", "NotFound", "NotFound",
        ],
    ),
    (
        "missing/below",
        [
            "NotFound", "NotFound", "NotFound", "NotFound", "NotFound", "NotFound", "ok", "NotFound", "NotFound",
            "NotFound", "NotFound", "NotFound", "NotFound", "NotFound", "NotFound", "NotFound", "NotFound",
        ],
    ),
    (
        "file",
        [
            "ok",
            "ok",
            "ok",
            "ok",
            "ok",
            "AlreadyExists",
            "AlreadyExists",
            "NotADirectory",
            "ok",
            "ok",
            "InvalidInput",
            "AlreadyExists",
            "ok",
            "NotADirectory",
            "NotADirectory",
            "ok",
            "ok",
        ],
    ),
    ("file/below", ["NotADirectory"; 17]),
    (
        "full",
        [
            "IsADirectory",
            "IsADirectory",
            "IsADirectory",
            "IsADirectory",
            "IsADirectory",
            "AlreadyExists",
            "ok",
            "ok",
            "ok",
            "ok",
            "InvalidInput",
            "AlreadyExists",
            "IsADirectory",
            "DirectoryNotEmpty",
            "ok",
            "ok",
            "ok",
        ],
    ),
    (
        "dangling",
        [
            "NotFound",
            "NotFound",
            "NotFound",
            "ok",
            "ok",
            "AlreadyExists",
            "AlreadyExists",
            "NotFound",
            "NotFound",
            "ok",
            "ok",
            "AlreadyExists",
            "ok",
            "NotADirectory",
            "NotADirectory",
            "NotFound",
            "NotFound",
        ],
    ),
    (
        "loop",
        [
            "FilesystemLoop",
            "FilesystemLoop",
            "FilesystemLoop",
            "FilesystemLoop",
            "FilesystemLoop",
            "AlreadyExists",
            "AlreadyExists",
            "FilesystemLoop",
            "FilesystemLoop",
            "ok",
            "ok",
            "AlreadyExists",
            "ok",
            "NotADirectory",
            "NotADirectory",
            "FilesystemLoop",
            "FilesystemLoop",
        ],
    ),
];

async fn errors_have_the_hosts_kinds(arm: Arm) {
    for (at, expected) in TABLE {
        for ((name, operate), expected) in OPERATIONS.iter().zip(expected) {
            let base = arm.path("try");
            arm.files.create_dir(&base, 0o755).unwrap();
            arm.files.write(&base.join("file"), b"content", 0o644).unwrap();
            arm.files.create_dir_all(&base.join("full/entry"), 0o755).unwrap();
            arm.files.symlink(Path::new("nowhere"), &base.join("dangling")).unwrap();
            arm.files.symlink(Path::new("loop"), &base.join("loop")).unwrap();
            let outcome = match operate(&arm.files, &base.join(at)) {
                Ok(()) => "ok".to_owned(),
                Err(e) => format!("{:?}", e.kind()),
            };
            assert_eq!(outcome, expected, "{name} of {at}");
            arm.files.remove_dir_all(&base).unwrap();
        }
    }
}

async fn odd_paths(arm: Arm) {
    let kind = |path: &Path| format!("{:?}", arm.files.metadata(path).unwrap_err().kind());
    assert_eq!(kind(Path::new("relative")), "InvalidInput");
    assert_eq!(kind(Path::new("")), "InvalidInput");
    assert_eq!(kind(&arm.path("zero\0byte")), "InvalidInput");
    assert_eq!(kind(&arm.path(&"n".repeat(256))), "InvalidFilename");
    assert_eq!(kind(&arm.path(&"n/".repeat(2048))), "InvalidFilename");
    assert!(arm.files.metadata(Path::new("/")).is_ok());
    assert!(arm.files.metadata(Path::new("//./")).is_ok());
    assert!(arm.files.metadata(&arm.path("./")).is_ok());
    let base = arm.path("");
    let name = base.file_name().unwrap().to_str().unwrap();
    assert!(arm.files.metadata(&arm.path(&format!("../{name}/."))).is_ok());
    let create = |path: &Path| format!("{:?}", arm.files.create_dir(path, 0o755).unwrap_err().kind());
    assert_eq!(create(Path::new("/")), "AlreadyExists");
    assert_eq!(format!("{:?}", arm.files.remove_dir(Path::new("/")).unwrap_err().kind()), "ResourceBusy");
}
