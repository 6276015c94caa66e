//! Telling one node, in the words that it knows.
//!
//! | | Roost's node | other daemons |
//! |---|---|---|
//! | a user | `deauthorize-user` | the same where it is known, and `ws/deny` for each of his sessions and keys |
//! | a session or key | `deauthorize-user` with `credential` | `ws/deny` of its tokens' ids |
//!
//! When it is told, and how often, is `revocation`'s business.

use crate::{
    node_client::{NodeError, NodeTarget},
    panel::App,
    service::{ServiceError, nodes},
    store::{RevocationRow, StoreError, VisibleServers},
};
use roost_wire::{node_api::DeauthorizeUser, token::token_id};
use uuid::Uuid;

/// Servers that are read at a time.
const PAGE: i64 = 500;

/// Why a node was not told.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTold {
    /// Worth another try.
    #[error("{}", .0.detail())]
    Node(#[from] NodeError),
    /// The store failed: worth another try.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node's secret can't be opened and the like.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Somebody has to give it an address first.
    #[error("the node has no address")]
    NoAddress,
}

/// A node as it is told: where, and whether it is Roost's.
pub(super) struct Listener {
    target: NodeTarget,
    is_roost: bool,
}

impl Listener {
    /// Asks the node what it is. `None` for a node that was removed: nobody is left to be told.
    pub(super) async fn of(app: &App, node: Uuid) -> Result<Option<Self>, NotTold> {
        let Some(row) = app.store.node(node).await? else {
            return Ok(None);
        };
        let target = nodes::target(app, &row)?.ok_or(NotTold::NoAddress)?;
        let is_roost = app.node_client.system(&target).await?.roost.is_some();
        Ok(Some(Self { target, is_roost }))
    }

    /// Says it.
    pub(super) async fn tell(&self, app: &App, row: &RevocationRow) -> Result<(), NotTold> {
        if self.is_roost {
            let request = app.revocations.order(row, app.now());
            return Ok(app.node_client.deauthorize_user(&self.target, &request).await?);
        }
        let servers = match row.server() {
            Some(server) => vec![server],
            None => self.servers(app, row.user_uuid).await?,
        };
        if servers.is_empty() {
            return Ok(());
        }
        let credentials = match &row.credential {
            Some(credential) => vec![credential.clone()],
            None => {
                // No list would mean: every socket of the node. One daemon has no such route: it has the deny list.
                let request = DeauthorizeUser {
                    user: row.user_uuid,
                    servers: servers.clone(),
                    credential: None,
                    issued_until: None,
                };
                known(app.node_client.deauthorize_user(&self.target, &request).await)?;
                app.store.credentials_of(row.user_uuid).await?
            }
        };
        for server in servers {
            let ids = credentials
                .iter()
                .map(|credential| token_id(row.user_uuid, server, credential))
                .collect();
            known(app.node_client.deny(&self.target, server, ids).await)?;
            app.node_client
                .denied(self.target.node, server, row.user_uuid, app.now());
        }
        Ok(())
    }

    /// The servers of this node on which the user may have opened a console: for an administrator and for an account that
    /// is gone, all.
    async fn servers(&self, app: &App, user: Uuid) -> Result<Vec<Uuid>, NotTold> {
        let visible = match app.store.user(user).await? {
            Some(user) if !user.admin => VisibleServers::Mine(user.uuid),
            _ => VisibleServers::All,
        };
        let mut found = Vec::new();
        loop {
            let offset = i64::try_from(found.len()).unwrap_or(i64::MAX);
            let page = app.store.servers(visible, "", offset, PAGE).await?;
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            found.extend(page.into_iter().map(|server| (server.uuid, server.node)));
            if is_last {
                break;
            }
        }
        Ok(found
            .into_iter()
            .filter(|(_, node)| *node == Some(self.target.node))
            .map(|(uuid, _)| uuid)
            .collect())
    }
}

/// A server or a route that the daemon does not have needs no telling.
fn known(answer: Result<(), NodeError>) -> Result<(), NodeError> {
    match answer {
        Err(NodeError::UnknownServer { .. }) => Ok(()),
        other => other,
    }
}
