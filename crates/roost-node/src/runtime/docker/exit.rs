//! How a container ends: it is asked to, and what the engine says of its end.
//!
//! When to ask, and what an end means for the server, is the driver's business.

use super::{Engine, EngineError, RETRY, inspect::State, refused};
use bollard::{
    errors::Error,
    query_parameters::{
        KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, WaitContainerOptionsBuilder,
    },
};
use futures_util::StreamExt;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use uuid::Uuid;

/// How long a container may outlive its stream before it counts as alive. The engine closes the stream a moment
/// before it has written down the exit code.
const LINGER: Duration = Duration::from_secs(1);
/// How long a killed container is watched: `docker rm -f` kills it a moment before it removes it.
const REMOVAL: Duration = Duration::from_millis(500);
const SIGKILL: i32 = 9;
/// SIGTERM, where an image names no stop signal.
const SIGTERM: &str = "SIGTERM";

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// Exit code, if its main process exited by itself.
    pub code: Option<i32>,
    /// Signal that ended it: an exit code above 128.
    pub signal: Option<i32>,
    /// The kernel ended one of its processes for want of memory.
    pub out_of_memory: bool,
    /// The container was removed by somebody else; mostly nothing else is known then.
    pub removed: bool,
    /// The engine was away when it ended: an engine without `live-restore` takes its containers with it.
    pub with_engine: bool,
}

/// What the end of a container's stream means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// The container has ended.
    Ended(Ended),
    /// It lives: only the engine (or the keeper) let go of the stream. [`Engine::take_up`] attaches again.
    Alive,
}

