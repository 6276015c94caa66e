//! What administrators do with nodes.

use super::{LOCAL, address, newest_secret, target};
use crate::{
    node_client::NodeTarget,
    panel::App,
    service::{
        Result, ServiceError,
        audit::{Actor, entry},
        secrets::{random_alphanumeric, random_uuid},
    },
    store::{NodeRow, StoreError},
};
use roost_wire::{admin_api::NewNode, id::check_identifier, node_api::SystemInfo, token::LIFETIME_SECS};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// Letters and digits of a secret.
const SECRET: usize = 64;
/// Letters and digits of its public half.
const TOKEN_ID: usize = 16;
/// How long a replaced secret holds: as long as a token signed with it, in milliseconds.
const OVERLAP: i64 = LIFETIME_SECS * 1000;

/// The node of this name.
pub async fn by_name(app: &App, name: &str) -> Result<NodeRow> {
    let shown: String = name.chars().take(48).collect();
    app.store.node_by_name(name).await?.ok_or_else(|| {
        ServiceError::NotFound(format!(
            "There is no node `{shown}`. `roost node list` shows them."
        ))
    })
}

/// Adds a node with a secret of its own.
pub async fn add(app: &App, actor: &Actor, new: &NewNode) -> Result<NodeRow> {
    check_identifier(&new.name).map_err(|e| ServiceError::Invalid(format!("name: {e}.")))?;
    if new.name == LOCAL {
        return Err(ServiceError::Invalid(
            "name: `local` is the node inside `roost up`; take another one.".to_owned(),
        ));
    }
    let public = address::check("address", &new.address)?;
    let internal = match new.internal_address.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(text) => Some(address::check("internal_address", text)?),
    };
    let node = fresh(app, &new.name, public, internal)?;
    let mut tx = app.store.begin().await?;
    tx.insert_node(&node).await.map_err(|error| match error {
        StoreError::Conflict => ServiceError::Conflict(format!("There is a node `{}` already.", node.name)),
        other => other.into(),
    })?;
    let row = entry(app, actor, "node:create")
        .with("node", node.name.as_str())
        .with("address", node.address.as_str());
    tx.audit(&row).await?;
    tx.commit().await?;
    Ok(node)
}

/// The node inside `roost up`, made where it is missing.
pub async fn ensure_local(app: &App) -> Result<NodeRow> {
    loop {
        if let Some(node) = app.store.node_by_name(LOCAL).await? {
            return Ok(node);
        }
        let node = fresh(app, LOCAL, String::new(), None)?;
        let mut tx = app.store.begin().await?;
        match tx.insert_node(&node).await {
            Ok(()) => {
                tx.audit(&entry(app, &Actor::start(), "node:create").with("node", LOCAL))
                    .await?;
                tx.commit().await?;
            }
            // Somebody else was faster: it is there now.
            Err(StoreError::Conflict) => {}
            Err(other) => return Err(other.into()),
        }
    }
}

fn fresh(app: &App, name: &str, address: String, internal_address: Option<String>) -> Result<NodeRow> {
    let uuid = random_uuid()?;
    Ok(NodeRow {
        uuid,
        name: name.to_owned(),
        address,
        internal_address,
        token_id: random_alphanumeric(TOKEN_ID)?,
        token_sealed: app.sealer.seal(uuid, &random_alphanumeric(SECRET)?)?,
        previous_sealed: None,
        previous_until: None,
        confirmed: true,
        created_at: app.now(),
    })
}

/// The secret, to be shown to a person. That it was shown is recorded.
pub async fn reveal(app: &App, actor: &Actor, node: &NodeRow) -> Result<String> {
    let secret = newest_secret(app, node)?;
    app.store
        .record(entry(app, actor, "node:token.reveal").with("node", node.name.as_str()))
        .await?;
    Ok(secret.to_string())
}

