//! After the node was away: which containers are there, and how their output is taken up again.
//!
//! What the node believed of them before is the driver's business.

use super::{Ended, Engine, EngineError, Keepers, exit, spec, start::no_keeper};
use crate::runtime::{Launch, Running, StartError};
use uuid::Uuid;

/// A server's container that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The server.
    pub server: Uuid,
    /// The run for which the container was made.
    pub run: Option<Uuid>,
    /// Main process on the node, while the container lives.
    pub pid: Option<u32>,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
}

impl Engine {
    /// All servers' containers that Roost made on this engine, of whichever node.
    pub async fn find(&self) -> Result<Vec<Found>, EngineError> {
        let label = format!("{}={}", spec::LABEL_TYPE, spec::TYPE_SERVER);
        let mut all = Vec::new();
        for listed in self.list(&[&label, spec::LABEL_RUN]).await? {
            let labels = listed.labels.unwrap_or_default();
            let id = |label: &str| labels.get(label).and_then(|text| Uuid::try_parse(text).ok());
            let Some(server) = id(spec::LABEL_SERVER) else {
                continue;
            };
            match self.found(server).await {
                Ok(found) => all.push(found),
                // Removed between the list and the look.
                Err(EngineError::Gone) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(all)
    }

    /// What became of the server's container; [`EngineError::Gone`] where there is none, or none that ever ran.
    pub async fn found(&self, server: Uuid) -> Result<Found, EngineError> {
        let inspected = self.inspect(&server.to_string()).await?;
        let state = &inspected.state;
        if state.is_new() {
            return Err(EngineError::Gone);
        }
        let labels = inspected.config.labels.unwrap_or_default();
        Ok(Found {
            server,
            run: labels
                .get(spec::LABEL_RUN)
                .and_then(|text| Uuid::try_parse(text).ok()),
            pid: state.main_process().filter(|_| state.is_alive()),
            ended: (!state.is_alive()).then(|| exit::ended(state)),
        })
    }

    /// Takes up a server of an earlier start: at its keeper, where that lives, also if only the end of its output is
    /// left; else at the container itself, by a new keeper for the stream `launch.run`. `None`: there is neither.
    pub async fn take_up(
        &self,
        launch: &Launch,
        keepers: &impl Keepers,
    ) -> Result<Option<Running>, StartError> {
        let found = self.found(launch.uuid).await;
        let (run, link, pid) = match (keepers.living(launch).await, found) {
            (Some((run, link)), found) => (run, link, found.ok().and_then(|found| found.pid)),
            (None, Ok(found)) if found.ended.is_none() => {
                let link = keepers
                    .attach(launch, self.socket(), &launch.uuid.to_string())
                    .await
                    .map_err(|why| no_keeper(&why))?;
                (launch.run, link, found.pid)
            }
            (None, Ok(_) | Err(EngineError::Gone)) => return Ok(None),
            (None, Err(e)) => return Err(e.into()),
        };
        Ok(Some(Running {
            run,
            link,
            skip: 0,
            pid,
            not_enforced: Vec::new(),
        }))
    }
}
