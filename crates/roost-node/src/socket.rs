//! Shards: the viewers of the consoles.
//!
//! ```text
//!   http/upgrade ──adopt──> shard 0 ┐   each: one thread, one epoll, many viewers
//!   pump ──published(server)──> ... ├── a viewer is a socket, a cursor, a checked token and a few times
//!   actor ──stats, close──> shard n ┘
//! ```
//!
//! Frames are written by hand on the upgraded stream, plain or TLS: server frames carry no mask, so one encoded batch
//! is the same bytes for every viewer. No task, no buffer and no WebSocket library a viewer. Who may have a token is the
//! panel's business, and what a server does is its actor's.

mod atomics;
mod audit;
mod awake;
mod catch_up;
mod delivery;
mod frame_reader;
mod history_pool;
mod inbound;
mod inbox;
mod joined;
mod latency;
mod limits;
mod membership;
mod message_limits;
mod news;
mod page;
mod pings;
mod presence;
mod replay;
mod search;
mod session;
mod shard;
mod shown;
mod slots;
mod stream;
mod throttle;
mod v1;
mod viewer;
mod visit;
mod watchers;

#[cfg(test)]
mod tests;

pub use audit::Recorder;
pub use latency::{BOUNDS as LATENCY_BOUNDS, Latencies};
pub use limits::{Permit, Settings, TooMany};
pub use throttle::ViewThrottle;

