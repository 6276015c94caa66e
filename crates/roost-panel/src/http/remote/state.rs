//! `POST /api/remote/servers/{server}/container/status`: some daemons tell each change of a server's state.

use super::OwnServer;
use crate::{
    http::{ApiError, Body},
    panel::App,
    service::credentials::note_state,
};
use axum::extract::State;
use http::StatusCode;
use roost_wire::power::PowerState;
use serde::Deserialize;

/// The body.
#[derive(Debug, Deserialize)]
pub struct Changed {
    data: States,
}

#[derive(Debug, Deserialize)]
struct States {
    new_state: String,
}

/// The handler. A state that is none of the four is no news.
pub async fn changed(
    State(app): State<App>,
    own: OwnServer,
    Body(changed): Body<Changed>,
) -> Result<StatusCode, ApiError> {
    let known: Result<PowerState, _> = serde_json::from_value(changed.data.new_state.into());
    if let Ok(state) = known {
        note_state(&app, &own.server, state).await;
    }
    Ok(StatusCode::NO_CONTENT)
}
