//! An image registry on the loopback: as much of the distribution protocol as a pull needs. Takes nothing in and forgets nothing.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::image::{Blob, Images};

/// A registry that answers until dropped.
pub struct Registry {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Registry {
    /// Serves `images` on a port that the system chooses.
    pub fn serve(images: Images) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if seen.load(Ordering::Relaxed) {
                    return;
                }
                // Whoever goes away in the middle has no use for an answer.
                let _ = connection.and_then(|c| answer(c, &images));
            }
        });
        Ok(Self { port, stop, thread: Some(thread) })
    }

    /// The port on the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread.
        let woken = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

/// One request per connection.
fn answer(stream: TcpStream, images: &Images) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut stream = reader.into_inner();
    let path = path.split('?').next().unwrap_or_default();
    if path == "/v2/" {
        return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    }
    let Some((digest, blob)) = find(path, images) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let Blob { media_type, bytes } = blob;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nDocker-Content-Digest: {digest}\r\nConnection: close\r\n\r\n",
        bytes.len()
    )?;
    if method == "HEAD" { Ok(()) } else { stream.write_all(bytes) }
}

/// `/v2/REPOSITORY/manifests/latest`, or by digest, or a blob by digest.
fn find<'a>(path: &str, images: &'a Images) -> Option<(&'a str, &'a Blob)> {
    let (repository, reference) = path.strip_prefix("/v2/")?.rsplit_once('/')?;
    let (repository, kind) = repository.rsplit_once('/')?;
    let latest = images.latest.get(repository)?;
    let digest = if kind == "manifests" && reference == "latest" { latest } else { reference };
    images.blobs.get_key_value(digest).map(|(digest, blob)| (digest.as_str(), blob))
}
