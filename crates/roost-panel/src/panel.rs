//! The panel as a whole: what it is started with, and what its parts share.
//!
//! Serving connections is the binary's business: it puts [`roost_wire::peer::PeerAddr`] or
//! [`roost_wire::peer::LocalPeer`] into each request and hands it to [`Panel::router`].

use crate::{
    http,
    node_client::NodeClient,
    service::{
        ServiceError, accounts,
        nodes::NodeSecrets,
        revocation::Revocations,
        secrets::{Passwords, Sealer},
    },
    store::{Store, StoreError},
};
use roost_wire::{clock::Clock, origin::Origin, peer::TrustedProxies};
use std::{fmt, net::SocketAddr, ops::Deref, sync::Arc};

/// What a panel is started with.
#[derive(Clone)]
pub struct PanelOptions {
    /// Path of the SQLite file, or `postgres://...`.
    pub database: String,
    /// Seals the nodes' secrets at rest; kept by the caller in a file of mode 0600.
    pub key: [u8; 32],
    /// Where people reach it, if that is known: `https://panel.example.com`, no path.
    pub public_url: Option<String>,
    /// Networks whose forwarded headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// Further origins whose pages may change things with a cookie.
    pub allowed_origins: Vec<Origin>,
    /// Whoever may open a console gets `["*"]` on it (`token_permissions = "full"`).
    pub token_permissions_full: bool,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Where the node `local` inside `roost up` is reached by the panel.
    pub local_listen: Option<SocketAddr>,
}

impl fmt::Debug for PanelOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanelOptions")
            .field("public_url", &self.public_url)
            .field("local_listen", &self.local_listen)
            .finish_non_exhaustive()
    }
}

/// Why a panel can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum PanelError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The public URL.
    #[error("the public URL: {0}")]
    PublicUrl(#[from] roost_wire::origin::NotAnOrigin),
    /// What speaks to the nodes.
    #[error("nodes can't be spoken to: {0}")]
    NodeClient(#[from] reqwest::Error),
}

/// What all parts of a panel share. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of [`App`].
pub struct Parts {
    /// What is remembered.
    pub store: Store,
    /// Seals and opens the nodes' secrets.
    pub sealer: Sealer,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// The nodes' secrets, opened.
    pub node_secrets: NodeSecrets,
    /// Speaks to the nodes.
    pub node_client: NodeClient,
    /// Wakes whoever tells the nodes that access ended.
    pub revocations: Revocations,
    /// The public URL, parsed.
    pub public_origin: Option<Origin>,
    /// What it was started with.
    pub options: PanelOptions,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Now, in milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        self.options.clock.now()
    }
}

/// A panel, open.
#[derive(Clone)]
pub struct Panel {
    app: App,
}

impl Panel {
    /// Opens the store, brings its tables up to date and makes what must exist.
    pub async fn open(options: PanelOptions) -> Result<Self, PanelError> {
        let store = Store::open(&options.database).await?;
        let public_origin = options.public_url.as_deref().map(Origin::parse).transpose()?;
        let app = App(Arc::new(Parts {
            store,
            sealer: Sealer::new(&options.key),
            passwords: Passwords::new(),
            node_secrets: NodeSecrets::default(),
            node_client: NodeClient::new()?,
            revocations: Revocations::default(),
            public_origin,
            options,
        }));
        accounts::ensure_cli(&app).await?;
        crate::service::revocation::start(&app);
        Ok(Self { app })
    }

    /// What answers requests.
    pub fn router(&self) -> axum::Router {
        http::router(self.app.clone())
    }

    /// What the parts share, for those that run beside the router.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Whether somebody can administer this panel.
    pub async fn has_admin(&self) -> Result<bool, PanelError> {
        Ok(self.app.store.has_admin().await?)
    }
}
