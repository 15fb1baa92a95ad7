//! Sockets by address string, real or simulated. Not HTTP and not gRPC: those are built on [`Conn`].

use std::{
    fmt, io,
    path::PathBuf,
    pin::Pin,
    str::FromStr,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub mod real;

/// The longest path that fits a unix socket address: 108 bytes with the terminating zero.
pub const UNIX_PATH_LIMIT: usize = 107;

/// Where something listens: `unix:///run/x.sock`, `unix://@abstract`, `/run/x.sock`, `tcp://127.0.0.1:80`, `127.0.0.1:80`, `[::1]:80`, `localhost:80`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A unix stream socket at an absolute path, or in the abstract name space if it starts with `@`. The end of a connection that
    /// has no name of its own, as a client's, is an empty path.
    Unix(PathBuf),
    /// A TCP port of a host: an IP address or a name.
    Tcp {
        /// IP address (IPv6 without brackets) or host name. Empty means the loopback when dialled, every address when listened on.
        host: String,
        /// Port; 0 lets the system choose when listened on.
        port: u16,
    },
}

/// Text that is not an address.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not an address: {why}; write unix:///path/to.sock or host:port")]
pub struct AddressError {
    text: String,
    why: &'static str,
}

impl Address {
    /// A TCP address.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp { host: host.into(), port }
    }

    /// A unix socket address.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::Unix(path.into())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let fail = |why| AddressError { text: text.to_owned(), why };
        if let Some(path) = text.strip_prefix("unix://") {
            if !path.starts_with(['/', '@']) {
                return Err(fail("the path of a unix socket must be absolute"));
            }
            return Ok(Self::Unix(path.into()));
        }
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        let rest = text.strip_prefix("tcp://").unwrap_or(text);
        if rest.contains("://") {
            return Err(fail("only unix:// and tcp:// are known"));
        }
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| fail("there is no port"))?;
        let port = port.parse().map_err(|_| fail("the port is not a number from 0 to 65535"))?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if host.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
            return Err(fail("the host has a slash or a blank"));
        }
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// A byte stream in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection.
pub struct Conn {
    stream: Box<dyn Stream>,
    local: Address,
    peer: Address,
}

impl Conn {
    /// Wraps a stream with its two ends.
    pub fn new(stream: impl Stream + 'static, local: Address, peer: Address) -> Self {
        Self { stream: Box::new(stream), local, peer }
    }

    /// This end.
    pub fn local(&self) -> &Address {
        &self.local
    }

    /// The other end.
    pub fn peer(&self) -> &Address {
        &self.peer
    }
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conn({} -> {})", self.local, self.peer)
    }
}

impl AsyncRead for Conn {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Conn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A bound socket. Dropping it frees the address.
pub trait Accept: Send {
    /// Waits for the next connection.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Conn>>;

    /// The address bound, with the port that the system chose.
    fn local(&self) -> Address;
}

/// A bound socket. Dropping it frees the address, and removes a unix socket's file.
pub struct Listener(Box<dyn Accept>);

impl Listener {
    /// Wraps an arm's own listener.
    pub fn new(accept: impl Accept + 'static) -> Self {
        Self(Box::new(accept))
    }

    /// Waits for the next connection.
    pub async fn accept(&mut self) -> io::Result<Conn> {
        self.0.accept().await
    }

    /// The address bound, with the port that the system chose.
    pub fn local(&self) -> Address {
        self.0.local()
    }

    /// The connections as a stream, as servers want them.
    pub fn incoming(self) -> impl futures_util::Stream<Item = io::Result<Conn>> + Send {
        futures_util::stream::unfold(self, |mut listener| async move {
            let conn = listener.accept().await;
            Some((conn, listener))
        })
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listener({})", self.local())
    }
}

/// What an arm of the network does.
pub trait Network: Send + Sync + fmt::Debug {
    /// Connects. Errors carry the kinds that the host gives: `ConnectionRefused`, `NotFound` (no socket file), `TimedOut`.
    fn dial(&self, to: &Address) -> BoxFuture<'_, io::Result<Conn>>;

    /// Binds. `AddrInUse` if somebody listens there; a unix socket file that nobody serves is replaced.
    fn listen(&self, on: &Address) -> BoxFuture<'_, io::Result<Listener>>;
}

/// The network.
#[derive(Clone, Debug)]
pub struct Net(Arc<dyn Network>);

impl Net {
    /// The host's sockets.
    pub fn real() -> Self {
        Self::new(real::HostNetwork)
    }

    /// Wraps an arm.
    pub fn new(network: impl Network + 'static) -> Self {
        Self(Arc::new(network))
    }

    /// Connects to `to`; see [`Network::dial`].
    pub async fn dial(&self, to: &Address) -> io::Result<Conn> {
        self.0.dial(to).await
    }

    /// Binds `on`; see [`Network::listen`].
    pub async fn listen(&self, on: &Address) -> io::Result<Listener> {
        self.0.listen(on).await
    }
}

/// Refuses a path that no unix socket address can hold.
pub(crate) fn check_unix_path(path: &std::path::Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = path.as_os_str().as_bytes();
    let why = if bytes.len() > UNIX_PATH_LIMIT {
        format!("is {} bytes long; a unix socket's path has at most {UNIX_PATH_LIMIT}", bytes.len())
    } else if bytes.contains(&0) || bytes.is_empty() {
        "is no path: it is empty or has a zero byte".to_owned()
    } else if !bytes.starts_with(b"/") && !bytes.starts_with(b"@") {
        "is not absolute".to_owned()
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} {why}", path.display())))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::socket("unix:///run/x.sock", Address::unix("/run/x.sock"), "unix:///run/x.sock")]
    #[case::path("/run/x.sock", Address::unix("/run/x.sock"), "unix:///run/x.sock")]
    #[case::abstract_name("unix://@x", Address::unix("@x"), "unix://@x")]
    #[case::tcp("tcp://127.0.0.1:80", Address::tcp("127.0.0.1", 80), "127.0.0.1:80")]
    #[case::name("localhost:80", Address::tcp("localhost", 80), "localhost:80")]
    #[case::ipv6("[::1]:80", Address::tcp("::1", 80), "[::1]:80")]
    #[case::every_host(":10250", Address::tcp("", 10250), ":10250")]
    fn addresses(#[case] text: &str, #[case] address: Address, #[case] shown: &str) {
        assert_eq!(text.parse::<Address>().unwrap(), address);
        assert_eq!(address.to_string(), shown);
        assert_eq!(shown.parse::<Address>().unwrap(), address);
    }

    #[rstest]
    #[case::empty("", "there is no port")]
    #[case::relative("unix://run/x.sock", "the path of a unix socket must be absolute")]
    #[case::no_port("localhost", "there is no port")]
    #[case::large_port("localhost:65536", "the port is not a number from 0 to 65535")]
    #[case::scheme("http://localhost:80", "only unix:// and tcp:// are known")]
    #[case::path("run/x.sock:1", "the host has a slash or a blank")]
    #[case::url("tcp://localhost:80/", "the port is not a number from 0 to 65535")]
    fn no_addresses(#[case] text: &str, #[case] why: &str) {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert_eq!(error, format!("{text:?} is not an address: {why}; write unix:///path/to.sock or host:port"));
    }
}
