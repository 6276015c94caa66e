//! Live consoles.

use crate::{
    http::{Admin, ApiError, problem::ApiResult},
    panel::App,
    service::sockets::{self, LiveSocket},
};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use http::StatusCode;
use roost_wire::{admin_api::Socket, clock::rfc3339, id::ServerRef};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize)]
pub(super) struct Of {
    server: Option<String>,
}

fn shape(socket: LiveSocket) -> Socket {
    Socket {
        id: socket.info.id,
        user: socket.user,
        server: socket
            .server
            .map_or_else(|| socket.info.server.to_string(), |s| s.identifier),
        address: socket.info.address,
        since: rfc3339(socket.info.since),
    }
}

pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(of): Query<Of>,
) -> ApiResult<Json<Vec<Socket>>> {
    let server = match &of.server {
        None => None,
        Some(text) => {
            let missing = || ApiError::new(404, "There is no such server. `roost server list` shows them.");
            let named = ServerRef::parse(text).ok_or_else(missing)?;
            Some(app.store.server(&named).await?.ok_or_else(missing)?)
        }
    };
    let list = sockets::list(&app, server.as_ref()).await?;
    Ok(Json(list.into_iter().map(shape).collect()))
}

pub(super) async fn end(
    State(app): State<App>,
    Admin(who): Admin,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id = Uuid::try_parse(&id).map_err(|_| ApiError::new(404, "That is no live console's id."))?;
    sockets::end(&app, &who.actor(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
