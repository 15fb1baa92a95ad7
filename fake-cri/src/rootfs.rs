//! The files of each kind of image, made once and shared by all containers.

use std::{path::Path, sync::Arc};

use world::{WallClock, files::FileSystem as _, sim::MemoryFiles};

use crate::{applets, catalogue::ImageKind};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nbin:x:2:2:bin:/bin:/bin/false\n\
www-data:x:33:33:www-data:/var/www:/bin/false\noperator:x:37:37:Operator:/var:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n\
nonroot:x:1000:1000:nonroot:/home/nonroot:/bin/sh\n";

const GROUP: &str =
    "root:x:0:\ndaemon:x:1:\nbin:x:2:\nwww-data:x:33:\nusers:x:100:\nnonroot:x:1000:\nnogroup:x:65534:\n";

/// Makes the files of an image. Errors cannot happen in memory without faults; what could not be made is missing.
pub fn build(kind: ImageKind, clock: &WallClock) -> Arc<MemoryFiles> {
    let files = MemoryFiles::empty(clock.clone());
    let directory = |path: &str, mode: u32| {
        let _ = files.create_dir_all(Path::new(path), 0o755);
        let _ = files.set_mode(Path::new(path), mode);
    };
    let file = |path: &str, content: &[u8], mode: u32| {
        let _ = files.write(Path::new(path), content, mode);
    };
    for path in ["/proc", "/sys", "/dev", "/etc"] {
        directory(path, 0o755);
    }
    file("/etc/hosts", b"", 0o644);
    file("/etc/hostname", b"", 0o644);
    file("/etc/resolv.conf", b"", 0o644);
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        file(&format!("/dev/{device}"), b"", 0o666);
    }
    for (number, name) in ["stdin", "stdout", "stderr"].iter().enumerate() {
        let _ = files.symlink(Path::new(&format!("/proc/self/fd/{number}")), Path::new(&format!("/dev/{name}")));
    }
    let _ = files.symlink(Path::new("/proc/self/fd"), Path::new("/dev/fd"));
    if kind == ImageKind::Pause {
        file("/pause", &applets::program_file("pause"), 0o755);
        return Arc::new(files);
    }
    for path in [
        "/bin",
        "/sbin",
        "/usr/bin",
        "/usr/sbin",
        "/home",
        "/root",
        "/var/run",
        "/var/log",
        "/var/www",
        "/run",
        "/mnt",
        "/opt",
        "/srv",
    ] {
        directory(path, 0o755);
    }
    directory("/root", 0o700);
    directory("/tmp", 0o1777);
    directory("/var/tmp", 0o1777);
    file("/etc/passwd", PASSWD.as_bytes(), 0o644);
    file("/etc/group", GROUP.as_bytes(), 0o644);
    file("/bin/busybox", &applets::program_file("busybox"), 0o755);
    for name in applets::names() {
        // Files of their own, as hard links look: what hides one must not hide all.
        file(&format!("/bin/{name}"), &applets::program_file("busybox"), 0o755);
    }
    match kind {
        ImageKind::Nginx => file("/usr/sbin/nginx", &applets::program_file("nginx"), 0o755),
        ImageKind::HostnetNginx => file("/usr/sbin/nginx", &applets::program_file("hostnet-nginx"), 0o755),
        ImageKind::Httpd => {
            file("/usr/sbin/httpd-foreground", &applets::program_file("httpd"), 0o755);
            let _ = files.remove_file(Path::new("/bin/httpd"));
        }
        ImageKind::Nonewprivs => {
            directory("/home/nonroot", 0o755);
            file("/home/nonroot/nnp", &applets::program_file("nnp"), 0o4755);
        }
        ImageKind::PredefinedGroup => {
            file("/etc/group", format!("{GROUP}predefined:x:50000:nonroot\n").as_bytes(), 0o644);
        }
        ImageKind::Busybox | ImageKind::Pause => {}
    }
    Arc::new(files)
}
