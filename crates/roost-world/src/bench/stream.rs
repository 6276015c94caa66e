//! A viewer's connection, plain or TLS, and a certificate for the other end.
//!
//! The certificate is the one of the node's own tests: for `localhost`, trusted by nobody else.

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

/// Certificate for `localhost`, PEM.
pub const CERT: &[u8] = include_bytes!("../../../roost-node/src/socket/tests/tls/cert.pem");
/// Its key, PEM.
pub const KEY: &[u8] = include_bytes!("../../../roost-node/src/socket/tests/tls/key.pem");

/// One end of a connection.
#[derive(Debug)]
pub enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// As a TLS client.
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// As a TLS server.
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    /// A TLS client on a connection; the handshake is done.
    pub fn client(config: &Arc<ClientConfig>, tcp: TcpStream) -> anyhow::Result<Self> {
        let name = ServerName::try_from("localhost")?;
        let session = ClientConnection::new(Arc::clone(config), name)?;
        let mut stream = StreamOwned::new(session, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::Client(Box::new(stream)))
    }

    /// A TLS server on a connection; the handshake is done.
    pub fn server(config: &Arc<ServerConfig>, tcp: TcpStream) -> anyhow::Result<Self> {
        let session = ServerConnection::new(Arc::clone(config))?;
        let mut stream = StreamOwned::new(session, tcp);
        while stream.conn.is_handshaking() || stream.conn.wants_write() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::Server(Box::new(stream)))
    }

    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Client(tls) => &tls.sock,
            Self::Server(tls) => &tls.sock,
        }
    }
}

/// What trusts [`CERT`].
pub fn client_config() -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERT)?)?;
    Ok(Arc::new(
        ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    ))
}

/// What shows [`CERT`].
pub fn server_config() -> anyhow::Result<Arc<ServerConfig>> {
    let (cert, key) = (
        CertificateDer::from_pem_slice(CERT)?,
        PrivateKeyDer::from_pem_slice(KEY)?,
    );
    Ok(Arc::new(
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)?,
    ))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buf),
            Self::Client(tls) => tls.read(buf),
            Self::Server(tls) => tls.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(buf),
            Self::Client(tls) => tls.write(buf),
            Self::Server(tls) => tls.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Client(tls) => tls.flush(),
            Self::Server(tls) => tls.flush(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp().as_fd()
    }
}
