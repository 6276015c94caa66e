//! `send search` and `cancel search` of `roost.v1`: a viewer's one search, within what it may see.
//!
//! Looking through the history is the node's searching threads' business ([`crate::search`]).

use super::{
    Ended,
    inbox::Post,
    shard::Shard,
    viewer::{Floor, Viewer},
};
use crate::search::{Page, Stop, Wanted};
use roost_console::{BadQuery, Case, FoundLine, Query};
use roost_wire::{
    clock::Millis,
    node_api::Source,
    v1::{self, Code, Pattern, Search},
};
use serde_json::{Value, json};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

/// Bytes of found lines after which a page ends.
const PAGE_BYTES: usize = 256 << 10;
/// Bytes of a found line that are shown: before what was found, of it, and behind it.
const SHOWN: [usize; 3] = [200, 400, 400];

/// The search of a viewer that is under way. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Running {
    /// Also tells it from others.
    stop: Stop,
    name: Option<Value>,
    /// What the viewer may see, as it was at the beginning.
    sees: (Floor, bool),
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Shard {
    /// `send search`.
    pub(super) fn send_search(
        &mut self,
        viewer: &mut Viewer,
        search: &Search,
        name: Option<Value>,
    ) -> Result<(), Ended> {
        self.cancel_search(viewer, "Another search of this socket has begun.")?;
        let Some(floor) = viewer.floor_if_known() else {
            let text = "Where your history begins is not known yet: try again.";
            return self.refuse(viewer, name, Code::Busy, text);
        };
        let sees_install = viewer.rights().sees_install;
        if search.source == Some(Source::Install) && !sees_install {
            let text = "You may not see the installer's output.";
            return self.refuse(viewer, name, Code::Permission, text);
        }
        let query = match query(search) {
            Ok(query) if sees_install => query,
            Ok(query) => query.without(Source::Install),
            Err(bad) => return self.refuse(viewer, name, Code::Pattern, &bad.to_string()),
        };
        let Some(group) = self.groups.get(&viewer.server) else {
            return Ok(());
        };
        let wanted = Wanted {
            query,
            before: search.before.unwrap_or(u64::MAX),
            floor,
            lines: usize::try_from(search.most).unwrap_or(1),
            bytes: PAGE_BYTES,
        };
        let (console, inbox, key) = (
            Arc::clone(&group.handle.console),
            Arc::clone(&self.inbox),
            viewer.key,
        );
        let stop = Stop::default();
        let asked = self.hub.searches.ask(Arc::clone(&stop), move |stop| {
            let page = wanted.read(&console, stop, shape);
            if let Some(result) = page.transpose() {
                let of = Arc::clone(stop);
                inbox.post(Post::Found { key, of, result });
            }
        });
        if let Err(busy) = asked {
            return self.refuse(viewer, name, Code::Busy, &busy.to_string());
        }
        viewer.search = Some(Box::new(Running {
            stop,
            name,
            sees: (viewer.floor, sees_install),
        }));
        Ok(())
    }

    /// Ends the search that is under way, if there is one, and says so.
    pub(super) fn cancel_search(&mut self, viewer: &mut Viewer, why: &str) -> Result<(), Ended> {
        match viewer.search.take() {
            Some(mut running) => self.refuse(viewer, running.name.take(), Code::Cancelled, why),
            None => Ok(()),
        }
    }

    pub(super) fn found(
        &mut self,
        viewer: &mut Viewer,
        of: &Stop,
        result: io::Result<Page<Value>>,
    ) -> Result<(), Ended> {
        let Some(mut running) = viewer.search.take_if(|running| Arc::ptr_eq(&running.stop, of)) else {
            return Ok(());
        };
        let name = running.name.take();
        if !viewer.is_let_in() || running.sees != (viewer.floor, viewer.rights().sees_install) {
            let why = "Your rights have ended or changed meanwhile: search again.";
            return self.refuse(viewer, name, Code::Cancelled, why);
        }
        match result {
            Ok(page) => {
                let answer = json!({"from": page.from, "next": page.next, "first": page.first, "begin": page.is_begin, "lines": page.lines});
                let frame = v1::frame(v1::FOUND, &[name.unwrap_or_default(), answer]);
                viewer.send(frame, self.now)?;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, server = %viewer.server, "the history can't be searched");
                let text = format!("The history can't be read from the node's disk ({error}).");
                self.refuse(viewer, name, Code::Failed, &text)
            }
        }
    }
}

impl Viewer {
    /// The first line that it may see, where that is known.
    pub(super) fn floor_if_known(&self) -> Option<u64> {
        match self.floor {
            Floor::None => Some(1),
            Floor::Seq(seq) => Some(seq.max(1)),
            Floor::At(_) | Floor::Asked(_) => None,
        }
    }
}

fn query(search: &Search) -> Result<Query, BadQuery> {
    let case = if search.is_exact {
        Case::Exact
    } else {
        Case::Ignored
    };
    let query = match &search.pattern {
        Pattern::Text(text) => Query::text(text, case),
        Pattern::Regex(expression) => Query::expression(expression, case),
    }?;
    let query = query.within(search.since.unwrap_or(Millis::MIN)..=search.until.unwrap_or(Millis::MAX));
    Ok(match search.source {
        Some(source) => query.of(source),
        None => query,
    })
}

/// A found line on the wire, and its bytes.
fn shape(query: &Query, line: &FoundLine) -> (Value, usize) {
    let (text, place) = query.place_in(line);
    let parts = [
        tail(&text[..place.start], SHOWN[0]),
        head(&text[place.clone()], SHOWN[1]),
        head(&text[place.end..], SHOWN[2]),
    ];
    let size = parts.iter().map(String::len).sum::<usize>() + 80;
    let line = json!({"seq": line.seq, "time": line.time, "source": line.source, "text": parts});
    (line, size)
}

/// The beginning of a text; a sign stands for what is left out.
fn head(text: &[u8], most: usize) -> String {
    let cut = text.len() > most + 4;
    let text = String::from_utf8_lossy(&text[..text.len().min(most + 4)]);
    match cut {
        true => format!("{}…", &text[..text.floor_char_boundary(most)]),
        false => text.into_owned(),
    }
}

/// The end of a text.
fn tail(text: &[u8], most: usize) -> String {
    let left_out = text.len().saturating_sub(most + 4);
    let text = String::from_utf8_lossy(&text[left_out..]);
    match left_out {
        0 => text.into_owned(),
        _ => format!("…{}", &text[text.ceil_char_boundary(4)..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_characters() {
        let text = "ü".repeat(1000);
        for len in [0, 1, 399, 400, 401, 402, 404, 405, 406, 2000] {
            let (front, back) = (
                head(&text.as_bytes()[..len], 400),
                tail(&text.as_bytes()[2000 - len..], 400),
            );
            assert!(front.len() <= 410 && back.len() <= 410, "{len}: {front} {back}");
            assert_eq!(front.contains('…'), len > 404, "{len}");
            assert_eq!(back.starts_with('…'), len > 404, "{len}");
        }
    }
}
