//! Live consoles on all nodes: who watches what, and ending one.

use super::{
    Result, ServiceError,
    audit::{Actor, entry},
    nodes,
};
use crate::{node_client::NodeTarget, panel::App, store::ServerRow};
use futures_util::future::join_all;
use roost_wire::{id::ServerRef, node_api::SocketInfo};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};
use uuid::Uuid;

/// How long a node is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A live console with the names of today.
#[derive(Debug)]
pub struct LiveSocket {
    /// As its node tells it.
    pub info: SocketInfo,
    /// The user's name; as the token said it, where there is no such account any more.
    pub user: String,
    /// The server, where it is still there.
    pub server: Option<ServerRow>,
}

/// The live consoles of all nodes, or of one server, oldest first. Nodes that do not answer within 2 s, and daemons that
/// know no such list, are left out.
pub async fn list(app: &App, server: Option<&ServerRow>) -> Result<Vec<LiveSocket>> {
    let mut infos: Vec<SocketInfo> = ask(app, server.and_then(|s| s.node))
        .await?
        .into_iter()
        .flat_map(|(_, infos)| infos)
        .filter(|info| server.is_none_or(|s| s.uuid == info.server))
        .collect();
    infos.sort_by_key(|info| (info.since, info.id));
    named(app, infos).await
}

async fn ask(app: &App, node: Option<Uuid>) -> Result<Vec<(NodeTarget, Vec<SocketInfo>)>> {
    let rows = app.store.nodes().await?;
    let asked = rows
        .iter()
        .filter(|row| node.is_none_or(|n| n == row.uuid))
        .map(|row| async move {
            let target = nodes::target(app, row).ok().flatten()?;
            let answer = tokio::time::timeout(PATIENCE, app.node_client.sockets(&target)).await;
            match answer {
                Ok(Ok(infos)) => Some((target, infos)),
                Ok(Err(error)) => {
                    tracing::debug!(node = %row.name, error = %error.detail(), "no list of live consoles");
                    None
                }
                Err(_) => None,
            }
        });
    Ok(join_all(asked).await.into_iter().flatten().collect())
}

async fn named(app: &App, infos: Vec<SocketInfo>) -> Result<Vec<LiveSocket>> {
    let users: HashSet<Uuid> = infos.iter().map(|info| info.user).collect();
    let mut names: HashMap<Uuid, String> = HashMap::new();
    for uuid in users {
        if let Some(user) = app.store.user(uuid).await? {
            names.insert(uuid, user.name);
        }
    }
    let uuids: HashSet<Uuid> = infos.iter().map(|info| info.server).collect();
    let mut servers: HashMap<Uuid, ServerRow> = HashMap::new();
    for uuid in uuids {
        if let Some(server) = app.store.server(&ServerRef::Uuid(uuid)).await? {
            servers.insert(uuid, server);
        }
    }
    let mut list = Vec::with_capacity(infos.len());
    for info in infos {
        let user = names.get(&info.user).or(info.user_name.as_ref()).cloned();
        list.push(LiveSocket {
            user: user.unwrap_or_else(|| info.user.to_string()),
            server: servers.get(&info.server).cloned(),
            info,
        });
    }
    Ok(list)
}

/// Ends one. The audit says who did.
pub async fn end(app: &App, actor: &Actor, id: Uuid) -> Result<()> {
    let missing = || {
        ServiceError::NotFound("There is no such live console. `roost socket list` shows them.".to_owned())
    };
    let found = ask(app, None).await?.into_iter().find_map(|(target, infos)| {
        let info = infos.into_iter().find(|info| info.id == id)?;
        Some((target, info))
    });
    let (target, info) = found.ok_or_else(missing)?;
    app.node_client
        .end_socket(&target, id)
        .await
        .map_err(|error| ServiceError::Node(format!("Its node could not do it: {}.", error.detail())))?;
    let mut row = entry(app, actor, "server:websocket.end").with("socket", id.to_string());
    for socket in named(app, vec![info]).await? {
        row = row
            .with("ended_user", socket.user)
            .with("ended_address", socket.info.address);
        if let Some(server) = &socket.server {
            row = row.on(server);
        }
    }
    app.store.record_or_keep(row).await?;
    Ok(())
}
