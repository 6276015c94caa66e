//! `/api/client/servers/{server}/users`: who else has access.

use super::shape;
use crate::{
    http::{Allowed, ApiError, allowed::ReadUsers},
    panel::App,
};
use axum::{Json, extract::State};
use serde_json::{Value, json};

/// `GET`.
pub async fn list(State(app): State<App>, allowed: Allowed<ReadUsers>) -> Result<Json<Value>, ApiError> {
    let grants = app.store.grants(allowed.server.uuid).await?;
    let data = grants.iter().map(shape::subuser).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({"object": "list", "data": data})))
}
