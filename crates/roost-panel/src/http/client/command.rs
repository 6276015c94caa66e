//! `POST /api/client/servers/{server}/command {"command": "..."}`: one line for the server's terminal.
//!
//! 204 and empty. The headers `Roost-Stream` and `Roost-Seq` say where the journal stood just before, so that one
//! request to `/logs` reads the answer.

use super::node_problem;
use crate::{
    http::{Allowed, ApiError, Body, allowed::TypeCommands},
    node_client::NodeError,
    panel::App,
    service::audit,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode};
use roost_wire::node_api::{HEADER_SEQ, HEADER_STREAM};
use serde::Deserialize;

/// What Pterodactyl's clients look for.
const OFFLINE: &str = "Server must be online in order to send commands.";
/// The longest line that a terminal in line mode takes, in bytes, without its end.
const LINE_MAX: usize = 4095;

/// The body.
#[derive(Debug, Deserialize)]
pub struct Command {
    command: String,
}

/// The handler.
pub async fn send(
    State(app): State<App>,
    allowed: Allowed<TypeCommands>,
    Body(Command { command }): Body<Command>,
) -> Result<Response, ApiError> {
    allowed.require_not_suspended()?;
    check(&command)?;
    let target = node_problem::target(&app, &allowed)?;
    // Written first: what was typed is never missing from the audit.
    let row = audit::entry(&app, &allowed.identity.actor(), "server:console.command")
        .on(&allowed.server)
        .with("command", command.as_str());
    app.store.record(row).await?;
    let place = match app
        .node_client
        .commands(&target, allowed.server.uuid, vec![command])
        .await
    {
        Ok(place) => place,
        Err(error) => {
            let problem = match error {
                NodeError::Declined { status, said } => declined(status, said),
                other => node_problem::problem(&allowed, &other),
            };
            let row = audit::entry(&app, &allowed.identity.actor(), "server:console.refused")
                .on(&allowed.server)
                .with("reason", problem.message());
            app.store.record_or_keep(row).await?;
            return Err(problem);
        }
    };
    let mut reply = StatusCode::NO_CONTENT.into_response();
    if let (Some(stream), Some(seq)) = (place.stream, place.seq)
        && let Ok(stream) = HeaderValue::from_str(&stream.to_string())
    {
        reply.headers_mut().insert(HEADER_STREAM, stream);
        reply.headers_mut().insert(HEADER_SEQ, HeaderValue::from(seq));
    }
    Ok(reply)
}

/// A node's refusal. Daemons say 502 or 417, each in its own words, for a server that is not running.
fn declined(status: u16, said: String) -> ApiError {
    let words = said.to_ascii_lowercase();
    let is_offline = status == 417 || words.contains("offline") || words.contains("stopped");
    match status {
        417 | 502 if is_offline => ApiError::new(502, OFFLINE),
        // Daemons say so of a suspended server, and of nothing else.
        400 => ApiError::new(409, said),
        409 | 429 | 502 => ApiError::new(status, said),
        _ => ApiError::new(422, said),
    }
}

/// A stock daemon passes on what it gets: a line end in it would be a second command.
fn check(command: &str) -> Result<(), ApiError> {
    if command.is_empty() {
        return Err(ApiError::new(422, "`command` must not be empty."));
    }
    if command.len() > LINE_MAX {
        let length = command.len();
        return Err(ApiError::new(
            422,
            format!(
                "The command has {length} bytes, a server's terminal takes {LINE_MAX} a line: shorten it."
            ),
        ));
    }
    if let Some(c) = command.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(ApiError::new(
            422,
            format!(
                "The command holds a control character (U+{:04X}): send one line of plain text.",
                u32::from(c)
            ),
        ));
    }
    Ok(())
}
