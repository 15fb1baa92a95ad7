//! `tar`: archives in the ustar form, made, listed and unpacked; optionally compressed by gzip.

use world::files::{FileKind, Metadata};

use super::{Options, complain, gzip};
use crate::os::{Code, Errno, OpenMode, Process, pipe::read_all};

/// Most bytes of an archive.
const LIMIT: usize = 32 * 1024 * 1024;

/// Deepest directory that is packed.
const DEPTH_LIMIT: usize = 128;

/// Length of a block.
const BLOCK: usize = 512;

/// One thing in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    mode: u32,
    uid: u32,
    gid: u32,
    modified: i64,
    kind: u8,
    link: String,
    content: Vec<u8>,
}

fn octal(field: &mut [u8], value: u64) {
    let text = format!("{value:0width$o}", width = field.len() - 1);
    let length = field.len() - 1;
    field[..length].copy_from_slice(&text.as_bytes()[text.len() - length..]);
}

fn number(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    let text = text.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn pack(entry: &Entry, archive: &mut Vec<u8>) {
    // A long name goes ahead in an entry of its own, as GNU has it.
    for (kind, long) in [(b'L', &entry.name), (b'K', &entry.link)] {
        if long.len() > 100 {
            let content = format!("{long}\0").into_bytes();
            let holder = Entry {
                name: "././@LongLink".to_owned(),
                mode: 0,
                uid: 0,
                gid: 0,
                modified: 0,
                kind,
                link: String::new(),
                content,
            };
            pack(&holder, archive);
        }
    }
    let mut header = [0; BLOCK];
    let name = entry.name.as_bytes();
    header[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    octal(&mut header[100..108], u64::from(entry.mode));
    octal(&mut header[108..116], u64::from(entry.uid));
    octal(&mut header[116..124], u64::from(entry.gid));
    octal(&mut header[124..136], entry.content.len() as u64);
    octal(&mut header[136..148], u64::try_from(entry.modified).unwrap_or(0));
    header[148..156].fill(b' ');
    header[156] = entry.kind;
    let link = entry.link.as_bytes();
    header[157..157 + link.len().min(100)].copy_from_slice(&link[..link.len().min(100)]);
    header[257..265].copy_from_slice(b"ustar  \0");
    let sum: u64 = header.iter().map(|b| u64::from(*b)).sum();
    octal(&mut header[148..155], sum);
    archive.extend_from_slice(&header);
    archive.extend_from_slice(&entry.content);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

/// Takes an archive apart; the error is what tar says.
fn unpack(archive: &[u8]) -> Result<Vec<Entry>, &'static str> {
    let mut entries = Vec::new();
    let (mut long_name, mut long_link) = (None, None);
    let mut rest = archive;
    loop {
        let Some(header) = rest.get(..BLOCK) else {
            return if rest.is_empty() && !archive.is_empty() { Ok(entries) } else { Err("short read") };
        };
        if header.iter().all(|b| *b == 0) {
            return Ok(entries);
        }
        let sum: u64 =
            header.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u64::from(*b) }).sum();
        if number(&header[148..156]) != Some(sum) {
            return Err("invalid tar header checksum");
        }
        let size = number(&header[124..136]).and_then(|n| usize::try_from(n).ok()).ok_or("invalid tar header")?;
        let content = rest.get(BLOCK..).and_then(|after| after.get(..size)).ok_or("short read")?;
        rest = rest.get(BLOCK + size.next_multiple_of(BLOCK)..).unwrap_or_default();
        let kind = header[156];
        match kind {
            b'L' => long_name = Some(text(content)),
            b'K' => long_link = Some(text(content)),
            b'x' | b'g' => {}
            _ => {
                let mut name = text(&header[..100]);
                let prefix = text(&header[345..500]);
                if header[257..263] == *b"ustar\0" && !prefix.is_empty() {
                    name = format!("{prefix}/{name}");
                }
                let small = |field: &[u8]| number(field).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
                entries.push(Entry {
                    name: long_name.take().unwrap_or(name),
                    mode: small(&header[100..108]) & 0o7777,
                    uid: small(&header[108..116]),
                    gid: small(&header[116..124]),
                    modified: number(&header[136..148]).and_then(|n| i64::try_from(n).ok()).unwrap_or(0),
                    kind: if kind == 0 { b'0' } else { kind },
                    link: long_link.take().unwrap_or_else(|| text(&header[157..257])),
                    content: content.to_vec(),
                });
            }
        }
    }
}

/// What the command line asks for.
struct Request {
    options: Options,
    file: Option<String>,
    directory: String,
    strip: usize,
    exclude: Vec<String>,
}

