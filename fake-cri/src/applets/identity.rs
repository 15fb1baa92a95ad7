//! Applets about who and where: id, whoami, hostname, uname, nproc.

use super::{Options, bad_option};
use crate::os::{Code, Credentials, Errno, Process, capability::Capability};

fn table(process: &Process, path: &str) -> Vec<Vec<String>> {
    let root = crate::os::Credentials::default();
    let text = process.files().read(path, &root).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().map(|l| l.split(':').map(str::to_owned).collect()).collect()
}

fn name_by_id(process: &Process, path: &str, id: u32) -> Option<String> {
    let id = id.to_string();
    table(process, path).into_iter().find(|row| row.get(2) == Some(&id)).and_then(|row| row.into_iter().next())
}

/// The user's name in the image's `/etc/passwd`, or the number.
pub(super) fn user_name(process: &Process, uid: u32) -> String {
    name_by_id(process, "/etc/passwd", uid).unwrap_or_else(|| uid.to_string())
}

/// The group's name in the image's `/etc/group`, or the number.
pub(super) fn group_name(process: &Process, gid: u32) -> String {
    group_of(process, gid).unwrap_or_else(|| gid.to_string())
}

/// The user's name, if there is one.
pub(super) fn user_of(process: &Process, uid: u32) -> Option<String> {
    name_by_id(process, "/etc/passwd", uid)
}

/// The group's name, if there is one.
pub(super) fn group_of(process: &Process, gid: u32) -> Option<String> {
    name_by_id(process, "/etc/group", gid)
}

/// A user and its group, by name or by number.
pub(super) fn user(process: &Process, text: &str) -> Option<(u32, u32)> {
    let row = table(process, "/etc/passwd").into_iter().find(|row| row.first().is_some_and(|name| name == text));
    match row {
        Some(row) => Some((row.get(2)?.parse().ok()?, row.get(3)?.parse().ok()?)),
        None => text.parse().ok().map(|uid| (uid, uid)),
    }
}

/// A group, by name or by number.
pub(super) fn group(process: &Process, text: &str) -> Option<u32> {
    let row = table(process, "/etc/group").into_iter().find(|row| row.first().is_some_and(|name| name == text));
    match row {
        Some(row) => row.get(2)?.parse().ok(),
        None => text.parse().ok(),
    }
}

/// Another user as `id` shows one: the groups are those of `/etc/group`.
fn other(process: &Process, name: &str) -> Option<Credentials> {
    let (uid, gid) = user(process, name).filter(|_| name.parse::<u32>().is_err())?;
    let groups = table(process, "/etc/group")
        .into_iter()
        .filter(|row| row.get(3).is_some_and(|members| members.split(',').any(|m| m == name)))
        .filter_map(|row| row.get(2)?.parse().ok())
        .collect();
    Some(Credentials { uid, gid, groups, ..Credentials::default() })
}

/// `groups [USER]`.
pub(super) async fn groups(process: Process) -> Code {
    let mut args = process.args();
    args[0] = "-nG".to_owned();
    args.insert(0, "id".to_owned());
    process.set_args(args);
    id(process).await
}

/// `id [-ugGn] [USER]`.
pub(super) async fn id(process: Process) -> Code {
    let options = match Options::read(&process.args(), "ugGnr", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let who = match options.rest.first() {
        None => process.credentials(),
        Some(name) => match other(&process, name) {
            Some(who) => who,
            None => {
                process.err(format!("id: unknown user {name}\n")).await;
                return 1;
            }
        },
    };
    let mut groups = vec![who.gid];
    groups.extend(who.groups.iter().filter(|g| **g != who.gid));
    let group = |gid: u32| name_by_id(&process, "/etc/group", gid);
    let text = if options.has('u') || options.has('g') || options.has('G') {
        let user = options.has('u');
        let ids = if options.has('G') { groups } else { vec![if user { who.uid } else { who.gid }] };
        let shown: Vec<String> = ids
            .iter()
            .map(|n| {
                let name = if user { name_by_id(&process, "/etc/passwd", *n) } else { group(*n) };
                if options.has('n') { name.unwrap_or_else(|| n.to_string()) } else { n.to_string() }
            })
            .collect();
        shown.join(" ")
    } else {
        let named = |n: u32, name: Option<String>| name.map_or(n.to_string(), |name| format!("{n}({name})"));
        let list: Vec<String> = groups.iter().map(|g| named(*g, group(*g))).collect();
        format!(
            "uid={} gid={} groups={}",
            named(who.uid, name_by_id(&process, "/etc/passwd", who.uid)),
            named(who.gid, group(who.gid)),
            list.join(",")
        )
    };
    i32::from(process.out(text + "\n").await.is_err())
}

/// `whoami`.
pub(super) async fn whoami(process: Process) -> Code {
    let uid = process.credentials().uid;
    match name_by_id(&process, "/etc/passwd", uid) {
        Some(name) => i32::from(process.out(name + "\n").await.is_err()),
        None => {
            process.err(format!("whoami: unknown uid {uid}\n")).await;
            1
        }
    }
}

/// `hostname [-f] [-i] [-s]`, or setting it.
pub(super) async fn hostname(process: Process) -> Code {
    let options = match Options::read(&process.args(), "fisd", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    if !options.rest.is_empty() {
        let allowed = match process.syscall("sethostname") {
            Ok(()) if !process.credentials().can(Capability::SYS_ADMIN) => Err(Errno::NotPermitted),
            answer => answer,
        };
        if let Err(error) = allowed {
            process.err(format!("hostname: sethostname: {error}\n")).await;
            return 1;
        }
        process.kernel().surroundings().namespaces.set_hostname(&options.rest[0]);
        return 0;
    }
    let around = process.kernel().surroundings();
    let text = if options.has('i') {
        around.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    } else if options.has('s') {
        around.namespaces.hostname().split('.').next().unwrap_or_default().to_owned()
    } else {
        around.namespaces.hostname()
    };
    i32::from(process.out(text + "\n").await.is_err())
}

/// `uname [-asnrvmo]`.
pub(super) async fn uname(process: Process) -> Code {
    let options = match Options::read(&process.args(), "asnrvmpio", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let around = process.kernel().surroundings();
    let facts = around.world.machine.facts().unwrap_or_else(|_| world::machine::Facts::simulated());
    let machine = match facts.architecture.as_str() {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    };
    let all = options.has('a');
    let columns = [
        ('s', "Linux".to_owned()),
        ('n', around.namespaces.hostname()),
        ('r', facts.kernel_version.clone()),
        ('v', "#1 SMP".to_owned()),
        ('m', machine.to_owned()),
        ('o', "GNU/Linux".to_owned()),
    ];
    let mut shown: Vec<String> =
        columns.iter().filter(|(l, _)| all || options.has(*l)).map(|(_, v)| v.clone()).collect();
    if shown.is_empty() {
        shown.push("Linux".to_owned());
    }
    i32::from(process.out(shown.join(" ") + "\n").await.is_err())
}

/// `nproc`.
pub(super) async fn nproc(process: Process) -> Code {
    let cpus = process.kernel().surroundings().world.machine.facts().map_or(1, |f| f.cpus);
    i32::from(process.out(format!("{cpus}\n")).await.is_err())
}
