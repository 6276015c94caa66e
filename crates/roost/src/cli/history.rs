//! `roost server logs` and `send`: reading a console's history, following it, typing a line.

use super::{Context, when};
use crate::{
    client::segment,
    failure::Failure,
    output::{plain, shown},
};
use roost_wire::{
    admin_api::{EraseRequest, Erased},
    clock::{Clock, SystemClock, rfc3339},
    node_api::{JournalPage, Source},
};
use serde_json::json;
use std::io::IsTerminal;

/// Lines a request while paging.
const PAGE: u32 = 5000;

/// Prints history: the last `lines` of it, or all; then new lines if `follow`.
pub async fn logs(server: &str, lines: Option<u32>, follow: bool, cx: &Context) -> Result<(), Failure> {
    let base = format!("/api/client/servers/{}/logs", segment(server));
    let first = match lines {
        Some(lines) => format!("{base}?lines={lines}"),
        None => format!("{base}?after=0&lines={PAGE}"),
    };
    let mut page: JournalPage = cx
        .panel
        .get(&first)
        .await
        .map_err(|failure| failure.about_server(server))?;
    // The newest lines were asked for: what lies before them is not missing.
    if lines.is_some() {
        page.gap = None;
    }
    loop {
        print(&page, cx)?;
        let at_end = page.data.is_empty();
        if !follow && (at_end || lines.is_some()) {
            return Ok(());
        }
        let wait = if at_end || lines.is_some() { "&wait=25" } else { "" };
        let wait = if follow { wait } else { "" };
        let next = format!(
            "{base}?stream={}&after={}&lines={PAGE}{wait}",
            page.stream, page.next
        );
        page = cx.panel.get(&next).await?;
    }
}

fn print(page: &JournalPage, cx: &Context) -> Result<(), Failure> {
    if let Some(gap) = &page.gap
        && !cx.out.json
    {
        let count = gap
            .lines
            .map_or_else(|| "Lines".to_owned(), |n| format!("{n} lines"));
        cx.out
            .line(&format!("-- {count} are missing here ({}) --", gap.reason))?;
    }
    for line in &page.data {
        if cx.out.json {
            let mut row =
                json!({"seq": line.seq, "time": line.time, "source": line.source, "text": line.text});
            if let Some(row) = row.as_object_mut() {
                if line.continued {
                    row.insert("continued".to_owned(), json!(true));
                }
                if line.open {
                    row.insert("open".to_owned(), json!(true));
                }
            }
            cx.out.line(&row.to_string())?;
        } else if line.source == Source::Daemon {
            cx.out.line(&format!("[Roost] {}", plain(&line.text)))?;
        } else {
            cx.out.line(&shown(&line.text, std::io::stdout().is_terminal()))?;
        }
    }
    Ok(())
}

/// Types one line.
pub async fn send(server: &str, text: String, cx: &Context) -> Result<(), Failure> {
    let path = format!("/api/client/servers/{}/command", segment(server));
    let body = serde_json::to_vec(&json!({"command": text})).map_err(|e| Failure::new(e.to_string()))?;
    let answer = cx
        .panel
        .send(http::Method::POST, &path, Some(body))
        .await?
        .ok(&cx.panel)
        .map_err(|failure| failure.about_server(server))?;
    let header = |name: &str| {
        answer
            .headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
    };
    let (stream, seq) = (header("roost-stream"), header("roost-seq"));
    // A daemon that keeps no journal says no place in it.
    let next = match seq {
        Some(_) => format!("What follows: roost server logs {server} --lines 20"),
        None => format!("Its console: roost attach {server}"),
    };
    cx.out.done(
        &format!("Sent. {next}"),
        json!({"server": server, "stream": stream, "seq": seq.and_then(|s| s.parse::<u64>().ok())}),
    )
}

/// Erases old lines.
pub async fn erase(server: &str, time: &str, cx: &Context) -> Result<(), Failure> {
    let before = when::parse(time, SystemClock.now())?;
    let path = format!("/api/admin/servers/{}/erase", segment(server));
    let erased: Erased = cx.panel.post(&path, &EraseRequest { before }).await?;
    cx.out.done(
        &format!(
            "{} lines from before {} are erased.",
            erased.lines,
            rfc3339(before)
        ),
        json!({"server": server, "lines": erased.lines}),
    )
}
