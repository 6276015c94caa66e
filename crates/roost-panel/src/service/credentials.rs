//! Console credentials: a token for one user and one server, once its node has said that it knows the server.
//!
//! ```text
//!   node resolved? ── no ──► 500        known? ── no ──► 200 unavailable
//!        │ pre-flight, shared, 2 s         │
//!        └── away ──► 502                  └── sign ─► audit row on disk ─► token and socket
//! ```
//!
//! What a token holds is `roost_wire::token`'s business; who may ask for one was decided before, by `access`.

pub mod address;

use super::{
    ServiceError,
    access::Access,
    audit::{self, Actor},
    nodes,
    secrets::random_alphanumeric,
};
use crate::{
    node_client::{NodeError, NodeTarget, SAID_MAX, one_line},
    panel::App,
    store::{NodeRow, ServerRow, StoreError},
};
use address::{own_address, socket_url};
use roost_wire::{
    client_api::{Credentials, Diagnostics, UNAVAILABLE, Unavailable},
    clock::Millis,
    peer::Way,
    power::PowerState,
    token::{Claims, Grant},
};
use std::time::Duration;
use uuid::Uuid;

/// The audit's word for credentials that were handed out.
pub const ISSUED: &str = "server:websocket.credentials";

/// Looks at whether a node has been told that earlier access ended, and the pause between them: half a second in all. One
/// that is away then will refuse this token, too, and the client fetches another.
const TOLD_WAITS: usize = 20;
const TOLD_PAUSE: Duration = Duration::from_millis(25);

/// Who asks for the credentials of which server.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who.
    pub user: Uuid,
    /// His name.
    pub user_name: &'a str,
    /// Public id of the session or key.
    pub credential: &'a str,
    /// As the audit names him.
    pub actor: &'a Actor,
    /// The server.
    pub server: &'a ServerRow,
    /// His rights on it.
    pub access: &'a Access,
    /// When these were looked up, at the latest. The token is issued then: what ends his access while the node is asked
    /// ends this token, too.
    pub as_of: Millis,
    /// How the request came in; `None` for the Unix socket.
    pub way: Option<&'a Way>,
}

/// What is answered with status 200.
#[derive(Debug)]
pub enum Answer {
    /// Token and socket.
    Issued(Credentials),
    /// The node does not know the server.
    Unavailable(Unavailable),
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum NoCredentials {
    /// The server has no node, or its node no address.
    #[error("Node not available: Server has no resolved Wings node")]
    NoNode,
    /// The node can't be asked.
    #[error("Failed to prepare websocket session: {0}")]
    Node(NodeError),
    /// Something failed in here.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for NoCredentials {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

/// A server's node, as far as it is known: where browsers and the panel reach it.
struct Resolved<'a> {
    row: &'a NodeRow,
    target: NodeTarget,
    public: String,
}

/// Asks the node, signs, records, and only then answers.
pub async fn issue(app: &App, asked: Asked<'_>) -> Result<Answer, NoCredentials> {
    let node = resolve(app, &asked).ok_or(NoCredentials::NoNode)?;
    let socket = socket_url(&node.public, asked.server.uuid).ok_or(NoCredentials::NoNode)?;
    match app.node_client.server(&node.target, asked.server.uuid).await {
        Ok(detail) => note_state(app, asked.server, detail.state).await,
        Err(NodeError::UnknownServer { said }) => {
            return Ok(Answer::Unavailable(unavailable(asked.server, node.row, &said)));
        }
        Err(other) => return Err(NoCredentials::Node(other)),
    }
    let unique_id = random_alphanumeric(16)?;
    let grant = Grant {
        server: asked.server.uuid,
        user: asked.user,
        user_name: asked.user_name,
        permissions: asked.access.rights.clone(),
        credential: asked.credential,
        history_from: asked.access.history_from,
        issuer: app.options.public_url.as_deref().unwrap_or(&node.public),
        audience: &node.public,
        unique_id,
    };
    let token = Claims::new(grant, asked.as_of)
        .sign(&node.target.secret)
        .map_err(|error| ServiceError::Internal(format!("a token could not be signed: {error}")))?;
    // Consoles go on where the disk is full: a token changes nothing by itself, and its row is kept.
    app.store
        .record_or_keep(audit::entry(app, asked.actor, ISSUED).on(asked.server))
        .await?;
    Ok(Answer::Issued(Credentials::new(token, socket)))
}

/// Waits until the server's node takes a fresh token of this user. A daemon that is not Roost's refuses what was issued
/// before it was told so, and knows the time in whole seconds: what it is still to be told is waited for, and then the
/// second in which it was. If there was something to wait for, look the user's rights up again; a token then holds from
/// this time on.
pub async fn settle(app: &App, server: &ServerRow, user: Uuid) -> Result<Option<Millis>, StoreError> {
    let Some(node) = server.node_row.as_ref().map(|node| node.uuid) else {
        return Ok(None);
    };
    if !app.node_client.is_other_daemon(node) {
        return Ok(None);
    }
    let mut has_waited = false;
    for _ in 0..TOLD_WAITS {
        if !app.store.is_revocation_pending(node, user).await? {
            break;
        }
        has_waited = true;
        tokio::time::sleep(TOLD_PAUSE).await;
    }
    let now = app.now();
    let from = app.node_client.tokens_hold_from(node, server.uuid, user, now);
    if from > now {
        has_waited = true;
        tokio::time::sleep(Duration::from_millis(u64::try_from(from - now).unwrap_or(0))).await;
    }
    Ok(has_waited.then_some(from))
}

fn resolve<'a>(app: &App, asked: &Asked<'a>) -> Option<Resolved<'a>> {
    let row = asked.server.node_row.as_ref()?;
    let target = match nodes::target(app, row) {
        Ok(target) => target?,
        Err(error) => {
            tracing::error!(node = %row.name, %error, "a node can't be used");
            return None;
        }
    };
    Some(Resolved {
        row,
        target,
        public: public_address(app, row, asked.way)?,
    })
}

/// Where browsers reach the node. The panel's own has no address of its own: it is where the panel is.
fn public_address(app: &App, node: &NodeRow, way: Option<&Way>) -> Option<String> {
    if !node.address.is_empty() {
        return Some(node.address.clone());
    }
    let listen = app.options.local_listen.filter(|_| node.name == nodes::LOCAL)?;
    let url = app.options.public_url.clone();
    Some(url.unwrap_or_else(|| own_address(way, listen)))
}

fn unavailable(server: &ServerRow, node: &NodeRow, said: &str) -> Unavailable {
    Unavailable {
        unavailable: true,
        message: UNAVAILABLE.to_owned(),
        diagnostics: Diagnostics {
            error: one_line(&format!("404: {said}"), SAID_MAX),
            server_uuid: server.uuid,
            server_identifier: Some(server.identifier.clone()),
            node_id: Some(node.uuid.to_string()),
            server_status: server.state.map(|state| state.as_str().to_owned()),
        },
    }
}

/// Keeps the state that a node told, for the time when it can't be asked. It is only a memory: that it could not be
/// written is logged and stops nothing.
pub async fn note_state(app: &App, server: &ServerRow, state: PowerState) {
    if server.state == Some(state) {
        return;
    }
    let noted = async {
        let mut tx = app.store.begin().await?;
        tx.set_state(server.uuid, state).await?;
        tx.commit().await
    };
    if let Err(error) = noted.await
        && !matches!(error, StoreError::DiskFull)
    {
        tracing::warn!(server = %server.identifier, %error, "a server's state could not be noted");
    }
}
