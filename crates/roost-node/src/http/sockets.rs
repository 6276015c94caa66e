//! Live consoles: who watches what; and ending one.

use super::answer::Failure;
use crate::{node::Node, socket::Filter};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use http::StatusCode;
use roost_wire::{close::Close, node_api::SocketList};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Debug, Deserialize)]
pub(super) struct By {
    by: Option<String>,
}

/// `GET /api/sockets`
pub(super) async fn list(State(node): State<Node>) -> Result<Json<SocketList>, Failure> {
    let shards = node.shards().clone();
    let data = tokio::task::spawn_blocking(move || shards.list())
        .await
        .map_err(Failure::internal)?;
    Ok(Json(SocketList { data }))
}

/// `DELETE /api/sockets/{id}?by=NAME`: 204, or 404 where there is no such socket (any more).
pub(super) async fn end(
    State(node): State<Node>,
    Path(id): Path<String>,
    Query(By { by }): Query<By>,
) -> Result<StatusCode, Failure> {
    let unknown = || {
        Failure(
            StatusCode::NOT_FOUND,
            "There is no such socket (any more).".to_owned(),
        )
    };
    let id = Uuid::try_parse(&id).map_err(|_| unknown())?;
    let by = by.map(|name| {
        name.chars()
            .filter(|c| !c.is_control())
            .take(100)
            .collect::<String>()
    });
    let closed = node
        .close_sockets(Filter::Socket(id), Close::EndedByAdmin, by)
        .await;
    if closed == 0 {
        Err(unknown())
    } else {
        Ok(StatusCode::NO_CONTENT)
    }
}
