//! The panel's remote API, as this node calls it.
//!
//! No redirect is followed, answers are bounded, and nothing of a credential reaches a log. What a server's settings
//! mean, and what happens while the panel is away, is the callers' business.

use crate::{node::Secrets, server::definition::Definition};
use roost_wire::{
    node_api::DeauthorizeUser,
    remote::{Activity, ActivityBatch, InstallResult, InstallScript, PageMeta, Revocations},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 32 << 20;
/// Servers a page.
const PER_PAGE: u32 = 50;
/// Most pages that are asked for.
const PAGES_MAX: u64 = 2000;
/// A request's whole time.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Pauses before the second, third and fourth try of a request that others wait for.
const RETRIES: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_millis(750),
    Duration::from_secs(2),
];

/// Why the panel did not give what was asked.
#[derive(Debug, thiserror::Error)]
pub enum PanelError {
    /// No answer.
    #[error("the panel can't be reached: {0}")]
    Away(String),
    /// An answer that says no.
    #[error("the panel answered {status}{detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words, cleaned; empty or beginning with `: `.
        detail: String,
    },
    /// An answer that can't be read.
    #[error("the panel's answer can't be read: {0}")]
    Nonsense(String),
}

impl PanelError {
    /// The panel is there and says that what was sent can't be right, so that sending it again is in vain.
    pub fn blames_content(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                status: 400 | 413 | 422,
                ..
            }
        )
    }

    /// The server is not known to the panel.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Worth asking again.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Nonsense(_) => false,
        }
    }
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Panel {
    http: reqwest::Client,
    base: String,
    secrets: Secrets,
}

impl Panel {
    /// `remote` is the panel's address, without `/api/remote`.
    pub fn new(remote: &str, secrets: Secrets) -> Result<Self, PanelError> {
        let builder = || {
            reqwest::Client::builder()
                // The environment's proxies are for the way out of the house, not for the panel.
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(TIMEOUT)
                .connect_timeout(Duration::from_secs(10))
                .user_agent(concat!("roost-node/", env!("CARGO_PKG_VERSION")))
        };
        let http = builder()
            .build()
            // A machine without any root certificates can still speak to a panel without TLS.
            .or_else(|_| builder().tls_certs_only([]).build())
            .map_err(|e| PanelError::Away(chain(&e)))?;
        Ok(Self {
            http,
            base: format!("{}/api/remote", remote.trim().trim_end_matches('/')),
            secrets,
        })
    }

    /// All servers of this node. One that can't be read is left out and logged; the others count.
    pub async fn servers(&self) -> Result<Vec<Definition>, PanelError> {
        #[derive(Deserialize)]
        struct Page {
            data: Vec<Value>,
            meta: PageMeta,
        }
        let mut all = Vec::new();
        let mut page = 0;
        loop {
            let path = format!("/servers?page={page}&per_page={PER_PAGE}");
            let answer: Page = self.get(&path).await?;
            for value in answer.data {
                match Definition::from_list(value) {
                    Ok(definition) => all.push(definition),
                    Err(reason) => tracing::error!(reason, "a server of the panel can't be read: left out"),
                }
            }
            page = answer.meta.current_page.max(1) + 1;
            if page > answer.meta.last_page.min(PAGES_MAX) {
                return Ok(all);
            }
        }
    }

    /// One server.
    pub async fn server(&self, uuid: Uuid) -> Result<Definition, PanelError> {
        let value: Value = self.get(&format!("/servers/{uuid}")).await?;
        Definition::from_detail(uuid, value).map_err(PanelError::Nonsense)
    }

    /// What installs a server.
    pub async fn install_script(&self, uuid: Uuid) -> Result<InstallScript, PanelError> {
        self.get(&format!("/servers/{uuid}/install")).await
    }

    /// How the installation ended.
    pub async fn install_result(&self, uuid: Uuid, successful: bool) -> Result<(), PanelError> {
        let result = InstallResult {
            successful,
            reinstall: false,
        };
        let body = serde_json::to_value(result).unwrap_or_default();
        let path = format!("/servers/{uuid}/install");
        self.send_with_retries(|| self.post(&path, &body)).await.map(drop)
    }

    /// What of people's access has ended while this node was away. A panel that is not Roost's does not know the question.
    pub async fn revocations(&self) -> Result<Vec<DeauthorizeUser>, PanelError> {
        let url = format!("{}/revocations", self.base);
        let body = self.send(self.http.get(&url)).await?;
        let answer: Revocations =
            serde_json::from_slice(&body).map_err(|e| PanelError::Nonsense(e.to_string()))?;
        Ok(answer.data)
    }

    /// Nothing is being installed any more: the node has started anew.
    pub async fn reset(&self) -> Result<(), PanelError> {
        self.send(self.post("/servers/reset", &Value::Null))
            .await
            .map(drop)
    }

    /// Rows for the audit; taken all or not at all. Not retried here.
    pub async fn activity(&self, rows: &[Activity]) -> Result<(), PanelError> {
        let batch = ActivityBatch { data: rows.to_vec() };
        let body = serde_json::to_value(batch).map_err(|e| PanelError::Nonsense(e.to_string()))?;
        self.send(self.post("/activity", &body)).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, PanelError> {
        let url = format!("{}{path}", self.base);
        let body = self.send_with_retries(|| self.http.get(&url)).await?;
        serde_json::from_slice(&body).map_err(|e| PanelError::Nonsense(e.to_string()))
    }

    fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).json(body)
    }

    async fn send_with_retries(
        &self,
        request: impl Fn() -> reqwest::RequestBuilder + Send + Sync,
    ) -> Result<Vec<u8>, PanelError> {
        for pause in RETRIES {
            match self.send(request()).await {
                Err(error) if error.is_passing() => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        self.send(request()).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, PanelError> {
        let credential = format!("{}.{}", self.secrets.token_id(), self.secrets.current());
        let mut response = request
            .bearer_auth(credential)
            .header(http::header::ACCEPT, "application/json")
            .send()
            .await
            .map_err(|e| PanelError::Away(chain(&e.without_url())))?;
        let status = response.status();
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(piece)) if body.len() + piece.len() <= ANSWER_MAX => body.extend_from_slice(&piece),
                Ok(Some(_)) => {
                    return Err(PanelError::Nonsense(format!(
                        "it is longer than {ANSWER_MAX} bytes"
                    )));
                }
                Ok(None) => break,
                Err(e) => return Err(PanelError::Away(chain(&e.without_url()))),
            }
        }
        if status.is_success() {
            return Ok(body);
        }
        Err(PanelError::Refused {
            status: status.as_u16(),
            detail: detail(&body),
        })
    }
}

/// The panel's words for an error, in one line.
fn detail(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let words = value["errors"][0]["detail"]
        .as_str()
        .or_else(|| value["message"].as_str())
        .unwrap_or_default();
    let line: String = words.chars().filter(|c| !c.is_control()).take(200).collect();
    if line.is_empty() {
        line
    } else {
        format!(": {line}")
    }
}

/// An error with its causes: the outermost alone says only "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
