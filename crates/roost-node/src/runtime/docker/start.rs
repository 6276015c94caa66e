//! A start: image, network, container, keeper, go. Whatever fails, nothing of it stays.
//!
//! How the container looks is `spec`'s business; what the keeper says is the pump's.

use super::{
    DockerRules, Engine, EngineError, Keepers, Notice, image::ImageName, keepers::Held,
    limits::COMMON_IO_WEIGHT, spec,
};
use crate::runtime::{Launch, Running, StartError};
use bollard::query_parameters::{CreateContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder};
use std::os::unix::net::UnixStream;
use uuid::Uuid;

impl Engine {
    /// Starts the server in a new container; an old one of this server is removed. Lines for the console
    /// go to `progress`. Dropping the future calls the start off.
    pub async fn start(
        &self,
        launch: &Launch,
        rules: &DockerRules,
        keepers: &impl Keepers,
        progress: &(dyn Fn(Notice) + Send + Sync),
    ) -> Result<Running, StartError> {
        let image = ImageName::parse(&launch.settings.container.image).ok_or_else(|| {
            EngineError::Unusable(
                "The server has no image: give it one with --image, or let it run as a process.".to_owned(),
            )
        })?;
        let own = self.ready_image(&image, launch.roost.pull, progress).await?;
        let network = self
            .ready_network(&launch.settings.allocations, &rules.docker.network)
            .await?;
        let podman = self.connection().await?.podman;
        let (body, refused) = spec::server(launch, rules, &image.reference, &own, network, podman)?;
        refused
            .into_iter()
            .for_each(|line| progress(Notice::daemon(line)));

        let name = launch.uuid.to_string();
        self.remove_named(&name).await?;
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let made = self
            .client()
            .await?
            .create_container(Some(options), body)
            .await
            .map_err(|e| self.failed("make the server's container", e))?;
        let mut undo = Undo {
            engine: self.clone(),
            server: Some(launch.uuid),
        };
        let started = self.attach_and_start(launch, keepers, &made.id).await;
        if started.is_ok() {
            undo.server = None;
        } else {
            undo.now().await;
        }
        let (link, pid) = started?;
        Ok(Running {
            run: launch.run,
            link,
            skip: 0,
            pid,
            not_enforced: not_enforced(&made.warnings, launch.settings.build.io_weight),
        })
    }
}

impl Engine {
    /// The keeper has to hold the stream before the first byte can come.
    async fn attach_and_start(
        &self,
        launch: &Launch,
        keepers: &impl Keepers,
        id: &str,
    ) -> Result<(UnixStream, Option<u32>), EngineError> {
        let link = keepers
            .attach(launch, self.socket(), id)
            .await
            .map_err(|why| no_keeper(&why))?;
        let held = Held {
            run: launch.run,
            link: Some(link),
        };
        let client = self.client().await?;
        client
            .start_container(id, None)
            .await
            .map_err(|e| self.failed("start the server's container", e))?;
        let (columns, rows) = launch.roost.terminal;
        let size = ResizeContainerTTYOptionsBuilder::default()
            .w(columns.into())
            .h(rows.into())
            .build();
        // A program that has ended already has no terminal; how it ended is told by its exit.
        if let Err(e) = client.resize_container_tty(id, size).await {
            tracing::debug!(server = %launch.uuid, error = %e, "the terminal keeps its size");
        }
        let pid = self.inspect(id).await?.state.main_process();
        let link = held.keep().ok_or(EngineError::Gone)?;
        Ok((link, pid))
    }
}

/// Words for a keeper that could not be made.
pub(super) fn no_keeper(why: &str) -> EngineError {
    EngineError::Unusable(format!("The container's output can't be held: {why}."))
}

/// Removes the container of a start that did not come to its end.
struct Undo {
    engine: Engine,
    server: Option<Uuid>,
}

impl Undo {
    async fn now(&mut self) {
        if let Some(server) = self.server.take()
            && let Err(e) = self.engine.remove(server).await
        {
            tracing::warn!(%server, error = %e, "the container of a failed start is left behind");
        }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if self.server.is_some() {
            let mut rest = Self {
                engine: self.engine.clone(),
                server: self.server.take(),
            };
            tokio::spawn(async move { rest.now().await });
        }
    }
}

/// The engine's warnings about limits it can't enforce here. The I/O weight that every panel sends unasked is no limit
/// that anybody misses.
fn not_enforced(warnings: &[String], io_weight: u16) -> Vec<String> {
    warnings
        .iter()
        .map(|warning| warning.trim())
        .filter(|warning| !warning.is_empty())
        .filter(|warning| {
            let about_weight = ["Block I/O weight", "blkio weight", "BlkioWeight"]
                .iter()
                .any(|words| warning.contains(words));
            !about_weight || io_weight != COMMON_IO_WEIGHT
        })
        .map(|warning| format!("Docker does not enforce a limit here: {warning}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_told_but_not_about_a_weight_that_nobody_chose() {
        let warnings = [
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.",
            "Your kernel does not support swap limit capabilities.",
            "",
        ]
        .map(str::to_owned);
        assert_eq!(not_enforced(&warnings, 500).len(), 1);
        assert_eq!(not_enforced(&warnings, 300).len(), 2);
        assert!(not_enforced(&warnings, 500)[0].contains("swap"));
    }
}
