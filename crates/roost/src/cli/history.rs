//! `roost server logs` and `send`: reading a console's history, following it, typing a line.

use super::{Context, when};
use crate::{client::segment, failure::Failure, output::plain};
use roost_wire::{
    admin_api::{EraseRequest, Erased},
    clock::{Clock, SystemClock, rfc3339},
    node_api::{JournalPage, Source},
};
use serde_json::json;

/// Lines a request while paging.
const PAGE: u32 = 5000;

/// Prints history: the last `lines` of it, or all; then new lines if `follow`.
pub async fn logs(server: &str, lines: Option<u32>, follow: bool, cx: &Context) -> Result<(), Failure> {
    let base = format!("/api/client/servers/{}/logs", segment(server));
    let first = match lines {
        Some(lines) => format!("{base}?lines={lines}"),
        None => format!("{base}?after=0&lines={PAGE}"),
    };
    let mut page: JournalPage = cx.panel.get(&first).await?;
    // The newest lines were asked for: what lies before them is not missing.
    if lines.is_some() {
        page.gap = None;
    }
    loop {
        print(&page, cx)?;
        let at_end = page.data.is_empty();
        if at_end && !follow || (lines.is_some() && !follow) {
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
            cx.out.line(&shown(&line.text))?;
        }
    }
    Ok(())
}

/// A server's line for a terminal: colours stay, every other control is made harmless.
fn shown(text: &str) -> String {
    use std::io::IsTerminal;
    let colours = std::io::stdout().is_terminal();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        out.push_str(&plain(&rest[..at]));
        let tail = &rest[at + 1..];
        let body = tail.strip_prefix('[').unwrap_or("");
        let end = body.find(|c: char| !(c.is_ascii_digit() || c == ';' || c == ':'));
        match end {
            Some(end) if body[end..].starts_with('m') => {
                if colours {
                    out.push_str(&rest[at..at + 2 + end + 1]);
                }
                rest = &tail[1 + end + 1..];
            }
            _ => {
                out.push('\u{fffd}');
                rest = tail;
            }
        }
    }
    out.push_str(&plain(rest));
    if colours && text.contains('\x1b') {
        out.push_str("\x1b[0m");
    }
    out
}

/// Types one line.
pub async fn send(server: &str, text: String, cx: &Context) -> Result<(), Failure> {
    let path = format!("/api/client/servers/{}/command", segment(server));
    let body = serde_json::to_vec(&json!({"command": text})).map_err(|e| Failure::new(e.to_string()))?;
    let answer = cx
        .panel
        .send(http::Method::POST, &path, Some(body))
        .await?
        .ok(&cx.panel)?;
    let header = |name: &str| {
        answer
            .headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
    };
    let (stream, seq) = (header("roost-stream"), header("roost-seq"));
    cx.out.done(
        &format!("Sent. What follows: roost server logs {server} --lines 20"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_sequences_are_made_harmless() {
        // Not a terminal here: colours go as well.
        assert_eq!(shown("\x1b[31mred\x1b[0m"), "red");
        assert_eq!(shown("a\x1b]52;c;eA==\x07b"), "a\u{fffd}]52;c;eA==\u{fffd}b");
        assert_eq!(shown("\x1b[6n\x1b[2J\x1b"), "\u{fffd}[6n\u{fffd}[2J\u{fffd}");
    }
}
