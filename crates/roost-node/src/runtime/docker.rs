//! Servers in containers, on a Docker Engine (or on Podman's compatible API).
//!
//! ```text
//!   Launch + DockerRules ── spec ──> create ──> keeper attaches ──> start ──> resize
//!                                                    │
//!   exit: wait + inspect     stats: the engine's     └── socket ──> pump
//! ```
//!
//! A stream that broke off while its container lived is taken up again, and the hole filled, by `recover`.
//!
//! The engine is asked for everything by its API, and for nothing that the kernel would have to be asked for
//! differently on another machine. The node never reads a container's stream: a keeper holds it and outlives the node.
//! When a server starts, stops or counts as crashed is its driver's business.

mod exit;
mod find;
mod image;
mod inspect;
mod install;
mod keepers;
mod limits;
mod log;
mod mounts;
mod network;
mod recover;
mod spec;
mod start;
mod stats;

pub use exit::{Ended, StreamEnd};
pub use find::Found;
pub use install::Takes;
pub use keepers::Keepers;
pub(super) use limits::with_overhead;
pub use stats::Sampler;

use crate::runtime::StartError;
use bollard::{API_DEFAULT_VERSION, Docker};
use roost_wire::node_api::Source;
use std::{path::Path, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::OnceCell;

/// Where an engine listens, if nobody says otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// Seconds that the engine may take to begin an answer. Making a container on a busy disk takes a while.
const ANSWER_SECS: u64 = 60;
/// How long a node waits before it asks an engine again that is away.
const RETRY: Duration = Duration::from_secs(1);

/// What the node's configuration says of containers.
#[derive(Debug, Clone, Default)]
pub struct DockerRules {
    /// The `docker` section.
    pub docker: roost_wire::node_config::Docker,
    /// Folders of which panels may mount parts.
    pub allowed_mounts: Vec<String>,
    /// `uid:gid` of this server; the image's own user where empty.
    pub user: String,
}

/// A line for the server's console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The daemon itself, or the progress of a pull.
    pub source: Source,
    /// One line.
    pub text: String,
}

impl Notice {
    fn daemon(text: String) -> Self {
        Self {
            source: Source::Daemon,
            text,
        }
    }
    fn install(text: String) -> Self {
        Self {
            source: Source::Install,
            text,
        }
    }
}

/// Why the engine did not do something. Each text is a sentence and says what to do, where that is known.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers at the socket.
    #[error(
        "Docker does not answer at {}: {why}. Start it (`systemctl start docker`), install it (`apt-get install \
         docker.io`), or name the socket of one that runs: `docker_socket` in roost.toml, `docker.socket` in a daemon's \
         config.yml, or DOCKER_HOST.",
        socket.display()
    )]
    Away {
        /// The socket.
        socket: PathBuf,
        /// What the connection failed with.
        why: String,
    },
    /// The address of the engine can't be used.
    #[error("The engine's address {0} can't be used: only Unix sockets can (unix:///path or /path).")]
    Address(String),
    /// The engine has no such container (any more).
    #[error("The engine has no container of this server (any more).")]
    Gone,
    /// The engine refused.
    #[error("Docker could not {what}: {message}.")]
    Refused {
        /// What it was asked for; continues "Docker could not".
        what: &'static str,
        /// Its own words, without the last full stop.
        message: String,
    },
    /// Settings with which nothing can be started.
    #[error("{0}")]
    Unusable(String),
}

impl From<EngineError> for StartError {
    fn from(error: EngineError) -> Self {
        Self(error.to_string())
    }
}

/// A Docker Engine. Cheap to clone; nothing is sent before the first question.
#[derive(Debug, Clone)]
pub struct Engine {
    socket: Arc<Path>,
    client: Arc<OnceCell<Client>>,
}

/// The connection, once an engine has answered.
#[derive(Debug, Clone)]
struct Client {
    docker: Docker,
    podman: bool,
}

