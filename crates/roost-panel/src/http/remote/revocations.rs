//! `GET /api/remote/revocations`: what a node that comes back has not been told. Roost's own; other daemons are told only.

use super::CallingNode;
use crate::{http::ApiError, panel::App, service::revocation};
use axum::{Json, extract::State};
use roost_wire::remote::Revocations;

/// The handler.
pub async fn missed(
    State(app): State<App>,
    CallingNode(node): CallingNode,
) -> Result<Json<Revocations>, ApiError> {
    let data = revocation::missed_by(&app, node.uuid).await?;
    Ok(Json(Revocations { data }))
}
