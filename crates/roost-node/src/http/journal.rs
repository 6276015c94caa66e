//! `GET /api/servers/{uuid}/journal`: lines by number, forwards, backwards, or as they come. And erasing.
//!
//! Whose history begins where is the panel's business; it says so with `since`.

use super::answer::{Body, Failure, Named};
use crate::{node::Node, server::handle::ServerHandle};
use axum::{
    Json,
    extract::{Query, State},
};
use roost_console::Console;
use roost_wire::{
    clock::rfc3339,
    node_api::{Gap, JournalLine, JournalPage, JournalQuery},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{io, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Lines a page: without a number, and at most.
const LINES: (u32, u32) = (100, 10_000);
/// Seconds that a page may be waited for at most.
const WAIT_MAX: u32 = 30;
/// Bytes of lines read at once.
const PIECE: usize = 256 << 10;
/// Bytes of lines after which a page ends.
const PAGE_MAX: usize = 2 << 20;

/// One page. With `wait`, an empty one is held back until a line comes.
pub(super) async fn page(
    Named(server): Named,
    Query(query): Query<JournalQuery>,
) -> Result<Json<JournalPage>, Failure> {
    if query.after.is_some() && query.before.is_some() {
        return Err(Failure::bad_request(
            "Ask either for lines `after` a number or `before` one.",
        ));
    }
    let wait = Duration::from_secs(u64::from(query.wait.unwrap_or(0).min(WAIT_MAX)));
    let deadline = Instant::now() + wait;
    // Where a wait begins stays fixed: "the last lines" would move on with what comes.
    let mut query = query;
    loop {
        let published = server.published.notified();
        tokio::pin!(published);
        // From here on nothing that is published is missed.
        published.as_mut().enable();
        let page = read_page(&server, &query).await?;
        let is_over = !page.data.is_empty() || page.gap.is_some() || query.before.is_some();
        if is_over || tokio::time::timeout_at(deadline, published).await.is_err() {
            return Ok(Json(page));
        }
        query.after = Some(page.next);
        query.stream = Some(page.stream);
    }
}

async fn read_page(server: &ServerHandle, query: &JournalQuery) -> Result<JournalPage, Failure> {
    let (console, query) = (Arc::clone(&server.console), query.clone());
    let read = tokio::task::spawn_blocking(move || read(&console, &query)).await;
    read.map_err(Failure::internal)?.map_err(|e| {
        tracing::error!(server = %server.uuid, error = %e, "the journal can't be read");
        Failure::internal(format!("The journal can't be read: {e}."))
    })
}

/// Where a page begins and ends, and what is missing before it.
struct Range {
    from: u64,
    to: u64,
    gap: Option<Gap>,
}

fn range(console: &Console, query: &JournalQuery) -> io::Result<Range> {
    let (first, end) = (console.first_seq(), console.next_seq());
    let floor = match query.since {
        // Behind the end, should the clock have jumped back: then nothing before the next line is shown.
        Some(since) => console.seq_at(since)?.clamp(first, end),
        None => first,
    };
    let lines = u64::from(query.lines.unwrap_or(LINES.0).clamp(1, LINES.1));
    let gap = |lines, reason: &str| {
        Some(Gap {
            lines,
            reason: reason.to_owned(),
            first: floor,
        })
    };
    if let Some(before) = query.before {
        let to = before.clamp(floor, end);
        let from = to.saturating_sub(lines).max(floor);
        return Ok(Range { from, to, gap: None });
    }
    let Some(after) = query.after else {
        let from = end.saturating_sub(lines).max(floor);
        return Ok(Range {
            from,
            to: end,
            gap: None,
        });
    };
    let wanted = after.saturating_add(1);
    let (from, gap) = if query.stream.is_some_and(|stream| stream != console.stream()) {
        (floor, gap(None, "unknown_stream"))
    } else if wanted > end {
        (floor, gap(None, "after_end"))
    } else if wanted < first {
        // Lines from before `since` are not this reader's, so they are not missing either.
        let missing = first - wanted;
        (
            floor,
            if floor > first {
                None
            } else {
                gap(Some(missing), "retention")
            },
        )
    } else {
        (wanted.max(floor), None)
    };
    Ok(Range {
        from,
        to: from.saturating_add(lines).min(end),
        gap,
    })
}

fn read(console: &Console, query: &JournalQuery) -> io::Result<JournalPage> {
    let Range { from, to, mut gap } = range(console, query)?;
    let mut page = JournalPage {
        stream: console.stream(),
        next: from.saturating_sub(1),
        gap: None,
        data: Vec::new(),
    };
    let mut cursor = console.at(from);
    let mut bytes = 0;
    while cursor.seq < to && bytes < PAGE_MAX {
        let before = cursor.seq;
        let history = console.lines(&mut cursor, PIECE)?;
        if history.batches.is_empty() && history.missed.is_none() {
            break;
        }
        if let Some(missed) = history.missed {
            if !page.data.is_empty() {
                break;
            }
            let first = history
                .batches
                .first()
                .map_or(cursor.seq, |batch| batch.first_seq());
            gap = Some(Gap {
                lines: Some(missed.lines),
                reason: "lost".to_owned(),
                first,
            });
        }
        for batch in &history.batches {
            for line in batch.lines().filter(|line| line.seq >= before && line.seq < to) {
                bytes += line.bytes.len();
                page.next = line.seq;
                page.data.push(JournalLine {
                    seq: line.seq,
                    time: rfc3339(line.time),
                    source: batch.source(),
                    text: line.text().into_owned(),
                    continued: line.continued,
                    open: line.open,
                });
            }
        }
        if cursor.seq <= before {
            break;
        }
    }
    page.gap = gap;
    Ok(page)
}

#[derive(Debug, Deserialize)]
pub(super) struct EraseForm {
    before: i64,
}

/// `POST .../journal/erase {"before": ms}`: how many lines were erased.
pub(super) async fn erase(
    State(node): State<Node>,
    Named(server): Named,
    Body(form): Body<EraseForm>,
) -> Result<Json<Value>, Failure> {
    let erased = node.pumps().erase_before(server.uuid, form.before).await;
    match erased {
        Ok(Ok(lines)) => Ok(Json(json!({"lines": lines}))),
        Ok(Err(error)) => {
            tracing::error!(server = %server.uuid, %error, "lines could not be erased");
            Err(Failure::internal(format!(
                "The lines could not be erased: {error}."
            )))
        }
        Err(_) => Err(Failure::unknown_server()),
    }
}
