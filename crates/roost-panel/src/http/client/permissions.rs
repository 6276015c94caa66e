//! `GET /api/client/permissions`: what can be granted.

use super::shape;
use crate::http::Identity;
use axum::Json;
use serde_json::Value;

/// The handler.
pub async fn show(_: Identity) -> Json<Value> {
    Json(shape::permissions())
}
