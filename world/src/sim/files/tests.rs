//! Tests of what only a tree in memory has: faults, mounts, room, floods of notices.

use std::io::ErrorKind;

use rstest::rstest;

use super::*;

const MIB: u64 = 1 << 20;

fn files() -> MemoryFiles {
    MemoryFiles::new(WallClock::simulated())
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|e| e.kind())
}

#[rstest]
#[case::no_space(FileFault::no_space("/var/log"), ErrorKind::StorageFull, &["write", "append", "create"])]
#[case::read_only(FileFault::read_only("/var/log"), ErrorKind::ReadOnlyFilesystem, &["write", "append", "create"])]
#[case::denied(FileFault::denied("/var/log"), ErrorKind::PermissionDenied, &["write", "append", "create", "read", "list"])]
#[case::by_number(FileFault::errno("/var/log/a", 26), ErrorKind::ExecutableFileBusy, &["write", "append", "read"])]
#[case::one_kind(FileFault::denied("/var/log").on([Operation::Read]), ErrorKind::PermissionDenied, &["read"])]
#[tokio::test(start_paused = true)]
async fn faults_by_path_and_operation(#[case] fault: FileFault, #[case] wanted: ErrorKind, #[case] failing: &[&str]) {
    let files = files();
    let path = Path::new("/var/log/a");
    files.write(path, b"old", 0o644).unwrap();
    let id = files.inject(fault);
    let outcomes = [
        ("write", kind(files.write(path, b"new", 0o644))),
        ("append", kind(files.append(path, 0o644))),
        ("create", kind(files.create_dir(Path::new("/var/log/d"), 0o755))),
        ("read", kind(files.read(path, 10))),
        ("list", kind(files.read_dir(Path::new("/var/log")))),
    ];
    for (operation, outcome) in outcomes {
        assert_eq!(outcome, failing.contains(&operation).then_some(wanted), "{operation}");
    }
    // Beside the path everything works, names that only begin the same included.
    files.create_dir(Path::new("/var/logs"), 0o755).unwrap();
    files.write(Path::new("/var/logs/a"), b"x", 0o644).unwrap();
    assert_eq!(files.read(Path::new("/var/logs/a"), 10).unwrap(), b"x");
    files.clear(id);
    files.write(path, b"new", 0o644).unwrap();
    assert_eq!(files.read(path, 10).unwrap(), b"new");
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_leaves_the_file_a_torn_one_a_part() {
    let files = files();
    let path = Path::new("/tmp/a");
    files.write(path, b"old", 0o644).unwrap();
    files.inject(FileFault::io_error("/tmp").on([Operation::Write]).times(1));
    assert!(files.write(path, b"new content", 0o644).is_err());
    assert_eq!(files.read(path, 100).unwrap(), b"old");
    files.inject(FileFault::no_space("/tmp").torn(3));
    assert_eq!(kind(files.write(path, b"new content", 0o644)), Some(ErrorKind::StorageFull));
    assert_eq!(files.read(path, 100).unwrap(), b"new");
    files.clear_all();
    let mut log = files.append(path, 0o644).unwrap();
    files.inject(FileFault::no_space("/tmp").torn(2));
    assert_eq!(kind(log.append(b"abcdef")), Some(ErrorKind::StorageFull));
    files.clear_all();
    log.append(b"!").unwrap();
    assert_eq!(files.read(path, 100).unwrap(), b"newab!");
}

#[tokio::test(start_paused = true)]
async fn faults_are_counted() {
    let files = files();
    let fault = files.inject(FileFault::errno("/tmp", 5).on([Operation::Write]).after(1).times(2));
    let path = Path::new("/tmp/a");
    let outcomes: Vec<_> = (0..5).map(|_| files.write(path, b"x", 0o644).is_ok()).collect();
    assert_eq!(outcomes, [true, false, false, true, true]);
    assert_eq!(files.hits(fault), 2);
}

#[tokio::test(start_paused = true)]
async fn an_atomic_write_that_fails_leaves_the_old() {
    let memory = files();
    let files = crate::Files::new(memory.clone());
    let path = Path::new("/tmp/a");
    files.write_atomic(path, b"old", 0o644).unwrap();
    memory.inject(FileFault::no_space("/tmp").torn(2).times(1));
    assert!(files.write_atomic(path, b"new", 0o644).is_err());
    memory.inject(FileFault::io_error("/tmp").on([Operation::Rename]).times(1));
    assert!(files.write_atomic(path, b"new", 0o644).is_err());
    assert_eq!(files.read(path, 10).unwrap(), b"old");
    let names: Vec<_> = files.read_dir(Path::new("/tmp")).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn mounts_are_other_devices() {
    let files = files();
    let (point, inside) = (Path::new("/tmp/pod/volume"), Path::new("/tmp/pod/volume/precious"));
    files.create_dir_all(point, 0o755).unwrap();
    files.write(&point.join("hidden"), b"x", 0o644).unwrap();
    files.mount(point).unwrap();
    files.write(inside, b"x", 0o644).unwrap();
    assert_ne!(files.metadata(point).unwrap().device, files.metadata(Path::new("/tmp/pod")).unwrap().device);
    assert_eq!(kind(files.metadata(&point.join("hidden"))), Some(ErrorKind::NotFound));
    assert!(files.metadata(Path::new("/tmp/pod/volume/../../pod")).is_ok());
    assert_eq!(kind(files.rename(inside, Path::new("/tmp/out"))), Some(ErrorKind::CrossesDevices));
    assert_eq!(kind(files.remove_dir_all(Path::new("/tmp/pod"))), Some(ErrorKind::CrossesDevices));
    assert_eq!(kind(files.remove_dir_all(point)), Some(ErrorKind::CrossesDevices));
    assert_eq!(kind(files.remove_dir(point)), Some(ErrorKind::ResourceBusy));
    assert!(files.metadata(inside).is_ok(), "what is mounted stays");
    files.unmount(point).unwrap();
    assert!(files.metadata(&point.join("hidden")).is_ok());
    assert_eq!(kind(files.unmount(point)), Some(ErrorKind::InvalidInput));
    files.remove_dir_all(Path::new("/tmp/pod")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn room_runs_out() {
    let files = files();
    let root = Path::new("/");
    files.set_room("/", Usage { capacity: 10 * MIB, available: 8 * MIB, inodes: 100, inodes_free: 12 }).unwrap();
    let path = Path::new("/tmp/a");
    files.write(path, &vec![0; 5 << 20], 0o644).unwrap();
    assert_eq!(files.usage(root).unwrap().available, 3 * MIB);
    let mut log = files.append(path, 0o644).unwrap();
    assert_eq!(kind(log.append(&vec![0; 4 << 20])), Some(ErrorKind::StorageFull));
    assert_eq!(files.usage(root).unwrap().available, 0);
    files.write(path, b"", 0o644).unwrap();
    assert_eq!(files.usage(root).unwrap().available, 8 * MIB);
    files.remove_file(path).unwrap();
    // The skeleton's ten directories take inodes as well.
    assert_eq!(files.usage(root).unwrap().inodes_free, 2);
    files.create_dir(Path::new("/tmp/b"), 0o755).unwrap();
    files.create_dir(Path::new("/tmp/c"), 0o755).unwrap();
    assert_eq!(kind(files.create_dir(Path::new("/tmp/d"), 0o755)), Some(ErrorKind::StorageFull));
    files.remove_dir(Path::new("/tmp/c")).unwrap();
    files.create_dir(Path::new("/tmp/d"), 0o755).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_learns_that_it_lost_notices() {
    let files = files();
    let mut watch = files.watch(Path::new("/tmp")).unwrap();
    for _ in 0..3000 {
        files.write(Path::new("/tmp/a"), b"x", 0o644).unwrap();
    }
    let mut lost = 0;
    while let Ok(Some(notice)) = tokio::time::timeout(std::time::Duration::ZERO, watch.next()).await {
        lost += u32::from(notice.is_err());
    }
    assert_eq!(lost, 1);
    files.remove_file(Path::new("/tmp/a")).unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().kind, ChangeKind::Remove, "it goes on after that");
}

#[tokio::test(start_paused = true)]
async fn a_walk_shows_everything() {
    let files = files();
    let before = files.walk().len();
    files.create_dir_all(Path::new("/run/a/b"), 0o755).unwrap();
    files.write(Path::new("/run/a/b/c"), b"", 0o600).unwrap();
    let left: Vec<_> = files.walk().into_iter().map(|(path, _)| path).filter(|p| p.starts_with("/run/a")).collect();
    assert_eq!(left, [Path::new("/run/a"), Path::new("/run/a/b"), Path::new("/run/a/b/c")]);
    files.remove_dir_all(Path::new("/run/a")).unwrap();
    assert_eq!(files.walk().len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_reboot_takes_mounts_and_run_and_nothing_else() {
    let files = files();
    for folder in ["/run/a/b", "/var/lib/kept/mem", "/var/run/c"].map(Path::new) {
        files.create_dir_all(folder, 0o755).unwrap();
    }
    MountTable::mount(&files, "tmpfs", "tmpfs", Path::new("/var/lib/kept/mem"), "").unwrap();
    files.create_dir(Path::new("/var/lib/kept/mem/in"), 0o755).unwrap();
    MountTable::mount(&files, "tmpfs", "tmpfs", Path::new("/var/lib/kept/mem/in"), "").unwrap();
    for file in ["/run/a/b/x", "/var/lib/kept/x", "/var/lib/kept/mem/x", "/var/run/x"] {
        files.write(Path::new(file), b"x", 0o644).unwrap();
    }
    files.reboot().unwrap();
    let left: Vec<PathBuf> =
        files.walk().into_iter().map(|(path, _)| path).filter(|p| p.components().count() > 3).collect();
    assert_eq!(left, ["/var/lib/kept", "/var/lib/kept/mem", "/var/lib/kept/x"].map(PathBuf::from));
}
