//! What this machine has of what a real runtime needs, and running its programs. Decides nothing about tests.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where distributions put the CNI plugins.
const CNI_DIRECTORIES: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];
/// The plugins that the bridge configuration calls.
const CNI_PLUGINS: [&str; 3] = ["bridge", "host-local", "loopback"];
const PROGRAMS: [&str; 5] = ["containerd", "ctr", "runc", "iptables", "ip"];

/// The parts of the host that the tests use.
#[derive(Clone)]
pub struct Host {
    /// Directory of the CNI plugins.
    pub cni: PathBuf,
    /// A statically linked busybox.
    pub busybox: PathBuf,
}

impl Host {
    /// Looks for everything; the error is one line that names all that is missing.
    pub fn find() -> Result<Self, String> {
        let mut missing = Vec::new();
        if !is_root() {
            missing.push("root (effective capabilities)".to_owned());
        }
        missing.extend(PROGRAMS.iter().filter(|p| which(p).is_none()).map(|p| format!("the program {p}")));
        let cni =
            CNI_DIRECTORIES.map(PathBuf::from).into_iter().find(|d| CNI_PLUGINS.iter().all(|p| d.join(p).exists()));
        if cni.is_none() {
            missing.push(format!(
                "the CNI plugins {} in one of {}",
                CNI_PLUGINS.join(", "),
                CNI_DIRECTORIES.join(", ")
            ));
        }
        let busybox = which("busybox").filter(|b| is_static(b));
        if busybox.is_none() {
            missing.push("a statically linked busybox".to_owned());
        }
        match (cni, busybox) {
            (Some(cni), Some(busybox)) if missing.is_empty() => Ok(Self { cni, busybox }),
            _ => Err(format!(
                "no {}; on Debian: apt-get install containerd runc containernetworking-plugins iptables iproute2 busybox-static",
                missing.join(", no ")
            )),
        }
    }
}

/// Runs a program to its end; the error has its output.
pub fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output =
        Command::new(program).args(args).env("PATH", search_path()).output().map_err(|e| format!("{program}: {e}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let mut message = format!("{program} {}: {}", args.join(" "), output.status);
    let _ = write!(message, "\n{}{}", text(&output.stdout), text(&output.stderr));
    Err(message)
}

/// Processes whose command line has `needle` in it, by id.
pub fn processes_with(needle: &str) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<i32> = entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(needle)
        })
        .collect();
    found.sort_unstable();
    found
}

/// `PATH` with the administrators' directories, which users' own often lacks.
pub fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path()).map(|d| d.join(program)).find(|p| p.is_file())
}

/// Whether this process may make namespaces and mounts.
fn is_root() -> bool {
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & CAP_SYS_ADMIN != 0)
}

/// An ELF file that asks for no dynamic loader.
fn is_static(program: &Path) -> bool {
    let Ok(bytes) = fs::read(program) else { return false };
    bytes.starts_with(b"\x7fELF") && !bytes.windows(9).any(|w| w == b"/ld-linux" || w == b"/ld-musl-")
}
