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
//! | 507 | the disk is full, and no more audit rows can be kept until there is room |

use super::node_problem;
use crate::{
    http::{
        Allowed, ApiError, Identity, Via,
        allowed::{Anybody, missing_identifier, server_ref},
    },
    panel::App,
    service::{
        audit,
        credentials::{self, Answer, Asked, NoCredentials},
    },
};
use axum::{
    Json,
    extract::{FromRequestParts, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, header, request::Parts};
use roost_wire::{
    client_api::HEADER_ORIGIN, origin::Origin, permission::WEBSOCKET_CONNECT, problem::Problem,
};

/// The audit's word for credentials that were not handed out.
const REFUSED: &str = "server:websocket.refused";

/// A path without an identifier.
pub async fn missing(_: Identity) -> ApiError {
    missing_identifier()
}

/// The handler.
pub async fn issue(
    State(app): State<App>,
    mut parts: Parts,
    allowed: Result<Allowed<Anybody>, ApiError>,
) -> Result<Response, ApiError> {
    let allowed = match allowed {
        Ok(allowed) => allowed,
        Err(refused) => {
            if refused.0.status == 404 {
                record_stranger(&app, &mut parts).await?;
            }
            return Err(refused);
        }
    };
    let user = allowed.identity.user.uuid;
    let allowed = match credentials::settle(&app, &allowed.server, user).await? {
        Some(from) => {
            let mut again = Allowed::<Anybody>::from_request_parts(&mut parts, &app).await?;
            again.as_of = again.as_of.max(from);
            again
        }
        None => allowed,
    };
    let may = allowed
        .require(WEBSOCKET_CONNECT)
        .and_then(|()| allowed.require_not_suspended());
    if let Err(refused) = may {
        let row = audit::entry(&app, &allowed.identity.actor(), REFUSED)
            .on(&allowed.server)
            .with("reason", refused.0.message.as_str());
        app.store.record_or_keep(row).await?;
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
        as_of: allowed.as_of,
        way: (identity.via != Via::Cli).then_some(&identity.way),
    };
    let body = match credentials::issue(&app, asked).await {
        Ok(Answer::Issued(credentials)) => (origin_header(&app, &allowed), Json(credentials)).into_response(),
        Ok(Answer::Unavailable(unavailable)) => Json(unavailable).into_response(),
        Err(error) => return Err(refusal(&allowed, error)),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}

/// The `Origin` that a program has to send to a node which insists on one: stock daemons take that of the panel's pages.
/// The node inside `roost up` has no address of its own and does not insist.
fn origin_header(app: &App, allowed: &Allowed<Anybody>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let node = allowed.server.node_row.as_ref();
    if node.is_some_and(|node| !node.address.is_empty())
        && let Ok(origin) = Origin::parse(&allowed.identity.panel_address(app))
        && let Ok(value) = HeaderValue::from_str(&origin.to_string())
    {
        headers.insert(HEADER_ORIGIN, value);
    }
    headers
}

/// Somebody asked for a server that is there and that he has no access to. He is told that there is none.
async fn record_stranger(app: &App, parts: &mut Parts) -> Result<(), ApiError> {
    let named = server_ref(parts, app).await?;
    let Some(server) = app.store.server(&named).await? else {
        return Ok(());
    };
    let identity = Identity::from_request_parts(parts, app).await?;
    let row = audit::entry(app, &identity.actor(), REFUSED)
        .on(&server)
        .with("reason", "no access to this server");
    Ok(app.store.record_or_keep(row).await?)
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
