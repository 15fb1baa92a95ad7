//! Applets that look at files: ls, stat, readlink; and those that change directories and modes: mkdir, rmdir, chmod, chown.

use world::files::{FileKind, Metadata};

use super::{Options, bad_option, complain};
use crate::os::{Code, Errno, Process};

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
    let mut text = String::from(kind);
    for shift in [6, 3, 0] {
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            text.push(if facts.mode >> shift & bit != 0 { letter } else { '-' });
        }
    }
    if facts.mode & 0o1000 != 0 {
        text.pop();
        text.push('t');
    }
    text
}

/// `ls [-aAl1dRnh] [PATH…]`.
pub(super) async fn ls(process: Process) -> Code {
    let options = match Options::read(&process.args(), "aAl1dRnhiFsrtCxp", "") {
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
        if options.has('r') {
            shown.reverse();
        }
        if options.has('l') {
            text.push_str("total 0\n");
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
    if !options.has('l') && !options.has('n') {
        return format!("{name}\n");
    }
    let path =
        if directory.is_empty() { name.to_owned() } else { format!("{}/{name}", directory.trim_end_matches('/')) };
    let link = match facts.kind {
        FileKind::Symlink => {
            process.files().read_link(&process.absolute(&path)).map_or(String::new(), |t| format!(" -> {t}"))
        }
        _ => String::new(),
    };
    let owner = if options.has('n') { facts.uid.to_string() } else { super::identity::user_name(process, facts.uid) };
    let time = facts.modified.to_zoned(jiff::tz::TimeZone::UTC).strftime("%b %e %H:%M").to_string();
    format!("{}    1 {owner:8} {:8} {:9} {time} {name}{link}\n", mode_text(facts), facts.gid, facts.size)
}

/// `stat [-c FORMAT] FILE…`, with `%a %u %g %s %n %F %U`.
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
        let format = options.value('c').unwrap_or("  File: %n\n  Size: %s\t%F\nAccess: (0%a)  Uid: %u   Gid: %g");
        let text = format
            .replace("%a", &format!("{:o}", facts.mode))
            .replace("%A", &mode_text(&facts))
            .replace("%u", &facts.uid.to_string())
            .replace("%g", &facts.gid.to_string())
            .replace("%U", &super::identity::user_name(&process, facts.uid))
            .replace("%s", &facts.size.to_string())
            .replace("%F", kind)
            .replace("%i", &facts.inode.to_string())
            .replace("%Y", &facts.modified.as_second().to_string())
            .replace("%n", name);
        let _ = process.out(text + "\n").await;
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

/// `mkdir [-p] [-m MODE] DIR…`.
pub(super) async fn mkdir(process: Process) -> Code {
    let options = match Options::read(&process.args(), "p", "m") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mode = options.value('m').and_then(|m| u32::from_str_radix(m, 8).ok()).unwrap_or(0o755);
    let who = process.credentials();
    let mut code = 0;
    for name in &options.rest {
        let path = process.absolute(name);
        let result = if options.has('p') {
            let mut result = Ok(());
            let mut so_far = String::new();
            for part in path.split('/').filter(|p| !p.is_empty()) {
                so_far.push('/');
                so_far.push_str(part);
                result = match process.files().make_dir(&so_far, mode, &who) {
                    Err(Errno::Exists)
                        if process.files().stat(&so_far).is_ok_and(|m| m.kind == FileKind::Directory) =>
                    {
                        Ok(())
                    }
                    other => other,
                };
                if result.is_err() {
                    break;
                }
            }
            result
        } else {
            process.files().make_dir(&path, mode, &who)
        };
        if let Err(error) = result {
            code = complain(&process, "mkdir", &format!("can't create directory '{name}'"), error).await;
        }
    }
    code
}

/// `rmdir DIR…`.
pub(super) async fn rmdir(process: Process) -> Code {
    let args = process.args();
    let mut code = 0;
    for name in args[1..].iter().filter(|a| !a.starts_with('-')) {
        if let Err(error) = process.files().remove_dir(&process.absolute(name), &process.credentials()) {
            code = complain(&process, "rmdir", &format!("'{name}'"), error).await;
        }
    }
    code
}

/// A new mode from `755` or `u+x,go-w`.
fn new_mode(text: &str, old: u32) -> Option<u32> {
    if let Ok(mode) = u32::from_str_radix(text, 8) {
        return Some(mode & 0o7777);
    }
    let mut mode = old;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let mut mask = 0;
        for letter in if who.is_empty() { "a" } else { who }.chars() {
            mask |= match letter {
                'u' => 0o700,
                'g' => 0o070,
                'o' => 0o007,
                'a' => 0o777,
                _ => return None,
            };
        }
        let mut bits = 0;
        for letter in rest[1..].chars() {
            bits |= match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' | 'X' => 0o111,
                's' => 0o6000,
                't' => 0o1000,
                _ => return None,
            };
        }
        let bits = bits & (mask | 0o7000);
        mode = match &rest[..1] {
            "+" => mode | bits,
            "-" => mode & !bits,
            _ => (mode & !mask) | bits,
        };
    }
    Some(mode)
}

/// `chmod MODE FILE…`. What seccomp forbids, it is refused.
pub(super) async fn chmod(process: Process) -> Code {
    let args = process.args();
    let words: Vec<&String> = args[1..].iter().filter(|a| !matches!(a.as_str(), "-R" | "-v" | "-f")).collect();
    let [mode, names @ ..] = words.as_slice() else {
        process.err("Usage: chmod [-R] MODE[,MODE]... FILE...\n").await;
        return 1;
    };
    let who = process.credentials();
    let mut code = 0;
    for name in names {
        let path = process.absolute(name);
        let result = process.files().stat(&path).and_then(|facts| {
            let mode = new_mode(mode, facts.mode).ok_or(Errno::Invalid)?;
            process.files().set_mode(&path, mode, &who)
        });
        if let Err(error) = result {
            code = complain(&process, "chmod", name, error).await;
        }
    }
    code
}

/// `chown USER[:GROUP] FILE…`, by number or by name.
pub(super) async fn chown(process: Process) -> Code {
    let args = process.args();
    let words: Vec<&String> = args[1..].iter().filter(|a| !a.starts_with('-')).collect();
    let [owner, names @ ..] = words.as_slice() else {
        process.err("Usage: chown USER[:[GRP]] FILE...\n").await;
        return 1;
    };
    let (user, group) = owner.split_once(':').map_or((owner.as_str(), None), |(u, g)| (u, Some(g)));
    let id = |text: &str| match text {
        "root" => Some(0),
        other => other.parse::<u32>().ok(),
    };
    let mut code = 0;
    for name in names {
        let path = process.absolute(name);
        let result = process.files().chown(&path, id(user), group.and_then(id), &process.credentials());
        if let Err(error) = result {
            code = complain(&process, "chown", name, error).await;
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::new_mode;

    #[rstest]
    #[case("755", 0o644, Some(0o755))]
    #[case("u+x", 0o644, Some(0o744))]
    #[case("go-r", 0o644, Some(0o600))]
    #[case("a=rw", 0o755, Some(0o666))]
    #[case("+x", 0o600, Some(0o711))]
    #[case("z+x", 0o600, None)]
    fn modes(#[case] text: &str, #[case] old: u32, #[case] new: Option<u32>) {
        assert_eq!(new_mode(text, old), new);
    }
}
