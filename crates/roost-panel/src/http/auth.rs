//! `/api/auth`: logging in and out, and who one is.

use super::{
    ApiError, Identity, Via,
    identity::{COOKIE, way},
    problem::{ApiResult, parse, unreadable},
};
use crate::{
    panel::App,
    service::{accounts::PASSWORD_MAX, sessions},
    store::UserRow,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{FromRequest, Request, State},
    response::{AppendHeaders, IntoResponse},
    routing::{get, post},
};
use http::{StatusCode, header};
use roost_wire::peer::Way;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Its routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/auth/login", post(log_in))
        .route("/api/auth/logout", post(log_out))
        .route("/api/auth/me", get(me))
}

#[derive(Deserialize)]
struct Login {
    user: String,
    password: String,
}

/// Who one is.
#[derive(Debug, Serialize)]
struct Me {
    uuid: Uuid,
    name: String,
    email: Option<String>,
    admin: bool,
}

impl From<UserRow> for Me {
    fn from(user: UserRow) -> Self {
        Self {
            uuid: user.uuid,
            name: user.name,
            email: user.email,
            admin: user.admin,
        }
    }
}

#[derive(Serialize)]
struct LoggedIn {
    user: Me,
}

async fn log_in(State(app): State<App>, request: Request) -> ApiResult<impl IntoResponse> {
    let (parts, body) = request.into_parts();
    let way = way(&app, &parts);
    let agent = parts
        .headers
        .get(header::USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let request = Request::from_parts(parts, body);
    let bytes = Bytes::from_request(request, &app)
        .await
        .map_err(|r| unreadable(&r))?;
    let login: Login = parse(&bytes, 400)?;
    if login.password.len() > PASSWORD_MAX || login.user.len() > 400 {
        return Err(ApiError::new(
            400,
            "user or password is longer than any account's.",
        ));
    }
    let done = sessions::log_in(&app, &login.user, login.password, way.address, &agent).await?;
    let cookie = cookie(&app, &way, &done.token, sessions::LIFETIME / 1000);
    Ok((
        AppendHeaders([(header::SET_COOKIE, cookie)]),
        Json(LoggedIn {
            user: done.user.into(),
        }),
    ))
}

async fn log_out(State(app): State<App>, identity: Identity) -> ApiResult<impl IntoResponse> {
    if identity.via == Via::Session {
        sessions::log_out(&app, &identity.actor(), &identity.user, &identity.credential).await?;
    }
    let cookie = cookie(&app, &identity.way, "", 0);
    Ok((
        StatusCode::NO_CONTENT,
        AppendHeaders([(header::SET_COOKIE, cookie)]),
    ))
}

async fn me(identity: Identity) -> Json<Me> {
    Json(identity.user.into())
}

/// `Secure` where the browser speaks HTTPS to the panel: it would not send the cookie over HTTP.
fn cookie(app: &App, way: &Way, value: &str, seconds: i64) -> String {
    let https = match &app.options.public_url {
        Some(url) => url.starts_with("https://") || way.scheme == "https",
        None => way.scheme == "https",
    };
    let secure = if https { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(test)]
mod tests;
