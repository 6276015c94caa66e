//! How a long-running `roost` ends: the first SIGTERM or Ctrl-C is soft, a second one, or ten seconds, is hard.
//! `docs/operations.md` says what each means for servers and viewers.

use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Longest soft end.
const PATIENCE: Duration = Duration::from_secs(9);

/// What a long-running verb ends by.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    /// Cancelled when it should end.
    pub stop: CancellationToken,
    /// Everything that must have ended before the process does.
    pub tasks: TaskTracker,
}

impl Lifecycle {
    /// Waits for the first signal, or until something else cancels [`Self::stop`].
    pub async fn until_stopped(&self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let by_signal = tokio::select! {
            _ = terminate.recv() => {
                tracing::info!("asked to stop by SIGTERM");
                true
            }
            _ = interrupt.recv() => {
                tracing::info!("asked to stop by Ctrl-C");
                true
            }
            () = self.stop.cancelled() => false,
        };
        tokio::spawn(async move {
            // After `roost down` the first one says nothing new: systemd sends it once ExecStop is done.
            for _ in 0..if by_signal { 1 } else { 2 } {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            }
            tracing::warn!("asked a second time: ending at once");
            std::process::exit(1);
        });
        Ok(())
    }

    /// Cancels and waits for all tasks, as long as patience lasts.
    pub async fn finish(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(PATIENCE, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
    }
}
