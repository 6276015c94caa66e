//! The node as a whole: how it starts, what it is asked for, how it ends.
//!
//! ```text
//!   start:    layout, lock ─> recorder, deny list ─> shards, pumps ─> servers on disk ─> (panel, in the background)
//!   shutdown: sockets closed (1012) ─> actors end ─> journals synced; keepers and their programs live on
//! ```
//!
//! Listening is the binary's business: it serves [`Node::router`].

mod layout;
mod revoked;
mod secrets;

pub use layout::Layout;
pub(crate) use layout::make_private;
pub use secrets::{OVERLAP_MS, Secrets};

use crate::{
    activity::{self, Recorder},
    config::{self, ConfigError},
    deny::DenyList,
    pump::Pumps,
    remote::{Panel, PanelError},
    server::{
        Runtimes,
        context::{Context, WALKS},
        directories::Directories,
        handle::{Down, Request},
        registry::Registry,
        runtimes::Failures,
    },
    socket::{Filter, Settings, Setup, Shards, ViewThrottle},
};
use roost_wire::{
    clock::Clock,
    close::Close,
    node_api::DeauthorizeUser,
    node_config::{NodeConfig, Throttles},
    power::PowerState,
};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Semaphore, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// Threads that read keepers and write journals, at most.
const PUMPS_MAX: usize = 4;
/// How long actors and background tasks may take to end.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// What a node needs to start.
#[derive(Clone)]
pub struct NodeOptions {
    /// The configuration.
    pub config: NodeConfig,
    /// The file that it came from, if there is one: a new secret is written there.
    pub config_path: Option<PathBuf>,
    /// The program whose verb `keeper` is a keeper.
    pub keeper_program: PathBuf,
    /// Files and directories beside the node's own that servers must not read which run as the node's own user.
    pub private: Vec<PathBuf>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Pages whose origin is the node's own host may open sockets: panel and node share an address.
    pub own_origin_ok: bool,
}

/// Why a node can't start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its directories can't be used.
    #[error("the node's directory {path} can't be used: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another node holds the directory.
    #[error("another node runs on {0}: stop it first, or give this one another system.root_directory")]
    InUse(PathBuf),
    /// The panel's address can't be used.
    #[error("the panel at `{remote}` can't be asked: {source}")]
    Panel {
        /// `remote` of the configuration.
        remote: String,
        /// Why.
        source: PanelError,
    },
    /// A runtime can't be set up.
    #[error("{0}")]
    Runtime(String),
    /// A thread can't be started.
    #[error("the node's threads can't be started: {0}")]
    Threads(io::Error),
}

/// A running node. Cheap to clone.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    context: Arc<Context>,
    servers: Registry,
    secrets: Secrets,
    deny: Arc<DenyList>,
    config_path: Option<PathBuf>,
    own_origin_ok: bool,
    /// Set off once the panel was asked what it has revoked.
    knows_revoked: CancellationToken,
    background: TaskTracker,
    /// Held as long as the node lives; closed in children.
    _lock: File,
}

impl Node {
    /// Starts a node. Returns when sockets can be opened to all servers that its disk knows, whether the panel answers
    /// or not.
    pub async fn start(options: NodeOptions) -> Result<Self, NodeError> {
        let NodeOptions {
            config,
            config_path,
            keeper_program,
            mut private,
            clock,
            own_origin_ok,
        } = options;
        let root = PathBuf::from(&config.system.root_directory);
        let directory = |source| NodeError::Directory {
            path: root.clone(),
            source,
        };
        let layout = Layout::prepare(&root, Path::new(&config.system.data)).map_err(directory)?;
        let lock = take_lock(&layout.lock())
            .map_err(directory)?
            .ok_or_else(|| NodeError::InUse(root.clone()))?;

        let previous = config.previous_token.as_deref();
        let secrets = Secrets::new(&config.token_id, &config.token, previous, Arc::clone(&clock));
        let recorder = Recorder::open(&layout.activity(), Arc::clone(&clock)).map_err(directory)?;
        let deny = Arc::new(DenyList::open(layout.root(), Arc::clone(&clock)).map_err(directory)?);
        let panel = Panel::new(&config.remote, secrets.clone()).map_err(|source| NodeError::Panel {
            remote: config.remote.clone(),
            source,
        })?;
        private.extend([layout.root().to_owned(), layout.all_data().to_owned()]);
        private.extend(config_path.clone());
        let mut own = private.clone();
        own.extend([keeper_program.clone(), PathBuf::from("/run/roost")]);
        own.extend(Some(PathBuf::from(&config.api.ssl.key)).filter(|key| key.is_absolute()));
        let runtimes = Runtimes::new(&config, &keeper_program, private).map_err(NodeError::Runtime)?;
        let shards = Shards::start(Setup {
            settings: Settings {
                log_count: u64::from(config.system.websocket_log_count),
                throttle: view_throttle(config.throttles.as_ref()),
                ..Settings::of(&config.roost.consoles)
            },
            secrets: secrets.clone(),
            deny: Arc::clone(&deny),
            clock: Arc::clone(&clock),
            recorder: Arc::new(recorder.clone()),
        })
        .map_err(NodeError::Threads)?;
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(PUMPS_MAX));
        let pumps = Pumps::start(threads, Arc::new(shards.clone()), Arc::clone(&clock))
            .map_err(NodeError::Threads)?;

