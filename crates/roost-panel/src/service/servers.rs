//! Servers: made, changed, suspended, deleted. The node is told in the same breath; where it can't be, that is said.

mod check;
mod create;
pub mod live;
mod place;

pub use create::create;

use super::{
    Result, ServiceError,
    audit::{Actor, entry},
    revocation::{self, Scope},
};
use crate::{node_client::NodeError, panel::App, store::ServerRow};
use roost_wire::{
    admin_api::{Erased, ServerPatch},
    id::ServerRef,
    node_api::{CreateServer, DirectoryRequest},
};

/// A server, and what its administrator should know beside.
#[derive(Debug)]
pub struct Changed {
    /// As it is now.
    pub server: ServerRow,
    /// Sentences.
    pub warnings: Vec<String>,
}

/// Changes settings; they hold from the next start.
pub async fn change(app: &App, actor: &Actor, server: &ServerRow, patch: &ServerPatch) -> Result<Changed> {
    let mut changed = server.clone();
    check::apply(&mut changed, patch)?;
    changed.updated_at = app.now();
    let mut warnings = Vec::new();
    if let Some(owner) = &patch.owner {
        let owner = super::accounts::by_name(app, owner).await?;
        changed.owner = owner.uuid;
        changed.owner_name = owner.name;
    }
    let moved_in = place::new_node(app, &changed, patch.node.as_deref()).await?;
    if let Some(node) = moved_in.clone().or_else(|| changed.node_row.clone()) {
        let is_other_kind = changed.runtime != server.runtime || moved_in.is_some();
        if is_other_kind {
            warnings = place::fits(app, &node, &changed).await?.1;
        } else if changed.stop_timeout != server.stop_timeout {
            // A node that is away takes the setting later.
            let fits = place::fits(app, &node, &changed).await;
            warnings = fits.map(|(_, warnings)| warnings).unwrap_or_default();
        }
        changed.node = Some(node.uuid);
        changed.node_row = Some(node);
    }
    if moved_in.is_none() {
        check_directory(app, &changed, patch).await?;
    }
    let mut tx = app.store.begin().await?;
    if !tx.update_server(&changed).await? {
        return Err(gone(server));
    }
    if changed.owner != server.owner {
        // The new owner needs no grant any more; the old one has no rights any more, unless he had some beside.
        tx.delete_grant(server.uuid, changed.owner).await?;
        for user in [server.owner, changed.owner] {
            revocation::queue(app, &mut tx, user, Scope::Server(server)).await?;
        }
    }
    let row = entry(app, actor, "server:settings.update")
        .on(server)
        .with("fields", fields(patch));
    tx.audit(&row).await?;
    tx.commit().await?;
    app.revocations.wake(app.now());
    let told = match live::target_of(app, &changed) {
        Err(_) if changed.node.is_none() => Ok(()),
        Err(why) => Err(why),
        Ok(target) if moved_in.is_some() => {
            let request = CreateServer {
                uuid: changed.uuid,
                start_on_completion: false,
                skip_scripts: true,
                chown: patch.chown == Some(true),
            };
            app.node_client
                .create(&target, &request)
                .await
                .map_err(|e| e.detail())
        }
        Ok(target) => app
            .node_client
            .sync(&target, changed.uuid)
            .await
            .map_err(|e| e.detail()),
    };
    match told {
        Ok(()) => warnings.extend(not_enforced(app, &changed).await),
        Err(why) => warnings.push(format!(
            "The node does not know of it yet ({why}). It asks for the settings when it is back, and before each start."
        )),
    }
    let server = reload(app, &changed).await?;
    Ok(Changed { server, warnings })
}

/// Whether the server's node takes the directory that it is to have from now on. One that can't be asked looks at it
/// before the next start, but gives nothing away then.
async fn check_directory(app: &App, server: &ServerRow, patch: &ServerPatch) -> Result<()> {
    let Some(dir) = patch.dir.clone().filter(|dir| !dir.is_empty()) else {
        return Ok(());
    };
    let chown = patch.chown == Some(true);
    let asked = match live::target_of(app, server) {
        Ok(target) => {
            let request = DirectoryRequest { dir, chown };
            app.node_client.directory(&target, server.uuid, &request).await
        }
        Err(why) if chown => return Err(ServiceError::Node(why)),
        Err(_) => return Ok(()),
    };
    match asked {
        Err(NodeError::Declined { .. }) | Ok(()) => asked.map_err(|e| from_node(server, &e)),
        Err(error) if chown => Err(from_node(server, &error)),
        Err(_) => Ok(()),
    }
}

/// The names of what a change names; values may be secrets.
fn fields(patch: &ServerPatch) -> Vec<String> {
    match serde_json::to_value(patch) {
        Ok(serde_json::Value::Object(map)) => map.into_iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    }
}

