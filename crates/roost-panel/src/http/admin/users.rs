//! Accounts.

use crate::{
    http::{Admin, Body, problem::ApiResult},
    panel::App,
    service::accounts,
    store::UserRow,
};
use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use roost_wire::{
    admin_api::{NewUser, SetPassword, User},
    clock::rfc3339,
};

fn shape(user: UserRow) -> User {
    User {
        uuid: user.uuid,
        name: user.name,
        email: user.email,
        admin: user.admin,
        created_at: rfc3339(user.created_at),
    }
}

pub(super) async fn list(State(app): State<App>, _: Admin) -> ApiResult<Json<Vec<User>>> {
    Ok(Json(app.store.users().await?.into_iter().map(shape).collect()))
}

pub(super) async fn create(
    State(app): State<App>,
    Admin(who): Admin,
    Body(new): Body<NewUser>,
) -> ApiResult<Json<User>> {
    Ok(Json(shape(accounts::create(&app, &who.actor(), new).await?)))
}

pub(super) async fn set_password(
    State(app): State<App>,
    Admin(who): Admin,
    Path(name): Path<String>,
    Body(new): Body<SetPassword>,
) -> ApiResult<StatusCode> {
    accounts::set_password(&app, &who.actor(), &name, new.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(
    State(app): State<App>,
    Admin(who): Admin,
    Path(name): Path<String>,
) -> ApiResult<StatusCode> {
    accounts::delete(&app, &who.actor(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
