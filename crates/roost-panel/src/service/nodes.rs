//! Nodes: made, shown, given new secrets, removed.
//!
//! A node's secret is opened once and kept; it is opened again only where its sealed form has changed.

mod address;
mod config_file;
mod manage;

pub(crate) use config_file::{Settings as ConfigSettings, text as config_text};
pub use manage::{LocalNode, add, ask, by_name, ensure_local, local, remove, reveal, rotate};

use super::Result;
use crate::{node_client::NodeTarget, panel::App, service::credentials::address::reachable, store::NodeRow};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use uuid::Uuid;

/// The nodes' secrets, opened: at most two a node.
#[derive(Default)]
pub struct NodeSecrets(Mutex<HashMap<SecretOf, Opened>>);

/// A node, and whether it is the secret before the current one.
type SecretOf = (Uuid, bool);
/// The sealed form, and what came out of it.
type Opened = (String, Arc<str>);

impl fmt::Debug for NodeSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeSecrets")
    }
}

impl NodeSecrets {
    fn open(&self, app: &App, node: Uuid, previous: bool, sealed: &str) -> Result<Arc<str>> {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, secret)) = opened.get(&(node, previous))
            && of == sealed
        {
            return Ok(Arc::clone(secret));
        }
        let secret: Arc<str> = app.sealer.open(node, sealed)?.into();
        opened.insert((node, previous), (sealed.to_owned(), Arc::clone(&secret)));
        Ok(secret)
    }

    fn forget(&self, node: Uuid) {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|(of, _), _| *of != node);
    }
}

/// A node's secret: signs tokens and is what the panel shows the node. While the node may not have a new one yet, it is
/// the one before.
pub fn secret(app: &App, node: &NodeRow) -> Result<Arc<str>> {
    match previous_secret(app, node)? {
        Some(previous) if !node.confirmed => Ok(previous),
        _ => newest_secret(app, node),
    }
}

/// The secret that a node has to have from now on.
pub fn newest_secret(app: &App, node: &NodeRow) -> Result<Arc<str>> {
    app.node_secrets.open(app, node.uuid, false, &node.token_sealed)
}

/// The node that shows itself by `token_id.secret`. The secret before the current one holds, too, for its time; the
/// current one tells that the node has it.
pub async fn authenticate(app: &App, token_id: &str, shown: &str) -> Result<Option<NodeRow>> {
    let Some(mut node) = app.store.node_by_token_id(token_id).await? else {
        return Ok(None);
    };
    if is_same(&newest_secret(app, &node)?, shown) {
        if !node.confirmed {
            let mut tx = app.store.begin().await?;
            tx.confirm_node(node.uuid, &node.token_sealed).await?;
            tx.commit().await?;
            node.confirmed = true;
        }
        return Ok(Some(node));
    }
    match previous_secret(app, &node)? {
        Some(previous) if is_same(&previous, shown) => Ok(Some(node)),
        _ => Ok(None),
    }
}

/// The secret before the current one, while it holds.
fn previous_secret(app: &App, node: &NodeRow) -> Result<Option<Arc<str>>> {
    match (&node.previous_sealed, node.previous_until) {
        (Some(sealed), Some(until)) if app.now() < until => {
            app.node_secrets.open(app, node.uuid, true, sealed).map(Some)
        }
        _ => Ok(None),
    }
}

/// In a time that says nothing of where they differ.
fn is_same(secret: &str, shown: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(secret.as_bytes(), shown.as_bytes()).is_ok()
}

/// The name of the node inside `roost up`.
pub const LOCAL: &str = "local";

/// Where the panel reaches a node, and what it shows there; `None` for one that has no address.
pub fn target(app: &App, node: &NodeRow) -> Result<Option<NodeTarget>> {
    let own = || {
        let listen = app.options.local_listen.filter(|_| node.name == LOCAL)?;
        Some(format!("http://{}", reachable(listen)))
    };
    let Some(base) = node.panel_address().map(str::to_owned).or_else(own) else {
        return Ok(None);
    };
    Ok(Some(NodeTarget {
        node: node.uuid,
        base: base.into(),
        secret: secret(app, node)?,
    }))
}
