//! `send page`: pieces of the history, backwards and forwards, within what a viewer may see.
//!
//! A history thread reads them; lines that come live are the delivery's business.

use super::{
    Ended,
    history_pool::{Job, Task},
    shard::Shard,
    viewer::{Mode, Viewer},
};
use roost_console::{Batch, Console};
use roost_wire::{
    node_api::Source,
    v1::{self, Code, Place, Reason},
};
use serde_json::Value;
use std::{collections::VecDeque, io, sync::Arc};

/// Bytes of lines after which a page is cut, at its older end.
const PAGE_BYTES: usize = 256 << 10;
/// Bytes that are read at once for a page.
const PIECE_BYTES: usize = 256 << 10;

impl Shard {
    /// `send page`.
    pub(super) fn send_page(
        &mut self,
        viewer: &mut Viewer,
        place: Place,
        lines: u64,
        name: Option<Value>,
    ) -> Result<(), Ended> {
        let Some(floor) = viewer.floor_if_known() else {
            let text = "Where your history begins is not known yet: try again.";
            return self.refuse(viewer, name, Code::Busy, text);
        };
        if viewer.is_paging {
            let text = "Another page is being read: ask again when it has come.";
            return self.refuse(viewer, name, Code::Busy, text);
        }
        let Some(group) = self.groups.get(&viewer.server) else {
            return Ok(());
        };
        viewer.is_paging = true;
        self.hub.history.ask(Job {
            console: Arc::clone(&group.handle.console),
            inbox: Arc::clone(&self.inbox),
            task: Task::Page {
                key: viewer.key,
                name,
                wanted: PageWanted {
                    place,
                    lines,
                    floor,
                    sees_install: viewer.rights().sees_install,
                },
            },
        });
        Ok(())
    }

    pub(super) fn page_came(
        &mut self,
        viewer: &mut Viewer,
        name: Option<Value>,
        result: io::Result<Page>,
    ) -> Result<(), Ended> {
        viewer.is_paging = false;
        if !matches!(viewer.mode, Mode::Held | Mode::Following) {
            return Ok(());
        }
        match result {
            Ok(page) => {
                viewer.send(page.frame(&name.unwrap_or_default()), self.now)?;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, server = %viewer.server, "a page of history can't be read");
                let text = format!("The history can't be read from the node's disk ({error}).");
                self.refuse(viewer, name, Code::Failed, &text)
            }
        }
    }
}

/// Which page.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageWanted {
    /// Lines before or behind this number,
    place: Place,
    /// at most so many,
    lines: u64,
    /// and none before this one.
    floor: u64,
    sees_install: bool,
}

/// A page as it is sent, but for the request's name.
#[derive(Debug)]
pub(super) struct Page {
    from: u64,
    /// Behind its last line.
    next: u64,
    is_begin: bool,
    /// Nothing stands behind it yet.
    is_end: bool,
    gap: Option<Value>,
    /// JSON.
    blocks: Vec<u8>,
}

impl Page {
    fn frame(&self, name: &Value) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.blocks.len() + 256);
        let (from, next, begin, end) = (self.from, self.next, self.is_begin, self.is_end);
        let gap = self.gap.clone().unwrap_or_default();
        roost_wire::frame::push_text_with(&mut out, |out| {
            let head = format!(
                "{{\"event\":\"{}\",\"args\":[{name},{{\"from\":{from},\"next\":{next},\"begin\":{begin},\"end\":{end},\"gap\":{gap},\"blocks\":[",
                v1::PAGE
            );
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(&self.blocks);
            out.extend_from_slice(b"]}]}");
        });
        out
    }
}

