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
    /// The first line that this reader may see.
    floor: u64,
    from: u64,
    to: u64,
    /// What the next line will get.
    end: u64,
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
        return Ok(Range {
            floor,
            from,
            to,
            end,
            gap: None,
        });
    }
    let Some(after) = query.after else {
        let from = end.saturating_sub(lines).max(floor);
        return Ok(Range {
            floor,
            from,
            to: end,
            end,
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
        floor,
        from,
        to: from.saturating_add(lines).min(end),
        end,
        gap,
    })
}

fn read(console: &Console, query: &JournalQuery) -> io::Result<JournalPage> {
    let Range {
        floor,
        from,
        to,
        end,
        mut gap,
    } = range(console, query)?;
    let mut page = JournalPage {
        stream: console.stream(),
        from,
        next: from.saturating_sub(1),
        begin: from <= floor,
        end: false,
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
        if history.missed.is_some() {
            if !page.data.is_empty() {
                break;
            }
            let first = history
                .batches
                .first()
                .map_or(cursor.seq, |batch| batch.first_seq());
            // Forwards all of the hole is told here, and the next page begins behind it; backwards what is newer was
            // told by the page before.
            let upto = query.before.map_or(first, |_| first.min(to));
            gap = Some(Gap {
                lines: Some(upto - before),
                reason: "lost".to_owned(),
                first: upto,
            });
            page.next = upto - 1;
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
    page.end = page.next + 1 >= end;
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

#[cfg(test)]
mod tests {
    use super::*;
    use roost_console::{Limits, Writer};
    use roost_wire::node_api::Source;

    const LIMITS: Limits = Limits {
        journal_bytes: 1 << 30,
        journal_age: 0,
        disk_free_percent: 0,
        ring_bytes: 1 << 20,
    };

    /// Ten lines, the n-th of them at the time n.
    fn ten_lines(dir: &std::path::Path) -> (Writer, Arc<Console>) {
        let (mut writer, console, _) = roost_console::open(dir, "Roost", LIMITS, 0).unwrap();
        for n in 1..=10 {
            writer.notice(Source::Install, &format!("line {n}"), n).unwrap();
        }
        (writer, console)
    }

    /// `from`, `next`, `begin`, `end`, and the numbers.
    fn told(console: &Console, query: &JournalQuery) -> (u64, u64, bool, bool, Vec<u64>) {
        let page = read(console, query).unwrap();
        let seqs = page.data.iter().map(|line| line.seq).collect();
        (page.from, page.next, page.begin, page.end, seqs)
    }

    #[test]
    fn a_page_says_what_it_covers_and_whether_more_stands_around_it() {
        let dir = tempfile::tempdir().unwrap();
        let (_writer, console) = ten_lines(dir.path());
        let query = |after, before, lines| JournalQuery {
            after,
            before,
            lines: Some(lines),
            ..JournalQuery::default()
        };
        let pages = [
            (query(Some(0), None, 4), (1, 4, true, false, (1..=4).collect())),
            (query(Some(4), None, 4), (5, 8, false, false, (5..=8).collect())),
            (query(Some(8), None, 4), (9, 10, false, true, vec![9, 10])),
            (query(Some(10), None, 4), (11, 10, false, true, vec![])),
            (query(None, None, 3), (8, 10, false, true, vec![8, 9, 10])),
            (query(None, None, 10), (1, 10, true, true, (1..=10).collect())),
            (query(None, Some(8), 3), (5, 7, false, false, vec![5, 6, 7])),
            (query(None, Some(3), 3), (1, 2, true, false, vec![1, 2])),
        ];
        for (query, page) in pages {
            assert_eq!(told(&console, &query), page, "{query:?}");
        }
    }

    #[test]
    fn a_hole_is_told_once_and_what_stands_behind_it_is_reached() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits {
            ring_bytes: 1,
            ..LIMITS
        };
        let (mut writer, console, _) = roost_console::open(dir.path(), "Roost", limits, 0).unwrap();
        let file = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|end| end == "log"))
            .unwrap();
        let mut ends = Vec::new();
        for n in 1..=10 {
            writer.notice(Source::Daemon, "a line", n).unwrap();
            ends.push(usize::try_from(file.metadata().unwrap().len()).unwrap());
        }
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[ends[2]..ends[6]].fill(0xAA);
        std::fs::write(&file, bytes).unwrap();
        let ask = |after, before, lines| {
            let query = JournalQuery {
                after,
                before,
                lines: Some(lines),
                ..JournalQuery::default()
            };
            let page = read(&console, &query).unwrap();
            let seqs: Vec<_> = page.data.iter().map(|line| line.seq).collect();
            let gap = page.gap.map(|gap| (gap.lines.unwrap(), gap.reason, gap.first));
            (page.from, page.next, page.end, seqs, gap)
        };
        let lost = |lines, first| Some((lines, "lost".to_owned(), first));
        assert_eq!(ask(Some(0), None, 100), (1, 3, false, vec![1, 2, 3], None));
        assert_eq!(ask(Some(3), None, 100), (4, 10, true, vec![8, 9, 10], lost(4, 8)));
        assert_eq!(ask(Some(3), None, 2), (4, 7, false, vec![], lost(4, 8)));
        assert_eq!(ask(None, Some(10), 4), (6, 9, false, vec![8, 9], lost(2, 8)));
        assert_eq!(ask(None, Some(6), 3), (3, 3, false, vec![3], None));
        assert_eq!(ask(None, Some(6), 2), (4, 5, false, vec![], lost(2, 6)));
    }

    #[test]
    fn a_subuser_s_history_begins_with_his_grant() {
        let dir = tempfile::tempdir().unwrap();
        let (_writer, console) = ten_lines(dir.path());
        let query = JournalQuery {
            before: Some(8),
            since: Some(6),
            ..JournalQuery::default()
        };
        assert_eq!(told(&console, &query), (6, 7, true, false, vec![6, 7]));
    }

    #[test]
    fn an_empty_journal_is_begin_and_end() {
        let dir = tempfile::tempdir().unwrap();
        let (_writer, console, _) = roost_console::open(dir.path(), "Roost", LIMITS, 0).unwrap();
        assert_eq!(
            told(&console, &JournalQuery::default()),
            (1, 0, true, true, vec![])
        );
    }
}
