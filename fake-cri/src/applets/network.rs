//! Applets that use the network: nc, wget, httpd, and brctl for the privileges it shows.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::net::Conn;

use super::{Options, bad_option};
use crate::os::{Code, Descriptor, Errno, OpenMode, Process, capability::Capability};

/// Passes bytes both ways between a connection and the process until the other side ends.
async fn relay(process: &Process, conn: Conn, command: Option<&str>) -> Code {
    if let Some(command) = command {
        return answer(process, conn, command).await;
    }
    let (mut reader, mut writer) = tokio::io::split(conn);
    let stdin = process.descriptor(0);
    let sending = async {
        if let Ok(stdin) = stdin {
            while let Ok(chunk) = stdin.read(16 * 1024).await {
                if chunk.is_empty() || writer.write_all(&chunk).await.is_err() {
                    break;
                }
                let _ = writer.flush().await;
            }
        }
        let _ = writer.shutdown().await;
        std::future::pending::<()>().await;
    };
    let receiving = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(n) = reader.read(&mut buffer).await {
            if n == 0 || process.out(&buffer[..n]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        biased;
        () = receiving => {}
        () = sending => {}
    }
    0
}

/// Runs a command with the connection as its output: `nc -l -e`.
async fn answer(process: &Process, conn: Conn, command: &str) -> Code {
    let (reader, writer) = crate::os::pipe::pipe();
    let mut descriptors = process.descriptors();
    descriptors.insert(1, writer as Descriptor);
    let args: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    let path = process.var("PATH").unwrap_or_else(|| "/bin:/usr/bin".to_owned());
    let Some(Ok(program)) = args.first().map(|name| super::find(process, name, &path)) else { return 127 };
    let launch = crate::os::Launch { descriptors, ..crate::os::Launch::child(process, args) };
    let Some(child) = process.kernel().clone().launch(Some(process), launch, program) else { return 1 };
    let (_, mut sink) = tokio::io::split(conn);
    let reader: Descriptor = reader;
    while let Ok(chunk) = reader.read(16 * 1024).await {
        if chunk.is_empty() || sink.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let _ = sink.shutdown().await;
    process.wait_child(&child).await.code()
}

/// `nc HOST PORT`, `nc -l -p PORT [-e CMD]`, `nc -lk -p PORT`, `nc -z HOST PORT`.
pub(super) async fn nc(process: Process) -> Code {
    let options = match Options::read(&process.args(), "lkznvu", "pweis") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let around = process.kernel().surroundings();
    if options.has('l') {
        let port = options.value('p').or(options.rest.last().map(String::as_str)).and_then(|p| p.parse().ok());
        let Some(port) = port else {
            process.err("nc: bad port\n").await;
            return 1;
        };
        let mut listener = match process.listen(port).await {
            Ok(listener) => listener,
            Err(error) => {
                process.err(format!("nc: bind: {}\n", Errno::from(error))).await;
                return 1;
            }
        };
        loop {
            let Ok(conn) = listener.accept().await else { return 1 };
            let code = relay(&process, conn, options.value('e')).await;
            if !options.has('k') {
                return code;
            }
        }
    }
    let (Some(host), Some(port)) = (options.rest.first(), options.rest.get(1).and_then(|p| p.parse().ok())) else {
        process.err("Usage: nc [-iN] [-wN] [-l] [-p PORT] [-f FILE|IPADDR PORT] [-e PROG]\n").await;
        return 1;
    };
    match around.dial(host, port).await {
        Ok(_) if options.has('z') => 0,
        Ok(conn) => relay(&process, conn, options.value('e')).await,
        Err(error) => {
            process.err(format!("nc: can't connect to remote host ({host}): {}\n", Errno::from(error))).await;
            1
        }
    }
}

/// The parts of `http://host:port/path`.
fn url(text: &str) -> Option<(String, u16, String)> {
    let rest = text.strip_prefix("http://").unwrap_or(text);
    let (authority, path) = rest.find('/').map_or((rest, "/"), |i| rest.split_at(i));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, 80),
    };
    Some((host.to_owned(), port, path.to_owned()))
}