impl Engine {
    /// Asks the engine what the end of a container's stream means. While the engine is away, this waits for it;
    /// `away` is called when that begins.
    pub async fn after_stream(&self, server: Uuid, away: &(dyn Fn() + Send + Sync)) -> StreamEnd {
        let was_away = AtomicBool::new(false);
        let note = || {
            if !was_away.swap(true, Ordering::Relaxed) {
                away();
            }
        };
        match tokio::time::timeout(LINGER, self.ask_exit(server, &note)).await {
            Ok(ended) => return StreamEnd::Ended(self.whether_removed(server, ended, &was_away).await),
            Err(_) => tracing::info!(%server, "a container's stream has ended, the container has not"),
        }
        // Whether the engine is slow or the container alive is not known yet.
        loop {
            match self.inspect(&server.to_string()).await {
                Ok(inspected) if inspected.state.is_alive() => return StreamEnd::Alive,
                Ok(_) | Err(EngineError::Gone) => {
                    let ended = self.ask_exit(server, &note).await;
                    return StreamEnd::Ended(self.whether_removed(server, ended, &was_away).await);
                }
                Err(EngineError::Away { .. }) => note(),
                Err(_) => {}
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Adds what only a moment tells: that a container was not only killed, but removed.
    async fn whether_removed(&self, server: Uuid, mut ended: Ended, was_away: &AtomicBool) -> Ended {
        let begun = tokio::time::Instant::now();
        while ended.signal == Some(SIGKILL) && !ended.removed && begun.elapsed() < REMOVAL {
            tokio::time::sleep(REMOVAL / 5).await;
            let inspected = self.inspect(&server.to_string()).await;
            ended.removed = matches!(inspected, Err(EngineError::Gone));
        }
        with_engine(ended, was_away)
    }

    /// Waits until the server's container has ended, and says how. The engine reports the end by itself; while the
    /// engine is away, it is asked again each second.
    pub async fn wait_exit(&self, server: Uuid) -> Ended {
        self.ask_exit(server, &|| {}).await
    }

    /// The same; `away` is called whenever the engine does not answer.
    async fn ask_exit(&self, server: Uuid, away: &(dyn Fn() + Send + Sync)) -> Ended {
        let mut told = false;
        loop {
            match self.try_wait(&server.to_string()).await {
                Ok(Some(ended)) => return ended,
                Ok(None) => {}
                Err(EngineError::Gone) => {
                    return Ended {
                        removed: true,
                        ..Ended::default()
                    };
                }
                Err(error) => {
                    if matches!(error, EngineError::Away { .. }) {
                        away();
                    }
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%server, %error, "the end of a container can't be waited for; trying on");
                    }
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// `None`: the engine stopped waiting, and the container still runs.
    async fn try_wait(&self, name: &str) -> Result<Option<Ended>, EngineError> {
        let inspected = self.inspect(name).await?;
        if !inspected.state.is_alive() {
            return Ok(Some(ended(&inspected.state)));
        }
        // By id: a container that is made anew under this name is another.
        let id = inspected.id;
        let options = WaitContainerOptionsBuilder::default()
            .condition("not-running")
            .build();
        // Its answer has the exit code, but not the OOM flag, and is lost if the container is removed meanwhile.
        let answer = self
            .client()
            .await?
            .wait_container(&id, Some(options))
            .next()
            .await;
        match self.inspect(&id).await {
            Ok(inspected) if inspected.state.is_alive() => Ok(None),
            Ok(inspected) => Ok(Some(ended(&inspected.state))),
            Err(EngineError::Gone) => match answer {
                Some(Ok(answer)) => Ok(Some(by_code(answer.status_code))),
                Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(Some(by_code(code))),
                _ => Err(EngineError::Gone),
            },
            Err(e) => Err(e),
        }
    }

    /// Sends a signal, by its number, to the container's main process.
    pub async fn signal(&self, server: Uuid, signal: i32) -> Result<(), EngineError> {
        self.send(server, &signal.to_string()).await
    }

    /// Asks the container to end its image's own way (its stop signal). Does not wait.
    pub async fn stop(&self, server: Uuid) -> Result<(), EngineError> {
        let named = self.inspect(&server.to_string()).await?.config.stop_signal;
        let named = named
            .map(|signal| signal.to_string())
            .filter(|signal| !signal.is_empty());
        self.send(server, named.as_deref().unwrap_or(SIGTERM)).await
    }

    /// Ends all of the container's processes at once.
    pub async fn kill(&self, server: Uuid) -> Result<(), EngineError> {
        self.send(server, "SIGKILL").await
    }

    async fn send(&self, server: Uuid, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        let sent = self
            .client()
            .await?
            .kill_container(&server.to_string(), Some(options))
            .await;
        let Err(refusal) = sent else { return Ok(()) };
        // Engines refuse in different ways what is no error here: it has ended already, as was wanted.
        if self.inspect(&server.to_string()).await?.state.is_alive() {
            Err(self.failed("send the signal", refusal))
        } else {
            Ok(())
        }
    }

    /// Removes the server's container with all that belongs to it, alive or not; none is no error.
    pub async fn remove(&self, server: Uuid) -> Result<(), EngineError> {
        self.remove_named(&server.to_string()).await
    }

    pub(super) async fn remove_named(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        loop {
            match self
                .client()
                .await?
                .remove_container(name, Some(options.clone()))
                .await
            {
                Ok(()) => return Ok(()),
                Err(e) => match refused(&e) {
                    Some(404) => return Ok(()),
                    // It is being removed right now; its name is free only afterwards.
                    Some(409) => tokio::time::sleep(Duration::from_millis(100)).await,
                    _ => return Err(self.failed("remove the container", e)),
                },
            }
        }
    }
}

fn with_engine(mut ended: Ended, was_away: &AtomicBool) -> Ended {
    ended.with_engine = was_away.load(Ordering::Relaxed) && !ended.removed;
    ended
}

pub(super) fn ended(state: &State) -> Ended {
    Ended {
        out_of_memory: state.oom_killed,
        ..by_code(state.exit_code)
    }
}

/// An exit code above 128 stands for a signal, as in a shell.
fn by_code(code: i64) -> Ended {
    let code = i32::try_from(code).unwrap_or(-1);
    if (129..=128 + 64).contains(&code) {
        Ended {
            signal: Some(code - 128),
            ..Ended::default()
        }
    } else {
        Ended {
            code: Some(code),
            ..Ended::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_above_128_are_signals() {
        let by = |code| (by_code(code).code, by_code(code).signal);
        assert_eq!(by(0), (Some(0), None));
        assert_eq!(by(3), (Some(3), None));
        assert_eq!(by(128), (Some(128), None));
        assert_eq!(by(137), (None, Some(9)));
        assert_eq!(by(143), (None, Some(15)));
        assert_eq!(by(255), (Some(255), None));
    }

    #[test]
    fn the_oom_flag_is_kept_beside_the_signal() {
        let state = State {
            exit_code: 137,
            oom_killed: true,
            ..State::default()
        };
        assert_eq!(
            ended(&state),
            Ended {
                signal: Some(9),
                out_of_memory: true,
                ..Ended::default()
            }
        );
    }
}
