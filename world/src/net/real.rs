//! The host's unix and TCP sockets.
//!
//! A unix path that starts with `@` is an abstract socket, as in Go.

#![expect(clippy::disallowed_types, reason = "the one place that opens the host's sockets")]

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{Accept, Address, Conn, Listener, Network, check_unix_path};

/// The host's network.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostNetwork;

impl Network for HostNetwork {
    fn dial(&self, to: &Address) -> BoxFuture<'_, io::Result<Conn>> {
        let to = to.clone();
        async move {
            match &to {
                Address::Unix(path) => {
                    check_unix_path(path)?;
                    let stream = UnixStream::connect(kernel_path(path)).await?;
                    Ok(Conn::new(stream, Address::unix(""), to))
                }
                Address::Tcp { host, port } => {
                    let stream = match literal(host, Ipv4Addr::LOCALHOST.into()) {
                        Some(ip) => TcpStream::connect((ip, *port)).await?,
                        None => TcpStream::connect((host.as_str(), *port)).await?,
                    };
                    tcp(stream)
                }
            }
        }
        .boxed()
    }

    fn listen(&self, on: &Address) -> BoxFuture<'_, io::Result<Listener>> {
        let on = on.clone();
        async move {
            match on {
                Address::Unix(path) => Ok(Listener::new(HostUnix::bind(path).await?)),
                Address::Tcp { host, port } => {
                    let bound = match literal(&host, Ipv6Addr::UNSPECIFIED.into()) {
                        // Every address of both families; without IPv6, of the one that is there.
                        Some(ip) if host.is_empty() => match TcpListener::bind((ip, port)).await {
                            Err(e) if e.kind() != io::ErrorKind::AddrInUse => {
                                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
                            }
                            done => done,
                        },
                        Some(ip) => TcpListener::bind((ip, port)).await,
                        None => TcpListener::bind((host.as_str(), port)).await,
                    }?;
                    let local = address(bound.local_addr()?);
                    Ok(Listener::new(HostTcp { bound, local }))
                }
            }
        }
        .boxed()
    }
}

/// A host that needs no resolver.
fn literal(host: &str, empty: IpAddr) -> Option<IpAddr> {
    if host.is_empty() { Some(empty) } else { host.parse().ok() }
}

fn address(of: SocketAddr) -> Address {
    // A client of a dual-stack socket is shown as the IPv4 host that it is.
    Address::tcp(of.ip().to_canonical().to_string(), of.port())
}

fn tcp(stream: TcpStream) -> io::Result<Conn> {
    stream.set_nodelay(true)?;
    let (local, peer) = (address(stream.local_addr()?), address(stream.peer_addr()?));
    Ok(Conn::new(stream, local, peer))
}

/// The path as the system call wants it: an abstract name starts with a zero byte.
fn kernel_path(path: &Path) -> PathBuf {
    match path.as_os_str().as_bytes() {
        [b'@', name @ ..] => {
            let mut bytes = vec![0];
            bytes.extend_from_slice(name);
            std::ffi::OsString::from_vec(bytes).into()
        }
        _ => path.to_owned(),
    }
}

struct HostTcp {
    bound: TcpListener,
    local: Address,
}

impl Accept for HostTcp {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Conn>> {
        async move { tcp(self.bound.accept().await?.0) }.boxed()
    }

    fn local(&self) -> Address {
        self.local.clone()
    }
}

struct HostUnix {
    bound: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket's file; an abstract socket has none.
    file: Option<(u64, u64)>,
}

impl HostUnix {
    async fn bind(path: PathBuf) -> io::Result<Self> {
        check_unix_path(&path)?;
        let on_disk = !path.as_os_str().as_bytes().starts_with(b"@");
        if on_disk {
            make_way(&path).await?;
        }
        let bound = UnixListener::bind(kernel_path(&path))?;
        let file = if on_disk { Some(identity(&path)?) } else { None };
        Ok(Self { bound, path, file })
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let facts = std::fs::symlink_metadata(path)?;
    Ok((facts.dev(), facts.ino()))
}

/// Removes a socket file that nobody serves, and says so if something else is in the way.
async fn make_way(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
        Ok(facts) if facts.file_type().is_socket() => {}
        Ok(_) => {
            let text = format!("{} exists and is not a socket", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, format!("{} is served already", path.display()))),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        // The other one is there and its queue is full, or it may not be asked.
        Err(e) => Err(io::Error::new(io::ErrorKind::AddrInUse, e)),
    }
}

impl Drop for HostUnix {
    fn drop(&mut self) {
        // Only the file that this listener made: another may have put its own there since.
        if self.file.is_some_and(|ours| identity(&self.path).is_ok_and(|now| now == ours)) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Accept for HostUnix {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Conn>> {
        async move {
            let (stream, _) = self.bound.accept().await?;
            Ok(Conn::new(stream, self.local(), Address::unix("")))
        }
        .boxed()
    }

    fn local(&self) -> Address {
        Address::Unix(self.path.clone())
    }
}
