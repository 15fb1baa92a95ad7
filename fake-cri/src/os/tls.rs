//! TLS of simulated servers: one certificate for all, of a key that is no secret. Not the client's side.

use std::{io, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsAcceptor;
use world::net::Conn;

/// The certificate of every simulated HTTPS server, in PEM: for `localhost`, `fake-cri`, `manifests.example` and 127.0.0.1, from 2020 to
/// 2119. Whoever is to trust it puts it among the authorities.
pub const CERTIFICATE: &str = include_str!("tls/certificate.pem");

/// How an Ed25519 key starts in PKCS #8, and its 32 bytes. Signatures of this kind are all of one length.
const KEY: [&[u8]; 2] =
    [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", b"the key of fake-cri is no secret"];

/// What opens connections as a server.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// The one certificate, TLS 1.2 and 1.3, no resumption.
    pub fn server() -> Self {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("the file is a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY.concat()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("key and certificate belong together");
        config.send_tls13_tickets = 0;
        Self(TlsAcceptor::from(Arc::new(config)))
    }

    /// Shakes hands on a connection that a client opened.
    ///
    /// # Errors
    /// The client speaks no TLS, or goes away.
    pub async fn accept(&self, conn: Conn) -> io::Result<Conn> {
        let (local, peer) = (conn.local().clone(), conn.peer().clone());
        Ok(Conn::new(self.0.accept(conn).await?, local, peer))
    }
}
