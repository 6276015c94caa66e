//! `/api/remote/servers/{server}/install`: the installer's script, and how it ended. Roost's servers have none.

use super::OwnServer;
use crate::{
    http::{ApiError, Body},
    panel::App,
    service::{audit, reported::node_actor},
};
use axum::{Json, extract::State};
use http::StatusCode;
use roost_wire::remote::{InstallResult, InstallScript};

/// Nothing to run.
pub async fn script(_: OwnServer) -> Json<InstallScript> {
    Json(InstallScript {
        container_image: "debian:12-slim".to_owned(),
        entrypoint: "sh".to_owned(),
        script: String::new(),
    })
}

/// How it ended. A suspended server stays suspended.
pub async fn result(
    State(app): State<App>,
    own: OwnServer,
    Body(result): Body<InstallResult>,
) -> Result<StatusCode, ApiError> {
    let status = match (result.successful, result.reinstall) {
        (true, _) => None,
        (false, false) => Some("install_failed"),
        (false, true) => Some("reinstall_failed"),
    };
    let event = if result.successful {
        "server:install.completed"
    } else {
        "server:install.failed"
    };
    let mut tx = app.store.begin().await?;
    tx.set_status(own.server.uuid, status).await?;
    if status.is_some() || own.server.status.is_some() {
        let row = audit::entry(&app, &node_actor(), event)
            .on(&own.server)
            .with("node", own.node.name);
        tx.audit(&row).await?;
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
