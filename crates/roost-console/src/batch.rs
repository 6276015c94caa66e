//! Lines that came together, and their wire forms, each made at most once, when first wanted.
//!
//! A batch is the very bytes that went to the journal, shared by every reader. To add a wire form, add a cell like
//! `classic`. Which viewer gets which form is not its business.

use crate::{
    journal::segment::{self, Kind, RECORD_LEN},
    line::Line,
};
use bytes::Bytes;
use roost_wire::clock::Millis;
use roost_wire::{encoding::Encoding, event, frame, node_api::Source, v1};
use std::{
    borrow::Cow,
    ops::Range,
    sync::{Arc, OnceLock},
};

/// Bytes of lines after which a `lines` frame ends and the next begins.
const FRAME_BYTES: usize = 64 << 10;

/// Lines of one source that came together; their numbers follow each other.
#[derive(Debug)]
pub struct Batch {
    /// Records of the journal, not all of them of this batch.
    buf: Bytes,
    /// Where each line's record begins.
    starts: Box<[u32]>,
    source: Source,
    first_seq: u64,
    style: Style,
    classic: OnceLock<WireForm>,
    v1: OnceLock<Bytes>,
}

/// How bytes are shown.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    /// The name in front of the daemon's lines.
    pub(crate) app: Arc<str>,
    /// What the program's output is in.
    pub(crate) encoding: Encoding,
}

impl Style {
    /// What lines of `source` are in; only the program is not Roost's own or a script that writes UTF-8.
    pub(crate) fn encoding_of(&self, source: Source) -> Encoding {
        match source {
            Source::Output => self.encoding,
            Source::Daemon | Source::Install => Encoding::Utf8,
        }
    }
}

/// All lines in one wire form.
#[derive(Debug)]
struct WireForm {
    bytes: Bytes,
    /// Where each line's bytes end.
    ends: Box<[u32]>,
}