impl Engine {
    /// The engine at `socket` (a path or a `unix://` address); where that is empty, at `DOCKER_HOST`; where that is
    /// empty, too, at the usual place. It need not be there yet.
    pub fn new(socket: &str) -> Result<Self, EngineError> {
        let written = match socket {
            "" => std::env::var("DOCKER_HOST").unwrap_or_default(),
            socket => socket.to_owned(),
        };
        let path = match written.as_str() {
            "" => DEFAULT_SOCKET,
            written => written.strip_prefix("unix://").unwrap_or(written),
        };
        if !path.starts_with('/') {
            return Err(EngineError::Address(written));
        }
        Ok(Self {
            socket: Path::new(path).into(),
            client: Arc::default(),
        })
    }

    /// The engine at `socket`, which answers.
    pub async fn connect(socket: &str) -> Result<Self, EngineError> {
        let engine = Self::new(socket)?;
        engine.ping().await?;
        Ok(engine)
    }

    /// Where the engine listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether the engine answers; the error is what to tell a person who wants a container.
    pub async fn ping(&self) -> Result<(), EngineError> {
        self.client()
            .await?
            .ping()
            .await
            .map_err(|e| self.failed("answer", e))?;
        Ok(())
    }

    /// The connection, speaking a version of the API that both sides know.
    async fn client(&self) -> Result<&Docker, EngineError> {
        Ok(&self.connection().await?.docker)
    }

    async fn connection(&self) -> Result<&Client, EngineError> {
        self.client
            .get_or_try_init(|| async {
                let address = self.socket.to_string_lossy();
                let docker = Docker::connect_with_unix(&address, ANSWER_SECS, API_DEFAULT_VERSION)
                    .map_err(|e| self.failed("be reached", e))?
                    .negotiate_version()
                    .await
                    .map_err(|e| self.failed("tell its version", e))?;
                let version = docker
                    .version()
                    .await
                    .map_err(|e| self.failed("tell its version", e))?;
                let podman = version
                    .components
                    .iter()
                    .flatten()
                    .any(|component| component.name.contains("Podman"));
                Ok(Client { docker, podman })
            })
            .await
    }

    /// Words for a failure of the library; `what` continues "Docker could not".
    fn failed(&self, what: &'static str, error: bollard::errors::Error) -> EngineError {
        use bollard::errors::Error;
        match error {
            Error::DockerResponseServerError { message, .. } => EngineError::Refused {
                what,
                message: message.trim().trim_end_matches('.').to_owned(),
            },
            Error::SocketNotFoundError(_) => self.away("there is no such socket".to_owned()),
            Error::IOError { err } => self.away(err.to_string()),
            Error::HyperLegacyError { err } => self.away(root_cause(&err)),
            Error::HyperResponseError { err } => self.away(root_cause(&err)),
            Error::RequestTimeoutError => self.away(format!("no answer within {ANSWER_SECS} s")),
            other => EngineError::Refused {
                what,
                message: other.to_string(),
            },
        }
    }

    fn away(&self, why: String) -> EngineError {
        EngineError::Away {
            socket: self.socket.to_path_buf(),
            why,
        }
    }
}

/// The HTTP status with which the engine refused.
fn refused(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// The last error of a chain says what happened, the ones before it only where.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_s_address_is_a_unix_socket() {
        assert_eq!(Engine::new("/a/b.sock").unwrap().socket(), Path::new("/a/b.sock"));
        assert_eq!(
            Engine::new("unix:///a/b.sock").unwrap().socket(),
            Path::new("/a/b.sock")
        );
        let error = Engine::new("tcp://127.0.0.1:2375").unwrap_err().to_string();
        assert!(
            error.contains("tcp://127.0.0.1:2375") && error.contains("unix://"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_engine_that_is_away_is_named_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let nowhere = dir.path().join("nowhere.sock");
        let error = Engine::connect(nowhere.to_str().unwrap())
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("nowhere.sock") && error.contains("systemctl start docker"),
            "{error}"
        );

        let dead = dir.path().join("dead.sock");
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        let error = Engine::connect(dead.to_str().unwrap()).await.unwrap_err();
        assert!(matches!(error, EngineError::Away { .. }), "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
