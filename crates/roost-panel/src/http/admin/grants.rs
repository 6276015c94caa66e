//! What subusers may do.

use super::servers::Named;
use crate::{
    http::{Body, problem::ApiResult},
    panel::App,
    service::grants,
};
use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use roost_wire::{
    admin_api::{Grant, GrantRequest},
    clock::rfc3339,
};

pub(super) async fn list(State(app): State<App>, named: Named) -> ApiResult<Json<Vec<Grant>>> {
    all(&app, &named).await.map(Json)
}

async fn all(app: &App, named: &Named) -> ApiResult<Vec<Grant>> {
    let mut list = Vec::new();
    for row in app.store.grants(named.server.uuid).await? {
        list.push(Grant {
            permissions: row.permissions()?,
            user: row.user.name,
            since: rfc3339(row.granted_at),
        });
    }
    Ok(list)
}

pub(super) async fn set(
    State(app): State<App>,
    named: Named,
    Path((_, user)): Path<(String, String)>,
    Body(wanted): Body<GrantRequest>,
) -> ApiResult<Json<Grant>> {
    grants::set(
        &app,
        &named.who.actor(),
        &named.server,
        &user,
        &wanted.permissions,
    )
    .await?;
    let user = user.to_lowercase();
    let now = all(&app, &named)
        .await?
        .into_iter()
        .find(|g| g.user.to_lowercase() == user);
    now.map(Json)
        .ok_or_else(|| crate::http::ApiError::new(409, "The grant was taken away again at this moment."))
}

pub(super) async fn remove(
    State(app): State<App>,
    named: Named,
    Path((_, user)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    grants::revoke(&app, &named.who.actor(), &named.server, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}
