//! `roost server start`, `stop`, `restart`, `kill`: they stay until the state has settled, so that a script can go on.

use super::{Context, server_view::View};
use crate::{client::segment, failure::Failure, output::or_dash};
use roost_wire::power::{PowerAction, PowerState};
use std::time::{Duration, Instant};

/// What a kill is ended by.
const SIGKILL: i32 = 9;

/// Asks for a power action, and says what came of it.
pub async fn act(server: &str, action: PowerAction, cx: &Context) -> Result<(), Failure> {
    let path = format!("/api/client/servers/{}/power", segment(server));
    let before = View::read(server, cx).await?;
    let _: serde_json::Value = cx
        .panel
        .post(&path, &serde_json::json!({"signal": action}))
        .await
        .map_err(|failure| failure.about_server(server))?;
    let begun = Instant::now();
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
    let killed = was_killed(action, &before, &now, begun.elapsed());
    let how = killed
        .as_ref()
        .map(|after| format!(" It did not stop by itself and was killed{after}."));
    cx.out.done(
        &format!("{} is {state}.{}", now.identifier, how.unwrap_or_default()),
        serde_json::json!({"server": now.identifier, "state": state, "killed": killed.is_some()}),
    )
}

/// Whether a stop had to become a kill, and after how long where it was the kill timer.
fn was_killed(action: PowerAction, before: &View, now: &View, took: Duration) -> Option<String> {
    let end = |view: &View| view.server.as_ref().and_then(|server| server.last_end.clone());
    let last = end(now)?;
    let is_stop = matches!(action, PowerAction::Stop | PowerAction::Restart);
    if !is_stop || last.signal != Some(SIGKILL) || end(before).as_ref() == Some(&last) {
        return None;
    }
    let timer = now.stop_timeout;
    Some(if took >= Duration::from_secs(timer) {
        format!(" after {timer} s")
    } else {
        String::new()
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::node_api::LastEnd;

    fn view(signal: Option<i32>, time: &str) -> View {
        let mut server: roost_wire::admin_api::Server = serde_json::from_value(serde_json::json!({
            "uuid": "9dd24623-4a8e-44c7-b0cc-131caba3c220", "identifier": "slow", "name": "Slow", "owner": "ada",
            "node": "local", "runtime": "process", "command": ["x"], "image": null, "startup": null, "pull": "missing",
            "dir": null, "ports": [], "memory": 0, "cpu": 0, "disk": 0, "done": null, "stop": null, "stop_timeout": 3,
            "env": {}, "suspended": false, "created_at": "", "state": "offline", "stats": null, "pid": null,
        }))
        .unwrap();
        server.last_end = Some(LastEnd {
            time: time.to_owned(),
            asked: true,
            signal,
            ..LastEnd::default()
        });
        View::of(server)
    }

    #[test]
    fn a_stop_that_became_a_kill_is_told() {
        let (before, secs) = (view(Some(9), "1"), Duration::from_secs);
        let killed = |action, now: &View, took| was_killed(action, &before, now, took);
        let now = view(Some(9), "2");
        assert_eq!(
            killed(PowerAction::Stop, &now, secs(3)).as_deref(),
            Some(" after 3 s")
        );
        assert_eq!(
            killed(PowerAction::Restart, &now, secs(4)).as_deref(),
            Some(" after 3 s")
        );
        assert_eq!(
            killed(PowerAction::Stop, &now, secs(2)).as_deref(),
            Some(""),
            "somebody killed it"
        );
        assert_eq!(
            killed(PowerAction::Kill, &now, secs(3)),
            None,
            "that was asked for"
        );
        assert_eq!(
            killed(PowerAction::Stop, &view(None, "2"), secs(3)),
            None,
            "it ended by itself"
        );
        assert_eq!(killed(PowerAction::Stop, &view(Some(15), "2"), secs(3)), None);
        assert_eq!(
            killed(PowerAction::Stop, &view(Some(9), "1"), secs(3)),
            None,
            "that was an earlier run"
        );
    }
}