fn request(args: Vec<String>) -> Result<Request, char> {
    let mut words = Vec::new();
    let (mut strip, mut exclude) = (0, Vec::new());
    for (at, word) in args.into_iter().enumerate() {
        // The first word may do without its dash.
        if at == 1 && !word.starts_with('-') {
            words.push(format!("-{word}"));
        } else if let Some(count) = word.strip_prefix("--strip-components=").or(word.strip_prefix("--strip=")) {
            strip = count.parse().unwrap_or(0);
        } else if let Some(pattern) = word.strip_prefix("--exclude=") {
            exclude.push(pattern.to_owned());
        } else if !word.starts_with("--") || word == "--" {
            words.push(word);
        }
    }
    let options = Options::read(&words, "cxtvzOmokphaJj", "fCX")?;
    let file = options.value('f').map(str::to_owned);
    let directory = options.value('C').unwrap_or(".").to_owned();
    Ok(Request { options, file, directory, strip, exclude })
}

/// `tar c|x|t [-zvOmokp] [-f FILE] [-C DIR] [FILE…]`.
pub(super) async fn tar(process: Process) -> Code {
    let request = match request(process.args()) {
        Ok(request) => request,
        Err(letter) => return super::bad_option(&process, letter).await,
    };
    let modes = ['c', 'x', 't'].iter().filter(|mode| request.options.has(**mode)).count();
    if modes != 1 {
        process.err("Usage: tar c|x|t [-ZzJjahmvokO] [-f TARFILE] [-C DIR] [FILE]...\n").await;
        return 1;
    }
    if request.options.has('c') { create(&process, &request).await } else { extract(&process, &request).await }
}

async fn create(process: &Process, request: &Request) -> Code {
    let mut archive = Vec::new();
    let mut code = 0;
    let mut listed = String::new();
    let mut waiting: Vec<(String, usize)> = request.options.rest.iter().rev().map(|name| (name.clone(), 0)).collect();
    if waiting.is_empty() {
        process.err("tar: empty archive\n").await;
        return 1;
    }
    while let Some((name, depth)) = waiting.pop() {
        process.spin().await;
        let last = name.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if request.exclude.iter().any(|p| crate::shell::matches(p, &name) || crate::shell::matches(p, last)) {
            continue;
        }
        let path = process.absolute(&format!("{}/{name}", request.directory));
        let path = if name.starts_with('/') { name.clone() } else { path };
        let (facts, content) = match look(process, &path).await {
            Ok(found) => found,
            Err(error) => {
                code = complain(process, "tar", &name, error).await;
                continue;
            }
        };
        let directory = facts.kind == FileKind::Directory;
        let shown = name.trim_start_matches('/').trim_end_matches('/').to_owned() + if directory { "/" } else { "" };
        let link = if facts.kind == FileKind::Symlink {
            process.files().read_link(&path).unwrap_or_default()
        } else {
            String::new()
        };
        let kind = match facts.kind {
            FileKind::Directory => b'5',
            FileKind::Symlink => b'2',
            FileKind::File => b'0',
            _ => continue,
        };
        if request.options.has('v') {
            listed.push_str(&format!("{shown}\n"));
        }
        let entry = Entry {
            name: if shown == "/" { "./".to_owned() } else { shown },
            mode: facts.mode & 0o7777,
            uid: facts.uid,
            gid: facts.gid,
            modified: facts.modified.as_second(),
            kind,
            link,
            content,
        };
        pack(&entry, &mut archive);
        if archive.len() > LIMIT {
            return complain(process, "tar", "write error", Errno::NoSpace).await;
        }
        if directory && depth < DEPTH_LIMIT {
            let entries = process.files().list(&path, &process.credentials()).unwrap_or_default();
            let above = name.trim_end_matches('/');
            waiting.extend(entries.into_iter().rev().map(|entry| (format!("{above}/{}", entry.name), depth + 1)));
        }
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    if request.options.has('z')
        || request.options.has('a') && request.file.as_deref().is_some_and(|f| f.ends_with("gz"))
    {
        archive = gzip::compress(&archive);
    }
    let written = match request.file.as_deref() {
        None | Some("-") => {
            process.err(listed).await;
            process.out(archive).await
        }
        Some(path) => {
            let _ = process.out(listed).await;
            match process.files().open(&process.absolute(path), OpenMode::WRITE, &process.credentials()) {
                Ok(file) => file.write(&archive).await,
                Err(error) => Err(error),
            }
        }
    };
    match written {
        Ok(()) => code,
        Err(error) => complain(process, "tar", "can't write", error).await,
    }
}

async fn look(process: &Process, path: &str) -> Result<(Metadata, Vec<u8>), Errno> {
    let facts = process.files().lstat(path)?;
    let content = match facts.kind {
        FileKind::File => process.files().read(path, &process.credentials())?,
        _ => Vec::new(),
    };
    Ok((facts, content))
}

async fn extract(process: &Process, request: &Request) -> Code {
    let input = match request.file.as_deref() {
        None | Some("-") => process.descriptor(0),
        Some(path) => process.files().open(&process.absolute(path), OpenMode::READ, &process.credentials()),
    };
    let name = request.file.as_deref().unwrap_or("-");
    let read = match input {
        Ok(file) => read_all(&*file, LIMIT).await,
        Err(error) => Err(error),
    };
    let mut bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => return complain(process, "tar", &format!("can't open '{name}'"), error).await,
    };
    if bytes.starts_with(&[0x1f, 0x8b]) {
        bytes = match gzip::decompress(&bytes) {
            Ok(plain) => plain,
            Err(error) => {
                process.err(format!("tar: {error}\n")).await;
                return 1;
            }
        };
    }
    let entries = match unpack(&bytes) {
        Ok(entries) => entries,
        Err(error) => {
            process.err(format!("tar: {error}\n")).await;
            return 1;
        }
    };
    let wanted = &request.options.rest;
    let mut code = 0;
    let mut met = vec![false; wanted.len()];
    for entry in entries {
        process.spin().await;
        let plain = entry.name.trim_end_matches('/').to_owned();
        let named = |w: &String| {
            let w = w.trim_end_matches('/');
            plain == w || plain.starts_with(&format!("{w}/"))
        };
        if let Some(at) = wanted.iter().position(named) {
            met[at] = true;
        } else if !wanted.is_empty() {
            continue;
        }
        if request.options.has('t') || request.options.has('v') {
            let line =
                if request.options.has('t') && request.options.has('v') { long(&entry) } else { entry.name.clone() };
            let _ = process.out(line + "\n").await;
        }
        if request.options.has('t') {
            continue;
        }
        if request.options.has('O') {
            if process.out(&entry.content).await.is_err() {
                return 1;
            }
            continue;
        }
        if let Err(error) = place(process, request, &entry).await {
            code = complain(process, "tar", &format!("can't create '{}'", entry.name), error).await;
        }
    }
    for (name, _) in wanted.iter().zip(met).filter(|(_, met)| !met) {
        process.err(format!("tar: {name}: not found in archive\n")).await;
        code = 1;
    }
    code
}

