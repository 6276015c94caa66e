//! Accepts connections and hands their requests to a router: TCP, TLS that ends here, and the data directory's Unix
//! socket. Puts who is at the other end into each request, limits how long a client may take for its headers, and
//! gives connections up for upgrades. What a request means is the routers' business.

use axum::{Router, body::Body};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use roost_wire::peer::{LocalPeer, OverTls, PeerAddr};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// A client may take this long to send its request headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// ... and this long for its TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers requests: the panel, the node, or both.
pub type Answer = Arc<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>;
/// An answer under way.
pub type Answering = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// An [`Answer`] by one router.
pub fn by_router(router: Router) -> Answer {
    Arc::new(move |request| {
        let router = router.clone();
        Box::pin(async move { router.oneshot(request.map(Body::new)).await })
    })
}

/// Serves TCP (with TLS if there is an acceptor) until cancelled.
pub async fn tcp(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    answer: Answer,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (tls, answer, stop) = (tls.clone(), Arc::clone(&answer), stop.clone());
        tasks.spawn(async move {
            match tls {
                None => connection(TokioIo::new(stream), peer_of(peer, false), answer, stop).await,
                Some(tls) => match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        connection(TokioIo::new(stream), peer_of(peer, true), answer, stop).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
                },
            }
        });
    }
}

/// Serves the Unix socket until cancelled. Only this process's own user and root get an answer, but no server's program
/// that runs as the same user.
pub async fn unix(listener: UnixListener, answer: Answer, stop: CancellationToken, tasks: TaskTracker) {
    let own = rustix::process::geteuid().as_raw();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let uid = match stream.peer_cred() {
            Ok(cred) if own != 0 && cred.uid() == own && cred.pid().is_none_or(roost_keeper::is_held) => {
                tracing::warn!(pid = cred.pid(), "refused a server's program at the Unix socket");
                continue;
            }
            Ok(cred) if cred.uid() == own || cred.uid() == 0 => cred.uid(),
            Ok(cred) => {
                tracing::warn!(uid = cred.uid(), "refused a foreign user at the Unix socket");
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "refused a peer whose user the kernel does not tell");
                continue;
            }
        };
        let (answer, stop) = (Arc::clone(&answer), stop.clone());
        tasks.spawn(connection(TokioIo::new(stream), Peer::Local(uid), answer, stop));
    }
}

#[derive(Clone, Copy)]
enum Peer {
    Tcp { address: SocketAddr, tls: bool },
    Local(u32),
}

fn peer_of(address: SocketAddr, tls: bool) -> Peer {
    Peer::Tcp { address, tls }
}

async fn connection<S>(io: TokioIo<S>, peer: Peer, answer: Answer, stop: CancellationToken)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        match peer {
            Peer::Tcp { address, tls } => {
                request.extensions_mut().insert(PeerAddr(address));
                if tls {
                    request.extensions_mut().insert(OverTls);
                }
            }
            Peer::Local(uid) => {
                request.extensions_mut().insert(LocalPeer { uid });
            }
        }
        answer(request)
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(64 * 1024)
        .half_close(false);
    let connection = builder.serve_connection(io, service).with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => log_end(ended),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            log_end(connection.await);
        }
    }
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

/// Out of descriptors or memory: accepting again at once would spin.
async fn pause_after(error: &io::Error) {
    let of_one_peer = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    );
    if !of_one_peer {
        tracing::error!(%error, "can't accept connections: raise the limit of open files, or close some");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A TLS acceptor from PEM files.
pub fn tls_acceptor(cert: &std::path::Path, key: &std::path::Path) -> anyhow::Result<TlsAcceptor> {
    use anyhow::Context;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| {
            format!(
                "--tls-cert {}: can't read a certificate chain in PEM form",
                cert.display()
            )
        })?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| {
        format!(
            "--tls-key {}: can't read a private key in PEM form",
            key.display()
        )
    })?;
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("--tls-cert and --tls-key do not fit each other")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
