//! `/api/client/servers/{server}/users`: who else has access, and changes of it by those who may.
//!
//! Nobody grants what he lacks, nor changes his own rights. An account must be there already: administrators make them.

use super::shape;
use crate::{
    http::{
        Allowed, ApiError, Body,
        allowed::{Anybody, ReadUsers},
    },
    panel::App,
    service::grants,
    store::{GrantRow, UserRow},
};
use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use roost_wire::permission::{USER_CREATE, USER_DELETE, USER_UPDATE};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// A new subuser: by e-mail, as existing clients do, or by name.
#[derive(Debug, Deserialize)]
pub struct NewSubuser {
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    user: Option<String>,
    permissions: Vec<String>,
}

/// Other rights.
#[derive(Debug, Deserialize)]
pub struct NewRights {
    permissions: Vec<String>,
}

/// `GET .../users`.
pub async fn list(State(app): State<App>, allowed: Allowed<ReadUsers>) -> Result<Json<Value>, ApiError> {
    let grants = app.store.grants(allowed.server.uuid).await?;
    let data = grants.iter().map(shape::subuser).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({"object": "list", "data": data})))
}

/// `GET .../users/{user}`.
pub async fn show(
    State(app): State<App>,
    allowed: Allowed<ReadUsers>,
    Path((_, user)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(shape::subuser(&subuser(&app, &allowed, &user).await?)?))
}

/// `POST .../users`.
pub async fn create(
    State(app): State<App>,
    allowed: Allowed<Anybody>,
    Body(new): Body<NewSubuser>,
) -> Result<Json<Value>, ApiError> {
    allowed.require(USER_CREATE)?;
    let named = new.user.or(new.email).unwrap_or_default();
    if named.trim().is_empty() {
        return Err(ApiError::new(422, "Give `email` or `user`: whom to give access."));
    }
    let Some((user, _)) = app.store.user_for_login(&named).await? else {
        return Err(ApiError::new(
            404,
            "There is no such account. An administrator of the panel makes accounts.",
        ));
    };
    if app.store.grant(allowed.server.uuid, user.uuid).await?.is_some() {
        return Err(ApiError::new(
            400,
            format!("{} has access to this server already.", user.name),
        ));
    }
    set(&app, &allowed, &user, &[], &new.permissions).await
}

/// `POST .../users/{user}`.
pub async fn update(
    State(app): State<App>,
    allowed: Allowed<Anybody>,
    Path((_, user)): Path<(String, String)>,
    Body(new): Body<NewRights>,
) -> Result<Json<Value>, ApiError> {
    allowed.require(USER_UPDATE)?;
    let before = subuser(&app, &allowed, &user).await?;
    set(
        &app,
        &allowed,
        &before.user,
        &before.permissions()?,
        &new.permissions,
    )
    .await
}

/// `DELETE .../users/{user}`.
pub async fn delete(
    State(app): State<App>,
    allowed: Allowed<Anybody>,
    Path((_, user)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    allowed.require(USER_DELETE)?;
    let before = subuser(&app, &allowed, &user).await?;
    grants::revoke(
        &app,
        &allowed.identity.actor(),
        &allowed.server,
        &before.user.name,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set(
    app: &App,
    allowed: &Allowed<Anybody>,
    user: &UserRow,
    before: &[String],
    names: &[String],
) -> Result<Json<Value>, ApiError> {
    if user.uuid == allowed.identity.user.uuid {
        return Err(ApiError::new(
            403,
            "Nobody changes his own rights. Ask the server's owner.",
        ));
    }
    let lacking: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !allowed.access.rights.allows(name) && !before.iter().any(|had| had == name))
        .collect();
    if !lacking.is_empty() {
        let lacking: String = lacking.join(", ").chars().take(200).collect();
        return Err(ApiError::new(
            403,
            format!("You can't give what you do not have: {lacking}."),
        ));
    }
    grants::set(app, &allowed.identity.actor(), &allowed.server, &user.name, names).await?;
    Ok(Json(shape::subuser(
        &subuser(app, allowed, &user.uuid.to_string()).await?,
    )?))
}

/// Somebody with a grant on this server, by UUID or name.
async fn subuser<P>(app: &App, allowed: &Allowed<P>, named: &str) -> Result<GrantRow, ApiError> {
    let uuid = Uuid::try_parse(named).ok();
    let all = app.store.grants(allowed.server.uuid).await?;
    let found = all
        .into_iter()
        .find(|g| Some(g.user.uuid) == uuid || g.user.name.eq_ignore_ascii_case(named));
    found.ok_or_else(|| ApiError::new(404, "Nobody of that name was given access to this server."))
}
