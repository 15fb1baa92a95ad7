//! Applets that make and remove directories and change modes and owners: mkdir, rmdir, chmod, chown, chgrp.

use world::files::FileKind;

use super::{Options, bad_option, complain};
use crate::os::{Code, Errno, Process};

/// `mkdir [-p] [-m MODE] DIR…`.
pub(super) async fn mkdir(process: Process) -> Code {
    let options = match Options::read(&process.args(), "pv", "m") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    if options.rest.is_empty() {
        process.err("Usage: mkdir [-m MODE] [-p] DIRECTORY...\n").await;
        return 1;
    }
    let asked = match options.value('m') {
        Some(text) => match new_mode(text, 0o777) {
            Some(mode) => Some(mode),
            None => {
                process.err(format!("mkdir: invalid mode '{text}'\n")).await;
                return 1;
            }
        },
        None => None,
    };
    let mode = 0o777;
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
                    Err(Errno::Exists) if so_far.len() < path.trim_end_matches('/').len() => Err(Errno::NotDirectory),
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
        // What is asked for by number is not masked.
        if let (Ok(()), Some(asked)) = (&result, asked) {
            let _ = process.files().set_mode(&path, asked, &who);
        }
        match result {
            Err(error) => code = complain(&process, "mkdir", &format!("can't create directory '{name}'"), error).await,
            Ok(()) if options.has('v') => drop(process.out(format!("created directory: '{name}'\n")).await),
            Ok(()) => {}
        }
    }
    code
}

/// `rmdir [-p] DIR…`.
pub(super) async fn rmdir(process: Process) -> Code {
    let args = process.args();
    let parents = args.iter().any(|a| a == "-p");
    let mut code = 0;
    for name in args[1..].iter().filter(|a| !a.starts_with('-')) {
        let mut name = name.as_str();
        loop {
            if let Err(error) = process.files().remove_dir(&process.absolute(name), &process.credentials()) {
                code = complain(&process, "rmdir", &format!("'{name}'"), error).await;
                break;
            }
            match name.trim_end_matches('/').rsplit_once('/') {
                Some((above, _)) if parents && !above.is_empty() => name = above,
                _ => break,
            }
        }
    }
    code
}

/// The mode that `644` or `u+x,go=r` makes of an old one.
pub(crate) fn new_mode(text: &str, old: u32) -> Option<u32> {
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
                's' => {
                    0o6000
                        & if who.is_empty() || who.contains('a') {
                            0o6000
                        } else {
                            (if who.contains('u') { 0o4000 } else { 0 }) | (if who.contains('g') { 0o2000 } else { 0 })
                        }
                }
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

/// The paths themselves, and with `-R` all below them, depth first.
fn all_below(process: &Process, names: &[String], recursive: bool) -> Vec<String> {
    let mut all = Vec::new();
    let mut waiting: Vec<String> = names.iter().rev().cloned().collect();
    while let Some(name) = waiting.pop() {
        let path = process.absolute(&name);
        if recursive && process.files().lstat(&path).is_ok_and(|facts| facts.kind == FileKind::Directory) {
            let entries = process.files().list(&path, &process.credentials()).unwrap_or_default();
            let above = name.trim_end_matches('/');
            waiting.extend(entries.into_iter().rev().map(|entry| format!("{above}/{}", entry.name)));
        }
        all.push(name);
    }
    all
}

/// `chmod [-Rvcf] MODE FILE…`. What seccomp forbids, it is refused.
pub(super) async fn chmod(process: Process) -> Code {
    let args = process.args();
    let is_option = |a: &String| a.starts_with('-') && a.len() > 1 && a[1..].chars().all(|c| "Rvcf".contains(c));
    let letters: String = args[1..].iter().filter(|a| is_option(a)).cloned().collect();
    let words: Vec<String> = args[1..].iter().filter(|a| !is_option(a)).cloned().collect();
    let [mode, names @ ..] = words.as_slice() else {
        process.err("Usage: chmod [-Rcvf] MODE[,MODE]... FILE...\n").await;
        return 1;
    };
    if names.is_empty() {
        process.err("Usage: chmod [-Rcvf] MODE[,MODE]... FILE...\n").await;
        return 1;
    }
    if new_mode(mode, 0).is_none() {
        process.err(format!("chmod: invalid mode '{mode}'\n")).await;
        return 1;
    }
    let who = process.credentials();
    let mut code = 0;
    for name in all_below(&process, names, letters.contains('R')) {
        let path = process.absolute(&name);
        let result = process.files().stat(&path).and_then(|facts| {
            let new = new_mode(mode, facts.mode).ok_or(Errno::Invalid)?;
            process.files().set_mode(&path, new, &who).map(|()| (facts.mode & 0o7777, new))
        });
        match result {
            Ok((old, new)) if letters.contains('v') || letters.contains('c') && old != new => {
                let shown = super::listing::rights(new);
                let _ = process.out(format!("mode of '{name}' changed to {new:04o} ({shown})\n")).await;
            }
            Ok(_) => {}
            Err(error) => code = complain(&process, "chmod", &name, error).await,
        }
    }
    code
}

async fn change_owner(process: &Process, user: Option<u32>, group: Option<u32>, names: &[String]) -> Code {
    let args = process.args();
    let called = super::processes::command(process);
    let recursive = args.iter().any(|a| a.starts_with('-') && a.contains('R'));
    let mut code = 0;
    for name in all_below(process, names, recursive) {
        if let Err(error) = process.files().chown(&process.absolute(&name), user, group, &process.credentials()) {
            code = complain(process, &called, &name, error).await;
        }
    }
    code
}

/// `chown [-R] USER[:[GROUP]] FILE…`, by number or by name.
pub(super) async fn chown(process: Process) -> Code {
    let args = process.args();
    let words: Vec<String> = args[1..].iter().filter(|a| !a.starts_with('-')).cloned().collect();
    let [owner, names @ ..] = words.as_slice() else {
        process.err("Usage: chown [-RhLHPcvf]... USER[:[GRP]] FILE...\n").await;
        return 1;
    };
    let (user, group) = match owner.split_once([':', '.']) {
        Some((user, group)) => (user, Some(group)),
        None => (owner.as_str(), None),
    };
    let mut ids = (None, None);
    if !user.is_empty() {
        let Some((uid, gid)) = super::identity::user(&process, user) else {
            process.err(format!("chown: unknown user {user}\n")).await;
            return 1;
        };
        // `user:` means the user's own group.
        ids = (Some(uid), group.filter(|g| g.is_empty()).map(|_| gid));
    }
    if let Some(group) = group.filter(|g| !g.is_empty()) {
        let Some(gid) = super::identity::group(&process, group) else {
            process.err(format!("chown: unknown group {group}\n")).await;
            return 1;
        };
        ids.1 = Some(gid);
    }
    change_owner(&process, ids.0, ids.1, names).await
}

/// `chgrp [-R] GROUP FILE…`.
pub(super) async fn chgrp(process: Process) -> Code {
    let args = process.args();
    let words: Vec<String> = args[1..].iter().filter(|a| !a.starts_with('-')).cloned().collect();
    let [group, names @ ..] = words.as_slice() else {
        process.err("Usage: chgrp [-RhLHPcvf]... GROUP FILE...\n").await;
        return 1;
    };
    let Some(gid) = super::identity::group(&process, group) else {
        process.err(format!("chgrp: unknown group {group}\n")).await;
        return 1;
    };
    change_owner(&process, None, Some(gid), names).await
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
