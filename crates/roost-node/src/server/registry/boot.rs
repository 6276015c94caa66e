//! The node comes up: first the servers that its disk knows, then, as soon as the panel answers, those that it knows.

use super::{Beginning, Origin, Place, Registry, RegistryError};
use crate::server::{definition::Definition, handle::Reply, handle::Request, saved};
use std::{collections::HashSet, time::Duration};
use uuid::Uuid;

/// First and longest pause between two questions to a panel that is away.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(15));

impl Registry {
    /// Takes up the servers on disk. Returns when sockets can be opened to all of them; what their programs do is
    /// found out meanwhile.
    pub async fn load(&self) -> std::io::Result<()> {
        let layout = self.context.layout.clone();
        let known = tokio::task::spawn_blocking(move || saved::load_all(&layout))
            .await
            .map_err(std::io::Error::other)??;
        let fills = known.into_iter().map(|remembered| {
            let uuid = remembered.definition.uuid;
            let beginning = Beginning {
                definition: remembered.definition,
                saved: remembered.saved,
                last_end: remembered.last_end,
                origin: Origin::Disk,
            };
            self.begin(uuid, beginning)
        });
        futures_util::future::join_all(fills).await;
        Ok(())
    }

    async fn begin(&self, uuid: Uuid, beginning: Beginning) {
        let filled = match Place::take(self, uuid) {
            Ok(place) => place.fill(beginning).await,
            Err(RegistryError::Exists) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = filled {
            tracing::error!(server = %uuid, %error, "a server could not be taken up");
        }
    }

    /// Asks the panel for its servers until it answers, and brings the node's in line with them.
    pub async fn follow_panel(&self) {
        let mut pause = RETRY.0;
        let definitions = loop {
            match self.context.panel.servers().await {
                Ok(definitions) => break definitions,
                Err(error) => {
                    tracing::warn!(%error, "the panel does not list this node's servers yet; those on disk run on");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        };
        let listed: HashSet<Uuid> = definitions.iter().map(|d| d.uuid).collect();
        for server in self.all() {
            if !listed.contains(&server.uuid) {
                tracing::warn!(server = %server.uuid, "the panel does not list this server: it is kept as it is");
            }
        }
        for definition in definitions {
            self.bring_in_line(definition).await;
        }
        if let Err(error) = self.context.panel.reset().await {
            tracing::warn!(%error, "the panel could not be told that no installer is at work");
        }
    }

    async fn bring_in_line(&self, definition: Definition) {
        let uuid = definition.uuid;
        let Some(handle) = self.get(uuid) else {
            return self.take_in(uuid).await;
        };
        if self.definition(uuid).is_some_and(|known| *known != definition) {
            let reply = Reply::new(|_| {});
            let _ = handle.mailbox.send(Request::Sync { reply }).await;
        }
    }

    /// A server that the panel listed and this node does not have, unless a request makes or deletes it just now.
    async fn take_in(&self, uuid: Uuid) {
        let Ok(place) = Place::take(self, uuid) else {
            return;
        };
        let taken = async {
            // Asked again: it may have been deleted since the list was made.
            let definition = match self.context.panel.server(uuid).await {
                Err(error) if error.is_unknown() => return Ok(()),
                other => other?,
            };
            saved::save_definition(&self.context.layout, &definition)?;
            let beginning = Beginning {
                saved: saved::load_power(&self.context.layout, uuid),
                last_end: saved::load_end(&self.context.layout, uuid),
                definition,
                origin: Origin::Listed,
            };
            place.fill(beginning).await
        };
        if let Err::<(), RegistryError>(error) = taken.await {
            tracing::error!(server = %uuid, %error, "a server could not be taken up");
        }
    }
}
