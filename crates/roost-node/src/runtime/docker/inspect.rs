//! What the engine says of a container, as far as it is needed here.
//!
//! Not read by the library: it refuses an answer whole when an engine of another make or age knows a state that it does
//! not (Podman's `stopped`), and a server whose end can't be read would never end. What an end means is `exit`'s
//! business.

use super::{ANSWER_SECS, Engine, EngineError};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::BTreeMap, time::Duration};
use tokio::net::UnixStream;

/// Longest answer. A list of all containers of a node is about 2 KiB for each.
const ANSWER_MAX: usize = 16 << 20;

/// A container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Inspected {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) config: Config,
}

/// Its process.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct State {
    pub(super) status: String,
    /// True also while it is paused.
    pub(super) running: bool,
    pub(super) restarting: bool,
    pub(super) pid: i64,
    pub(super) exit_code: i64,
    #[serde(rename = "OOMKilled")]
    pub(super) oom_killed: bool,
    pub(super) started_at: String,
}

impl State {
    /// It was made, and never started.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.status.as_str(), "created" | "configured" | "initialized")
    }

    pub(super) const fn is_alive(&self) -> bool {
        self.running || self.restarting
    }

    /// The main process, as the node's kernel numbers it.
    pub(super) fn main_process(&self) -> Option<u32> {
        u32::try_from(self.pid).ok().filter(|pid| *pid != 0)
    }
}

/// What it was made of.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Config {
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) stop_signal: Option<StopSignal>,
}

/// Docker says a name, Podman's older versions a number.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum StopSignal {
    Number(i64),
    Name(String),
}

impl std::fmt::Display for StopSignal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// One of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Listed {
    pub(super) labels: Option<BTreeMap<String, String>>,
}

impl Engine {
    pub(super) async fn inspect(&self, name: &str) -> Result<Inspected, EngineError> {
        self.get(&format!("/containers/{name}/json"), "look at the container")
            .await
    }

    /// All containers, running or not, with these labels (`name` or `name=value`).
    pub(super) async fn list(&self, labels: &[&str]) -> Result<Vec<Listed>, EngineError> {
        let filters = serde_json::json!({ "label": labels }).to_string();
        let path = format!("/containers/json?all=true&filters={}", escape(&filters));
        self.get(&path, "list the containers").await
    }

    /// The answer to a question without a body; 404 is [`EngineError::Gone`].
    async fn get<T: DeserializeOwned>(&self, path: &str, what: &'static str) -> Result<T, EngineError> {
        let answer = tokio::time::timeout(Duration::from_secs(ANSWER_SECS), self.fetch(path)).await;
        let (status, body) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(e)) => return Err(self.away(e.to_string())),
            Err(_) => return Err(self.away(format!("no answer within {ANSWER_SECS} s"))),
        };
        if status == StatusCode::NOT_FOUND {
            return Err(EngineError::Gone);
        }
        let message = if status.is_success() {
            match serde_json::from_slice(&body) {
                Ok(value) => return Ok(value),
                Err(e) => format!("its answer is not understood ({e})"),
            }
        } else {
            String::from_utf8_lossy(&body).trim().to_owned()
        };
        Err(EngineError::Refused { what, message })
    }

    async fn fetch(
        &self,
        path: &str,
    ) -> Result<(StatusCode, Vec<u8>), Box<dyn std::error::Error + Send + Sync>> {
        let stream = UnixStream::connect(self.socket()).await?;
        let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::get(path)
            .header("Host", "docker")
            .body(Empty::<&[u8]>::new())?;
        let exchange = async {
            let answer = send.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await?;
            Ok((status, body.to_bytes().to_vec()))
        };
        // The connection does the reading and writing, and has no end of its own worth waiting for.
        let mut exchange = std::pin::pin!(exchange);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            answer = &mut exchange => answer,
            ended = &mut connection => {
                ended?;
                exchange.await
            }
        }
    }
}

/// Per cent encoding of everything that is not a letter or a digit.
fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_other_engines_are_read() {
        let stopped: Inspected = serde_json::from_str(
            r#"{"Id":"a","State":{"Status":"stopped","Running":false,"Pid":0,"ExitCode":3,"OOMKilled":true},
                "Config":{"Labels":null,"StopSignal":15}}"#,
        )
        .unwrap();
        assert!(!stopped.state.is_alive() && !stopped.state.is_new());
        assert_eq!((stopped.state.exit_code, stopped.state.oom_killed), (3, true));
        assert_eq!(stopped.config.stop_signal.unwrap().to_string(), "15");
        let docker: Inspected = serde_json::from_str(
            r#"{"State":{"Status":"running","Running":true,"Paused":false,"Pid":77,"Health":{"Status":"new"}},
                "Config":{"Labels":{"a":"b"},"StopSignal":"SIGTERM"}}"#,
        )
        .unwrap();
        assert_eq!(docker.state.main_process(), Some(77));
        assert_eq!(docker.config.stop_signal.unwrap().to_string(), "SIGTERM");
    }
}
