//! Applets that make, move and remove files: touch, cp, mv, rm, ln. Errors name paths as they were given.

use world::files::FileKind;

use super::{Options, bad_option, complain, date};
use crate::os::{Code, Errno, OpenMode, Process};

/// Deepest directory that is copied or removed with all in it.
const DEPTH_LIMIT: u32 = 128;

fn is_directory(process: &Process, path: &str) -> bool {
    process.files().stat(&process.absolute(path)).is_ok_and(|facts| facts.kind == FileKind::Directory)
}

/// Where something goes: itself, or into the directory of that name; `many` things can only go into one.
fn into(process: &Process, target: &str, name: &str, many: bool) -> String {
    if many || is_directory(process, target) {
        let base = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
        format!("{}/{base}", target.trim_end_matches('/'))
    } else {
        target.to_owned()
    }
}

/// `touch [-c] [-d DATE] [-t STAMP] [-r FILE] FILE…`. Times other than now are read and not kept.
pub(super) async fn touch(process: Process) -> Code {
    let options = match Options::read(&process.args(), "camh", "dtr") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    if options.rest.is_empty() {
        process.err("Usage: touch [-cham] [-d DATE] [-t DATE] [-r FILE] FILE...\n").await;
        return 1;
    }
    let now = process.kernel().surroundings().world.clock.now().to_zoned(date::zone(&process));
    let read = match (options.value('d'), options.value('t')) {
        (Some(text), _) => Some((text, date::parse(text, &now))),
        (None, Some(text)) => Some((text, date::parse_stamp(text, &now))),
        (None, None) => None,
    };
    if let Some((text, None)) = read {
        process.err(format!("touch: invalid date '{text}'\n")).await;
        return 1;
    }
    let mut code = 0;
    for name in &options.rest {
        let path = process.absolute(name);
        match process.files().stat(&path) {
            Err(_) if options.has('c') => continue,
            Ok(facts) if facts.kind == FileKind::Directory => continue,
            _ => {}
        }
        if let Err(error) = process.files().open(&path, OpenMode::APPEND, &process.credentials()) {
            code = complain(&process, "touch", name, error).await;
        }
    }
    code
}

/// How `cp` goes about it.
#[derive(Clone, Copy, Debug)]
struct Copying {
    recursive: bool,
    /// Links are copied as links.
    links: bool,
    keep: bool,
    verbose: bool,
    symbolic: bool,
}

async fn copy(process: &Process, from: &str, to: &str, how: Copying, depth: u32) -> Code {
    let who = process.credentials();
    let (source, target) = (process.absolute(from), process.absolute(to));
    let facts = match if how.links { process.files().lstat(&source) } else { process.files().stat(&source) } {
        Ok(facts) => facts,
        Err(error) => return complain(process, "cp", &format!("can't stat '{from}'"), error).await,
    };
    if facts.kind == FileKind::Directory {
        if !how.recursive || depth > DEPTH_LIMIT {
            process.err(format!("cp: omitting directory '{from}'\n")).await;
            return 1;
        }
        let inside = |path: &str| process.files().find(path, true).ok().map(|place| place.path);
        if let (Some(above), Some(below)) = (inside(&source), inside(&target))
            && below.starts_with(&above)
        {
            process.err(format!("cp: recursion detected, omitting directory '{from}'\n")).await;
            return 1;
        }
        if let Err(error) = process.files().make_dir(&target, facts.mode, &who)
            && error != Errno::Exists
        {
            return complain(process, "cp", &format!("can't create directory '{to}'"), error).await;
        }
        let mut code = 0;
        for entry in process.files().list(&source, &who).unwrap_or_default() {
            let (from, to) = (from.trim_end_matches('/'), to.trim_end_matches('/'));
            let (from, to) = (format!("{from}/{}", entry.name), format!("{to}/{}", entry.name));
            code |= Box::pin(copy(process, &from, &to, how, depth + 1)).await;
        }
        return code;
    }
    let same = process
        .files()
        .stat(&target)
        .is_ok_and(|other| (other.device, other.inode) == (facts.device, facts.inode) && facts.kind == FileKind::File);
    if same {
        process.err(format!("cp: '{from}' and '{to}' are the same file\n")).await;
        return 1;
    }
    let linked = if how.symbolic {
        Some(from.to_owned())
    } else if facts.kind == FileKind::Symlink {
        process.files().read_link(&source).ok()
    } else {
        None
    };
    let done = if let Some(points) = linked {
        process.files().symlink(&points, &target, &who)
    } else {
        let bytes = match process.files().read(&source, &who) {
            Ok(bytes) => bytes,
            Err(error) => return complain(process, "cp", &format!("can't open '{from}'"), error).await,
        };
        match process.files().open(&target, OpenMode::WRITE, &who) {
            Ok(file) => file.write(&bytes).await,
            Err(error) => Err(error),
        }
    };
    if let Err(error) = done {
        return complain(process, "cp", &format!("can't create '{to}'"), error).await;
    }
    if facts.kind == FileKind::File && !how.symbolic {
        let _ = process.files().set_mode(&target, facts.mode, &who);
        if how.keep {
            let _ = process.files().chown(&target, Some(facts.uid), Some(facts.gid), &who);
        }
    }
    if how.verbose {
        let _ = process.out(format!("'{from}' -> '{to}'\n")).await;
    }
    0
}

/// Sources and target of `cp` and `mv`, which may also come as `-t DIRECTORY`.
fn sources(options: &Options) -> Option<(&str, &[String])> {
    match options.value('t') {
        Some(target) if !options.rest.is_empty() => Some((target, options.rest.as_slice())),
        Some(_) => None,
        None => options.rest.split_last().filter(|(_, s)| !s.is_empty()).map(|(target, s)| (target.as_str(), s)),
    }
}

