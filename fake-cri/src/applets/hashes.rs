//! Applets that sum files up: md5sum, sha1sum, sha256sum, sha512sum, and their checking of lists.

use super::{Options, bad_option, processes::command};
use crate::os::{Code, Errno, OpenMode, Process};

/// Longest list of sums that is checked.
const LIST_LIMIT: usize = 4 * 1024 * 1024;

/// One sum as it grows.
enum Hash {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hash {
    fn new(program: &str) -> Self {
        match program {
            "md5sum" => Self::Md5(md5::Digest::new()),
            "sha1sum" => Self::Sha1(sha1::Digest::new()),
            "sha512sum" => Self::Sha512(sha2::Digest::new()),
            _ => Self::Sha256(sha2::Digest::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hash) => md5::Digest::update(hash, bytes),
            Self::Sha1(hash) => sha1::Digest::update(hash, bytes),
            Self::Sha256(hash) => sha2::Digest::update(hash, bytes),
            Self::Sha512(hash) => sha2::Digest::update(hash, bytes),
        }
    }

    fn hex(self) -> String {
        let bytes = match self {
            Self::Md5(hash) => md5::Digest::finalize(hash).to_vec(),
            Self::Sha1(hash) => sha1::Digest::finalize(hash).to_vec(),
            Self::Sha256(hash) => sha2::Digest::finalize(hash).to_vec(),
            Self::Sha512(hash) => sha2::Digest::finalize(hash).to_vec(),
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

async fn sum(process: &Process, program: &str, name: &str) -> Result<String, Errno> {
    let file = if name == "-" {
        process.descriptor(0)?
    } else {
        process.files().open(&process.absolute(name), OpenMode::READ, &process.credentials())?
    };
    let mut hash = Hash::new(program);
    loop {
        let chunk = file.read(64 * 1024).await?;
        if chunk.is_empty() {
            break;
        }
        hash.update(&chunk);
    }
    Ok(hash.hex())
}

/// `sha256sum [-c [-s]] [FILE…]`, and the others by the name they are called.
pub(super) async fn sums(process: Process) -> Code {
    let program = command(&process);
    let options = match Options::read(&process.args(), "csw", "") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let mut files = options.rest.clone();
    if files.is_empty() {
        files.push("-".to_owned());
    }
    let mut code = 0;
    for name in &files {
        if options.has('c') {
            code |= check(&process, &program, name, options.has('s')).await;
            continue;
        }
        match sum(&process, &program, name).await {
            Ok(digest) => drop(process.out(format!("{digest}  {name}\n")).await),
            Err(error) => {
                process.err(format!("{program}: can't open '{name}': {error}\n")).await;
                code = 1;
            }
        }
    }
    code
}

/// Checks the files that a list names.
async fn check(process: &Process, program: &str, list: &str, silent: bool) -> Code {
    let Some(text) = super::streams::slurp(process, program, list).await.filter(|text| text.len() < LIST_LIMIT) else {
        return 1;
    };
    let (mut wrong, mut all) = (0, 0);
    for line in String::from_utf8_lossy(&text).lines() {
        let Some((digest, name)) = line.split_once(' ') else {
            process.err(format!("{program}: invalid format\n")).await;
            return 1;
        };
        let name = name.trim_start_matches([' ', '*']);
        all += 1;
        let held = match sum(process, program, name).await {
            Ok(found) => found.eq_ignore_ascii_case(digest),
            Err(error) => {
                process.err(format!("{program}: can't open '{name}': {error}\n")).await;
                false
            }
        };
        wrong += i32::from(!held);
        if !silent {
            let _ = process.out(format!("{name}: {}\n", if held { "OK" } else { "FAILED" })).await;
        }
    }
    if wrong > 0 && !silent {
        process.err(format!("{program}: WARNING: {wrong} of {all} computed checksums did NOT match\n")).await;
    }
    i32::from(wrong > 0 || all == 0)
}
