//! The end of a deleted server: its sockets, container, journal and directories go.
//!
//! Its program has ended before.

use super::Actor;
use crate::{node::Layout, server::handle::Refusal, socket::Filter};
use roost_wire::close::Close;
use std::{fs, io, path::Path};
use uuid::Uuid;

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

fn remove_dir(dir: &Path) -> Option<String> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Some(format!("{}: {e}", dir.display())),
        _ => None,
    }
}
