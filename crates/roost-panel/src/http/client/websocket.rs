//! `GET /api/client/servers/{server}/websocket`: the token and the socket of a console.
//!
//! | status | |
//! |---|---|
//! | 200 | `token`, `socket`, and both once more under `data`; or `unavailable`, where the node does not know the server |
//! | 400 | blank or malformed identifier |
//! | 401 | no session and no key, or a bad one |
//! | 403 | access to the server, but no `websocket.connect` |
//! | 404 | no such server, or no access at all |
//! | 409 | suspended (administrators pass) |
//! | 500 | no node, or a node without an address |
//! | 502 | the node can't be used; within 2 s |

use super::node_problem;
use crate::{
    http::{
        Allowed, ApiError, Identity, Via,
        allowed::{Anybody, missing_identifier},
    },
    panel::App,
    service::{
        audit,
        credentials::{self, Answer, Asked, NoCredentials},
    },
};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use roost_wire::{permission::WEBSOCKET_CONNECT, problem::Problem};

/// A path without an identifier.
pub async fn missing(_: Identity) -> ApiError {
    missing_identifier()
}

/// The handler.
pub async fn issue(State(app): State<App>, allowed: Allowed<Anybody>) -> Result<Response, ApiError> {
    let may = allowed
        .require(WEBSOCKET_CONNECT)
        .and_then(|()| allowed.require_not_suspended());
    if let Err(refused) = may {
        let row = audit::entry(&app, &allowed.identity.actor(), "server:websocket.refused")
            .on(&allowed.server)
            .with("reason", refused.0.message.as_str());
        app.store.record(row).await?;
        return Err(refused);
    }
    let identity = &allowed.identity;
    let asked = Asked {
        user: identity.user.uuid,
        user_name: &identity.user.name,
        credential: &identity.credential,
        actor: &identity.actor(),
        server: &allowed.server,
        access: &allowed.access,
        way: (identity.via != Via::Cli).then_some(&identity.way),
    };
    let body = match credentials::issue(&app, asked).await {
        Ok(Answer::Issued(credentials)) => Json(credentials).into_response(),
        Ok(Answer::Unavailable(unavailable)) => Json(unavailable).into_response(),
        Err(error) => return Err(refusal(&allowed, error)),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}

fn refusal(allowed: &Allowed<Anybody>, error: NoCredentials) -> ApiError {
    match error {
        NoCredentials::NoNode => ApiError::new(500, error.to_string()),
        NoCredentials::Node(ref why) => {
            node_problem::note(allowed, why);
            node_problem::with_detail(allowed, Problem::new(502, error.to_string()), why)
        }
        NoCredentials::Service(error) => error.into(),
    }
}
