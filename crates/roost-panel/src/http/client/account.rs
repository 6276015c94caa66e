//! `GET /api/client/account`: who the caller is.

use super::shape;
use crate::http::Identity;
use axum::Json;
use serde_json::Value;

/// The handler.
pub async fn show(identity: Identity) -> Json<Value> {
    Json(shape::account(&identity.user))
}