/// `wget [-q] [-O FILE|-] [--spider] URL`.
pub(super) async fn wget(process: Process) -> Code {
    let args = process.args();
    let spider = args.iter().any(|a| a == "--spider");
    let mut headers = String::new();
    let mut posted = None;
    let mut short = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let (name, inline) = word.split_once('=').map_or((word.as_str(), None), |(n, v)| (n, Some(v.to_owned())));
        match name {
            "--header" => headers.push_str(&format!("{}\r\n", inline.or(words.next().cloned()).unwrap_or_default())),
            "--post-data" => posted = inline.or(words.next().cloned()),
            "--timeout" => drop(inline.or(words.next().cloned())),
            long if long.starts_with("--") => {}
            _ => short.push(word.clone()),
        }
    }
    if let Some(url) = short.iter().skip(1).find(|w| w.contains("://") && !w.starts_with("http://")) {
        process.err(format!("wget: not an http or ftp url: {url}\n")).await;
        return 1;
    }
    let options = match Options::read(&short, "qSc", "OTtUPoY") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let Some((host, port, path)) = options.rest.first().and_then(|u| url(u)) else {
        process.err("Usage: wget [-cqS] [--spider] [-O FILE] [-o LOGFILE] [--header STR] URL...\n").await;
        return 1;
    };
    let quiet = options.has('q');
    let around = process.kernel().surroundings();
    if !quiet {
        process.err(format!("Connecting to {host}:{port} ({host}:{port})\n")).await;
    }
    let conn = match around.dial(&host, port).await {
        Ok(conn) => conn,
        Err(error) => {
            let text = match error.kind() {
                std::io::ErrorKind::NotFound => format!("wget: bad address '{host}'\n"),
                _ => format!("wget: can't connect to remote host ({host}): {}\n", Errno::from(error)),
            };
            process.err(text).await;
            return 1;
        }
    };
    let (mut reader, mut writer) = tokio::io::split(conn);
    let method = if posted.is_some() { "POST" } else { "GET" };
    if let Some(body) = &posted {
        headers.push_str(&format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            body.len()
        ));
    }
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: Wget\r\nConnection: close\r\n{headers}\r\n{}",
        posted.unwrap_or_default()
    );
    if writer.write_all(request.as_bytes()).await.is_err() {
        process.err("wget: error getting response\n").await;
        return 1;
    }
    let mut answer = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n) = reader.read(&mut buffer).await {
        if n == 0 || answer.len() > 16 << 20 {
            break;
        }
        answer.extend_from_slice(&buffer[..n]);
    }
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else {
        process.err("wget: error getting response\n").await;
        return 1;
    };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.lines().next().unwrap_or_default().to_owned();
    if !status.split(' ').nth(1).is_some_and(|c| c.starts_with('2')) {
        process.err(format!("wget: server returned error: {status}\n")).await;
        return 1;
    }
    if spider {
        if !quiet {
            process.err("remote file exists\n").await;
        }
        return 0;
    }
    let body = &answer[end + 4..];
    let name = options.value('O').map(str::to_owned).unwrap_or_else(|| {
        let last = path.rsplit('/').next().unwrap_or_default();
        if last.is_empty() { "index.html".to_owned() } else { last.to_owned() }
    });
    if name == "-" {
        return i32::from(process.out(body).await.is_err());
    }
    let name = match options.value('P') {
        Some(directory) if options.value('O').is_none() => format!("{directory}/{name}"),
        _ => name,
    };
    match process.files().open(&process.absolute(&name), OpenMode::WRITE, &process.credentials()) {
        Ok(file) => {
            if !quiet {
                process.err(format!("saving to '{name}'\n")).await;
            }
            let failed = file.write(body).await.is_err();
            if !quiet && !failed {
                process.err(format!("'{name}' saved\n")).await;
            }
            i32::from(failed)
        }
        Err(error) => {
            process.err(format!("wget: can't open '{name}': {error}\n")).await;
            1
        }
    }
}

/// Serves in the background; a start that fails is the command's failure.
async fn daemon(process: &Process) -> Code {
    let launch = crate::os::Launch::child(process, process.args());
    let program: crate::os::Program = Box::new(|process| Box::pin(serve_files(process)));
    let Some(child) = process.kernel().clone().launch(Some(process), launch, program) else { return 1 };
    // Long enough for it to find its port taken.
    for _ in 0..16 {
        tokio::task::yield_now().await;
        if child.exit().is_some() {
            return process.wait_child(&child).await.code();
        }
    }
    0
}

/// `httpd [-fv] [-p PORT] [-h DIR]`: serves files, in the background unless told otherwise.
pub(super) async fn httpd(process: Process) -> Code {
    match Options::read(&process.args(), "fv", "phcu") {
        Ok(options) if !options.has('f') => daemon(&process).await,
        _ => serve_files(process).await,
    }
}

async fn serve_files(process: Process) -> Code {
    let options = match Options::read(&process.args(), "fv", "phcu") {
        Ok(options) => options,
        Err(letter) => return bad_option(&process, letter).await,
    };
    let port = options.value('p').map_or(Some(80), |p| p.rsplit(':').next().and_then(|p| p.parse().ok()));
    let Some(port) = port else {
        process.err("httpd: bad port\n").await;
        return 1;
    };
    if !options.has('v') {
        process.set_descriptor(1, Arc::new(crate::os::pipe::Null));
    }
    let home = process.absolute(options.value('h').unwrap_or("."));
    let files = process.clone();
    let result = crate::os::servers::serve(&process, port, Arc::new(move |path: &str| {
        let path = path.split('?').next().unwrap_or("/");
        if path.split('/').any(|part| part == "..") {
            return (403, "text/html", b"<HTML><BODY><H1>403 Forbidden</H1></BODY></HTML>\n".to_vec());
        }
        let name = if path.ends_with('/') { format!("{home}{path}index.html") } else { format!("{home}{path}") };
        match files.files().read(&name, &files.credentials()) {
            Ok(body) => (200, "text/html", body),
            Err(_) => (404, "text/html", b"<HTML><HEAD><TITLE>404 Not Found</TITLE></HEAD>\n<BODY><H1>404 Not Found</H1>\nThe requested URL was not found\n</BODY></HTML>\n".to_vec()),
        }
    }))
    .await;
    match result {
        Ok(never) => never,
        Err(error) => {
            process.err(format!("httpd: bind: {}\n", Errno::from(error))).await;
            1
        }
    }
}

/// `brctl addbr NAME`: needs the right to change the network.
pub(super) async fn brctl(process: Process) -> Code {
    let args = process.args();
    if process.credentials().can(Capability::NET_ADMIN) {
        return 0;
    }
    let what = args.get(2).cloned().unwrap_or_default();
    process.err(format!("brctl: bridge {what}: {}\n", Errno::NotPermitted)).await;
    1
}
