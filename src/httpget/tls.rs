//! TLS on a connection that is open: with authorities that must vouch for the server, or with none as probes and hooks want it. Not
//! HTTP. Words for failures as Go's `crypto/tls` and `crypto/x509`.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    time_provider::TimeProvider,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use world::{Files, clock::WallClock, net::Conn};

/// What Go says when an HTTPS client is answered in plain HTTP.
pub const PLAIN_ANSWER: &str = "http: server gave HTTP response to HTTPS client";

/// Where Go looks for the host's authorities on Linux: the first file that is there counts.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The largest file of authorities.
const LIMIT: u64 = 16 << 20;

/// Who must vouch for a server.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Nobody: any certificate is good.
    Anyone,
    /// The host's authorities.
    Authorities(Arc<Authorities>),
}

/// The host's authorities, and the clock by which certificates are valid.
#[derive(Debug)]
pub struct Authorities {
    roots: Arc<RootCertStore>,
    clock: WallClock,
}

impl Authorities {
    /// Reads the host's. Certificates that cannot be read are left out, as Go does.
    pub fn of_host(files: &Files, clock: WallClock) -> Self {
        let mut roots = RootCertStore::empty();
        let bundle = BUNDLES.iter().find_map(|path| files.read(Path::new(path), LIMIT).ok()).unwrap_or_default();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).filter_map(Result::ok));
        Self { roots: Arc::new(roots), clock }
    }
}

/// Shakes hands as a client. `host` is the name or address that was asked for.
///
/// # Errors
/// Go's words, without the URL.
pub async fn connect(conn: Conn, host: &str, trust: &Trust) -> Result<Conn, String> {
    let config = config(trust).map_err(|error| format!("tls: {error}"))?;
    let host = if host.is_empty() { "localhost" } else { host };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("tls: {error}"))?;
    let (local, peer) = (conn.local().clone(), conn.peer().clone());
    let start = Start { conn, first: Vec::new() };
    match TlsConnector::from(Arc::new(config)).connect(name, start).into_fallible().await {
        Ok(stream) => Ok(Conn::new(stream, local, peer)),
        Err((error, start)) => Err(start.words(&error)),
    }
}

fn config(trust: &Trust) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let clock = match trust {
        Trust::Anyone => Clock(None),
        Trust::Authorities(authorities) => Clock(Some(authorities.clock.clone())),
    };
    let builder =
        ClientConfig::builder_with_details(provider.clone(), Arc::new(clock)).with_safe_default_protocol_versions()?;
    let mut config = match trust {
        Trust::Anyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
        Trust::Authorities(authorities) => {
            builder.with_root_certificates(authorities.roots.clone()).with_no_client_auth()
        }
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The world's clock; without one no time is asked for.
#[derive(Debug)]
struct Clock(Option<WallClock>);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.as_ref().map_or(0, |clock| clock.now().as_second());
        Some(UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
    }
}

/// Takes every certificate; signatures of the handshake must still be right.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection that remembers how the other end's first words began.
struct Start {
    conn: Conn,
    first: Vec<u8>,
}

impl Start {
    fn words(&self, error: &io::Error) -> String {
        if self.first.starts_with(b"HTTP/") {
            return PLAIN_ANSWER.to_owned();
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::InvalidCertificate(why)) => {
                format!("tls: failed to verify certificate: x509: {}", certificate(why))
            }
            Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                "tls: first record does not look like a TLS handshake".to_owned()
            }
            Some(Error::AlertReceived(alert)) => format!("remote error: tls: {alert:?}"),
            Some(other) => format!("tls: {other}"),
            None => match error.kind() {
                io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
                io::ErrorKind::ConnectionReset => "read: connection reset by peer".to_owned(),
                io::ErrorKind::BrokenPipe => "write: broken pipe".to_owned(),
                _ => error.to_string(),
            },
        }
    }
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => "certificate signed by unknown authority".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired or is not yet valid".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate has expired or is not yet valid".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "certificate is not valid for the host asked for".to_owned()
        }
        other => other.to_string(),
    }
}

impl AsyncRead for Start {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.conn).poll_read(cx, buf);
        let wanted = 5_usize.saturating_sub(self.first.len());
        if wanted > 0 {
            self.first.extend(buf.filled().iter().skip(before).take(wanted));
        }
        polled
    }
}

impl AsyncWrite for Start {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.conn).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.conn).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.conn).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
