//! What this runtime needs of keepers, and the end of one whose start has failed.
//!
//! How a keeper process is spawned, and what it says afterwards, is not decided here.

use crate::runtime::Launch;
use roost_keeper::protocol::{Frame, NodeFrame, VERSION};
use std::{
    future::Future,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};
use uuid::Uuid;

/// How long a keeper that is let go may take to close its end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Makes and finds the processes that hold containers' streams.
pub trait Keepers: Sync {
    /// Spawns a keeper for `launch.run` that is attached to `container` of the engine at `socket` when this returns,
    /// and connects to it. The error is a clause that says what went wrong; nothing is left running then.
    fn attach(
        &self,
        launch: &Launch,
        socket: &Path,
        container: &str,
    ) -> impl Future<Output = Result<UnixStream, String>> + Send;

    /// The run that the living keeper in `launch.keeper_dir` holds, and a new link to it.
    fn living(&self, launch: &Launch) -> impl Future<Output = Option<(Uuid, UnixStream)>> + Send;
}

/// A keeper that is let go unless its container starts: without this it would wait for ever for its output to be read.
pub(super) struct Held {
    pub(super) run: Uuid,
    pub(super) link: Option<UnixStream>,
}

impl Held {
    /// The start has succeeded.
    pub(super) fn keep(mut self) -> Option<UnixStream> {
        self.link.take()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            let run = self.run;
            tokio::task::spawn_blocking(move || {
                if let Err(e) = let_go(link, run) {
                    tracing::warn!(%run, error = %e, "the keeper of a failed start may be left behind");
                }
            });
        }
    }
}

fn let_go(mut link: UnixStream, run: Uuid) -> io::Result<()> {
    link.set_nonblocking(false)?;
    link.set_read_timeout(Some(FAREWELL))?;
    let mut frames = Vec::new();
    NodeFrame::Hello {
        version: VERSION,
        run,
        resume_offset: 0,
    }
    .encode(&mut frames);
    NodeFrame::Release.encode(&mut frames);
    link.write_all(&frames)?;
    // Until it has closed its end: closing this one earlier could take the frames from it.
    let mut ignored = [0; 4096];
    while link.read(&mut ignored)? > 0 {}
    Ok(())
}
