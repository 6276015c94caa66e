//! `roost down --machine`, for `ExecStop=` of a unit: systemd calls it whenever the unit stops, and only it knows whether
//! the whole machine does. If so, every server gets its own stop at once, so that it can save; if not, servers run on.

use super::{Place, Why, stop};
use crate::{failure::Failure, output::Output};
use std::{process::Stdio, time::Duration};

/// How long systemd may take to answer.
const SYSTEMD_PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn down(place: &Place, out: Output) -> Result<(), Failure> {
    let state = state_of_machine().await?;
    if state != "stopping" {
        let sentence = format!("The machine does not go down (systemd says `{state}`): servers run on.");
        return out.done(&sentence, serde_json::json!({"machine": state}));
    }
    stop(&place.socket, Why::Machine, out).await.map_err(|e| Failure {
        message: format!(
            "the node could not stop its servers before the machine goes down: {}. Those that run get no stop of their \
             own, and end with the machine",
            e.message
        ),
        ..e
    })?;
    out.done(
        "All servers are down; those that were up are started when the machine is up again.",
        serde_json::json!({"machine": state}),
    )
}

/// What `systemctl is-system-running` says: `running`, `stopping`, ... Its exit code says less.
async fn state_of_machine() -> Result<String, Failure> {
    let cant = |e: &dyn std::fmt::Display| {
        Failure::new(format!(
            "can't tell whether the machine goes down, since `systemctl is-system-running` failed: {e}; servers run on"
        ))
    };
    let asked = tokio::process::Command::new("systemctl")
        .arg("is-system-running")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(SYSTEMD_PATIENCE, asked)
        .await
        .map_err(|_| cant(&"no answer within 30 s"))?
        .map_err(|e| cant(&e))?;
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if state.is_empty() {
        return Err(cant(&output.status));
    }
    Ok(state)
}