/// Suspends a server or ends that. Its consoles end, but for administrators'.
pub async fn suspend(app: &App, actor: &Actor, server: &ServerRow, suspended: bool) -> Result<Changed> {
    let mut tx = app.store.begin().await?;
    if !tx.set_suspended(server.uuid, suspended, app.now()).await? {
        return Err(gone(server));
    }
    let event = if suspended {
        "server:suspend"
    } else {
        "server:unsuspend"
    };
    tx.audit(&entry(app, actor, event).on(server)).await?;
    tx.commit().await?;
    let mut warnings = Vec::new();
    if server.node.is_some() {
        let told = match live::target_of(app, server) {
            Ok(target) => app
                .node_client
                .sync(&target, server.uuid)
                .await
                .map_err(|e| e.detail()),
            Err(why) => Err(why),
        };
        if let Err(why) = told {
            warnings.push(format!(
                "The node does not know of it yet ({why}). It will when it is back."
            ));
        }
        if suspended {
            end_consoles(app, server).await?;
        }
    }
    let server = reload(app, server).await?;
    Ok(Changed { server, warnings })
}

/// Ends each user's access one by one, until the node has confirmed: it may have been away, and some daemons go on with
/// the consoles of a suspended server.
async fn end_consoles(app: &App, server: &ServerRow) -> Result<()> {
    let mut tx = app.store.begin().await?;
    let mut users = tx.granted_users(server.uuid).await?;
    users.push(server.owner);
    for user in users {
        // Administrators pass.
        if tx.user(user).await?.is_some_and(|u| u.admin) {
            continue;
        }
        revocation::queue(app, &mut tx, user, Scope::Server(server)).await?;
    }
    tx.commit().await?;
    app.revocations.wake(app.now());
    Ok(())
}

/// Stops and deletes a server, first on its node. One whose node is away stays, unless `force`.
pub async fn delete(app: &App, actor: &Actor, server: &ServerRow, force: bool) -> Result<()> {
    if server.node.is_some() {
        let told = match live::target_of(app, server) {
            Ok(target) => app
                .node_client
                .delete(&target, server.uuid)
                .await
                .map_err(|e| from_node(server, &e)),
            Err(why) => Err(ServiceError::Node(why)),
        };
        match told {
            Ok(()) => {}
            Err(error) if force => {
                tracing::warn!(server = %server.identifier, %error, "deleted here; its node could not be told");
            }
            Err(error) => return Err(error),
        }
    }
    let mut tx = app.store.begin().await?;
    if !tx.delete_server(server.uuid).await? {
        return Err(gone(server));
    }
    tx.audit(&entry(app, actor, "server:delete").on(server)).await?;
    tx.commit().await?;
    Ok(())
}

/// Erases what the console showed before `before` (milliseconds since the epoch).
pub async fn erase(app: &App, actor: &Actor, server: &ServerRow, before: i64) -> Result<Erased> {
    let target = live::target_of(app, server).map_err(ServiceError::Node)?;
    let erased = match app.node_client.erase(&target, server.uuid, before).await {
        Ok(erased) => erased,
        // The server is there, so it is the route that is missing.
        Err(NodeError::UnknownServer { .. }) if live::of(app, server).await.is_ok() => {
            return Err(ServiceError::Conflict(
                "This server's node is not Roost's: it keeps no journal, so there is nothing to erase."
                    .to_owned(),
            ));
        }
        Err(error) => return Err(from_node(server, &error)),
    };
    let row = entry(app, actor, "server:console.erase")
        .on(server)
        .with("before", roost_wire::clock::rfc3339(before))
        .with("lines", erased.lines);
    app.store.record_or_keep(row).await?;
    Ok(erased)
}

async fn not_enforced(app: &App, server: &ServerRow) -> Vec<String> {
    let detail = live::of(app, server).await.ok();
    detail
        .and_then(|d| d.roost.as_ref().map(|r| r.not_enforced.clone()))
        .unwrap_or_default()
}

async fn reload(app: &App, server: &ServerRow) -> Result<ServerRow> {
    app.store
        .server(&ServerRef::Uuid(server.uuid))
        .await?
        .ok_or_else(|| gone(server))
}

fn gone(server: &ServerRow) -> ServiceError {
    ServiceError::NotFound(format!(
        "The server {} was deleted at this moment.",
        server.identifier
    ))
}

/// A node's refusal is for whoever asked; a node that is away is 502.
fn from_node(server: &ServerRow, error: &NodeError) -> ServiceError {
    let node = server.node_row.as_ref().map_or("the node", |n| n.name.as_str());
    match error {
        NodeError::Declined { status: 409, said } => ServiceError::Conflict(said.clone()),
        NodeError::Declined {
            status: 400..500,
            said,
        } => ServiceError::Invalid(said.clone()),
        other => ServiceError::Node(format!("The node {node} could not do it: {}.", other.detail())),
    }
}
