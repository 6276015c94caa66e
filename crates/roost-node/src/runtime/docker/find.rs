//! After the node was away: which containers are there, and how their output is taken up again.
//!
//! What the node believed of them before is the driver's business.

use super::{Ended, Engine, EngineError, Keepers, exit, spec, start::no_keeper};
use crate::runtime::{Launch, Running, StartError};
use bollard::{models::ContainerStateStatusEnum, query_parameters::ListContainersOptionsBuilder};
use std::collections::HashMap;
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

/// A server whose output is taken up again.
#[derive(Debug)]
pub struct TakenUp {
    /// With the run of its stream.
    pub running: Running,
    /// A sentence for the console, where output is missing: its keeper was gone, and only the engine knows what the
    /// container said meanwhile.
    pub hole: Option<String>,
}

const HOLE: &str = "The keeper of this server's output had ended while its container lived on: what the server said \
                    since then is missing here (the engine's own log may have it: `docker logs`).";

impl Engine {
    /// All servers' containers that Roost made on this engine, of whichever node.
    pub async fn find(&self) -> Result<Vec<Found>, EngineError> {
        let label = format!("{}={}", spec::LABEL_TYPE, spec::TYPE_SERVER);
        let filters = HashMap::from([("label", vec![label.as_str(), spec::LABEL_RUN])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let list = self
            .client()
            .await?
            .list_containers(Some(options))
            .await
            .map_err(|e| self.failed("list the containers", e))?;
        let mut all = Vec::new();
        for summary in list {
            let labels = summary.labels.unwrap_or_default();
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
        let state = inspected.state.as_ref().and_then(|state| state.status);
        if state == Some(ContainerStateStatusEnum::CREATED) {
            return Err(EngineError::Gone);
        }
        let label = inspected
            .config
            .as_ref()
            .and_then(|config| config.labels.as_ref()?.get(spec::LABEL_RUN));
        let lives = exit::is_running(&inspected);
        Ok(Found {
            server,
            run: label.and_then(|text| Uuid::try_parse(text).ok()),
            pid: lives.then(|| exit::main_process(&inspected)).flatten(),
            ended: (!lives).then(|| exit::ended(&inspected)),
        })
    }

    /// Takes up a server of an earlier start: at its keeper, where that lives, also if only the end of its output is
    /// left; else at the container itself, by a new keeper for the stream `launch.run`. `None`: there is neither.
    pub async fn take_up(
        &self,
        launch: &Launch,
        keepers: &impl Keepers,
    ) -> Result<Option<TakenUp>, StartError> {
        let found = self.found(launch.uuid).await;
        if let Some((run, link)) = keepers.living(launch).await {
            return Ok(Some(TakenUp {
                running: Running {
                    run,
                    link,
                    pid: found.ok().and_then(|found| found.pid),
                    not_enforced: Vec::new(),
                },
                hole: None,
            }));
        }
        match found {
            Ok(found) if found.ended.is_none() => {
                let name = launch.uuid.to_string();
                let link = keepers
                    .attach(launch, self.socket(), &name)
                    .await
                    .map_err(|why| no_keeper(&why))?;
                Ok(Some(TakenUp {
                    running: Running {
                        run: launch.run,
                        link,
                        pid: found.pid,
                        not_enforced: Vec::new(),
                    },
                    hole: Some(HOLE.to_owned()),
                }))
            }
            Ok(_) | Err(EngineError::Gone) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}
