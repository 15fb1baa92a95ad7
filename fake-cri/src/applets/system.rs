//! Applets about the machine and what the kernel keeps: mount, umount, df, free, uptime, sysctl, ipcs, ipcmk, ipcrm.

use std::path::PathBuf;

use world::{Files, sim::MemoryFiles};

use super::{Options, bad_option, complain};
use crate::os::{Code, Errno, Mount, Process, capability::Capability};

fn may_mount(process: &Process, call: &str) -> Result<(), Errno> {
    process.syscall(call)?;
    if process.credentials().can(Capability::SYS_ADMIN) { Ok(()) } else { Err(Errno::NotPermitted) }
}

/// `mount`, `mount -t tmpfs NAME DIR`, `mount --bind FROM TO`, `mount -o bind[,ro] FROM TO`, `mount -o remount,ro DIR`.
pub(super) async fn mount(process: Process) -> Code {
    let args: Vec<String> = process
        .args()
        .into_iter()
        .flat_map(|a| if a == "--bind" || a == "--rbind" { vec!["-o".to_owned(), "bind".to_owned()] } else { vec![a] })
        .collect();
    let options = match Options::read(&args, "rwanvfi", "to") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    if options.rest.is_empty() {
        let shown: String = process
            .files()
            .mounts()
            .iter()
            .map(|m| {
                format!(
                    "{} on {} type {} ({})\n",
                    m.kind,
                    m.at.display(),
                    m.kind,
                    if m.read_only { "ro" } else { "rw" }
                )
            })
            .collect();
        return i32::from(process.out(shown).await.is_err());
    }
    let words: Vec<&str> =
        options.letters.iter().filter(|(l, _)| *l == 'o').filter_map(|(_, v)| v.as_deref()).collect();
    let asked = |word: &str| words.iter().any(|w| w.split(',').any(|w| w == word));
    let read_only = options.has('r') || asked("ro");
    let (source, target) = match options.rest.as_slice() {
        [target] => (target.as_str(), target.as_str()),
        [source, target, ..] => (source.as_str(), target.as_str()),
        [] => return 1,
    };
    let failed = |why: Errno| (format!("mounting {source} on {target} failed"), why);
    let result = mount_at(&process, (source, target), options.value('t'), asked("bind"), asked("remount"), read_only);
    match result {
        Ok(()) => 0,
        // Without the right to, busybox asks who is calling.
        Err(Errno::NotPermitted) if process.credentials().uid != 0 => {
            process.err("mount: permission denied (are you root?)\n").await;
            1
        }
        Err(error) => {
            let (what, why) = failed(error);
            complain(&process, "mount", &what, why).await
        }
    }
}

fn mount_at(
    process: &Process,
    (source, target): (&str, &str),
    kind: Option<&str>,
    bind: bool,
    remount: bool,
    read_only: bool,
) -> Result<(), Errno> {
    may_mount(process, "mount")?;
    let tree = process.files();
    let at = tree.find(&process.absolute(target), true)?;
    tree.stat(&process.absolute(target))?;
    if remount {
        let held = tree.mounts().into_iter().rev().find(|m| m.at == at.path).ok_or(Errno::Invalid)?;
        tree.mount(Mount { read_only, ..held });
        return Ok(());
    }
    if bind {
        let from = tree.find(&process.absolute(source), true)?;
        tree.stat(&process.absolute(source))?;
        tree.mount(from.bound(at.path, read_only));
        return Ok(());
    }
    if !matches!(kind, Some("tmpfs")) {
        return Err(Errno::NoDevice);
    }
    let files = Files::new(MemoryFiles::empty(process.kernel().surroundings().world.clock.clone()));
    tree.mount(Mount { at: at.path, files, root: PathBuf::from("/"), read_only, kind: "tmpfs" });
    Ok(())
}

/// `umount DIR…`.
pub(super) async fn umount(process: Process) -> Code {
    let options = match Options::read(&process.args(), "lfrad", "t") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut code = 0;
    for target in &options.rest {
        let result = may_mount(&process, "umount2").and_then(|()| {
            let place = process.files().find(&process.absolute(target), true)?;
            process.files().unmount(&place.path)
        });
        if let Err(error) = result {
            code = complain(&process, "umount", &format!("can't unmount {target}"), error).await;
        }
    }
    code
}

/// `df [-hkm] [PATH…]`.
pub(super) async fn df(process: Process) -> Code {
    let options = match Options::read(&process.args(), "hkmPTi", "B") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let human = options.has('h');
    let mut text = format!(
        "Filesystem           {:>9}      Used Available Use% Mounted on\n",
        if human { "Size" } else { "1K-blocks" }
    );
    let amount = |bytes: u64| {
        if human { format!("{:.1}G", bytes as f64 / f64::from(1 << 30)) } else { (bytes / 1024).to_string() }
    };
    let wanted: Vec<PathBuf> = options
        .rest
        .iter()
        .filter_map(|path| process.files().find(&process.absolute(path), true).ok().map(|p| p.mount_point().to_owned()))
        .collect();
    let mut code = 0;
    for path in &options.rest {
        if process.files().stat(&process.absolute(path)).is_err() {
            process.err(format!("df: {path}: can't find mount point\n")).await;
            code = 1;
        }
    }
    for mount in process.files().mounts() {
        if !options.rest.is_empty() && !wanted.contains(&mount.at) {
            continue;
        }
        let Ok(usage) = mount.files.usage(&mount.root) else { continue };
        let used = usage.capacity.saturating_sub(usage.available);
        let percent = used.saturating_mul(100).checked_div(usage.capacity).unwrap_or(0);
        text.push_str(&format!(
            "{:20} {:>9} {:>9} {:>9} {percent:>3}% {}\n",
            mount.kind,
            amount(usage.capacity),
            amount(used),
            amount(usage.available),
            mount.at.display()
        ));
    }
    if process.out(text).await.is_err() { 1 } else { code }
}

