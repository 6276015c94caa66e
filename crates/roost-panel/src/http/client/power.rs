//! `POST /api/client/servers/{server}/power {"signal": "start" | "stop" | "restart" | "kill"}` (or `action`): 204 when
//! the node has taken it on.

use super::node_problem;
use crate::{
    http::{Allowed, ApiError, Body, allowed::Anybody},
    node_client::NodeError,
    panel::App,
    service::audit,
};
use axum::extract::State;
use http::StatusCode;
use roost_wire::power::PowerAction;
use serde::Deserialize;

/// Either name will do.
#[derive(Debug, Deserialize)]
pub struct Power {
    #[serde(default)]
    signal: Option<String>,
    #[serde(default)]
    action: Option<String>,
}

/// The handler.
pub async fn act(
    State(app): State<App>,
    allowed: Allowed<Anybody>,
    Body(power): Body<Power>,
) -> Result<StatusCode, ApiError> {
    let word = power.signal.or(power.action).unwrap_or_default();
    let action: PowerAction = word
        .parse()
        .map_err(|_| ApiError::new(422, "`signal` must be start, stop, restart or kill."))?;
    allowed.require(action.permission())?;
    allowed.require_not_suspended()?;
    let target = node_problem::target(&app, &allowed)?;
    // Written first: what was set in motion is never missing from the audit.
    let row =
        audit::entry(&app, &allowed.identity.actor(), &format!("server:power.{action}")).on(&allowed.server);
    app.store.record(row).await?;
    let done = app.node_client.power(&target, allowed.server.uuid, action).await;
    let problem = match done {
        Ok(()) => return Ok(StatusCode::NO_CONTENT),
        // Daemons say so of a suspended server, and of nothing else.
        Err(NodeError::Declined { status: 400, said }) => ApiError::new(409, said),
        Err(other) => node_problem::problem(&allowed, &other),
    };
    let row = audit::entry(&app, &allowed.identity.actor(), "server:power.refused")
        .on(&allowed.server)
        .with("action", action.as_str())
        .with("reason", problem.message());
    app.store.record_or_keep(row).await?;
    Err(problem)
}
