//! `roost server start`, `stop`, `restart`, `kill`: they stay until the state has settled, so that a script can go on.

use super::{Context, server_view::View};
use crate::{client::segment, failure::Failure, output::or_dash};
use roost_wire::power::{PowerAction, PowerState};
use std::time::{Duration, Instant};

/// Asks for a power action, and says what came of it.
pub async fn act(server: &str, action: PowerAction, cx: &Context) -> Result<(), Failure> {
    let path = format!("/api/client/servers/{}/power", segment(server));
    let before = View::read(server, cx).await?;
    let _: serde_json::Value = cx
        .panel
        .post(&path, &serde_json::json!({"signal": action}))
        .await
        .map_err(|failure| failure.about_server(server))?;
    let now = settled(server, action, &before, cx).await?;
    let state = now.state.unwrap_or_default();
    let wanted = match action {
        PowerAction::Start | PowerAction::Restart => {
            matches!(state, PowerState::Running | PowerState::Starting)
        }
        PowerAction::Stop | PowerAction::Kill => state == PowerState::Offline,
    };
    if !wanted {
        let why = now
            .last_exit
            .as_ref()
            .map(|e| format!(" {e}"))
            .unwrap_or_default();
        return Err(Failure::new(format!(
            "{} is {state}.{why} {}",
            now.identifier,
            who_says_more(&now, cx).await
        )));
    }
    cx.out.done(
        &format!("{} is {state}.", now.identifier),
        serde_json::json!({"server": now.identifier, "state": state}),
    )
}

/// Where to read why a server does not do what it should.
async fn who_says_more(server: &View, cx: &Context) -> String {
    let id = &server.identifier;
    let logs = format!("/api/client/servers/{}/logs?lines=1", segment(id));
    match cx.panel.send(http::Method::GET, &logs, None).await {
        // Stock daemons keep no history, and tell nobody but their own log why they did nothing.
        Ok(answer) if answer.status == 501 => format!(
            "Why, the log of its node's daemon says ({}).",
            or_dash(server.node.as_deref())
        ),
        _ => format!("Its console says more: roost server logs {id}"),
    }
}

/// The server once a power action has done what it can, or patience is over.
pub async fn settled(
    server: &str,
    action: PowerAction,
    before: &View,
    cx: &Context,
) -> Result<View, Failure> {
    let patience = before.patience(action);
    let begun = Instant::now();
    let mut left_old_state = !matches!(action, PowerAction::Restart);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = View::read(server, cx).await?;
        let state = now.state.unwrap_or_default();
        left_old_state |= state != PowerState::Running || now.is_other_run(before);
        let settled = match action {
            PowerAction::Start | PowerAction::Restart => {
                let failed = state == PowerState::Offline && begun.elapsed() > Duration::from_secs(2);
                left_old_state && (state == PowerState::Running || failed)
            }
            PowerAction::Stop | PowerAction::Kill => state == PowerState::Offline,
        };
        if settled || begun.elapsed() > patience {
            return Ok(now);
        }
    }
}
