//! The remote API: what nodes ask for, Roost's own and stock daemons alike.
//!
//! Every route takes [`CallingNode`], and one that names a server takes [`OwnServer`]: a node reaches its own servers and
//! nothing else. Shapes are `roost_wire::remote`'s business.

mod activity;
mod install;
mod revocations;
mod servers;
mod state;

#[cfg(test)]
mod tests;

use super::ApiError;
use crate::{
    panel::App,
    service::nodes,
    store::{NodeRow, ServerRow},
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts, RawPathParams},
    routing::{any, get, post},
};
use http::{header, request::Parts};
use roost_wire::id::ServerRef;
use uuid::Uuid;

/// Most bytes of a batch of activity: 100 rows with a long command each.
const BATCH_MAX: usize = 1 << 20;

/// Its routes.
pub fn routes() -> Router<App> {
    let server = "/api/remote/servers/{server}";
    let of = |rest: &str| format!("{server}/{rest}");
    Router::new()
        .route("/api/remote/servers", get(servers::list))
        .route("/api/remote/servers/reset", post(servers::reset))
        .route("/api/remote/revocations", get(revocations::missed))
        .route(server, get(servers::show))
        .route(&of("install"), get(install::script).post(install::result))
        .route(&of("container/status"), post(state::changed))
        .route(&of("transfer/success"), any(no_transfer))
        .route(&of("transfer/failure"), any(no_transfer))
        .route(&of("archive"), any(no_transfer))
        .route(
            "/api/remote/activity",
            post(activity::take).layer(DefaultBodyLimit::max(BATCH_MAX)),
        )
        .route("/api/remote/sftp/auth", post(no_sftp))
        .route("/api/remote/backups/{backup}", any(no_backup))
        .route("/api/remote/backups/{backup}/{*rest}", any(no_backup))
}

/// A node that has shown itself by `Authorization: Bearer <token id>.<secret>`. 401 without, 400 for something else,
/// 403 for one that does not hold.
#[derive(Debug, Clone)]
pub struct CallingNode(pub NodeRow);

impl FromRequestParts<App> for CallingNode {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let sent = parts.headers.get(header::AUTHORIZATION);
        let text = sent.and_then(|v| v.to_str().ok()).unwrap_or_default().trim();
        let Some((_, token)) = text
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        else {
            return Err(ApiError::new(
                401,
                "Send the node's credential: Authorization: Bearer TOKEN_ID.TOKEN",
            ));
        };
        let (token_id, secret) = token
            .trim()
            .split_once('.')
            .filter(|(id, secret)| !id.is_empty() && !secret.is_empty() && !secret.contains('.'))
            .ok_or_else(|| ApiError::new(400, "A node's credential has two parts: TOKEN_ID.TOKEN"))?;
        nodes::authenticate(app, token_id, secret).await?.map(Self).ok_or_else(|| {
            ApiError::new(
                403,
                "This credential is no node's. `roost node config NAME --reveal-token` on the panel prints the right one.",
            )
        })
    }
}

/// A server of the calling node. Others are 404, whether they exist or not.
#[derive(Debug, Clone)]
pub struct OwnServer {
    /// The node.
    pub node: NodeRow,
    /// Its server.
    pub server: ServerRow,
}

impl FromRequestParts<App> for OwnServer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let CallingNode(node) = CallingNode::from_request_parts(parts, app).await?;
        let params = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| ApiError::no_such_server())?;
        let uuid = params
            .iter()
            .find_map(|(name, value)| (name == "server").then(|| Uuid::try_parse(value).ok()));
        let uuid = uuid.flatten().ok_or_else(ApiError::no_such_server)?;
        let server = app
            .store
            .server(&ServerRef::Uuid(uuid))
            .await?
            .filter(|s| s.node == Some(node.uuid));
        server
            .map(|server| Self { node, server })
            .ok_or_else(ApiError::no_such_server)
    }
}

/// Servers are not moved between nodes.
async fn no_transfer(_: OwnServer) -> ApiError {
    ApiError::new(409, "This server is not being transferred.")
}

/// Any 4xx means: these are not the credentials of anybody.
async fn no_sftp(_: CallingNode) -> ApiError {
    ApiError::new(403, "There is no SFTP on this panel.")
}

/// There are none.
async fn no_backup(_: CallingNode) -> ApiError {
    ApiError::new(404, "There is no such backup.")
}
