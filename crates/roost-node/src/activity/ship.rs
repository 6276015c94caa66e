//! Sends waiting rows to the panel: in order, at most 100 at once, within a second, until they are taken.

use super::{Recorder, queue::Batch};
use crate::remote::{Panel, PanelError};
use roost_wire::remote::Activity;
use std::{io, time::Duration};

/// Rows a request.
const BATCH: usize = 100;
/// Rows that come together leave together.
const GATHER: Duration = Duration::from_millis(200);
/// First and longest pause after a failure.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Runs until it is dropped. What was not sent by then stays on disk.
pub async fn ship(recorder: Recorder, panel: Panel) {
    let mut pause = RETRY.0;
    let mut away = false;
    loop {
        if recorder.with(|queue| queue.is_empty()) {
            recorder.0.arrived.notified().await;
            tokio::time::sleep(GATHER).await;
        }
        match send_some(&recorder, &panel).await {
            Ok(()) => {
                if away {
                    tracing::info!("audit rows reach the panel again");
                }
                (pause, away) = (RETRY.0, false);
            }
            Err(error) => {
                if !away {
                    tracing::warn!(%error, "audit rows do not reach the panel; they wait on disk and are sent again");
                }
                away = true;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY.1);
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ShipError {
    #[error(transparent)]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Panel(#[from] PanelError),
}

async fn send_some(recorder: &Recorder, panel: &Panel) -> Result<(), ShipError> {
    let Batch { rows, upto } = recorder.with(|queue| queue.peek(BATCH))?;
    if !rows.is_empty() {
        match panel.activity(&rows).await {
            Err(error) if error.blames_content() && rows.len() > 1 => send_singly(panel, &rows).await?,
            Err(error) if error.blames_content() => log_dropped(&rows[0], &error),
            other => other?,
        }
    }
    recorder.with(|queue| queue.advance(upto))?;
    recorder.0.taken.notify_waiters();
    Ok(())
}

/// One row that the panel can't take must not keep the others back.
async fn send_singly(panel: &Panel, rows: &[Activity]) -> Result<(), PanelError> {
    for row in rows {
        match panel.activity(std::slice::from_ref(row)).await {
            Err(error) if error.blames_content() => log_dropped(row, &error),
            other => other?,
        }
    }
    Ok(())
}

fn log_dropped(row: &Activity, error: &PanelError) {
    tracing::error!(server = %row.server, event = row.event, id = ?row.id, %error, "the panel refuses an audit row: dropped");
}
