//! A viewer of `roost.v1` that reads a console's whole history, page after page, as fast as it comes.

use super::swarm::Target;
use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

/// Lines asked for at once.
const LINES: u64 = 1_000;

/// Behind every line.
const END: u64 = u64::MAX >> 12;
/// Where the first line is, and no page before it.
const BEGINNING: u64 = 1;

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

/// Between two pages of a reader whose requests are all taken by a node with the default limits.
pub const WITHIN_THE_LIMIT: Duration = Duration::from_millis(50);

/// Reads from the end to the beginning, over and over, until it is to end, with a pause before each page.
pub async fn read(target: &Target, pause: Duration, progress: &Progress) -> anyhow::Result<()> {
    let mut request = format!("ws://{}{}", target.address, target.path).into_client_request()?;
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "roost.v1".parse()?);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    let ask = |name: &str, args: Value| Message::text(json!({"event": name, "args": args}).to_string());
    let page = |before: u64| ask("send page", json!([{"before": before, "lines": LINES}, 1]));
    socket
        .send(ask("auth", json!([target.token, {"last": 0}])))
        .await?;
    socket.send(page(END)).await?;
    let patience = Duration::from_secs(10);
    while let Some(message) = tokio::time::timeout(patience, socket.next())
        .await
        .context("nothing came for 10 s")?
    {
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
        let Some(fields) = text.strip_prefix("{\"event\":\"page\",\"args\":[1,{") else {
            continue;
        };
        if progress.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        progress.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
        progress.pages.fetch_add(1, Ordering::Relaxed);
        let before = beginning_of(fields).context("a page without `from`")?;
        if before == BEGINNING {
            progress.rounds.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(pause).await;
        let before = if before == BEGINNING { END } else { before };
        socket.send(page(before)).await?;
    }
    bail!("the reader's connection ended")
}

/// `from` of a page, of which only the head is looked at: the reader's work is on the same cores as the others'.
fn beginning_of(fields: &str) -> Option<u64> {
    let (_, rest) = fields.split_once("\"from\":")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}
