//! A viewer of `roost.v1` that reads a console's whole history, page after page, as fast as it comes.

use super::swarm::Target;
use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

/// Lines asked for at once.
const LINES: u64 = 1_000;

/// What a reader has read.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of pages.
    pub bytes: AtomicU64,
    /// Pages.
    pub pages: AtomicU64,
    /// Times that it came to the beginning.
    pub rounds: AtomicU64,
    /// It is to end.
    pub stop: AtomicBool,
}

/// Reads from the end to the beginning, over and over, until it is to end.
pub async fn read(target: &Target, progress: Arc<Progress>) -> anyhow::Result<()> {
    let mut request = format!("ws://{}{}", target.address, target.path).into_client_request()?;
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "roost.v1".parse()?);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    let ask = |name: &str, args: Value| Message::text(json!({"event": name, "args": args}).to_string());
    socket
        .send(ask("auth", json!([target.token, {"last": 0}])))
        .await?;
    let mut before = u64::MAX >> 12;
    socket
        .send(ask("send page", json!([{"before": before, "lines": LINES}, 1])))
        .await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_close() {
            bail!("the node closed the reader: {message}");
        }
        if !message.is_text() {
            continue;
        }
        let text = message.to_text()?;
        if text.starts_with("{\"event\":\"refused\"") {
            bail!("{text}");
        }
        if !text.starts_with("{\"event\":\"page\"") {
            continue;
        }
        if progress.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        progress.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
        progress.pages.fetch_add(1, Ordering::Relaxed);
        let page: Value = serde_json::from_str(text)?;
        before = page["args"][1]["from"]
            .as_u64()
            .context("a page without `from`")?;
        if page["args"][1]["begin"] == true {
            progress.rounds.fetch_add(1, Ordering::Relaxed);
            before = u64::MAX >> 12;
        }
        socket
            .send(ask("send page", json!([{"before": before, "lines": LINES}, 1])))
            .await?;
    }
    bail!("the reader's connection ended")
}