use crate::{deny::DenyList, node::Secrets, pump::Wake, search::Searches, server::handle::ServerHandle};
use bytes::Bytes;
use inbox::{Inbox, Post};
use roost_wire::{
    clock::{Clock, Millis},
    close::Close,
    event,
    node_api::SocketInfo,
    v1::Code,
};
use std::{
    fmt, io,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// How long a question to all shards may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// An upgraded connection, with what was read of it already.
pub enum Upgraded {
    /// Plain TCP.
    Plain(std::net::TcpStream, Bytes),
    /// TLS: the TCP stream and its session.
    Tls(std::net::TcpStream, Box<rustls::ServerConnection>, Bytes),
}

/// What is known of a connection at the upgrade.
pub struct Peer {
    /// The viewer's address (behind trusted proxies, the forwarded one).
    pub address: IpAddr,
    /// `?token=` of the page's snippet, if there was one; `Some("")` for an empty or repeated one.
    pub query_token: Option<String>,
    /// From [`Shards::admit`].
    pub permit: Option<Permit>,
    /// Whether `roost.v1` was agreed on.
    pub is_v1: bool,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the token.
        f.debug_struct("Peer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What the shards need from the rest of the node.
#[derive(Clone)]
pub struct Setup {
    /// Limits and times.
    pub settings: Settings,
    /// Signing secrets.
    pub secrets: Secrets,
    /// Tokens that are refused although they are genuine.
    pub deny: Arc<DenyList>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Where audit rows go.
    pub recorder: Arc<dyn Recorder>,
}

/// All shards. Cheap to clone.
#[derive(Clone)]
pub struct Shards(Arc<Inner>);

struct Inner {
    hub: Arc<Hub>,
    inboxes: Vec<Arc<Inbox>>,
    /// Each is its thread's, and ends with it.
    shards: Vec<Weak<Mutex<shard::Shard>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What all shards share.
struct Hub {
    settings: Settings,
    secrets: Secrets,
    deny: Arc<DenyList>,
    clock: Arc<dyn Clock>,
    audit: audit::Audit,
    watches: watchers::Watches,
    admissions: Arc<limits::Admissions>,
    message_limits: message_limits::MessageLimits,
    history: history_pool::HistoryPool,
    searches: Searches,
    counters: Counters,
    latency: latency::Latency,
}

/// Sums since the start, but for `viewers`, which is now.
#[derive(Debug, Default)]
struct Counters {
    viewers: AtomicU64,
    flushes: AtomicU64,
    deliveries: AtomicU64,
    slow: AtomicU64,
    missed: AtomicU64,
    gaps: AtomicU64,
    throttled: AtomicU64,
    refused: AtomicU64,
    closed: AtomicU64,
    /// By the places of [`Close::ALL`].
    closed_by: [AtomicU64; Close::ALL.len()],
    ignored: AtomicU64,
    dropped: AtomicU64,
    /// By the places of [`Code::ALL`].
    refused_by: [AtomicU64; Code::ALL.len()],
}

impl Counters {
    /// A request was not carried out.
    fn refuse(&self, code: Code) {
        self.refused_by[code as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Figures of the viewers' side, for metrics. Sums since the start, but for `viewers`, which is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Viewers with a valid token.
    pub viewers: u64,
    /// Passes over a server's live viewers.
    pub flushes: u64,
    /// Lines times live viewers.
    pub deliveries: u64,
    /// Times that a socket did not take all at once.
    pub slow: u64,
    /// Lines that viewers were told to be missing.
    pub missed: u64,
    /// Gaps that viewers were told of.
    pub gaps: u64,
    /// Lines that a view throttle left out.
    pub throttled: u64,
    /// Refused tokens and sockets.
    pub refused: u64,
    /// Sockets that have ended.
    pub closed: u64,
    /// Messages that were no known event.
    pub ignored: u64,
    /// Messages over the limit.
    pub dropped: u64,
}

/// Why a viewer's turn ends it.
#[derive(Debug)]
enum Ended {
    /// The connection is gone.
    Lost,
    /// The viewer closed it.
    ByPeer(Option<u16>),
    /// The node does.
    By(Close),
    /// Somebody does, by name.
    ByAdmin(Close, String),
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Lost
    }
}

impl Wake for Shards {
    fn published(&self, server: Uuid) {
        self.0.hub.watches.news(server, |shard| {
            if !self.0.visit(shard, server) {
                self.0.inboxes[shard].news(server);
            }
        });
    }
}

impl Shards {
    /// Starts the threads.
    pub fn start(setup: Setup) -> io::Result<Self> {
        let threads = setup.settings.threads.max(1);
        let hub = Arc::new(Hub {
            audit: audit::Audit::new(setup.recorder),
            watches: watchers::Watches::new(threads),
            admissions: Arc::default(),
            message_limits: message_limits::MessageLimits::default(),
            history: history_pool::HistoryPool::start()?,
            searches: Searches::start()?,
            counters: Counters::default(),
            latency: latency::Latency::default(),
            settings: setup.settings,
            secrets: setup.secrets,
            deny: setup.deny,
            clock: setup.clock,
        });
        let (mut inboxes, mut shards) = (Vec::new(), Vec::new());
        let mut handles = Vec::new();
        for number in 0..threads {
            let inbox = Arc::new(Inbox::new()?);
            let shard = shard::Shard::new(number, Arc::clone(&hub), Arc::clone(&inbox))?;
            let shard = Arc::new(Mutex::new(shard));
            shards.push(Arc::downgrade(&shard));
            let thread = std::thread::Builder::new().name(format!("shard-{number}"));
            handles.push(thread.spawn(move || shard::Shard::run(&shard))?);
            inboxes.push(inbox);
        }
        Ok(Self(Arc::new(Inner {
            hub,
            inboxes,
            shards,
            threads: Mutex::new(handles),
        })))
    }

    /// Asks whether one more socket of this address may be opened, before it is upgraded. `by_address` is false where
    /// the address is that of a proxy whose headers are not believed. The permit goes into [`Peer`].
    pub fn admit(&self, address: IpAddr, by_address: bool) -> Result<Permit, TooMany> {
        self.0
            .hub
            .admissions
            .guest(address, by_address, &self.0.hub.settings)
    }

    /// Records a socket that was refused before it was opened.
    pub fn record_refusal(&self, server: Uuid, address: IpAddr, reason: &str) {
        self.0.hub.counters.refused.fetch_add(1, Ordering::Relaxed);
        self.0
            .hub
            .audit
            .refused(None, server, address, reason, Instant::now());
    }

    /// Gives a connection to a shard, which owns it from now on.
    pub fn adopt(&self, stream: Upgraded, server: ServerHandle, peer: Peer) {
        let shard = self.0.hub.watches.enter(server.uuid);
        self.0.inboxes[shard].post(Post::Adopt(Box::new((stream, server, peer))));
    }

    /// The latest figures of a server, for all its viewers; one that is busy skips them.
    pub fn stats(&self, server: Uuid, stats: &roost_wire::stats::Stats) {
        let mut frame = None;
        self.0.hub.watches.shards_of(server, |shard| {
            let frame =
                frame.get_or_insert_with(|| Bytes::from(event::frame(event::STATS, &[&stats.to_json()])));
            self.0.inboxes[shard].stats(server, frame.clone());
        });
    }

    /// Closes what `filter` names and returns how many those were, when the closes are under way. `by` is whoever wants
    /// it, for the audit. With [`Close::Suspended`] administrators stay. Waits for the shards, mostly well below a
    /// millisecond.
    pub fn close(&self, filter: &Filter, why: Close, by: Option<&str>) -> usize {
        let (done, answers) = mpsc::channel();
        for inbox in &self.0.inboxes {
            let (filter, by, done) = (filter.clone(), by.map(str::to_owned), done.clone());
            inbox.post(Post::Close {
                filter,
                why,
                by,
                done,
            });
        }
        drop(done);
        self.gather(&answers).into_iter().sum()
    }

    /// All authenticated viewers. Waits for the shards, as [`Self::close`] does.
    pub fn list(&self) -> Vec<SocketInfo> {
        let (reply, answers) = mpsc::channel();
        for inbox in &self.0.inboxes {
            inbox.post(Post::List(reply.clone()));
        }
        drop(reply);
        self.gather(&answers).into_iter().flatten().collect()
    }

    /// An answer of each shard, as far as they come in time.
    fn gather<T>(&self, answers: &mpsc::Receiver<T>) -> Vec<T> {
        let end = Instant::now() + PATIENCE;
        let next = || {
            answers
                .recv_timeout(end.saturating_duration_since(Instant::now()))
                .ok()
        };
        let all: Vec<T> = std::iter::from_fn(next).take(self.0.inboxes.len()).collect();
        if all.len() < self.0.inboxes.len() {
            tracing::warn!(
                answers = all.len(),
                shards = self.0.inboxes.len(),
                "not all shards answered in time"
            );
        }
        all
    }

    /// The threads that search; they end with the shards.
    pub(crate) fn searches(&self) -> &Searches {
        &self.0.hub.searches
    }

    /// Figures for metrics.
    pub fn counts(&self) -> Counts {
        let counters = &self.0.hub.counters;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            viewers: of(&counters.viewers),
            flushes: of(&counters.flushes),
            deliveries: of(&counters.deliveries),
            slow: of(&counters.slow),
            missed: of(&counters.missed),
            gaps: of(&counters.gaps),
            throttled: of(&counters.throttled),
            refused: of(&counters.refused),
            closed: of(&counters.closed),
            ignored: of(&counters.ignored),
            dropped: of(&counters.dropped),
        }
    }

    /// How many sockets the node has closed, by why.
    pub fn closes(&self) -> [(Close, u64); Close::ALL.len()] {
        let closed = &self.0.hub.counters.closed_by;
        std::array::from_fn(|at| (Close::ALL[at], closed[at].load(Ordering::Relaxed)))
    }

    /// How many requests of viewers were not carried out, by why.
    pub fn refusals(&self) -> [(Code, u64); Code::ALL.len()] {
        let refused = &self.0.hub.counters.refused_by;
        std::array::from_fn(|at| (Code::ALL[at], refused[at].load(Ordering::Relaxed)))
    }

    /// How much work waits for a thread, by the queue's name.
    pub fn queues(&self) -> [(&'static str, usize); 2] {
        let hub = &self.0.hub;
        [
            ("history", hub.history.waiting()),
            ("search", hub.searches.waiting()),
        ]
    }

    /// How long flushes took.
    pub fn latencies(&self) -> Latencies {
        self.0.hub.latency.read()
    }

    /// Closes all with [`Close::Restarting`], waits up to a second for the closes to leave, ends the threads.
    pub fn shutdown(&self) {
        for inbox in &self.0.inboxes {
            inbox.post(Post::Shutdown);
        }
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a shard had ended by a panic");
            }
        }
        self.0.hub.history.end();
        self.0.hub.searches.end();
    }
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards")
            .field("threads", &self.0.inboxes.len())
            .finish_non_exhaustive()
    }
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
        /// Only with tokens issued up to then.
        issued_until: Option<Millis>,
    },
    /// Holders of tokens with these ids on this server.
    Tokens {
        /// Where.
        server: Uuid,
        /// `jti`s.
        jtis: Vec<String>,
    },
}

impl Filter {
    fn names(&self, viewer: &viewer::Viewer) -> bool {
        let session = viewer.session.as_deref();
        match self {
            Self::Socket(id) => session.is_some_and(|session| session.socket == *id),
            Self::Server(server) => viewer.server == *server,
            Self::User {
                user,
                servers,
                credential,
                issued_until,
            } => session.is_some_and(|session| {
                session.user == *user
                    && issued_until.is_none_or(|until| session.issued_ms <= until)
                    && (servers.is_empty() || servers.contains(&viewer.server))
                    && credential
                        .as_deref()
                        .is_none_or(|named| session.credential.as_deref() == Some(named))
            }),
            Self::Tokens { server, jtis } => session.is_some_and(|session| {
                viewer.server == *server && jtis.iter().any(|jti| **jti == *session.token_id)
            }),
        }
    }
}
