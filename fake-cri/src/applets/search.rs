//! Applets about where things are: which, mktemp, du.

use world::files::FileKind;

use super::{Options, bad_option, complain};
use crate::os::{Code, OpenMode, Process};

/// `which NAME…`.
pub(super) async fn which(process: Process) -> Code {
    let path = process.var("PATH").unwrap_or_else(|| "/bin:/usr/bin".to_owned());
    let mut code = 0;
    if process.args().len() < 2 {
        process.err("Usage: which [-a] COMMAND...\n").await;
        return 1;
    }
    for name in process.args().iter().skip(1).filter(|name| *name != "-a") {
        match super::locate(&process, name, &path) {
            Some(place) => drop(process.out(place + "\n").await),
            None => code = 1,
        }
    }
    code
}

/// `mktemp [-d] [TEMPLATE]`.
pub(super) async fn mktemp(process: Process) -> Code {
    let options = match Options::read(&process.args(), "dqtu", "p") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut template = options.rest.first().cloned().unwrap_or_else(|| "tmp.XXXXXX".to_owned());
    // A name alone is meant for the directory of what is temporary.
    if options.rest.is_empty() || options.has('t') || options.has('p') {
        let variable = process.var("TMPDIR").unwrap_or_else(|| "/tmp".to_owned());
        let directory = options.value('p').map_or(variable, str::to_owned);
        template = format!("{}/{template}", directory.trim_end_matches('/'));
    }
    let stem = template.trim_end_matches('X');
    if template.len() - stem.len() < 6 {
        return complain(&process, "mktemp", &template, crate::os::Errno::Invalid).await;
    }
    let who = process.credentials();
    // Names count up: nothing here is drawn by chance.
    for number in 0..1_000_000_u32 {
        let path = format!("{stem}{:06}", number);
        let full = process.absolute(&path);
        if process.files().lstat(&full).is_ok() {
            continue;
        }
        let made = if options.has('u') {
            Ok(())
        } else if options.has('d') {
            process.files().make_dir(&full, 0o700, &who)
        } else {
            process
                .files()
                .open(&full, OpenMode::WRITE, &who)
                .and_then(|_| process.files().set_mode(&full, 0o600, &who))
        };
        return match made {
            Ok(()) => i32::from(process.out(path + "\n").await.is_err()),
            Err(error) => complain(&process, "mktemp", &template, error).await,
        };
    }
    1
}

/// `du [-shk] [PATH…]`: sizes in KiB.
pub(super) async fn du(process: Process) -> Code {
    let options = match Options::read(&process.args(), "shkmacxbHL", "d") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut roots = options.rest.clone();
    if roots.is_empty() {
        roots.push(".".to_owned());
    }
    let mut code = 0;
    let mut total = 0;
    let show = |kib: u64| match (options.has('h'), options.has('m')) {
        (true, _) => super::listing::human(kib * 1024),
        (_, true) => kib.div_ceil(1024).to_string(),
        _ => kib.to_string(),
    };
    for root in roots {
        let mut sizes: Vec<(String, u64)> = Vec::new();
        let mut waiting = vec![root.clone()];
        while let Some(path) = waiting.pop() {
            process.spin().await;
            let facts = match process.files().lstat(&process.absolute(&path)) {
                Ok(facts) => facts,
                Err(error) => {
                    code = complain(&process, "du", &path, error).await;
                    continue;
                }
            };
            let size = if facts.kind == FileKind::Directory { 4 } else { facts.size.div_ceil(4096) * 4 };
            for (above, total) in &mut sizes {
                if path.starts_with(&format!("{above}/")) {
                    *total += size;
                }
            }
            if facts.kind == FileKind::Directory {
                sizes.push((path.clone(), size));
                let entries =
                    process.files().list(&process.absolute(&path), &process.credentials()).unwrap_or_default();
                waiting.extend(entries.into_iter().map(|e| format!("{}/{}", path.trim_end_matches('/'), e.name)));
            } else if path == root || options.has('a') {
                sizes.push((path.clone(), size));
            }
        }
        total += sizes.first().map_or(0, |(_, size)| *size);
        if options.has('s') {
            sizes.truncate(1);
        }
        let deepest = options.value('d').and_then(|d| d.parse().ok()).unwrap_or(usize::MAX);
        let below = |path: &str| path.strip_prefix(&root).map_or(0, |rest| rest.matches('/').count());
        sizes.retain(|(path, _)| below(path) <= deepest);
        sizes.reverse();
        for (path, size) in sizes {
            let _ = process.out(format!("{}\t{path}\n", show(size))).await;
        }
    }
    if options.has('c') {
        let _ = process.out(format!("{}\ttotal\n", show(total))).await;
    }
    code
}
