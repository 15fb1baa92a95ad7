//! Applets that make, move and remove files: touch, cp, mv, rm, ln.

use world::files::FileKind;

use super::{Options, bad_option, complain};
use crate::os::{Code, Errno, OpenMode, Process};

/// Deepest directory that is copied or removed with all in it.
const DEPTH_LIMIT: u32 = 128;

fn into(process: &Process, target: &str, name: &str) -> String {
    let is_dir = process.files().stat(&process.absolute(target)).is_ok_and(|m| m.kind == FileKind::Directory);
    if is_dir {
        let base = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
        format!("{}/{base}", target.trim_end_matches('/'))
    } else {
        target.to_owned()
    }
}

/// `touch [-c] FILE…`.
pub(super) async fn touch(process: Process) -> Code {
    let options = match Options::read(&process.args(), "cam", "dtr") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    if options.rest.is_empty() {
        process.err("Usage: touch [-cham] [-d DATE] [-t DATE] [-r FILE] FILE...\n").await;
        return 1;
    }
    let mut code = 0;
    for name in &options.rest {
        let path = process.absolute(name);
        if process.files().stat(&path).is_err() && options.has('c') {
            continue;
        }
        if process.files().stat(&path).is_ok_and(|m| m.kind == FileKind::Directory) {
            continue;
        }
        if let Err(error) = process.files().open(&path, OpenMode::APPEND, &process.credentials()) {
            code = complain(&process, "touch", name, error).await;
        }
    }
    code
}

async fn copy(process: &Process, from: &str, to: &str, recursive: bool, depth: u32) -> Code {
    let who = process.credentials();
    let facts = match process.files().stat(from) {
        Ok(facts) => facts,
        Err(error) => return complain(process, "cp", &format!("can't stat '{from}'"), error).await,
    };
    if facts.kind == FileKind::Directory {
        if !recursive || depth > DEPTH_LIMIT {
            process.err(format!("cp: omitting directory '{from}'\n")).await;
            return 1;
        }
        if let Err(error) = process.files().make_dir(to, facts.mode, &who)
            && error != Errno::Exists
        {
            return complain(process, "cp", &format!("can't create directory '{to}'"), error).await;
        }
        let mut code = 0;
        for entry in process.files().list(from, &who).unwrap_or_default() {
            code |= Box::pin(copy(
                process,
                &format!("{from}/{}", entry.name),
                &format!("{to}/{}", entry.name),
                true,
                depth + 1,
            ))
            .await;
        }
        return code;
    }
    let bytes = match process.files().read(from, &who) {
        Ok(bytes) => bytes,
        Err(error) => return complain(process, "cp", &format!("can't open '{from}'"), error).await,
    };
    let written = match process.files().open(to, OpenMode::WRITE, &who) {
        Ok(file) => file.write(&bytes).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(()) => {
            let _ = process.files().set_mode(to, facts.mode, &who);
            0
        }
        Err(error) => complain(process, "cp", &format!("can't create '{to}'"), error).await,
    }
}

/// `cp [-rRafp] FROM… TO`.
pub(super) async fn cp(process: Process) -> Code {
    let options = match Options::read(&process.args(), "rRafpdLPT", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some((target, sources)) = options.rest.split_last().filter(|(_, s)| !s.is_empty()) else {
        process.err("Usage: cp [-arPLHpfinlsTu] SOURCE... DEST\n").await;
        return 1;
    };
    let recursive = options.has('r') || options.has('R') || options.has('a');
    let mut code = 0;
    for source in sources {
        let to = into(&process, target, source);
        code |= copy(&process, &process.absolute(source), &process.absolute(&to), recursive, 0).await;
    }
    code
}

/// `mv FROM… TO`.
pub(super) async fn mv(process: Process) -> Code {
    let options = match Options::read(&process.args(), "fnT", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some((target, sources)) = options.rest.split_last().filter(|(_, s)| !s.is_empty()) else {
        process.err("Usage: mv [-finT] SOURCE... DEST\n").await;
        return 1;
    };
    let mut code = 0;
    for source in sources {
        let (from, to) = (process.absolute(source), process.absolute(&into(&process, target, source)));
        let who = process.credentials();
        match process.files().rename(&from, &to, &who) {
            Ok(()) => {}
            Err(Errno::CrossDevice) => {
                code |= copy(&process, &from, &to, true, 0).await;
                if code == 0 {
                    code |= remove(&process, &from, true, true, 0).await;
                }
            }
            Err(error) => code = complain(&process, "mv", &format!("can't rename '{source}'"), error).await,
        }
    }
    code
}

async fn remove(process: &Process, path: &str, recursive: bool, force: bool, depth: u32) -> Code {
    let who = process.credentials();
    let facts = match process.files().lstat(path) {
        Ok(facts) => facts,
        Err(Errno::NoEntry) if force => return 0,
        Err(error) => return complain(process, "rm", &format!("can't remove '{path}'"), error).await,
    };
    let result = if facts.kind == FileKind::Directory {
        if !recursive || depth > DEPTH_LIMIT {
            process.err(format!("rm: '{path}' is a directory\n")).await;
            return 1;
        }
        let mut code = 0;
        for entry in process.files().list(path, &who).unwrap_or_default() {
            code |= Box::pin(remove(process, &format!("{path}/{}", entry.name), true, force, depth + 1)).await;
        }
        if code != 0 {
            return code;
        }
        process.files().remove_dir(path, &who)
    } else {
        process.files().remove_file(path, &who)
    };
    match result {
        Ok(()) => 0,
        Err(error) => complain(process, "rm", &format!("can't remove '{path}'"), error).await,
    }
}

/// `rm [-rRf] FILE…`.
pub(super) async fn rm(process: Process) -> Code {
    let options = match Options::read(&process.args(), "rRfi", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut code = 0;
    for name in &options.rest {
        let recursive = options.has('r') || options.has('R');
        code |= remove(&process, &process.absolute(name), recursive, options.has('f'), 0).await;
    }
    code
}

/// `ln -s [-f] TARGET LINK`; hard links are made as copies are not, so they are refused.
pub(super) async fn ln(process: Process) -> Code {
    let options = match Options::read(&process.args(), "sfnT", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let [target, link] = options.rest.as_slice() else {
        process.err("Usage: ln [-sfnbtv] [-S SUF] TARGET... LINK|DIR\n").await;
        return 1;
    };
    if !options.has('s') {
        return complain(&process, "ln", link, Errno::NotPermitted).await;
    }
    let path = process.absolute(&into(&process, link, target));
    if options.has('f') {
        let _ = process.files().remove_file(&path, &process.credentials());
    }
    match process.files().symlink(target, &path, &process.credentials()) {
        Ok(()) => 0,
        Err(error) => complain(&process, "ln", link, error).await,
    }
}