/// `cp [-rRafpdLns] FROM… TO`.
pub(super) async fn cp(process: Process) -> Code {
    let options = match Options::read(&process.args(), "rRafpdLHPTnuilsv", "t") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some((target, sources)) = sources(&options) else {
        process.err("Usage: cp [-arPLHpfinlsTu] SOURCE DEST\n").await;
        return 1;
    };
    let recursive = options.has('r') || options.has('R') || options.has('a');
    let links = !options.has('L') && (recursive || options.has('d') || options.has('P'));
    let how = Copying {
        recursive,
        links,
        keep: options.has('p') || options.has('a'),
        verbose: options.has('v'),
        symbolic: options.has('s'),
    };
    let mut code = 0;
    for source in sources {
        let to = if options.has('T') { target.to_owned() } else { into(&process, target, source, sources.len() > 1) };
        if options.has('n') && process.files().lstat(&process.absolute(&to)).is_ok() {
            continue;
        }
        code |= copy(&process, source, &to, how, 0).await;
    }
    code
}

/// `mv [-fnv] FROM… TO`.
pub(super) async fn mv(process: Process) -> Code {
    let options = match Options::read(&process.args(), "finTv", "t") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some((target, sources)) = sources(&options) else {
        process.err("Usage: mv [-finT] SOURCE DEST\n").await;
        return 1;
    };
    let how = Copying { recursive: true, links: true, keep: true, verbose: false, symbolic: false };
    let mut code = 0;
    for source in sources {
        let to = if options.has('T') { target.to_owned() } else { into(&process, target, source, sources.len() > 1) };
        let (from_path, to_path) = (process.absolute(source), process.absolute(&to));
        if options.has('n') && process.files().lstat(&to_path).is_ok() {
            continue;
        }
        match process.files().rename(&from_path, &to_path, &process.credentials()) {
            Ok(()) => {}
            Err(Errno::CrossDevice) => {
                let copied = copy(&process, source, &to, how, 0).await;
                code |= if copied == 0 { remove(&process, source, true, true, false, 0).await } else { copied };
            }
            Err(error) => {
                code = complain(&process, "mv", &format!("can't rename '{source}'"), error).await;
                continue;
            }
        }
        if options.has('v') {
            let _ = process.out(format!("'{source}' -> '{to}'\n")).await;
        }
    }
    code
}

async fn remove(process: &Process, name: &str, recursive: bool, force: bool, verbose: bool, depth: u32) -> Code {
    let who = process.credentials();
    let path = process.absolute(name);
    let facts = match process.files().lstat(&path) {
        Ok(facts) => facts,
        Err(Errno::NoEntry | Errno::NotDirectory) if force => return 0,
        Err(error) => return complain(process, "rm", &format!("can't remove '{name}'"), error).await,
    };
    let result = if facts.kind == FileKind::Directory {
        if !recursive || depth > DEPTH_LIMIT {
            process.err(format!("rm: '{name}' is a directory\n")).await;
            return 1;
        }
        let mut code = 0;
        for entry in process.files().list(&path, &who).unwrap_or_default() {
            let below = format!("{}/{}", name.trim_end_matches('/'), entry.name);
            code |= Box::pin(remove(process, &below, true, force, verbose, depth + 1)).await;
        }
        if code != 0 {
            return code;
        }
        process.files().remove_dir(&path, &who)
    } else {
        process.files().remove_file(&path, &who)
    };
    match result {
        Ok(()) => {
            if verbose {
                let what = if facts.kind == FileKind::Directory { "removed directory: " } else { "removed " };
                let _ = process.out(format!("{what}'{name}'\n")).await;
            }
            0
        }
        Err(error) => complain(process, "rm", &format!("can't remove '{name}'"), error).await,
    }
}

/// `rm [-rRfv] FILE…`.
pub(super) async fn rm(process: Process) -> Code {
    let options = match Options::read(&process.args(), "rRfiv", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    if options.rest.is_empty() && !options.has('f') {
        process.err("Usage: rm [-irf] FILE...\n").await;
        return 1;
    }
    let recursive = options.has('r') || options.has('R');
    let mut code = 0;
    for name in &options.rest {
        let last = name.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if matches!(last, "." | "..") {
            process.err("rm: can't remove '.' or '..'\n").await;
            code = 1;
            continue;
        }
        code |= remove(&process, name, recursive, options.has('f'), options.has('v'), 0).await;
    }
    code
}

/// `ln -s [-fnT] TARGET… LINK`. The file system has no hard links; they are refused as on one that has none.
pub(super) async fn ln(process: Process) -> Code {
    let options = match Options::read(&process.args(), "sfnTvb", "S") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let (targets, link) = match options.rest.as_slice() {
        [] => {
            process.err("Usage: ln [-sfnbtv] [-S SUF] TARGET... LINK|DIR\n").await;
            return 1;
        }
        [target] => (std::slice::from_ref(target), "."),
        [targets @ .., link] => (targets, link.as_str()),
    };
    let mut code = 0;
    for target in targets {
        let is_link = process.files().read_link(&process.absolute(link)).is_ok();
        let stays = options.has('T') || options.has('n') && is_link;
        let name = if stays { link.to_owned() } else { into(&process, link, target, targets.len() > 1) };
        let path = process.absolute(&name);
        let made = if options.has('s') {
            if options.has('f') {
                let _ = process.files().remove_file(&path, &process.credentials());
            }
            process.files().symlink(target, &path, &process.credentials())
        } else {
            process.files().stat(&process.absolute(target)).and(Err(Errno::NotPermitted))
        };
        if let Err(error) = made {
            let about = if error == Errno::NoEntry && !options.has('s') { target } else { &name };
            code = complain(&process, "ln", about, error).await;
        }
    }
    code
}
