//! The files of `/proc` that are not one process's: the machine, the network, System V memory.

use std::{net::IpAddr, path::Path};

use crate::os::Kernel;

/// Files at the top.
pub(super) const FILES: [&str; 12] = [
    "cmdline",
    "cpuinfo",
    "filesystems",
    "kcore",
    "keys",
    "latency_stats",
    "loadavg",
    "meminfo",
    "stat",
    "timer_list",
    "uptime",
    "version",
];

/// Directories at the top with nothing of use in them, there to be masked or made read-only.
pub(super) const DIRECTORIES: [&str; 8] = ["acpi", "asound", "bus", "driver", "fs", "interrupts", "irq", "scsi"];

/// Files in `net`.
pub(super) const NET: [&str; 5] = ["dev", "route", "tcp", "tcp6", "udp"];

/// Largest file of the node that is shown within.
const NODE_FILE: u64 = 4 * 1024 * 1024;

fn node_file(kernel: &Kernel, path: &str) -> Option<String> {
    let bytes = kernel.surroundings().world.files.read(Path::new(path), NODE_FILE).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file at the top.
pub(super) fn file(kernel: &Kernel, name: &str) -> Option<String> {
    let machine = &kernel.surroundings().world.machine;
    let facts = machine.facts().unwrap_or_else(|_| world::machine::Facts::simulated());
    let up = kernel.booted().elapsed();
    Some(match name {
        "cmdline" => "console=ttyS0\n".to_owned(),
        "cpuinfo" => (0..facts.cpus)
            .map(|n| format!("processor\t: {n}\nmodel name\t: Simulated CPU\ncpu cores\t: {}\n\n", facts.cpus))
            .collect(),
        "filesystems" => "nodev\tproc\nnodev\ttmpfs\nnodev\toverlay\n\text4\n".to_owned(),
        "kcore" | "keys" | "latency_stats" | "timer_list" => String::new(),
        "loadavg" => format!("0.00 0.00 0.00 1/{} {0}\n", kernel.processes().len()),
        "meminfo" => {
            let available = machine.memory_available().unwrap_or(facts.memory_bytes);
            let line = |name: &str, bytes: u64| format!("{:<16}{:>8} kB\n", format!("{name}:"), bytes / 1024);
            line("MemTotal", facts.memory_bytes)
                + &line("MemFree", available)
                + &line("MemAvailable", available)
                + &line("Buffers", 0)
                + &line("Cached", 0)
                + &line("SwapTotal", 0)
                + &line("SwapFree", 0)
        }
        "stat" => "cpu  0 0 0 0 0 0 0 0 0 0\n".to_owned(),
        "uptime" => format!("{:.2} {:.2}\n", up.as_secs_f64(), up.as_secs_f64() * f64::from(facts.cpus)),
        "version" => format!("Linux version {} (podlab) #1 SMP\n", facts.kernel_version),
        _ => return None,
    })
}

/// A socket that listens, as `/proc/net/tcp` shows it.
fn socket_line(index: usize, address: IpAddr, port: u16) -> String {
    let address = match address {
        IpAddr::V4(v4) => format!("{:08X}", u32::from_ne_bytes(v4.octets())),
        IpAddr::V6(_) => "00000000".to_owned(),
    };
    format!(
        "{index:>4}: {address}:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {} 1 0000000000000000 100 0 0 10 0\n",
        1000 + index
    )
}

/// A file in `net`. In the node's network it is the node's.
pub(super) fn net(kernel: &Kernel, name: &str) -> Option<String> {
    if !NET.contains(&name) {
        return None;
    }
    let namespaces = &kernel.surroundings().namespaces;
    if namespaces.host_network()
        && let Some(text) = node_file(kernel, &format!("/proc/net/{name}"))
    {
        return Some(text);
    }
    const SOCKETS: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    Some(match name {
        "tcp" => {
            let any = IpAddr::from([0, 0, 0, 0]);
            let lines = namespaces.ports().into_iter().enumerate().map(|(i, (port, _))| socket_line(i, any, port));
            lines.fold(SOCKETS.to_owned(), |text, line| text + &line)
        }
        "dev" => "Inter-|   Receive                                                |  Transmit\n \
                  face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
                  lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n  \
                  eth0:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n"
            .to_owned(),
        "route" => "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n".to_owned(),
        _ => SOCKETS.to_owned(),
    })
}

/// A file in `sysvipc`. In the node's namespace it is the node's.
pub(super) fn sysvipc(kernel: &Kernel, name: &str) -> Option<String> {
    let namespaces = &kernel.surroundings().namespaces;
    if namespaces.host_ipc()
        && let Some(text) = node_file(kernel, &format!("/proc/sysvipc/{name}"))
    {
        return Some(text);
    }
    Some(match name {
        "shm" => {
            let head = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n";
            namespaces.segments().iter().fold(head.to_owned(), |text, s| {
                text + &format!(
                    "{:>10} {:>10}  {:o} {:>21}     0     0      0 {:>5}     0 {:>5}     0          0          0          0                     0                     0\n",
                    s.key, s.id, s.mode, s.bytes, s.owner, s.owner
                )
            })
        }
        "sem" => "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n".to_owned(),
        "msg" => "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n".to_owned(),
        _ => return None,
    })
}