impl Batch {
    pub(crate) fn new(buf: Bytes, starts: Vec<u32>, source: Source, first_seq: u64, style: Style) -> Self {
        Self {
            buf,
            starts: starts.into(),
            source,
            first_seq,
            style,
            classic: OnceLock::new(),
            v1: OnceLock::new(),
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
            encoding: self.style.encoding_of(self.source),
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

    /// Frames of `roost.v1` of all lines, several a frame, ready to be written to a socket. Made once.
    pub fn v1(&self) -> &Bytes {
        self.v1.get_or_init(|| self.v1_frames(0..self.starts.len()))
    }

    /// The same for lines from `from` on and before `end`; made for this call, unless that is all of them.
    pub fn v1_between(&self, from: u64, end: u64) -> Bytes {
        let lines = self.between(from, end);
        match lines.len() {
            0 => Bytes::new(),
            all if all == self.starts.len() => self.v1().clone(),
            _ => self.v1_frames(lines),
        }
    }

    /// Appends the block of `roost.v1`, as JSON, that holds the lines from `from` on and before `end`; nothing if there
    /// are none.
    pub fn push_block(&self, out: &mut Vec<u8>, from: u64, end: u64) {
        let range = self.between(from, end);
        if !range.is_empty() {
            let seq = self.first_seq + range.start as u64;
            v1::write_block(out, self.source, seq, range.map(|at| self.v1_line(at)));
        }
    }

    /// Places of the lines from `from` on and before `end`.
    fn between(&self, from: u64, end: u64) -> Range<usize> {
        let place = |seq: u64| {
            usize::try_from(seq.saturating_sub(self.first_seq))
                .unwrap_or(usize::MAX)
                .min(self.starts.len())
        };
        let (from, end) = (place(from), place(end));
        from..end.max(from)
    }

    fn v1_line(&self, at: usize) -> (Millis, Cow<'_, str>, u8) {
        let line = self.line(at);
        let flags = (u8::from(line.continued) * v1::CONTINUED) | (u8::from(line.open) * v1::OPEN);
        (line.time, line.text(), flags)
    }

    fn v1_frames(&self, lines: Range<usize>) -> Bytes {
        let mut frames = Vec::with_capacity(80 + lines.len() * 24 + self.buf.len());
        let mut from = lines.start;
        while from < lines.end {
            let mut bytes = 0;
            let rest = from..lines.end;
            let fits = rest.take_while(|at| {
                let begins = bytes < FRAME_BYTES;
                bytes += self.line(*at).bytes.len();
                begins
            });
            let to = from + fits.count();
            let seq = self.first_seq + from as u64;
            v1::push_lines(
                &mut frames,
                self.source,
                seq,
                (from..to).map(|at| self.v1_line(at)),
            );
            from = to;
        }
        frames.shrink_to_fit();
        frames.into()
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
            Source::Daemon => (
                event::CONSOLE_OUTPUT,
                event::daemon_line(&self.style.app, &text).into(),
            ),
            Source::Install => (event::INSTALL_OUTPUT, text),
        };
        frame::push_text_with(out, |out| event::write_json(out, name, &[&text]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::staged::Staged;
    use serde_json::json;

    fn batch(source: Source, lines: &[(&[u8], bool, bool)]) -> Batch {
        let mut staged = Staged::new(9, 10, 1_000, lines.len(), 0);
        for (bytes, continued, open) in lines {
            staged.line(source, *continued, *open, 0, bytes);
        }
        let (buf, mut groups) = staged.into_parts();
        let group = groups.remove(0);
        let style = Style {
            app: "Roost".into(),
            encoding: Encoding::Utf8,
        };
        Batch::new(buf.into(), group.starts, source, group.first_seq, style)
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

    /// The blocks in frames.
    fn blocks(mut frames: &[u8]) -> Vec<serde_json::Value> {
        let mut blocks = Vec::new();
        while !frames.is_empty() {
            let (header, len) = match frames[1] {
                126 => (4, usize::from(frames[2]) << 8 | usize::from(frames[3])),
                127 => (10, u64::from_be_bytes(frames[2..10].try_into().unwrap()) as usize),
                len => (2, usize::from(len)),
            };
            let value: serde_json::Value = serde_json::from_slice(&frames[header..header + len]).unwrap();
            assert_eq!(value["event"], "lines");
            blocks.push(value["args"][0].clone());
            frames = &frames[header + len..];
        }
        blocks
    }

    #[test]
    fn a_frame_of_v1_holds_many_lines_and_can_begin_and_end_anywhere() {
        let batch = batch(
            Source::Output,
            &[(b"a", false, false), (b"na", false, true), (b"me", true, false)],
        );
        let all = json!([[1000, "a"], [1000, "na", 2], [1000, "me", 1]]);
        assert_eq!(
            blocks(batch.v1()),
            [json!({"source": "output", "seq": 10, "lines": all})]
        );
        assert_eq!(batch.v1_between(0, 99).as_ptr(), batch.v1().as_ptr(), "no copy");
        assert_eq!(
            blocks(&batch.v1_between(11, 12)),
            [json!({"source": "output", "seq": 11, "lines": [[1000, "na", 2]]})]
        );
        assert!(batch.v1_between(13, 99).is_empty() && batch.v1_between(0, 10).is_empty());
        let mut block = Vec::new();
        batch.push_block(&mut block, 12, 99);
        let block: serde_json::Value = serde_json::from_slice(&block).unwrap();
        assert_eq!(
            block,
            json!({"source": "output", "seq": 12, "lines": [[1000, "me", 1]]})
        );
    }

    #[test]
    fn a_batch_of_long_lines_is_several_frames_of_v1() {
        let long = [b'x'; 40_000];
        let batch = batch(Source::Output, &[(&long[..], false, false); 5]);
        let blocks = blocks(batch.v1());
        let seqs: Vec<_> = blocks
            .iter()
            .map(|block| block["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(seqs, [10, 12, 14]);
        let lines: usize = blocks
            .iter()
            .map(|block| block["lines"].as_array().unwrap().len())
            .sum();
        assert_eq!(lines, 5);
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