/// Gives a node a new secret and tells the node. The old one holds for one life of a token on both sides; until the node
/// is known to have the new one, the panel goes on with the old one. Gives what the node says of itself if it took it.
pub async fn rotate(app: &App, actor: &Actor, name: &str) -> Result<(NodeRow, Option<SystemInfo>)> {
    let node = by_name(app, name).await?;
    let old = target(app, &node)?;
    let secret = random_alphanumeric(SECRET)?;
    let sealed = app.sealer.seal(node.uuid, &secret)?;
    let mut tx = app.store.begin().await?;
    tx.rotate_node(node.uuid, &sealed, app.now() + OVERLAP).await?;
    tx.audit(&entry(app, actor, "node:token.rotate").with("node", node.name.as_str()))
        .await?;
    tx.commit().await?;
    let taken = match old {
        Some(old) => hand_over(app, &node, &old, &secret).await,
        None => None,
    };
    if taken.is_some() {
        let mut tx = app.store.begin().await?;
        tx.confirm_node(node.uuid, &sealed).await?;
        tx.commit().await?;
    }
    Ok((by_name(app, name).await?, taken))
}

/// Some daemons say yes to new settings and take only some of them, so the new secret is tried.
async fn hand_over(app: &App, node: &NodeRow, old: &NodeTarget, secret: &str) -> Option<SystemInfo> {
    let config = json!({"uuid": node.uuid, "token_id": node.token_id, "token": secret});
    let new = NodeTarget {
        secret: secret.into(),
        ..old.clone()
    };
    let told = async {
        app.node_client.update(old, &config).await?;
        app.node_client.system(&new).await
    };
    match told.await {
        Ok(info) => Some(info),
        Err(error) => {
            tracing::warn!(node = %node.name, error = %error.detail(), "the node did not take its new secret by itself");
            None
        }
    }
}

/// Removes a node. One that has servers only with `force`; they are left without a node then.
pub async fn remove(app: &App, actor: &Actor, name: &str, force: bool) -> Result<()> {
    let node = by_name(app, name).await?;
    if node.name == LOCAL && app.options.local_listen.is_some() {
        return Err(ServiceError::Conflict(
            "`local` is the node inside this `roost up`: it goes with it.".to_owned(),
        ));
    }
    let mut tx = app.store.begin().await?;
    let servers = tx.identifiers_on(node.uuid).await?;
    if !servers.is_empty() && !force {
        return Err(ServiceError::Conflict(format!(
            "{} has servers: {}. Delete them first, or leave them without a node with --force.",
            node.name,
            servers.join(", ")
        )));
    }
    tx.delete_node(node.uuid).await?;
    let row = entry(app, actor, "node:delete")
        .with("node", node.name.as_str())
        .with("servers", servers);
    tx.audit(&row).await?;
    tx.commit().await?;
    app.node_secrets.forget(node.uuid);
    Ok(())
}

/// What a node says of itself; `None` if it can't be asked or does not answer within 2 s.
pub async fn ask(app: &App, node: &NodeRow) -> Option<SystemInfo> {
    let target = target(app, node).ok().flatten()?;
    let asked = tokio::time::timeout(Duration::from_secs(2), app.node_client.system(&target)).await;
    asked.ok()?.ok()
}

/// What the node inside `roost up` is started with.
#[derive(Clone)]
pub struct LocalNode {
    /// The node.
    pub uuid: Uuid,
    /// Public half of its credential.
    pub token_id: String,
    /// Its secret.
    pub token: String,
    /// The secret before this one, while it holds.
    pub previous_token: Option<String>,
}

impl std::fmt::Debug for LocalNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalNode")
            .field("uuid", &self.uuid)
            .finish_non_exhaustive()
    }
}

/// Makes the node inside `roost up` where it is missing, and gives what it is started with.
pub async fn local(app: &App) -> Result<LocalNode> {
    let node = ensure_local(app).await?;
    let token = newest_secret(app, &node)?;
    let previous = super::previous_secret(app, &node)?;
    Ok(LocalNode {
        uuid: node.uuid,
        token_id: node.token_id,
        token: token.to_string(),
        previous_token: previous.map(|p| p.to_string()),
    })
}