        let boot_starts = usize::try_from(config.roost.boot_starts.max(1)).unwrap_or(1);
        let context = Arc::new(Context {
            layout,
            timezone: timezone(&config.system.timezone),
            config,
            clock,
            panel,
            pumps,
            shards,
            recorder,
            directories: Directories::new(own),
            runtimes,
            boot_starts: Arc::new(Semaphore::new(boot_starts)),
            walks: Arc::new(Semaphore::new(WALKS)),
            going_down: AtomicBool::new(false),
            closing: CancellationToken::new(),
        });
        let node = Self(Arc::new(Inner {
            servers: Registry::new(Arc::clone(&context)),
            context,
            secrets,
            deny,
            config_path,
            own_origin_ok,
            knows_revoked: CancellationToken::new(),
            background: TaskTracker::new(),
            _lock: lock,
        }));
        node.in_background({
            let node = node.clone();
            async move { node.catch_up_on_revocations().await }
        });
        node.0.servers.load().await.map_err(directory)?;
        node.in_background(activity::ship(
            node.0.context.recorder.clone(),
            node.0.context.panel.clone(),
        ));
        let servers = node.0.servers.clone();
        node.in_background(async move { servers.follow_panel().await });
        Ok(node)
    }

    /// The HTTP API.
    pub fn router(&self) -> axum::Router {
        crate::http::router(self.clone())
    }

    /// What went wrong with servers' programs.
    pub(crate) fn failures(&self) -> &Failures {
        self.0.context.runtimes.failures()
    }

    /// All servers.
    pub fn servers(&self) -> &Registry {
        &self.0.servers
    }

    /// How many servers have a program.
    pub fn running(&self) -> usize {
        let all = self.0.servers.all();
        all.iter()
            .filter(|server| server.view.borrow().state != PowerState::Offline)
            .count()
    }

    /// Stops all servers, each its own way and with its own kill timer, all at once. What each does is told by name
    /// and in a word or two; returns when all are offline. From then on none can be started.
    pub async fn stop_all(&self, why: Down, progress: mpsc::Sender<(String, String)>) {
        self.0.context.going_down.store(true, Ordering::Relaxed);
        let stops = self.0.servers.all().into_iter().map(|server| {
            let progress = progress.clone();
            let name = self
                .0
                .servers
                .definition(server.uuid)
                .map_or_else(|| server.uuid.to_string(), |d| d.name());
            async move {
                if server.mailbox.send(Request::Down(why)).await.is_err() {
                    return;
                }
                let mut view = server.view.clone();
                let mut told = None;
                loop {
                    let (state, installing) = {
                        let now = view.borrow_and_update();
                        (now.state, now.installing)
                    };
                    let is_over = state == PowerState::Offline && !installing;
                    if told != Some(state) {
                        let _ = progress.send((name.clone(), state.to_string())).await;
                        told = Some(state);
                    }
                    if is_over || view.changed().await.is_err() {
                        return;
                    }
                }
            }
        });
        futures_util::future::join_all(stops).await;
    }

    /// Ends the node within a few seconds: sockets are closed, journals synced. Servers run on in their keepers.
    pub async fn shutdown(&self) {
        let context = &self.0.context;
        context.closing.cancel();
        self.0.background.close();
        let shards = context.shards.clone();
        let _ = tokio::task::spawn_blocking(move || shards.shutdown()).await;
        let ended = tokio::time::timeout(END_PATIENCE, async {
            self.0.servers.wait().await;
            self.0.background.wait().await;
        });
        if ended.await.is_err() {
            tracing::warn!("not every task of the node has ended in time");
        }
        let pumps = context.pumps.clone();
        let _ = tokio::task::spawn_blocking(move || pumps.shutdown()).await;
    }

    /// Pages of these origins may open sockets, beside the panel's.
    pub fn allowed_origins(&self) -> &[String] {
        &self.0.context.config.allowed_origins
    }

    /// The panel's address.
    pub fn remote(&self) -> &str {
        &self.0.context.config.remote
    }

    /// How the daemon names itself in its lines.
    pub fn app_name(&self) -> &str {
        &self.0.context.config.app_name
    }

    /// The configuration as it was at start; its secret may have been replaced since.
    pub fn config(&self) -> &NodeConfig {
        &self.0.context.config
    }

    /// See [`NodeOptions::own_origin_ok`].
    pub fn own_origin_ok(&self) -> bool {
        self.0.own_origin_ok
    }

    /// The viewers.
    pub fn shards(&self) -> &Shards {
        &self.0.context.shards
    }

    /// The audit.
    pub fn recorder(&self) -> &Recorder {
        &self.0.context.recorder
    }

    /// The secret, and the old one while it is being replaced.
    pub fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    /// Tokens that are refused although they are genuine.
    pub fn deny(&self) -> &Arc<DenyList> {
        &self.0.deny
    }

    pub(crate) fn pumps(&self) -> &Pumps {
        &self.0.context.pumps
    }

    /// Closes what `filter` names; how many those were.
    pub(crate) async fn close_sockets(&self, filter: Filter, why: Close, by: Option<String>) -> usize {
        let shards = self.0.context.shards.clone();
        let closing = move || shards.close(&filter, why, by.as_deref());
        tokio::task::spawn_blocking(closing).await.unwrap_or(0)
    }

    pub(crate) async fn deny_tokens(&self, server: Uuid, jtis: &[String]) -> io::Result<()> {
        let (deny, jtis) = (Arc::clone(&self.0.deny), jtis.to_vec());
        let denying = move || deny.deny_tokens(server, &jtis);
        tokio::task::spawn_blocking(denying)
            .await
            .map_err(io::Error::other)?
    }

    pub(crate) async fn deny_user(&self, order: &DeauthorizeUser) -> io::Result<()> {
        let (deny, order) = (Arc::clone(&self.0.deny), order.clone());
        let denying = move || {
            let credential = order.credential.as_deref();
            deny.deny_user(order.user, &order.servers, credential, order.issued_until)
        };
        tokio::task::spawn_blocking(denying)
            .await
            .map_err(io::Error::other)?
    }

    /// Takes a new secret; false if it is none or the one in use. The old one stays valid for [`OVERLAP_MS`].
    pub(crate) async fn replace_secret(&self, token: &str) -> Result<bool, ConfigError> {
        let Some(old) = self.0.secrets.replace(token) else {
            return Ok(false);
        };
        tracing::info!("the node's secret was replaced by the panel");
        if let Some(path) = self.0.config_path.clone() {
            let token = token.to_owned();
            let writing = move || config::replace_token(&path, &token, &old);
            tokio::task::spawn_blocking(writing).await.unwrap_or(Ok(()))?;
        }
        Ok(true)
    }

    /// Runs until the node closes.
    fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        let closing = self.0.context.closing.clone();
        self.0.background.spawn(async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = work => {}
            }
        });
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("uuid", &self.0.context.config.uuid)
            .finish_non_exhaustive()
    }
}

/// `None` if another process holds it.
fn take_lock(path: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{FlockOperation, flock};
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The view throttle, where the settings have one that is on. Without lines it would show nothing at all: then it is off.
fn view_throttle(configured: Option<&Throttles>) -> Option<ViewThrottle> {
    let throttles = configured.filter(|t| t.enabled && t.lines > 0 && t.line_reset_interval > 0)?;
    tracing::info!(
        lines = throttles.lines,
        interval_ms = throttles.line_reset_interval,
        "viewers are shown at most so many lines an interval (`throttles`); the journal gets all"
    );
    Some(ViewThrottle {
        lines: u64::from(throttles.lines),
        interval: Duration::from_millis(throttles.line_reset_interval),
    })
}

/// `TZ` of servers: as configured, else the node's own.
fn timezone(configured: &str) -> String {
    let own = || {
        let zone = jiff::tz::TimeZone::system();
        zone.iana_name().unwrap_or("UTC").to_owned()
    };
    if configured.is_empty() {
        own()
    } else {
        configured.to_owned()
    }
}