/// An entry as `tar tv` shows it.
fn long(entry: &Entry) -> String {
    let kind = match entry.kind {
        b'5' => 'd',
        b'2' => 'l',
        _ => '-',
    };
    let at = jiff::Timestamp::from_second(entry.modified).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    let time = super::date::shown(&at, "%Y-%m-%d %H:%M:%S").unwrap_or_default();
    let link = if entry.kind == b'2' { format!(" -> {}", entry.link) } else { String::new() };
    let owner = format!("{}/{}", entry.uid, entry.gid);
    format!(
        "{kind}{} {owner} {:9} {time} {}{link}",
        super::listing::rights(entry.mode),
        entry.content.len(),
        entry.name
    )
}

async fn place(process: &Process, request: &Request, entry: &Entry) -> Result<(), Errno> {
    let parts: Vec<&str> = entry.name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    // What leads out of the directory stays out, as busybox has it.
    if parts.contains(&"..") {
        return Err(Errno::NotPermitted);
    }
    let Some(parts) = parts.get(request.strip..).filter(|parts| !parts.is_empty()) else { return Ok(()) };
    let who = process.credentials();
    let root = process.absolute(&request.directory);
    let mut path = root.trim_end_matches('/').to_owned();
    for part in &parts[..parts.len() - 1] {
        path = format!("{path}/{part}");
        match process.files().make_dir(&path, 0o777, &who) {
            Ok(()) | Err(Errno::Exists) => {}
            Err(error) => return Err(error),
        }
    }
    path = format!("{path}/{}", parts[parts.len() - 1]);
    match entry.kind {
        b'5' => match process.files().make_dir(&path, entry.mode, &who) {
            Ok(()) | Err(Errno::Exists) => {}
            Err(error) => return Err(error),
        },
        b'2' => {
            let _ = process.files().remove_file(&path, &who);
            return process.files().symlink(&entry.link, &path, &who);
        }
        b'0' => {
            if process.files().lstat(&path).is_ok() {
                if request.options.has('k') {
                    return Err(Errno::Exists);
                }
                process.files().remove_file(&path, &who)?;
            }
            process.files().open(&path, OpenMode::WRITE, &who)?.write(&entry.content).await?;
        }
        _ => return Err(Errno::NotPermitted),
    }
    process.files().set_mode(&path, entry.mode, &who)?;
    if who.uid == 0 && !request.options.has('o') {
        let _ = process.files().chown(&path, Some(entry.uid), Some(entry.gid), &who);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let entry = |name: &str, kind, content: &[u8]| Entry {
            name: name.to_owned(),
            mode: 0o640,
            uid: 5,
            gid: 6,
            modified: 1_577_934_245,
            kind,
            link: if kind == b'2' { "target".to_owned() } else { String::new() },
            content: content.to_vec(),
        };
        let entries = vec![
            entry("d/", b'5', b""),
            entry("d/f", b'0', b"hello\n"),
            entry("d/l", b'2', b""),
            entry(&"long/".repeat(40), b'0', &[7; 1000]),
        ];
        let mut archive = Vec::new();
        entries.iter().for_each(|entry| pack(entry, &mut archive));
        archive.resize(archive.len() + 2 * BLOCK, 0);
        assert_eq!(unpack(&archive), Ok(entries));
        archive[0] ^= 1;
        assert_eq!(unpack(&archive), Err("invalid tar header checksum"));
        assert_eq!(unpack(&[1; 100]), Err("short read"));
    }
}
