//! What of the console's entries is shown to whom, as bytes that many viewers share.
//!
//! When they are written, and to whose socket, is the delivery's business.

use super::{joined::Joined, viewer::View};
use bytes::Bytes;
use roost_console::{Audience, Batch, Entry};
use roost_wire::node_api::Source;
use std::cell::OnceCell;

/// Frames for every kind of viewer, made when the first of that kind wants them.
#[derive(Debug, Default)]
pub(super) struct Shown {
    entries: Vec<Entry>,
    /// Lines before this number are left out.
    from: u64,
    /// Events before this place are left out.
    events_from: usize,
    /// Some entries are not for everybody.
    is_mixed: bool,
    /// Lines that follow each other share frames of `roost.v1`.
    is_history: bool,
    /// Before all: for classic viewers, and for `roost.v1`.
    before: Option<(Bytes, Bytes)>,
    /// Behind all.
    behind: Bytes,
    made: [OnceCell<Bytes>; View::KINDS],
}

impl Shown {
    /// Entries, of which lines before `from` and events before the place `events_from` are left out.
    pub(super) fn new(entries: Vec<Entry>, from: u64, events_from: usize) -> Self {
        let is_mixed = entries.iter().any(|entry| audience(entry) != Audience::All);
        Self {
            entries,
            from,
            events_from,
            is_mixed,
            ..Self::default()
        }
    }

    /// The same of history, where lines may wait for each other: those that follow each other share frames.
    pub(super) fn history(entries: Vec<Entry>, from: u64, events_from: usize) -> Self {
        Self {
            is_history: true,
            ..Self::new(entries, from, events_from)
        }
    }

    /// Puts a frame before all: one for classic viewers, one for the others.
    pub(super) fn put_before(&mut self, classic: Vec<u8>, v1: Vec<u8>) {
        self.before = Some((classic.into(), v1.into()));
    }

    /// Puts a frame behind all.
    pub(super) fn put_behind(&mut self, frame: Vec<u8>) {
        self.behind = frame.into();
    }

    /// What such a viewer sees.
    pub(super) fn of(&self, view: View) -> Bytes {
        let view = if self.is_mixed { view } else { view.of_common() };
        self.made[view.kind()]
            .get_or_init(|| self.make(view, u64::MAX))
            .clone()
    }

    /// What such a viewer sees where lines from number `end` on are left out.
    pub(super) fn of_before(&self, view: View, end: u64) -> Bytes {
        self.make(view, end)
    }

    fn make(&self, view: View, end: u64) -> Bytes {
        let mut shown = Joined::default();
        if let Some((classic, v1)) = &self.before {
            shown.push(if view.is_v1 { v1 } else { classic }.clone());
        }
        let entries = self.entries.iter().enumerate();
        for (place, entry) in entries.filter(|(_, entry)| view.includes(audience(entry))) {
            match entry {
                Entry::Lines(batch) if view.is_v1 && self.is_history => {
                    shown.push_lines(batch, self.from, end);
                }
                Entry::Lines(batch) => shown.push(lines_between(batch, self.from, end, view)),
                Entry::Event(_) if place < self.events_from => {}
                Entry::Event(event) if view.is_v1 => shown.push(event.v1.clone()),
                Entry::Event(event) => shown.push(event.classic.clone()),
            }
        }
        shown.push(self.behind.clone());
        shown.finish()
    }
}

fn audience(entry: &Entry) -> Audience {
    match entry {
        Entry::Lines(batch) if batch.source() == Source::Install => Audience::Install,
        Entry::Lines(_) => Audience::All,
        Entry::Event(event) => event.audience,
    }
}

/// The frames of the lines from `from` on and before `end`; for classic viewers no copy.
fn lines_between(batch: &Batch, from: u64, end: u64, view: View) -> Bytes {
    if view.is_v1 {
        return batch.v1_between(from, end);
    }
    if batch.first_seq() >= end {
        return Bytes::new();
    }
    let lines = if batch.first_seq() < from {
        batch.classic_from(from)
    } else {
        batch.classic().clone()
    };
    if batch.end_seq() <= end {
        return lines;
    }
    let beyond = batch.classic_from(end).len();
    lines.slice(..lines.len() - beyond)
}
