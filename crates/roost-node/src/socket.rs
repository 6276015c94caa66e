//! Shards: the viewers of the consoles.
//!
//! A few OS threads with an epoll each own all viewers: plain or TLS streams on which frames are written by hand. No
//! task and no WebSocket library a viewer; a viewer is a socket, a cursor and a few deadlines.

use crate::{pump::Wake, server::handle::ServerHandle};
use bytes::Bytes;
use roost_wire::{close::Close, node_api::SocketInfo};
use std::{net::IpAddr, sync::Arc};
use uuid::Uuid;

/// An upgraded connection, with what was read of it already.
pub enum Upgraded {
    /// Plain TCP.
    Plain(std::net::TcpStream, Bytes),
    /// TLS: the TCP stream and its session.
    Tls(std::net::TcpStream, Box<rustls::ServerConnection>, Bytes),
}

/// What is known of a connection at the upgrade.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The viewer's address (behind trusted proxies, the forwarded one).
    pub address: IpAddr,
    /// `?token=` of the page's snippet, if there was one; `Some("")` for an empty or repeated one.
    pub query_token: Option<String>,
}

/// All shards. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shards(Arc<()>);

impl Wake for Shards {
    fn published(&self, _server: Uuid) {}
}

impl Shards {
    /// Gives a connection to a shard, which owns it from now on.
    pub fn adopt(&self, _stream: Upgraded, _server: ServerHandle, _peer: Peer) {}
    /// The latest figures of a server, for all its viewers; one that is busy skips them.
    pub fn stats(&self, _server: Uuid, _stats: &roost_wire::stats::Stats) {}
    /// Closes what `filter` names. Returns when the closes are under way.
    pub fn close(&self, _filter: Filter, _why: Close) {}
    /// All authenticated viewers.
    pub fn list(&self) -> Vec<SocketInfo> {
        Vec::new()
    }
    /// Closes all with [`Close::Restarting`], waits up to a second for the closes to leave, ends the threads.
    pub fn shutdown(&self) {}
}

/// Which viewers.
#[derive(Debug, Clone)]
pub enum Filter {
    /// This one.
    Socket(Uuid),
    /// Everybody on this server.
    Server(Uuid),
    /// This user, on these servers (empty: all), and only by this credential if one is named.
    User {
        /// Who.
        user: Uuid,
        /// Where.
        servers: Vec<Uuid>,
        /// By what.
        credential: Option<String>,
    },
    /// Holders of tokens with these ids on this server.
    Tokens {
        /// Where.
        server: Uuid,
        /// `jti`s.
        jtis: Vec<String>,
    },
}
