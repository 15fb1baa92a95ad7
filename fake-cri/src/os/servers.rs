//! Servers that images run: nginx, httpd, pause. What clients, probes and signals can tell of them, and no more.

use std::{io, sync::Arc};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::net::Conn;

use super::{Code, Disposition, Process, Program, Signal, surroundings::PodListener, tls::Tls};

/// The page that a fresh nginx shows.
pub const NGINX_PAGE: &str = "<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n</head>\n<body>\n<h1>Welcome to nginx!</h1>\n\
<p>This page is served by a simulated nginx.</p>\n</body>\n</html>\n";

/// Longest request head that is read.
const HEAD_LIMIT: usize = 16 * 1024;

/// How TLS starts: no method of HTTP does.
const HANDSHAKE: u8 = 0x16;

/// Answers a path: status, content type, body; of a redirect, where it leads.
pub type Answer = Arc<dyn Fn(&str) -> (u16, &'static str, Vec<u8>) + Send + Sync>;

/// The server of that name.
pub fn find(name: &str) -> Option<Program> {
    let name = name.split(' ').next()?;
    Some(match name {
        "nginx" => Box::new(|p| Box::pin(nginx(p, 80))),
        "hostnet-nginx" => Box::new(|p| Box::pin(nginx(p, 12003))),
        "httpd" => Box::new(|p| Box::pin(httpd(p))),
        "pause" => Box::new(|p| Box::pin(pause(p))),
        "nnp" => Box::new(|p| Box::pin(show_user(p))),
        _ => return None,
    })
}

/// Waits for one of `signals`, which it handles.
async fn until_signal(process: &Process, signals: &[Signal]) -> Signal {
    for signal in signals {
        process.set_disposition(*signal, Disposition::Handle);
    }
    loop {
        process.pending().await;
        if let Some(signal) = process.take_pending() {
            return signal;
        }
    }
}

/// `pause`: sleeps, reaps, and ends at TERM.
async fn pause(process: Process) -> Code {
    until_signal(&process, &[Signal::TERM, Signal::INT]).await;
    0
}

/// The program of the image for privilege tests: says as whom it runs, which is root if its set-user-id bit counts.
async fn show_user(process: Process) -> Code {
    i32::from(process.out(format!("Effective uid: {}\n", process.credentials().uid)).await.is_err())
}

/// nginx: a master and a worker, the welcome page, an access log; TERM, INT and QUIT end it with 0.
async fn nginx(process: Process, port: u16) -> Code {
    let args = process.args();
    if args.iter().any(|a| a == "-v" || a == "-V") {
        process.err("nginx version: nginx/1.29.0\n").await;
        return 0;
    }
    process.set_args(vec![format!("nginx: master process {}", args.join(" "))]);
    let who = process.credentials();
    let pid_file = process.files().open("/var/run/nginx.pid", super::OpenMode::WRITE, &who);
    if let Ok(file) = pid_file {
        let _ = file.write(format!("{}\n", process.pid()).as_bytes()).await;
    }
    let answer: Answer = Arc::new(|path| {
        let page = path.split('?').next().unwrap_or("/");
        if matches!(page, "/" | "/index.html") {
            (200, "text/html", NGINX_PAGE.as_bytes().to_vec())
        } else {
            let body = "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n</body>\r\n</html>\r\n";
            (404, "text/html", body.as_bytes().to_vec())
        }
    });
    serve_until(process, port, answer, "nginx", &[Signal::TERM, Signal::INT, Signal::QUIT]).await
}

/// Apache's httpd: says so at start, serves `It works!`.
async fn httpd(process: Process) -> Code {
    process
        .err(
            "AH00558: httpd: Could not reliably determine the server's fully qualified domain name, using 127.0.0.1. Set the 'ServerName' directive globally \
to suppress this message\n[mpm_event:notice] AH00489: Apache/2.4.39 (Unix) configured -- resuming normal operations\n[core:notice] AH00094: Command line: \
'httpd -D FOREGROUND'\n",
        )
        .await;
    let answer: Answer = Arc::new(|_| (200, "text/html", b"<html><body><h1>It works!</h1></body></html>\n".to_vec()));
    serve_until(process, 80, answer, "Apache", &[Signal::TERM, Signal::INT]).await
}

async fn serve_until(process: Process, port: u16, answer: Answer, name: &str, signals: &[Signal]) -> Code {
    for signal in signals {
        process.set_disposition(*signal, Disposition::Handle);
    }
    let serving = serve(&process, port, answer);
    tokio::select! {
        biased;
        _ = until_signal(&process, signals) => 0,
        result = serving => match result {
            Ok(code) => code,
            Err(error) => {
                let text = super::Errno::from(error);
                process.err(format!("{name}: [emerg] bind() to 0.0.0.0:{port} failed ({text})\n")).await;
                1
            }
        },
    }
}

/// Serves HTTP/1.1 on a port of the pod until the process ends. An error if the port cannot be had.
pub async fn serve(process: &Process, port: u16, answer: Answer) -> io::Result<Code> {
    let listener = process.listen(port).await?;
    serve_on(listener, process, answer, None).await
}

/// Serves HTTP/1.1 on what is listened on already. With `tls` it is HTTPS.
pub async fn serve_on(
    mut listener: PodListener,
    process: &Process,
    answer: Answer,
    tls: Option<Tls>,
) -> io::Result<Code> {
    let tasks = process.kernel().tasks().child("http");
    let _ended = tasks.token().drop_guard();
    loop {
        let conn = listener.accept().await?;
        let (answer, process, tls) = (answer.clone(), process.clone(), tls.clone());
        drop(tasks.spawn("connection", async move {
            let conn = match tls {
                None => Ok(conn),
                Some(tls) => tls.accept(conn).await,
            };
            if let Ok(conn) = conn {
                let _ = connection(conn, &answer, &process).await;
            }
        }));
    }
}

async fn connection(mut conn: Conn, answer: &Answer, process: &Process) -> io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let end = head.windows(4).position(|w| w == b"\r\n\r\n");
        let Some(end) = end else {
            let n = conn.read(&mut buffer).await?;
            if n == 0 || head.len() > HEAD_LIMIT {
                return Ok(());
            }
            head.extend_from_slice(&buffer[..n]);
            if head.first() == Some(&HANDSHAKE) {
                let body = "400 The plain HTTP request was sent to HTTPS port, or the other way round\n";
                let reply = format!(
                    "HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                conn.write_all(reply.as_bytes()).await?;
                return conn.shutdown().await;
            }
            continue;
        };
        let text = String::from_utf8_lossy(&head[..end]).into_owned();
        head.drain(..end + 4);
        let mut words = text.lines().next().unwrap_or_default().split(' ');
        let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or("/").to_owned());
        let close =
            text.lines().any(|l| l.to_ascii_lowercase().starts_with("connection: close")) || text.contains("HTTP/1.0");
        let (status, kind, body) = answer(&path);
        let reason = match status {
            200 => "OK",
            302 => "Found",
            403 => "Forbidden",
            404 => "Not Found",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            _ => "Status",
        };
        let now = process.kernel().surroundings().world.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let location = match status {
            300..=399 => format!("Location: {}\r\n", String::from_utf8_lossy(&body)),
            _ => String::new(),
        };
        let mut reply = format!(
            "HTTP/1.1 {status} {reason}\r\nServer: nginx/1.29.0\r\nDate: {now}\r\n{location}Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: {}\r\n\r\n",
            body.len(),
            if close { "close" } else { "keep-alive" }
        )
        .into_bytes();
        if method != "HEAD" {
            reply.extend_from_slice(&body);
        }
        let agent = text
            .lines()
            .find_map(|l| l.strip_prefix("User-Agent: ").or(l.strip_prefix("user-agent: ")))
            .unwrap_or("-")
            .to_owned();
        let stamp = process.kernel().surroundings().world.clock.now().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
        let peer = match conn.peer() {
            world::net::Address::Tcp { host, .. } => host.clone(),
            world::net::Address::Unix(_) => "unix:".to_owned(),
        };
        let line = format!(
            "{peer} - - [{stamp}] \"{method} {path} HTTP/1.1\" {status} {} \"-\" \"{agent}\" \"-\"\n",
            body.len()
        );
        let _ = process.out(line).await;
        conn.write_all(&reply).await?;
        conn.flush().await?;
        if close {
            conn.shutdown().await?;
            return Ok(());
        }
    }
}
