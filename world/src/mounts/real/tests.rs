//! Paths inside a volume on a real file system, under attack; mounts where this process may mount.
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "attacks are made with the host's own calls")]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::*;

/// A volume with a directory, and a place outside that nobody may reach: `…/volume` and `…/outside`.
fn volume() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let base = tempfile::tempdir().unwrap();
    let (volume, outside) = (base.path().join("volume"), base.path().join("outside"));
    fs::create_dir_all(volume.join("dir/inner")).unwrap();
    fs::create_dir_all(outside.join("inner")).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    (base, volume, outside)
}

fn inode(fd: &OwnedFd) -> u64 {
    sys::fstat(fd).unwrap().st_ino
}

#[test]
fn links_that_stay_inside_are_followed_and_others_are_not() {
    let (_base, volume, outside) = volume();
    let mounts = HostMounts::new("/");
    let wanted = fs::metadata(volume.join("dir/inner")).unwrap().ino();
    symlink("dir", volume.join("relative")).unwrap();
    symlink(volume.join("dir"), volume.join("absolute")).unwrap();
    symlink("../dir/../dir/inner", volume.join("dir/winding")).unwrap();
    for sub in ["dir/inner", "./dir//inner/", "relative/inner", "absolute/inner", "dir/winding"] {
        let (found, _) = mounts.walk(&volume, Path::new(sub), None).unwrap();
        assert_eq!(inode(&found), wanted, "{sub}");
    }
    symlink(&outside, volume.join("out")).unwrap();
    symlink("../outside", volume.join("up")).unwrap();
    symlink("dir/../../outside/inner", volume.join("far")).unwrap();
    symlink("loop", volume.join("loop")).unwrap();
    symlink("/proc/self/root", volume.join("magic")).unwrap();
    for sub in ["out", "out/inner", "out/new", "up", "up/new", "far", "loop", "magic/etc", "..", "dir/../..", "/etc"] {
        let refused = mounts.walk(&volume, Path::new(sub), Some(0o777)).unwrap_err();
        assert!(matches!(refused, WithinError::Prepare(_)), "{sub}: {refused:?}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 2, "nothing was made outside");
}

#[test]
fn missing_directories_get_the_mode_exactly() {
    let (_base, volume, _) = volume();
    rustix::process::umask(Mode::from_raw_mode(0o027));
    HostMounts::new("/").walk(&volume, Path::new("a/b"), Some(0o2777)).unwrap();
    for path in ["a", "a/b"] {
        assert_eq!(fs::metadata(volume.join(path)).unwrap().permissions().mode() & 0o7777, 0o2777);
    }
}

/// The attack on sub-paths: what was a directory a moment ago is a link to somewhere outside, 100,000 times.
#[test]
fn a_hundred_thousand_link_flips_lead_nowhere() {
    const FLIPS: u32 = 100_000;
    let (_base, volume, outside) = volume();
    let real = volume.join("real");
    fs::create_dir_all(real.join("inner")).unwrap();
    symlink(&outside, volume.join("link")).unwrap();
    let mounts = HostMounts::new("/");
    let over = AtomicBool::new(false);
    let outside_inodes: Vec<u64> =
        [outside.clone(), outside.join("inner"), outside.join("secret")].map(|p| fs::metadata(p).unwrap().ino()).into();
    let (mut inside, mut refused) = (0u64, 0u64);
    thread::scope(|scope| {
        scope.spawn(|| {
            let parent = fs::File::open(&volume).unwrap();
            for _ in 0..FLIPS {
                // `dir` is a directory and then a link, with no moment in between at which it is neither.
                sys::renameat_with(&parent, "dir", &parent, "link", sys::RenameFlags::EXCHANGE).unwrap();
            }
            over.store(true, Ordering::Release);
        });
        let mut turn = 0u64;
        while !over.load(Ordering::Acquire) {
            turn += 1;
            // Looking, making, and reading.
            match turn % 3 {
                0 => match mounts.walk(&volume, Path::new("dir/inner"), None) {
                    Ok((found, _)) => {
                        assert!(!outside_inodes.contains(&inode(&found)), "turn {turn}: opened outside");
                        inside += 1;
                    }
                    Err(_) => refused += 1,
                },
                1 => match mounts.walk(&volume, &PathBuf::from(format!("dir/made-{turn}/x")), Some(0o755)) {
                    Ok(_) => inside += 1,
                    Err(_) => refused += 1,
                },
                _ => match mounts.read_within(&volume, Path::new("dir/secret"), 100) {
                    Ok(_) => panic!("turn {turn}: read outside"),
                    Err(_) => refused += 1,
                },
            }
        }
    });
    let mut left: Vec<_> = fs::read_dir(&outside).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["inner", "secret"], "nothing was made outside");
    assert_eq!(fs::read_dir(outside.join("inner")).unwrap().count(), 0);
    assert!(inside > 100 && refused > 100, "the race was run: {inside} inside, {refused} refused");
}

#[test]
fn files_are_read_inside_only_and_no_fifo_blocks() {
    let (_base, volume, outside) = volume();
    let mounts = HostMounts::new("/");
    fs::write(volume.join("env"), "A=1").unwrap();
    symlink(outside.join("secret"), volume.join("stolen")).unwrap();
    sys::mkfifoat(sys::CWD, volume.join("fifo"), Mode::from_raw_mode(0o644)).unwrap();
    let read = |sub: &str| mounts.read_within(&volume, Path::new(sub), 10);
    assert_eq!(read("env").unwrap(), b"A=1");
    assert_eq!(read("stolen").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(read("fifo").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(read("none").unwrap_err().kind(), io::ErrorKind::NotFound);
    fs::write(volume.join("env"), "12345678901").unwrap();
    assert_eq!(read("env").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

/// Mounts below a private directory; `None` (and one line why) where this process may not.
fn mounted(base: &Path) -> Option<HostMounts> {
    let mounts = HostMounts::new("/");
    let at = base.join("probe");
    fs::create_dir(&at).unwrap();
    match mounts.mount("tmpfs", "tmpfs", &at, "size=4096") {
        Ok(()) => {
            mounts.unmount(&at).unwrap();
            Some(mounts)
        }
        Err(error) => {
            eprintln!("not run: mounting is not allowed here: {error}");
            None
        }
    }
}

#[test]
fn a_sub_path_is_shown_elsewhere_and_taken_away() {
    let (base, volume, outside) = volume();
    let base = base.path().canonicalize().unwrap();
    let Some(mounts) = mounted(&base) else { return };
    let at = base.join("a b");
    fs::write(volume.join("dir/inner/file"), "here").unwrap();
    let within = |sub: &'static str| Within { root: &volume, sub: Path::new(sub), mode: 0o777 };
    mounts.bind_within(within("dir/inner"), &at).unwrap();
    mounts.bind_within(within("dir/inner"), &at).unwrap();
    assert_eq!(fs::read_to_string(at.join("file")).unwrap(), "here");
    let count = || mounts.list().unwrap().iter().filter(|m| m.at == at).count();
    assert_eq!(count(), 1, "the same is not mounted twice");
    mounts.bind_within(within("dir"), &at).unwrap();
    assert_eq!((count(), at.join("inner/file").exists()), (1, true), "another takes its place");
    mounts.remount_read_only(&at).unwrap();
    assert_eq!(fs::write(at.join("x"), "").unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    fs::write(volume.join("dir/x"), "").unwrap();
    assert!(mounts.list().unwrap().iter().any(|m| m.at == at && m.read_only));
    let refused = HostFiles::new("/").remove_dir_all(&base.join("a b")).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::CrossesDevices);
    symlink(&at, base.join("link")).unwrap();
    assert_eq!(mounts.unmount(&base.join("link")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    mounts.unmount(&at).unwrap();
    assert_eq!(mounts.unmount(&at).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let file = base.join("target");
    mounts.bind_within(within("dir/inner/file"), &file).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "here");
    mounts.unmount(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(outside.join("secret").exists());
}

#[test]
fn mountinfo_is_read_as_it_is_written() {
    let mounts = HostMounts::new("/");
    let line = br"36 35 98:0 /mnt1 /mnt2\040x\134y ro,noatime master:1 shared:3 - ext3 /dev/root rw,errors=continue";
    let parsed = mounts.parse(line).unwrap();
    assert_eq!(parsed.at, Path::new(r"/mnt2 x\y"));
    assert_eq!((parsed.kind.as_str(), parsed.read_only, parsed.options.as_str()), ("ext3", true, "rw,errors=continue"));
    assert_eq!(mounts.parse(b"nonsense"), None);
    assert_eq!(mounts.parse(br"\1 \ - \9"), None);
}