/// `free [-bkmg]`.
pub(super) async fn free(process: Process) -> Code {
    let options = match Options::read(&process.args(), "bkmgh", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let machine = &process.kernel().surroundings().world.machine;
    let total = machine.facts().map_or(0, |f| f.memory_bytes);
    let available = machine.memory_available().unwrap_or(total);
    let unit: u64 = match () {
        () if options.has('b') => 1,
        () if options.has('m') => 1 << 20,
        () if options.has('g') => 1 << 30,
        () => 1 << 10,
    };
    let used = total.saturating_sub(available) / unit;
    let (total, available) = (total / unit, available / unit);
    let text = format!(
        "              total        used        free      shared  buff/cache   available\n\
         Mem:    {total:>11} {used:>11} {available:>11} {:>11} {:>11} {available:>11}\nSwap:   {:>11} {:>11} {:>11}\n",
        0, 0, 0, 0, 0
    );
    i32::from(process.out(text).await.is_err())
}

/// `uptime`.
pub(super) async fn uptime(process: Process) -> Code {
    let kernel = process.kernel();
    let now = kernel.surroundings().world.clock.now().strftime("%H:%M:%S").to_string();
    let minutes = kernel.booted().elapsed().as_secs() / 60;
    let text = format!(" {now} up {minutes} min,  0 users,  load average: 0.00, 0.00, 0.00\n");
    i32::from(process.out(text).await.is_err())
}

/// `sysctl [-n] NAME…`, `sysctl -w NAME=VALUE`, `sysctl -a`.
pub(super) async fn sysctl(process: Process) -> Code {
    let options = match Options::read(&process.args(), "nwaeq", "p") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let namespaces = process.kernel().surroundings().namespaces.clone();
    let names = if options.has('a') { namespaces.setting_names() } else { options.rest.clone() };
    let mut code = 0;
    for word in names {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(n, v)| (n, Some(v)));
        let name = name.replace('/', ".");
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let answer = match value {
            Some(value) => {
                let who = process.credentials();
                let file = process.files().open(&path, crate::os::OpenMode::WRITE, &who);
                match file {
                    Ok(file) => file.write(value.as_bytes()).await.map(|()| value.to_owned()),
                    Err(error) => Err(error),
                }
            }
            None => namespaces.setting(&name).ok_or(Errno::NoEntry),
        };
        match answer {
            Ok(value) if options.has('n') => drop(process.out(value + "\n").await),
            Ok(value) => drop(process.out(format!("{name} = {value}\n")).await),
            Err(Errno::NoEntry) => {
                process.err(format!("sysctl: error: '{name}' is an unknown key\n")).await;
                code = 1;
            }
            Err(error) => code = complain(&process, "sysctl", &format!("error setting key '{name}'"), error).await,
        }
    }
    code
}

/// `ipcs [-mqsa]`.
pub(super) async fn ipcs(process: Process) -> Code {
    let options = match Options::read(&process.args(), "mqsaltcpu", "i") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let all = !(options.has('m') || options.has('q') || options.has('s')) || options.has('a');
    let mut text = String::new();
    if all || options.has('q') {
        text.push_str(
            "\n------ Message Queues --------\nkey        msqid      owner      perms      used-bytes   messages    \n",
        );
    }
    if all || options.has('m') {
        text.push_str("\n------ Shared Memory Segments --------\nkey        shmid      owner      perms      bytes      nattch     status      \n");
        let table = process.files().read("/proc/sysvipc/shm", &process.credentials()).unwrap_or_default();
        for line in String::from_utf8_lossy(&table).lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(key), [_, id, mode, bytes, ..]) = (fields.first(), fields.as_slice()) else { continue };
            let key: i64 = key.parse().unwrap_or(0);
            let owner = fields.get(7).and_then(|u| u.parse().ok()).unwrap_or(0);
            let owner = super::identity::user_name(&process, owner);
            let attached = fields.get(6).copied().unwrap_or("0");
            text.push_str(&format!(
                "0x{:08x} {id:<10} {owner:<10} {mode:<10} {bytes:<10} {attached:<6}                \n",
                key as u32
            ));
        }
    }
    if all || options.has('s') {
        text.push_str("\n------ Semaphore Arrays --------\nkey        semid      owner      perms      nsems     \n");
    }
    i32::from(process.out(text + "\n").await.is_err())
}

/// `ipcmk -M SIZE [-p MODE]`.
pub(super) async fn ipcmk(process: Process) -> Code {
    let options = match Options::read(&process.args(), "Q", "MSp") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(bytes) = options.value('M').and_then(|n| n.parse().ok()) else {
        process.err("Usage: ipcmk -M SIZE [-p MODE]\n").await;
        return 1;
    };
    let mode = options.value('p').and_then(|m| u32::from_str_radix(m, 8).ok()).unwrap_or(0o644);
    let around = process.kernel().surroundings();
    let id = around.namespaces.make_segment(0, process.credentials().uid, mode, bytes);
    i32::from(process.out(format!("Shared memory id: {id}\n")).await.is_err())
}

/// `ipcrm -m ID`.
pub(super) async fn ipcrm(process: Process) -> Code {
    let options = match Options::read(&process.args(), "", "mMqQsS") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let id = options.value('m').and_then(|n| n.parse().ok());
    match id {
        Some(id) if process.kernel().surroundings().namespaces.remove_segment(id) => 0,
        Some(id) => {
            process.err(format!("ipcrm: invalid id ({id})\n")).await;
            1
        }
        None => {
            process.err("Usage: ipcrm -m ID\n").await;
            1
        }
    }
}
