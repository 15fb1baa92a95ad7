//! A scripted HTTP server for tests: one raw answer per connection. Not a server for anything else.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::{Net, Tasks, net::Address};

/// What to do with a connection.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// Send these bytes and close.
    Raw(String),
    /// As well, where they are no text.
    Bytes(Vec<u8>),
    /// Never answer.
    Hang,
}

/// An answer with status, extra header lines and body.
pub(crate) fn reply(status: &str, headers: &str, body: &str) -> Script {
    Script::Raw(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()))
}

/// A server; the script is the same for every request until it is changed, unless `next` has some.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub script: Arc<Mutex<Script>>,
    /// Heads of requests so far.
    pub seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub async fn start(net: &Net, address: &str, script: Script, tasks: &Tasks) -> Self {
        let address: Address = address.parse().unwrap();
        let mut listener = net.listen(&address).await.unwrap();
        let server = Self { script: Arc::new(Mutex::new(script)), seen: Arc::default() };
        let (own, group) = (server.clone(), tasks.clone());
        drop(tasks.spawn("http-test-server", async move {
            while let Ok(mut conn) = listener.accept().await {
                let own = own.clone();
                drop(group.spawn("http-test-connection", async move {
                    let mut head = Vec::new();
                    let mut byte = [0; 1];
                    while !head.ends_with(b"\r\n\r\n") {
                        match conn.read(&mut byte).await {
                            Ok(1) => head.push(byte[0]),
                            _ => return,
                        }
                    }
                    own.seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                    let script = own.script.lock().unwrap().clone();
                    match script {
                        Script::Raw(text) => {
                            let _ = conn.write_all(text.as_bytes()).await;
                            let _ = conn.shutdown().await;
                        }
                        Script::Bytes(bytes) => {
                            let _ = conn.write_all(&bytes).await;
                            let _ = conn.shutdown().await;
                        }
                        Script::Hang => std::future::pending().await,
                    }
                }));
            }
        }));
        server
    }

    pub fn set(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }
}
