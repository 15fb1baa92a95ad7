//! The files of `/proc/PID`: pure text about one process.

use crate::os::{Pid, Process, files::Mount};

/// Their names.
pub(super) const FILES: [&str; 16] = [
    "cgroup",
    "cmdline",
    "comm",
    "environ",
    "gid_map",
    "limits",
    "loginuid",
    "mountinfo",
    "mounts",
    "oom_score",
    "oom_score_adj",
    "setgroups",
    "stat",
    "statm",
    "status",
    "uid_map",
];

/// Kinds of namespaces in `/proc/PID/ns`.
pub(super) const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// Name of the program, as the kernel keeps it: 15 bytes of the last part.
fn comm(process: &Process) -> String {
    let args = process.args();
    let first = args.first().map_or("", String::as_str);
    let first = first.split(' ').next().unwrap_or_default();
    first.rsplit('/').next().unwrap_or_default().trim_end_matches(':').chars().take(15).collect()
}

/// A file's content. `None` where there is no such file.
pub(super) fn file(process: &Process, pid: Pid, name: &str) -> Option<Vec<u8>> {
    let around = process.kernel().surroundings();
    let confinement = process.confinement();
    let text = match name {
        "cmdline" => {
            let args = process.args();
            return Some(args.iter().flat_map(|a| a.bytes().chain(std::iter::once(0))).collect());
        }
        "environ" => {
            let env = process.env();
            return Some(env.iter().flat_map(|(n, v)| format!("{n}={v}\0").into_bytes()).collect());
        }
        "comm" => comm(process) + "\n",
        "status" => status(process, pid),
        "stat" => {
            let ticks = process.started().duration_since(process.kernel().booted()).as_millis() / 10;
            format!(
                "{pid} ({}) S {} {pid} {pid} 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} {} {}\n",
                comm(process),
                process.parent(),
                process.memory(),
                process.memory() / 4096
            )
        }
        "statm" => format!("{0} {0} 0 0 0 0 0\n", process.memory() / 4096),
        "uid_map" => around.namespaces.users().line(),
        "gid_map" => around.namespaces.groups().line(),
        "setgroups" => "allow\n".to_owned(),
        "loginuid" => "4294967295".to_owned(),
        "cgroup" => "0::/\n".to_owned(),
        "oom_score_adj" => format!("{}\n", confinement.oom_score_adj),
        "oom_score" => format!("{}\n", (666 + confinement.oom_score_adj * 2 / 3).clamp(0, 2000)),
        "limits" => "Limit                     Soft Limit           Hard Limit           Units     \n\
                     Max processes             unlimited            unlimited            processes \n\
                     Max open files            1048576              1048576              files     \n"
            .to_owned(),
        "mounts" => process.files().mounts().iter().map(mount_line).collect(),
        "mountinfo" => {
            let mounts = process.files().mounts();
            mounts.iter().enumerate().map(|(i, mount)| mountinfo_line(i, mount)).collect()
        }
        _ => return None,
    };
    Some(text.into_bytes())
}

fn options(mount: &Mount) -> String {
    let writing = if mount.read_only { "ro" } else { "rw" };
    let rest = if matches!(mount.kind, "tmpfs" | "proc" | "devtmpfs") { ",nosuid,nodev" } else { "" };
    format!("{writing}{rest},relatime")
}

fn source(mount: &Mount) -> &'static str {
    match mount.kind {
        "bind" => "/dev/vda1",
        "devtmpfs" => "devtmpfs",
        kind => kind,
    }
}

fn kind(mount: &Mount) -> &'static str {
    if mount.kind == "bind" { "ext4" } else { mount.kind }
}

fn mount_line(mount: &Mount) -> String {
    format!("{} {} {} {} 0 0\n", source(mount), mount.at.display(), kind(mount), options(mount))
}

fn mountinfo_line(index: usize, mount: &Mount) -> String {
    let root = if mount.kind == "bind" { mount.root.display().to_string() } else { "/".to_owned() };
    let parent = if index == 0 { 99 } else { 100 };
    format!(
        "{} {parent} 0:{} {root} {} {} - {} {} rw\n",
        100 + index,
        50 + index,
        mount.at.display(),
        options(mount),
        kind(mount),
        source(mount)
    )
}

/// The link of a namespace: equal for two processes that share it.
pub(super) fn namespace(process: &Process, name: &str) -> Option<String> {
    let known = NAMESPACES.iter().position(|n| *n == name)?;
    // The first process of a namespace is its mark; what pods share is marked by nothing here, so it is the pid namespace's mark too.
    let first = process.kernel().processes().first().map_or(1, Process::node_pid);
    let base =
        if name == "user" && process.kernel().surroundings().namespaces.users() == crate::os::namespaces::IdMap::HOST {
            4_026_531_837
        } else {
            4_026_532_000 + u64::from(first) * 8 + known as u64
        };
    Some(format!("{name}:[{base}]"))
}

fn status(process: &Process, pid: Pid) -> String {
    let who = process.credentials();
    let caps = who.capabilities;
    let confinement = process.confinement();
    let groups: Vec<String> = who.groups.iter().map(ToString::to_string).collect();
    let (uid, gid) = (who.uid, who.gid);
    let zombie = process.exit().is_some();
    let kib = process.memory() / 1024;
    let filter = if confinement.seccomp.is_some() { 2 } else { 0 };
    [
        format!("Name:\t{}", comm(process)),
        "Umask:\t0022".to_owned(),
        format!("State:\t{}", if zombie { "Z (zombie)" } else { "S (sleeping)" }),
        format!("Tgid:\t{pid}"),
        "Ngid:\t0".to_owned(),
        format!("Pid:\t{pid}"),
        format!("PPid:\t{}", process.parent()),
        "TracerPid:\t0".to_owned(),
        format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}"),
        format!("Gid:\t{gid}\t{gid}\t{gid}\t{gid}"),
        format!("FDSize:\t{}", 64.max(process.descriptors().len())),
        format!("Groups:\t{} ", groups.join(" ")),
        format!("NSpid:\t{pid}"),
        format!("VmSize:\t{:>8} kB", kib + 1316),
        format!("VmRSS:\t{:>8} kB", kib + 4),
        "Threads:\t1".to_owned(),
        format!("CapInh:\t{}", caps.inheritable.hex()),
        format!("CapPrm:\t{}", caps.effective.hex()),
        format!("CapEff:\t{}", caps.effective.hex()),
        format!("CapBnd:\t{}", caps.bounding.hex()),
        format!("CapAmb:\t{}", caps.ambient.hex()),
        format!("NoNewPrivs:\t{}", u8::from(confinement.no_new_privileges)),
        format!("Seccomp:\t{filter}"),
        format!("Seccomp_filters:\t{}", filter / 2),
    ]
    .join("\n")
        + "\n"
}
