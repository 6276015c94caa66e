//! What a panel orders beyond servers: tokens and users to be refused, and a new secret.

use super::answer::{Body, Failure, Named};
use crate::{node::Node, socket::Filter};
use axum::{Json, extract::State};
use http::StatusCode;
use roost_wire::{
    close::Close,
    node_api::{DeauthorizeUser, DenyRequest},
};
use serde_json::{Map, Value, json};

/// `POST /api/servers/{uuid}/ws/deny`: 204; the tokens open nothing any more, and their sockets end.
pub(super) async fn deny_tokens(
    State(node): State<Node>,
    Named(server): Named,
    Body(form): Body<DenyRequest>,
) -> Result<StatusCode, Failure> {
    let denied = node.deny_tokens(server.uuid, &form.jtis).await;
    let (uuid, jtis) = (server.uuid, form.jtis);
    let filter = Filter::Tokens { server: uuid, jtis };
    node.close_sockets(filter, Close::AccessRevoked, None).await;
    denied.map_err(|e| not_kept(&e))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/deauthorize-user`: 204; the user's tokens are refused from now on, and their sockets end.
pub(super) async fn deauthorize_user(
    State(node): State<Node>,
    Body(form): Body<DeauthorizeUser>,
) -> Result<StatusCode, Failure> {
    let denied = node.deny_user(&form).await;
    let filter = Filter::User {
        user: form.user,
        servers: form.servers,
        credential: form.credential,
        issued_until: form.issued_until,
    };
    let closed = node.close_sockets(filter, Close::AccessRevoked, None).await;
    tracing::info!(user = %form.user, closed, "a user's access was revoked");
    denied.map_err(|e| not_kept(&e))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The order is carried out, but would be forgotten at a restart: the panel should ask again.
fn not_kept(error: &std::io::Error) -> Failure {
    tracing::error!(%error, "the deny list can't be written");
    Failure::internal(format!(
        "It is refused from now on, but that could not be written to disk: {error}."
    ))
}

/// `POST /api/update`: a new secret is taken; other keys of a stock panel's configuration are the operator's here.
pub(super) async fn update(
    State(node): State<Node>,
    Body(form): Body<Map<String, Value>>,
) -> Result<Json<Value>, Failure> {
    let token = form.get("token").and_then(Value::as_str).unwrap_or_default();
    let applied = node.replace_secret(token).await.map_err(|e| {
        tracing::error!(error = %e, "the new secret can't be written to the config file");
        Failure::internal(format!(
            "The new secret could not be written to the config file: {e}."
        ))
    })?;
    Ok(Json(json!({"applied": applied})))
}