impl PageWanted {
    /// Reads it. Blocks on the disk.
    pub(super) fn read(&self, console: &Console) -> io::Result<Page> {
        let (first, next) = (console.first_seq(), console.next_seq());
        let begin = self.floor.max(first).min(next);
        let (start, to) = match self.place {
            Place::Before(before) => {
                let to = before.clamp(begin, next);
                (to.saturating_sub(self.lines).max(begin), to)
            }
            Place::After(after) => {
                let start = after.saturating_add(1).clamp(begin, next);
                (start, start.saturating_add(self.lines).min(next))
            }
        };
        let is_forward = matches!(self.place, Place::After(_));
        let mut parts = Parts::new();
        let (mut from, mut end, mut bytes) = (start, to, 0);
        let mut cursor = console.at(start);
        while cursor.seq < end {
            let at = cursor.seq;
            for batch in console.lines(&mut cursor, PIECE_BYTES)?.batches {
                let (batch_from, batch_to) = (batch.first_seq().max(at), batch.end_seq().min(end));
                if batch_from < batch_to {
                    bytes += weight(&batch, batch_from, batch_to);
                    parts.push_back((batch, batch_from, batch_to));
                }
            }
            // The lines next to the reader stay, and one in any case.
            if is_forward {
                end = cut_newer(&mut parts, &mut bytes).unwrap_or(end);
            } else {
                from = cut_older(&mut parts, &mut bytes).unwrap_or(from);
            }
            if cursor.seq <= at {
                break;
            }
        }
        let mut blocks = Vec::with_capacity(bytes + 256);
        for (batch, batch_from, batch_to) in &parts {
            if batch.source() == Source::Install && !self.sees_install {
                continue;
            }
            if !blocks.is_empty() {
                blocks.push(b',');
            }
            batch.push_block(&mut blocks, *batch_from, *batch_to);
        }
        // What retention has taken meanwhile is missing as well.
        let begin = self.floor.max(console.first_seq()).min(next);
        let from = from.max(begin).min(end.max(begin));
        let is_begin = from <= begin;
        let missing_from = match self.place {
            Place::Before(_) => self.floor,
            Place::After(after) => self.floor.max(after.saturating_add(1)),
        };
        let gone = begin.saturating_sub(missing_from);
        Ok(Page {
            from,
            next: end.max(from),
            is_begin,
            is_end: end >= next,
            gap: (is_begin && gone > 0).then(|| v1::gap(missing_from - 1, Some(gone), Reason::Retention)),
            blocks,
        })
    }
}

type Parts = VecDeque<(Arc<Batch>, u64, u64)>;

/// Takes the oldest lines away until a page's bytes are kept; where it begins then.
fn cut_older(parts: &mut Parts, bytes: &mut usize) -> Option<u64> {
    let mut from = None;
    while *bytes > PAGE_BYTES {
        let (batch, batch_from, batch_to) = parts.pop_front()?;
        let mut line = batch_from;
        while line < batch_to && *bytes > PAGE_BYTES && (line + 1 < batch_to || !parts.is_empty()) {
            *bytes -= weight(&batch, line, line + 1);
            line += 1;
        }
        from = Some(line);
        if line < batch_to {
            parts.push_front((batch, line, batch_to));
            break;
        }
    }
    from
}

/// The same with the newest lines; where the page ends then.
fn cut_newer(parts: &mut Parts, bytes: &mut usize) -> Option<u64> {
    let mut end = None;
    while *bytes > PAGE_BYTES {
        let (batch, batch_from, batch_to) = parts.pop_back()?;
        let mut line = batch_to;
        while line > batch_from && *bytes > PAGE_BYTES && (line - 1 > batch_from || !parts.is_empty()) {
            *bytes -= weight(&batch, line - 1, line);
            line -= 1;
        }
        end = Some(line);
        if line > batch_from {
            parts.push_back((batch, batch_from, line));
            break;
        }
    }
    end
}

/// Bytes of lines, and what stands around them on the wire.
fn weight(batch: &Batch, from: u64, to: u64) -> usize {
    let skip = usize::try_from(from - batch.first_seq()).unwrap_or(usize::MAX);
    let take = usize::try_from(to - from).unwrap_or(usize::MAX);
    batch
        .lines()
        .skip(skip)
        .take(take)
        .map(|line| line.bytes.len() + 24)
        .sum()
}
