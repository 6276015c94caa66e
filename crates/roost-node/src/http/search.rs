//! `POST /api/servers/{uuid}/journal/search`: lines of the whole history that match, in pages, newest first.
//!
//! It shares threads and bounds with the sockets' searches. Whose history begins where, and who sees the installer, is
//! the panel's business; it says so in the body.

use super::answer::{Body, Failure, Named};
use crate::{
    node::Node,
    search::{Page, Stop, Wanted},
};
use axum::{Json, extract::State};
use http::StatusCode;
use roost_console::{BadQuery, Case, FoundLine, Query};
use roost_wire::{
    clock::{Millis, rfc3339},
    node_api::{JournalLine, SearchPage, SearchQuery, Source},
};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::oneshot;

/// Found lines: without a number, and at most.
const LINES: (u32, u32) = (100, 1_000);
/// Bytes of found lines after which a page ends.
const PAGE_MAX: usize = 1 << 20;
/// How long a page may take, the wait for a thread included: panels wait little longer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ends the search of a request that nobody waits for any more.
struct Guard(Stop);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) async fn page(
    State(node): State<Node>,
    Named(server): Named,
    Body(asked): Body<SearchQuery>,
) -> Result<Json<SearchPage>, Failure> {
    let query = query(&asked).map_err(|bad| Failure(StatusCode::UNPROCESSABLE_ENTITY, bad.to_string()))?;
    let console = Arc::clone(&server.console);
    let (lines, floor) = (
        asked.lines.unwrap_or(LINES.0).clamp(1, LINES.1),
        asked.history_from,
    );
    let before = asked.before.unwrap_or(u64::MAX);
    let (answer, answered) = oneshot::channel();
    let guard = Guard(Stop::default());
    let search = move |stop: &Stop| {
        let wanted = floor
            .map_or(Ok(1), |time| console.seq_at(time))
            .map(|floor| Wanted {
                query,
                before,
                floor,
                lines: lines as usize,
                bytes: PAGE_MAX,
            });
        let page: io::Result<Option<Page<JournalLine>>> =
            wanted.and_then(|wanted| wanted.read(&console, stop, shape));
        // Whoever asked may be gone.
        let _ = answer.send(page);
    };
    let busy = |reason: &dyn std::fmt::Display| Failure(StatusCode::TOO_MANY_REQUESTS, reason.to_string());
    let asked = node.shards().searches().ask(Arc::clone(&guard.0), search);
    asked.map_err(|e| busy(&e))?;
    let Ok(page) = tokio::time::timeout(PATIENCE, answered).await else {
        return Err(busy(&crate::search::Busy));
    };
    let page = page.map_err(Failure::internal)?.map_err(|e| {
        tracing::error!(server = %server.uuid, error = %e, "the history can't be searched");
        Failure::internal(format!("The history can't be read: {e}."))
    })?;
    let Some(page) = page else {
        return Err(busy(&crate::search::Busy));
    };
    Ok(Json(SearchPage {
        stream: server.console.stream(),
        from: page.from,
        begin: page.is_begin,
        data: page.lines,
    }))
}

fn query(asked: &SearchQuery) -> Result<Query, BadQuery> {
    let case = if asked.case { Case::Exact } else { Case::Ignored };
    let mut query = match &asked.regex {
        Some(expression) => Query::expression(expression, case),
        None => Query::text(asked.text.as_deref().unwrap_or_default(), case),
    }?;
    query = query.within(asked.since.unwrap_or(Millis::MIN)..=asked.until.unwrap_or(Millis::MAX));
    if let Some(source) = asked.source {
        query = query.of(source);
    }
    if !asked.install {
        query = query.without(Source::Install);
    }
    Ok(query)
}

/// A line as the journal's pages have it, whole, and its bytes.
fn shape(_: &Query, line: &FoundLine) -> (JournalLine, usize) {
    let size = line.bytes.len() + 100;
    let line = JournalLine {
        seq: line.seq,
        time: rfc3339(line.time),
        source: line.source,
        text: line.text().into_owned(),
        continued: false,
        open: false,
    };
    (line, size)
}
