//! `GET /api/client/servers/{server}/resources`: state and figures, live from the node. A node that is away is an
//! error, never zeros.

use super::{node_problem, shape};
use crate::{
    http::{Allowed, ApiError, allowed::Anybody},
    panel::App,
    service::credentials::note_state,
};
use axum::{Json, extract::State};
use serde_json::Value;
use std::time::Duration;

/// How old an answer may be: a list of many servers, open in many browsers, asks a node once a second for each.
const MAX_AGE: Duration = Duration::from_secs(1);

/// The handler.
pub async fn show(State(app): State<App>, allowed: Allowed<Anybody>) -> Result<Json<Value>, ApiError> {
    let target = node_problem::target(&app, &allowed)?;
    let detail = app
        .node_client
        .server_at_most(&target, allowed.server.uuid, MAX_AGE)
        .await
        .map_err(|error| node_problem::problem(&allowed, &error))?;
    note_state(&app, &allowed.server, detail.state).await;
    Ok(Json(shape::resources(&allowed.server, &detail)))
}
