//! Servers on the node: list, show, make, delete, sync, install.

use super::answer::{Body, Failure, Named, ask};
use crate::{
    node::Node,
    server::{
        handle::{Request, ServerHandle, ServerView},
        registry::{Installing, RegistryError},
    },
};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use roost_wire::{
    clock::rfc3339,
    node_api::{CreateServer, DirectoryRequest, RoostDetail, ServerDetail},
    stats::Stats,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// How long a caller waits for fresh figures; then he gets the last ones. A panel gives its pre-flight two seconds.
const FIGURES_PATIENCE: Duration = Duration::from_millis(400);
/// How long a caller waits for the panel to be asked.
const SYNC_PATIENCE: Duration = Duration::from_secs(35);

/// `GET /api/servers`: all of them, with the figures last measured.
pub(super) async fn list(State(node): State<Node>) -> Json<Vec<ServerDetail>> {
    let details = node
        .servers()
        .all()
        .iter()
        .map(|server| detail(&node, server, None))
        .collect();
    Json(details)
}

/// `GET /api/servers/{uuid}`
pub(super) async fn show(State(node): State<Node>, Named(server): Named) -> Json<ServerDetail> {
    let (sender, answer) = oneshot::channel();
    server.ask(Request::Figures(sender));
    let stats = match tokio::time::timeout(FIGURES_PATIENCE, answer).await {
        Ok(Ok(stats)) => Some(stats),
        _ => None,
    };
    Json(detail(&node, &server, stats))
}

fn detail(node: &Node, server: &ServerHandle, stats: Option<Stats>) -> ServerDetail {
    let view: ServerView = server.view.borrow().clone();
    let configuration = node
        .servers()
        .definition(server.uuid)
        .map(|definition| definition.raw_settings().clone())
        .unwrap_or_default();
    let (uid, directory) = node.servers().whereabouts(server.uuid);
    ServerDetail {
        state: view.state,
        is_suspended: view.suspended,
        utilization: Stats {
            state: view.state,
            ..stats.unwrap_or(view.stats)
        },
        configuration,
        roost: Some(RoostDetail {
            installing: view.installing,
            pid: view.pid,
            uid,
            directory: directory.map(|dir| dir.to_string_lossy().into_owned()),
            starts_again_at: view.starts_again_at.map(rfc3339),
            stream: Some(server.console.stream()),
            last_seq: server.console.next_seq().saturating_sub(1),
            not_enforced: view.not_enforced,
            last_exit: view.last_end.as_ref().map(|end| end.text.clone()),
            last_end: view.last_end.map(Arc::unwrap_or_clone),
        }),
    }
}

/// `POST /api/servers`: 202; the node has asked the panel for the server, and installs it.
pub(super) async fn create(
    State(node): State<Node>,
    Body(form): Body<CreateServer>,
) -> Result<StatusCode, Failure> {
    if form.uuid.get_version_num() != 4 {
        let text = "The server's UUID must be of version 4.".to_owned();
        return Err(Failure(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    let (servers, uuid) = (node.servers(), form.uuid);
    let install = Installing {
        skip_scripts: form.skip_scripts,
        then_start: form.start_on_completion,
    };
    match servers.create(uuid, install, form.chown).await {
        Ok(_) => Ok(StatusCode::ACCEPTED),
        // A panel that did not hear the first answer asks again.
        Err(RegistryError::Exists) => Ok(StatusCode::ACCEPTED),
        Err(RegistryError::Panel(error)) => {
            tracing::warn!(server = %uuid, %error, "a server could not be made");
            Err(Failure(
                StatusCode::BAD_GATEWAY,
                format!("The node could not ask the panel for the server: {error}."),
            ))
        }
        Err(RegistryError::Directory(sentence)) => Err(Failure(StatusCode::UNPROCESSABLE_ENTITY, sentence)),
        Err(error) => {
            tracing::error!(server = %uuid, %error, "a server could not be made");
            Err(Failure::internal(error))
        }
    }
}

/// `POST /api/servers/{uuid}/directory`: 204 if an operator's directory can be this server's, 422 with what can be done.
pub(super) async fn directory(
    State(node): State<Node>,
    Named(server): Named,
    Body(form): Body<DirectoryRequest>,
) -> Result<StatusCode, Failure> {
    let servers = node.servers();
    let definition = servers
        .definition(server.uuid)
        .ok_or_else(Failure::unknown_server)?;
    let dir = std::path::Path::new(&form.dir);
    match servers.check_directory(&definition, dir, form.chown).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(RegistryError::Directory(sentence)) => Err(Failure(StatusCode::UNPROCESSABLE_ENTITY, sentence)),
        Err(error) => Err(Failure::internal(error)),
    }
}

/// `DELETE /api/servers/{uuid}`: 204 when it is gone.
pub(super) async fn remove(State(node): State<Node>, Named(server): Named) -> Result<StatusCode, Failure> {
    match node.servers().delete(server.uuid).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(RegistryError::Unknown) => Err(Failure::unknown_server()),
        Err(error) => Err(Failure::internal(error)),
    }
}

/// `POST /api/servers/{uuid}/sync`: 204 when the panel's settings are the node's.
pub(super) async fn sync(Named(server): Named) -> Result<StatusCode, Failure> {
    ask(&server, SYNC_PATIENCE, |reply| Request::Sync { reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/servers/{uuid}/install` and `/reinstall`: 202; an offline server only.
pub(super) async fn install(Named(server): Named) -> Result<Response, Failure> {
    ask(&server, SYNC_PATIENCE, |reply| Request::Sync { reply }).await?;
    let install = |reply| Request::Install {
        then_start: false,
        reply,
    };
    ask(&server, Duration::from_secs(5), install).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}
