//! Power and commands. Whoever asks here holds the node's secret: rights were checked by the panel, which also writes
//! its own audit rows.

use super::answer::{Body, Failure, Named, ask};
use crate::server::{
    command,
    handle::{Refusal, Request, Requester, ServerHandle},
};
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::StatusCode;
use roost_wire::{
    node_api::{CommandRequest, HEADER_SEQ, HEADER_STREAM},
    power::PowerAction,
};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;

/// How long an actor may take to answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// Commands in one request.
const COMMANDS_MAX: usize = 100;
/// Seconds that a power action may wait for another one at most, and what anything else counts as.
const WAIT_SECS: (u64, u64) = (300, 30);

#[derive(Debug, Deserialize)]
pub(super) struct PowerForm {
    action: String,
    #[serde(default)]
    wait_seconds: Option<i64>,
}

/// `POST .../power`: 202 when it is under way (or there is nothing to do), 409 when something else is.
pub(super) async fn power(Named(server): Named, Body(form): Body<PowerForm>) -> Result<StatusCode, Failure> {
    let action: PowerAction = form.action.parse().map_err(|_| Refusal::UnknownAction)?;
    match ask_power(&server, action).await {
        Ok(()) => Ok(StatusCode::ACCEPTED),
        Err(Failure(StatusCode::CONFLICT, text)) => {
            let state = server.view.borrow().state;
            let nothing_to_do = match action {
                PowerAction::Start => matches!(state.as_str(), "running" | "starting"),
                PowerAction::Stop => state.as_str() == "offline",
                _ => false,
            };
            let wait = wait_secs(form.wait_seconds);
            if nothing_to_do {
                Ok(StatusCode::ACCEPTED)
            } else if wait > 0 {
                tokio::spawn(try_again(server, action, Duration::from_secs(wait)));
                Ok(StatusCode::ACCEPTED)
            } else {
                Err(Failure(StatusCode::CONFLICT, text))
            }
        }
        Err(failure) => Err(failure),
    }
}

async fn ask_power(server: &ServerHandle, action: PowerAction) -> Result<(), Failure> {
    let request = |reply| Request::Power {
        action,
        by: Requester::default(),
        reply,
    };
    ask(server, PATIENCE, request).await
}

fn wait_secs(asked: Option<i64>) -> u64 {
    let (most, otherwise) = WAIT_SECS;
    match asked {
        None => 0,
        Some(secs) => u64::try_from(secs)
            .ok()
            .filter(|secs| *secs <= most)
            .unwrap_or(otherwise),
    }
}

/// Waits for the other action to end.
async fn try_again(server: ServerHandle, action: PowerAction, wait: Duration) {
    let end = Instant::now() + wait;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(500)).await;
        match ask_power(&server, action).await {
            Err(Failure(StatusCode::CONFLICT, _)) => {}
            _ => return,
        }
    }
    tracing::info!(server = %server.uuid, %action, "a power action waited in vain for another one to end");
}

/// `POST .../commands`: 204 when the terminal has taken all lines. The headers say where the journal stood before.
pub(super) async fn commands(
    Named(server): Named,
    Body(form): Body<CommandRequest>,
) -> Result<Response, Failure> {
    if form.commands.len() > COMMANDS_MAX {
        let text = format!("At most {COMMANDS_MAX} commands in one request.");
        return Err(Failure(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    // All of them are checked before the first is written.
    for text in &form.commands {
        command::check(text)?;
    }
    let stream = server.console.stream().to_string();
    let seq = server.console.next_seq().saturating_sub(1).to_string();
    for text in form.commands {
        let request = |reply| Request::Command {
            text,
            by: Requester::default(),
            reply,
        };
        ask(&server, PATIENCE, request).await?;
    }
    let headers = AppendHeaders([(HEADER_STREAM, stream), (HEADER_SEQ, seq)]);
    Ok((StatusCode::NO_CONTENT, headers).into_response())
}
