//! The end of a deleted server: its sockets, container, journal and directories go.
//!
//! Its program has ended before.

use super::Actor;
use crate::{node::Layout, server::handle::Refusal, socket::Filter};
use roost_wire::close::Close;
use std::{fs, io, path::Path, time::Duration};
use uuid::Uuid;

/// How often a directory that fills again is removed once more, and the pause before it.
const TRIES: u32 = 20;
const TRY_PAUSE: Duration = Duration::from_millis(20);
/// How long the panel is given to take the audit's last rows of the server while it still knows it.
const SHIP_PATIENCE: Duration = Duration::from_secs(2);

impl Actor {
    pub(super) async fn remove(mut self) {
        self.ended.cancel();
        let (shards, everybody) = (self.context.shards.clone(), Filter::Server(self.uuid));
        let closing = move || shards.close(&everybody, Close::ServerDeleted, None);
        let _ = tokio::task::spawn_blocking(closing).await;
        let keeps_dir = self.definition.roost().dir.is_some();
        let mut failures = Vec::new();
        if let Err(error) = self.context.runtimes.forget(&self.placed, self.uuid).await {
            failures.push(error.to_string());
        }
        self.context.directories.forget(self.uuid);
        let _ = self.context.pumps.remove(self.uuid).await;
        let (layout, uuid) = (self.context.layout.clone(), self.uuid);
        let removed = tokio::task::spawn_blocking(move || remove_dirs(&layout, uuid, keeps_dir)).await;
        failures.extend(removed.unwrap_or_else(|e| vec![e.to_string()]));
        let answer = if failures.is_empty() {
            tracing::info!(server = %self.uuid, "deleted");
            Ok(())
        } else {
            let reasons = failures.join("; ");
            tracing::error!(server = %self.uuid, reasons, "a deleted server left something behind");
            Err(Refusal::Failed(format!(
                "The server is deleted, but not all of it could be removed: {reasons}"
            )))
        };
        self.context.recorder.shipped(SHIP_PATIENCE).await;
        if let Some(reply) = self.deleting.take() {
            reply.send(answer);
        }
    }
}

/// What could not be removed.
fn remove_dirs(layout: &Layout, uuid: Uuid, keeps_dir: bool) -> Vec<String> {
    let mut dirs = vec![layout.journal(uuid), layout.run(uuid)];
    if !keeps_dir {
        dirs.push(layout.data(uuid));
    }
    // The last one: as long as it is there, the node's next life knows of the server.
    dirs.push(layout.server(uuid));
    dirs.iter().filter_map(|dir| remove_dir(dir)).collect()
}

/// A job of the server's that was cancelled may be writing its last file just now: then once more.
fn remove_dir(dir: &Path) -> Option<String> {
    let mut tries = 0;
    loop {
        match fs::remove_dir_all(dir) {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty && tries < TRIES => {
                tries += 1;
                std::thread::sleep(TRY_PAUSE);
            }
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Some(format!("{}: {e}", dir.display())),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::atomic::AtomicBool, sync::atomic::Ordering, time::Instant};

    #[test]
    fn a_file_that_appears_meanwhile_is_removed_as_well() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("server");
        fs::create_dir(&dir).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let end = Instant::now() + TRY_PAUSE * 5;
                let mut n = 0;
                while Instant::now() < end && !stop.load(Ordering::Relaxed) {
                    n += 1;
                    let _ = fs::write(dir.join(n.to_string()), "x");
                }
            });
            while fs::read_dir(&dir).unwrap().count() < 50 {}
            assert_eq!(remove_dir(&dir), None);
            stop.store(true, Ordering::Relaxed);
        });
        assert!(!dir.exists());
    }
}
