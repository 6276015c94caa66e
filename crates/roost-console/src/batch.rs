//! Lines that came together, and their wire forms, each made at most once, when first wanted.
//!
//! A batch is the very bytes that went to the journal, shared by every reader. To add a wire form, add a cell like
//! `classic`. Which viewer gets which form is not its business.

use crate::{
    journal::segment::{self, Kind, RECORD_LEN},
    line::Line,
};
use bytes::Bytes;
use roost_wire::{event, frame, node_api::Source};
use std::sync::{Arc, OnceLock};

/// Lines of one source that came together; their numbers follow each other.
#[derive(Debug)]
pub struct Batch {
    /// Records of the journal, not all of them of this batch.
    buf: Bytes,
    /// Where each line's record begins.
    starts: Box<[u32]>,
    source: Source,
    first_seq: u64,
    /// The name in front of the daemon's lines.
    app: Arc<str>,
    classic: OnceLock<WireForm>,
}

/// All lines in one wire form.
#[derive(Debug)]
struct WireForm {
    bytes: Bytes,
    /// Where each line's bytes end.
    ends: Box<[u32]>,
}

impl Batch {
    pub(crate) fn new(buf: Bytes, starts: Vec<u32>, source: Source, first_seq: u64, app: Arc<str>) -> Self {
        Self {
            buf,
            starts: starts.into(),
            source,
            first_seq,
            app,
            classic: OnceLock::new(),
        }
    }

    /// First sequence number.
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The number after the last one.
    pub fn end_seq(&self) -> u64 {
        self.first_seq + self.starts.len() as u64
    }

    /// Where the lines came from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The lines.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = Line<'_>> + DoubleEndedIterator {
        (0..self.starts.len()).map(|at| self.line(at))
    }

    fn line(&self, at: usize) -> Line<'_> {
        let record = &self.buf[self.starts[at] as usize..];
        let (time, continued, open) = match segment::meta(record) {
            Some(meta) => match meta.kind {
                Kind::Line { continued, open, .. } => (meta.time, continued, open),
                Kind::Run => (meta.time, false, false),
            },
            None => (0, false, false),
        };
        Line {
            seq: self.first_seq + at as u64,
            time,
            bytes: &record[RECORD_LEN..segment::len_of(record)],
            continued,
            open,
        }
    }

    /// Bytes in memory, without wire forms.
    pub(crate) fn weight(&self) -> usize {
        self.buf.len() + self.starts.len() * 4 + size_of::<Self>()
    }

    /// Classic frames of all lines, one text frame a line, ready to be written to a socket. Made once. A line that
    /// was shown whole before its end came has an empty rest: it gets no frame.
    pub fn classic(&self) -> &Bytes {
        &self.classic_form().bytes
    }

    /// Those of the lines from `seq` on; no copy.
    pub fn classic_from(&self, seq: u64) -> Bytes {
        let form = self.classic_form();
        let skip = usize::try_from(seq.saturating_sub(self.first_seq)).unwrap_or(usize::MAX);
        match skip {
            0 => form.bytes.clone(),
            _ => match form.ends.get(skip - 1) {
                Some(&end) => form.bytes.slice(end as usize..),
                None => Bytes::new(),
            },
        }
    }

    fn classic_form(&self) -> &WireForm {
        self.classic.get_or_init(|| {
            let bytes = self.starts.len() * 48 + self.buf.len();
            let mut form = Vec::with_capacity(bytes);
            let ends = self
                .lines()
                .map(|line| {
                    if !(line.continued && line.bytes.is_empty()) {
                        self.push_classic(&mut form, &line);
                    }
                    form.len() as u32
                })
                .collect();
            form.shrink_to_fit();
            WireForm {
                bytes: form.into(),
                ends,
            }
        })
    }

    fn push_classic(&self, out: &mut Vec<u8>, line: &Line<'_>) {
        let text = line.text();
        let (name, text) = match self.source {
            Source::Output => (event::CONSOLE_OUTPUT, text),
            Source::Daemon => (event::CONSOLE_OUTPUT, event::daemon_line(&self.app, &text).into()),
            Source::Install => (event::INSTALL_OUTPUT, text),
        };
        frame::push_text_with(out, |out| event::write_json(out, name, &[&text]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::staged::Staged;

    fn batch(source: Source, lines: &[(&[u8], bool, bool)]) -> Batch {
        let mut staged = Staged::new(9, 10, 1_000, lines.len(), 0);
        for (bytes, continued, open) in lines {
            staged.line(source, *continued, *open, 0, bytes);
        }
        let (buf, mut groups) = staged.into_parts();
        let group = groups.remove(0);
        Batch::new(buf.into(), group.starts, source, group.first_seq, "Roost".into())
    }

    #[test]
    fn each_line_is_one_classic_frame_and_a_slice_begins_at_any_line() {
        let batch = batch(Source::Output, &[(b"a", false, false), (b"\xff", false, false)]);
        let first = event::frame("console output", &["a"]);
        let second = event::frame("console output", &["\u{fffd}"]);
        assert_eq!((batch.first_seq(), batch.end_seq()), (10, 12));
        assert_eq!(batch.classic()[..], [first, second.clone()].concat());
        assert_eq!(batch.classic_from(3), batch.classic());
        assert_eq!(batch.classic_from(11)[..], second);
        assert!(batch.classic_from(12).is_empty());
        assert!(batch.classic_from(99).is_empty());
        let seen: Vec<_> = batch.lines().map(|l| (l.seq, l.time, l.bytes)).collect();
        assert_eq!(seen, [(10, 1_000, &b"a"[..]), (11, 1_000, b"\xff")]);
    }

    #[test]
    fn daemon_lines_are_dressed_and_install_lines_have_their_own_event() {
        let daemon = batch(Source::Daemon, &[(b"hi", false, false)]);
        let dressed = event::daemon_line("Roost", "hi");
        assert_eq!(
            daemon.classic()[..],
            event::frame("console output", &[dressed.as_str()])
        );
        assert_eq!(daemon.lines().next().unwrap().bytes, b"hi");
        let install = batch(Source::Install, &[(b"hi", false, false)]);
        assert_eq!(install.classic()[..], event::frame("install output", &["hi"]));
    }

    #[test]
    fn the_end_of_a_line_that_was_already_shown_is_no_blank_line() {
        let batch = batch(
            Source::Output,
            &[(b"name: ", false, true), (b"", true, false), (b"", false, false)],
        );
        let prompt = event::frame("console output", &["name: "]);
        let blank = event::frame("console output", &[""]);
        assert_eq!(batch.classic()[..], [prompt, blank.clone()].concat());
        assert_eq!(batch.classic_from(11)[..], blank);
    }
}
