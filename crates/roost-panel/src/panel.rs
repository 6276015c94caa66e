//! The panel as a whole: what it is started with, and what its parts share.
//!
//! Serving connections is the binary's business: it puts [`roost_wire::peer::PeerAddr`] or
//! [`roost_wire::peer::LocalPeer`] into each request and hands it to [`Panel::router`].

use crate::{
    http,
    node_client::NodeClient,
    service::{
        ServiceError, accounts,
        audit::Actor,
        nodes::{self, LocalNode, NodeSecrets},
        revocation::Revocations,
        secrets::{Passwords, Sealer},
        servers,
    },
    store::{Store, StoreError},
};
use roost_wire::{
    admin_api::{NewServer, NewUser, ServerSettings},
    clock::Clock,
    origin::Origin,
    peer::TrustedProxies,
};
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
    /// Where this panel is reached on its own machine: `http://127.0.0.1:8080`. For those who came by its Unix socket
    /// while there is no public URL.
    pub own_url: Option<String>,
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

    /// Makes an administrator.
    pub async fn create_admin(&self, name: &str, password: &str) -> Result<(), PanelError> {
        let new = NewUser {
            name: name.to_owned(),
            email: None,
            admin: true,
            password: password.to_owned(),
        };
        accounts::create(&self.app, &Actor::start(), new).await?;
        Ok(())
    }

    /// What the node inside `roost up` is started with; made where it is missing.
    pub async fn local_node(&self) -> Result<LocalNode, PanelError> {
        Ok(nodes::local(&self.app).await?)
    }

    /// Makes the server `demo` on the node `local` and starts it. Needs that node, and a router that answers it.
    pub async fn create_demo(&self, owner: &str, command: Vec<String>) -> Result<(), PanelError> {
        let settings = ServerSettings {
            command: Some(command),
            owner: Some(owner.to_owned()),
            node: Some(nodes::LOCAL.to_owned()),
            stop: Some("stop".to_owned()),
            stop_timeout: Some(30),
            ..ServerSettings::default()
        };
        let new = NewServer {
            name: "Demo".to_owned(),
            identifier: Some("demo".to_owned()),
            settings,
            start: true,
        };
        servers::create(&self.app, &Actor::start(), &new).await?;
        Ok(())
    }

    /// Closes the store. What is under way is waited for.
    pub async fn close(&self) {
        self.app.store.close().await;
    }
}
