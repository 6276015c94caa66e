//! `GET /api/client/servers/{server}`: one server and the caller's rights on it, in any state.

use super::shape;
use crate::http::{Allowed, allowed::Anybody};
use axum::Json;
use serde_json::Value;

/// The handler.
pub async fn show(allowed: Allowed<Anybody>) -> Json<Value> {
    let (row, identity) = (&allowed.server, &allowed.identity);
    let rights = &allowed.access.rights;
    let mut body = shape::server(row, identity.user.uuid, rights, &shape::sftp_host(identity, row));
    body["meta"] = serde_json::json!({
        "is_server_owner": row.owner == identity.user.uuid,
        "user_permissions": shape::names(rights),
    });
    Json(body)
}
