//! API keys.

use crate::{
    http::{Admin, Body, problem::ApiResult},
    panel::App,
    service::{accounts, keys},
    store::KeyRow,
};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use http::StatusCode;
use roost_wire::{
    admin_api::{ApiKey, NewKey, NewKeyAnswer},
    clock::rfc3339,
};
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Of {
    user: Option<String>,
}

fn shape(key: KeyRow) -> ApiKey {
    ApiKey {
        identifier: key.identifier,
        user: key.user.name,
        description: key.description,
        created_at: rfc3339(key.key_created_at),
        last_used_at: key.last_used_at.map(rfc3339),
    }
}

pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(of): Query<Of>,
) -> ApiResult<Json<Vec<ApiKey>>> {
    let user = match of.user {
        Some(name) => Some(accounts::by_name(&app, &name).await?.uuid),
        None => None,
    };
    Ok(Json(app.store.keys(user).await?.into_iter().map(shape).collect()))
}

pub(super) async fn create(
    State(app): State<App>,
    Admin(who): Admin,
    Body(new): Body<NewKey>,
) -> ApiResult<Json<NewKeyAnswer>> {
    let user = accounts::by_name(&app, &new.user).await?;
    let key = keys::create(&app, &who.actor(), &user, &new.description).await?;
    Ok(Json(NewKeyAnswer {
        identifier: key[..keys::IDENTIFIER].to_owned(),
        user: user.name,
        key,
    }))
}

pub(super) async fn revoke(
    State(app): State<App>,
    Admin(who): Admin,
    Path(identifier): Path<String>,
) -> ApiResult<StatusCode> {
    keys::revoke(&app, &who.actor(), &identifier).await?;
    Ok(StatusCode::NO_CONTENT)
}
