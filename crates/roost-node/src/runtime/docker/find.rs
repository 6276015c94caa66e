//! After the node was away: which containers are there, and how their output is taken up again.
//!
//! What the node believed of them before is the driver's business.

use super::{Ended, Engine, EngineError, exit, spec};
use bollard::query_parameters::ListContainersOptionsBuilder;
use std::collections::HashMap;
use uuid::Uuid;

/// A server's container that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The server.
    pub server: Uuid,
    /// The run that the container is.
    pub run: Uuid,
    /// Main process on the node, while the container lives.
    pub pid: Option<u32>,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
}

impl Engine {
    /// All servers' containers that Roost made on this engine, of whichever node.
    pub async fn find(&self) -> Result<Vec<Found>, EngineError> {
        let label = format!("{}={}", spec::LABEL_TYPE, spec::TYPE_SERVER);
        let filters = HashMap::from([("label", vec![label.as_str(), spec::LABEL_RUN])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
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
            let (Some(server), Some(run)) = (id(spec::LABEL_SERVER), id(spec::LABEL_RUN)) else {
                continue;
            };
            match self.found(server, run).await {
                Ok(found) => all.push(found),
                // Removed between the list and the look.
                Err(EngineError::Gone) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(all)
    }

    /// What became of the container of `run`; [`EngineError::Gone`] where there is none (any more).
    pub async fn found(&self, server: Uuid, run: Uuid) -> Result<Found, EngineError> {
        let inspected = self.own(server, run).await?;
        let lives = exit::is_running(&inspected);
        Ok(Found {
            server,
            run,
            pid: lives.then(|| exit::main_process(&inspected)).flatten(),
            ended: (!lives).then(|| exit::ended(&inspected)),
        })
    }
}
