//! What of the console's entries is shown to whom, as bytes that many viewers share.
//!
//! When they are written, and to whose socket, is the delivery's business.

use super::viewer::Rights;
use bytes::{Bytes, BytesMut};
use roost_console::{Batch, Entry};
use roost_wire::node_api::Source;

/// Classic frames for those who may see the installer, and for the others. Mostly the same bytes.
#[derive(Debug, Default, Clone)]
pub(super) struct Shown {
    all: Bytes,
    without_install: Bytes,
}

impl Shown {
    /// What somebody with these rights sees.
    pub(super) fn of(&self, rights: Rights) -> Bytes {
        if rights.sees_install {
            self.all.clone()
        } else {
            self.without_install.clone()
        }
    }

    /// Puts a frame before all.
    pub(super) fn put_before(&mut self, frame: &[u8]) {
        self.all = [frame, &self.all].concat().into();
        self.without_install = [frame, &self.without_install].concat().into();
    }

    /// Puts a frame behind all.
    pub(super) fn put_behind(&mut self, frame: &[u8]) {
        self.all = [&self.all, frame].concat().into();
        self.without_install = [&self.without_install, frame].concat().into();
    }
}

/// The frames of entries. Lines before `from` are left out, and events that `wants_event` does not want, by their place.
/// A single piece is not copied.
pub(super) fn join(entries: &[Entry], from: u64, wants_event: impl Fn(usize) -> bool) -> Shown {
    let mut pieces: Vec<(Bytes, bool)> = Vec::with_capacity(entries.len());
    for (i, entry) in entries.iter().enumerate() {
        match entry {
            Entry::Lines(batch) => {
                let lines = lines_between(batch, from, u64::MAX);
                pieces.push((lines, batch.source() == Source::Install));
            }
            Entry::Event(event) if wants_event(i) => pieces.push((event.frame.clone(), event.install)),
            Entry::Event(_) => {}
        }
    }
    let all = concat(pieces.iter().map(|(bytes, _)| bytes));
    let has_install = pieces.iter().any(|(_, is_install)| *is_install);
    let without_install = if has_install {
        concat(
            pieces
                .iter()
                .filter(|(_, is_install)| !is_install)
                .map(|(bytes, _)| bytes),
        )
    } else {
        all.clone()
    };
    Shown { all, without_install }
}

fn concat<'a>(pieces: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let mut some = pieces.clone();
    match (some.next(), some.next()) {
        (None, _) => Bytes::new(),
        (Some(only), None) => only.clone(),
        _ => {
            let mut joined = BytesMut::with_capacity(pieces.clone().map(Bytes::len).sum());
            for piece in pieces {
                joined.extend_from_slice(piece);
            }
            joined.freeze()
        }
    }
}

/// The classic frames of the lines from `from` on and before `end`; no copy.
pub(super) fn lines_between(batch: &Batch, from: u64, end: u64) -> Bytes {
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
