//! Applets that look at files: ls, stat, readlink, realpath.

use world::files::{FileKind, Metadata};

use super::{Options, bad_option, complain};
use crate::os::{Code, Process};

/// A mode as `rwxr-xr-x`, with set-id and sticky bits.
pub(super) fn rights(mode: u32) -> String {
    let mut text = String::new();
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn mode_text(facts: &Metadata) -> String {
    let kind = match facts.kind {
        FileKind::File => '-',
        FileKind::Directory => 'd',
        FileKind::Symlink => 'l',
        FileKind::Socket => 's',
        FileKind::Fifo => 'p',
        FileKind::CharDevice => 'c',
        FileKind::BlockDevice => 'b',
    };
    format!("{kind}{}", rights(facts.mode))
}

/// KiB on disk.
fn blocks(facts: &Metadata) -> u64 {
    match facts.kind {
        FileKind::Directory => 4,
        FileKind::File => facts.size.div_ceil(4096) * 4,
        _ => 0,
    }
}

/// A size as `-h` shows it: `12.0K`.
pub(super) fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["", "K", "M", "G"] {
        if value < 1024.0 {
            return if unit.is_empty() { bytes.to_string() } else { format!("{value:.1}{unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1}T")
}

/// The options that have names only, as letters that mean the same here.
fn with_long(args: Vec<String>) -> Vec<String> {
    args.into_iter()
        .filter(|a| !a.starts_with("--color") && a != "--group-directories-first")
        .map(|a| if a == "--full-time" { "-leT".to_owned() } else { a })
        .collect()
}

/// `ls [-aAl1dRnhFpsrtSi] [PATH…]`.
pub(super) async fn ls(process: Process) -> Code {
    let options = match Options::read(&with_long(process.args()), "aAl1dRnhiFsrtCxpSLHXvceuT", "w") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let names = if options.rest.is_empty() { vec![".".to_owned()] } else { options.rest.clone() };
    let many = names.len() > 1;
    let mut code = 0;
    let (mut plain, mut directories) = (Vec::new(), Vec::new());
    for name in names {
        let path = process.absolute(&name);
        let facts = if options.has('l') && !name.ends_with('/') {
            process.files().lstat(&path)
        } else {
            process.files().stat(&path)
        };
        match facts.or_else(|_| process.files().lstat(&path)) {
            Ok(facts) if facts.kind == FileKind::Directory && !options.has('d') => directories.push(name),
            Ok(facts) => plain.push((name, facts)),
            Err(error) => code = complain(&process, "ls", &name, error).await,
        }
    }
    let mut text: String = plain.iter().map(|(name, facts)| line(&process, &options, "", name, facts)).collect();
    let mut first = plain.is_empty();
    let mut queue: std::collections::VecDeque<String> = directories.into();
    while let Some(name) = queue.pop_front() {
        let entries = match process.files().list(&process.absolute(&name), &process.credentials()) {
            Ok(entries) => entries,
            Err(error) => {
                code = complain(&process, "ls", &format!("can't open '{name}'"), error).await;
                continue;
            }
        };
        if many || options.has('R') {
            text.push_str(if first { "" } else { "\n" });
            text.push_str(&format!("{name}:\n"));
        }
        first = false;
        let mut shown: Vec<String> = if options.has('a') { vec![".".to_owned(), "..".to_owned()] } else { Vec::new() };
        shown.extend(
            entries.into_iter().map(|e| e.name).filter(|n| options.has('a') || options.has('A') || !n.starts_with('.')),
        );
        let look =
            |entry: &str| process.files().lstat(&process.absolute(&format!("{}/{entry}", name.trim_end_matches('/'))));
        if options.has('S') {
            shown.sort_by_key(|entry| std::cmp::Reverse(look(entry).map_or(0, |facts| facts.size)));
        } else if options.has('t') {
            shown.sort_by_key(|entry| std::cmp::Reverse(look(entry).ok().map(|facts| facts.modified)));
        }
        if options.has('r') {
            shown.reverse();
        }
        if options.has('l') || options.has('n') || options.has('s') {
            let total: u64 = shown.iter().filter_map(|entry| look(entry).ok()).map(|facts| blocks(&facts)).sum();
            text.push_str(&format!("total {total}\n"));
        }
        let mut below = Vec::new();
        for entry in shown {
            let path = format!("{}/{entry}", name.trim_end_matches('/'));
            let Ok(facts) = process.files().lstat(&process.absolute(&path)) else { continue };
            if options.has('R') && facts.kind == FileKind::Directory && entry != "." && entry != ".." {
                below.push(path.clone());
            }
            text.push_str(&line(&process, &options, &name, &entry, &facts));
        }
        for path in below.into_iter().rev() {
            queue.push_front(path);
        }
        if text.len() > 1 << 20 {
            break;
        }
    }
    if process.out(text).await.is_err() { 1 } else { code }
}

fn line(process: &Process, options: &Options, directory: &str, name: &str, facts: &Metadata) -> String {
    let marks = options.has('F') || options.has('p');
    let mark = match facts.kind {
        FileKind::Directory if marks => "/",
        FileKind::Symlink if options.has('F') && !options.has('l') => "@",
        FileKind::Fifo if options.has('F') => "|",
        FileKind::Socket if options.has('F') => "=",
        FileKind::File if options.has('F') && facts.mode & 0o111 != 0 => "*",
        _ => "",
    };
    let mut before = String::new();
    if options.has('i') {
        before.push_str(&format!("{:7} ", facts.inode));
    }
    if options.has('s') {
        before.push_str(&format!("{:6} ", blocks(facts)));
    }
    if !options.has('l') && !options.has('n') {
        return format!("{before}{name}{mark}\n");
    }
    let path =
        if directory.is_empty() { name.to_owned() } else { format!("{}/{name}", directory.trim_end_matches('/')) };
    let link = match facts.kind {
        FileKind::Symlink => {
            process.files().read_link(&process.absolute(&path)).map_or(String::new(), |t| format!(" -> {t}"))
        }
        _ => String::new(),
    };
    let (owner, group) = match options.has('n') {
        true => (facts.uid.to_string(), facts.gid.to_string()),
        false => (super::identity::user_name(process, facts.uid), super::identity::group_name(process, facts.gid)),
    };
    let at = facts.modified.to_zoned(super::date::zone(process));
    let age = process.kernel().surroundings().world.clock.now().as_second() - facts.modified.as_second();
    let form = match age {
        _ if options.has('T') => "%Y-%m-%d %H:%M:%S %z",
        _ if options.has('e') => "%a %b %e %H:%M:%S %Y",
        0..HALF_A_YEAR => "%b %e %H:%M",
        _ => "%b %e  %Y",
    };
    let time = super::date::shown(&at, form).unwrap_or_default();
    let size = if options.has('h') { human(facts.size) } else { facts.size.to_string() };
    let links = if facts.kind == FileKind::Directory { 2 } else { 1 };
    format!("{before}{} {links:4} {owner:8} {group:8} {size:>9} {time} {name}{link}{mark}\n", mode_text(facts))
}

/// From when on `ls -l` shows the year, in seconds.
const HALF_A_YEAR: i64 = 6 * 30 * 24 * 3600;

/// `stat [-Lt] [-c FORMAT] FILE…`.
pub(super) async fn stat(process: Process) -> Code {
    let options = match Options::read(&process.args(), "Lft", "c") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut code = 0;
    for name in &options.rest {
        let path = process.absolute(name);
        let facts = if options.has('L') { process.files().stat(&path) } else { process.files().lstat(&path) };
        let facts = match facts {
            Ok(facts) => facts,
            Err(error) => {
                code = complain(&process, "stat", &format!("can't stat '{name}'"), error).await;
                continue;
            }
        };
        let kind = match facts.kind {
            FileKind::File => "regular file",
            FileKind::Directory => "directory",
            FileKind::Symlink => "symbolic link",
            FileKind::Socket => "socket",
            FileKind::Fifo => "fifo",
            FileKind::CharDevice => "character special file",
            FileKind::BlockDevice => "block special file",
        };
        let time = super::date::shown(&facts.modified.to_zoned(super::date::zone(&process)), "%Y-%m-%d %H:%M:%S.%N %z");
        let time = time.unwrap_or_default();
        let points = match facts.kind {
            FileKind::Symlink => process.files().read_link(&path).map(|t| format!(" -> '{t}'")).unwrap_or_default(),
            _ => String::new(),
        };
        let fill = |letter: char| -> String {
            match letter {
                'a' => format!("{:o}", facts.mode & 0o7777),
                'A' => mode_text(&facts),
                'b' => (blocks(&facts) * 2).to_string(),
                'B' => "512".to_owned(),
                'd' => facts.device.to_string(),
                'f' => format!("{:x}", facts.mode),
                'F' if facts.size == 0 && facts.kind == FileKind::File => "regular empty file".to_owned(),
                'F' => kind.to_owned(),
                'g' => facts.gid.to_string(),
                'G' => super::identity::group_of(&process, facts.gid).unwrap_or_else(|| "UNKNOWN".to_owned()),
                'h' => if facts.kind == FileKind::Directory { "2" } else { "1" }.to_owned(),
                'i' => facts.inode.to_string(),
                'n' => name.clone(),
                'N' if facts.kind == FileKind::Symlink => format!("'{name}'{points}"),
                'N' => name.clone(),
                'o' => "4096".to_owned(),
                's' => facts.size.to_string(),
                'u' => facts.uid.to_string(),
                'U' => super::identity::user_of(&process, facts.uid).unwrap_or_else(|| "UNKNOWN".to_owned()),
                'x' | 'y' | 'z' => time.clone(),
                'X' | 'Y' | 'Z' => facts.modified.as_second().to_string(),
                '%' => "%".to_owned(),
                other => format!("%{other}"),
            }
        };
        let format = options.value('c').unwrap_or(
            "  File: %N\n  Size: %s\t\tBlocks: %b\tIO Block: %o\t%F\nDevice: %dh\tInode: %i\tLinks: %h\n\
             Access: (0%a/%A)\tUid: (%u/%U)\tGid: (%g/%G)\nAccess: %x\nModify: %y\nChange: %z",
        );
        let mut text = String::new();
        let mut letters = format.chars();
        while let Some(c) = letters.next() {
            match (c, letters.clone().next()) {
                ('%', Some(letter)) => {
                    letters.next();
                    text.push_str(&fill(letter));
                }
                _ => text.push(c),
            }
        }
        let _ = process.out(text + "\n").await;
    }
    code
}

/// `realpath PATH…`.
pub(super) async fn realpath(process: Process) -> Code {
    let mut code = 0;
    for name in process.args().iter().skip(1) {
        let path = process.absolute(name);
        match process.files().find(&path, true).and_then(|place| process.files().stat(&path).map(|_| place)) {
            Ok(place) => drop(process.out(format!("{}\n", place.path.display())).await),
            Err(error) => code = complain(&process, "realpath", name, error).await,
        }
    }
    code
}

/// `readlink [-f] PATH`.
pub(super) async fn readlink(process: Process) -> Code {
    let options = match Options::read(&process.args(), "fnv", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some(name) = options.rest.first() else {
        process.err("Usage: readlink [-fnv] FILE\n").await;
        return 1;
    };
    let path = process.absolute(name);
    let target = if options.has('f') {
        process.files().find(&path, true).map(|p| p.path.display().to_string())
    } else {
        process.files().read_link(&path)
    };
    match target {
        Ok(target) => i32::from(process.out(target + "\n").await.is_err()),
        Err(_) => 1,
    }
}
