//! `roost.v1`: what the subprotocol adds to the classic events ([`crate::event`]). `docs/protocol.md` is its text.
//!
//! Same envelope, but arguments are any JSON: many lines a frame with their numbers and times, counted gaps, named
//! requests. When which of them is sent is the node's business.

use crate::{clock::Millis, event, frame, node_api::Source};
use serde_json::{Value, json};

mod code;
mod request;

pub use code::Code;
pub use request::{BadRequest, Begin, Pattern, Place, Request, Search};

/// What a client offers and the node's answer names, in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "roost.v1";

/// Lines.
pub const LINES: &str = "lines";
/// Lines are missing here.
pub const GAP: &str = "gap";
/// A named request was carried out.
pub const ACCEPTED: &str = "accepted";
/// A request was not carried out.
pub const REFUSED: &str = "refused";
/// Older lines that were asked for.
pub const PAGE: &str = "page";
/// Lines that were looked for.
pub const FOUND: &str = "found";
/// Who watches.
pub const PRESENCE: &str = "presence";
/// Who typed what.
pub const TYPED: &str = "typed";

/// The flag of a line that is the rest of the one before it.
pub const CONTINUED: u8 = 1;
/// The flag of a line that is not ended.
pub const OPEN: u8 = 2;

/// Lines of the past that a client can begin with.
pub const LAST_MAX: u64 = 10_000;
/// The same where it resumes and does not say.
pub const MOST_DEFAULT: u64 = 5_000;
/// Lines of a page: where nothing is said, and at most.
pub const PAGE_LINES: (u64, u64) = (200, 1_000);
/// Found lines of an answer to a search: where nothing is said, and at most.
pub const FOUND_LINES: (u64, u64) = (100, 500);
/// Bytes of a request's name.
pub const NAME_MAX: usize = 64;

/// Why lines are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The journal does not hold them any more.
    Retention,
    /// The node can't read them from its disk.
    Disk,
    /// The node's view throttle left them out.
    Throttle,
    /// More of them than the client wants.
    Most,
    /// The journal is another one.
    UnknownStream,
    /// The client has lines that this journal never had.
    AfterEnd,
}

impl Reason {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Disk => "disk",
            Self::Throttle => "throttle",
            Self::Most => "most",
            Self::UnknownStream => "unknown_stream",
            Self::AfterEnd => "after_end",
        }
    }
}

/// What stands for missing lines: `count` of them behind number `after`; `None` where nobody can know.
pub fn gap(after: u64, count: Option<u64>, reason: Reason) -> Value {
    json!({"after": after, "count": count, "reason": reason.name()})
}

/// A whole text frame with [`gap`].
pub fn gap_frame(after: u64, count: Option<u64>, reason: Reason) -> Vec<u8> {
    frame(GAP, &[gap(after, count, reason)])
}

/// A whole text frame with one event.
pub fn frame(name: &str, args: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::push_text_with(&mut out, |out| {
        out.extend_from_slice(b"{\"event\":");
        event::write_json_string(out, name);
        out.extend_from_slice(b",\"args\":[");
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(arg.to_string().as_bytes());
        }
        out.extend_from_slice(b"]}");
    });
    out
}

/// What stands before the block of a `lines` frame, and before its lines.
const LINES_HEAD: &[u8] = b"{\"event\":\"lines\",\"args\":[";
const LINES_FIELD: &[u8] = b",\"lines\":[";

fn write_block_head(out: &mut Vec<u8>, source: Source, seq: u64) {
    let source = match source {
        Source::Output => "output",
        Source::Daemon => "daemon",
        Source::Install => "install",
    };
    out.extend_from_slice(b"{\"source\":\"");
    out.extend_from_slice(source.as_bytes());
    out.extend_from_slice(b"\",\"seq\":");
    write_number(out, seq);
    out.extend_from_slice(LINES_FIELD);
}

/// Appends a block as JSON: lines of one source, the first one numbered `seq`, each with its time, text and flags
/// ([`CONTINUED`], [`OPEN`]).
pub fn write_block<T: std::ops::Deref<Target = str>>(
    out: &mut Vec<u8>,
    source: Source,
    seq: u64,
    lines: impl Iterator<Item = (Millis, T, u8)>,
) {
    write_block_head(out, source, seq);
    let mut is_first = true;
    for (time, text, flags) in lines {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        out.push(b'[');
        if time < 0 {
            out.push(b'-');
        }
        write_number(out, time.unsigned_abs());
        out.push(b',');
        event::write_json_string(out, &text);
        if flags != 0 {
            out.push(b',');
            out.push(b'0' + (flags & 3));
        }
        out.push(b']');
    }
    out.extend_from_slice(b"]}");
}

/// Appends a whole `lines` frame with one block.
pub fn push_lines<T: std::ops::Deref<Target = str>>(
    out: &mut Vec<u8>,
    source: Source,
    seq: u64,
    lines: impl Iterator<Item = (Millis, T, u8)>,
) {
    frame::push_text_with(out, |out| {
        out.extend_from_slice(LINES_HEAD);
        write_block(out, source, seq, lines);
        out.extend_from_slice(b"]}");
    });
}

/// The lines in a frame of [`push_lines`], as they stand there, to be joined with others; none if `frames` is not
/// exactly one such frame.
pub fn lines_in(frames: &[u8]) -> Option<&[u8]> {
    let payload = frame::only_payload(frames)?;
    let block = payload.strip_prefix(LINES_HEAD)?.strip_suffix(b"]}]}")?;
    // Before it stand only the names of a source and of fields, and digits.
    let at = block
        .windows(LINES_FIELD.len())
        .position(|field| field == LINES_FIELD)?;
    Some(&block[at + LINES_FIELD.len()..])
}

/// Appends a whole `lines` frame with one block of lines that came out of [`lines_in`], the first one numbered `seq`.
pub fn push_joined<'a>(out: &mut Vec<u8>, source: Source, seq: u64, lines: impl Iterator<Item = &'a [u8]>) {
    frame::push_text_with(out, |out| {
        out.extend_from_slice(LINES_HEAD);
        write_block_head(out, source, seq);
        for (i, lines) in lines.enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(lines);
        }
        out.extend_from_slice(b"]}]}");
    });
}

/// Digits of a number, without a detour through a text of its own.
fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_of_lines_is_the_lines(
            seq in 1..1u64 << 53,
            lines in prop::collection::vec((any::<i64>(), any::<String>(), 0..4u8), 1..5),
        ) {
            let mut out = Vec::new();
            push_lines(&mut out, Source::Output, seq, lines.iter().map(|(t, text, f)| (*t, text.as_str(), *f)));
            let header = match out[1] { 126 => 4, 127 => 10, _ => 2 };
            let value: Value = serde_json::from_slice(&out[header..]).unwrap();
            prop_assert_eq!(&value["event"], LINES);
            let block = &value["args"][0];
            prop_assert_eq!(block["seq"].as_u64(), Some(seq));
            let read: Vec<(i64, String, u8)> = block["lines"].as_array().unwrap().iter().map(|line| (
                line[0].as_i64().unwrap(),
                line[1].as_str().unwrap().to_owned(),
                line[2].as_u64().unwrap_or(0) as u8,
            )).collect();
            prop_assert_eq!(read, lines);
        }

        #[test]
        fn frames_that_are_joined_hold_what_one_frame_would(
            seq in 1..1u64 << 53,
            blocks in prop::collection::vec(
                prop::collection::vec((any::<i64>(), any::<String>(), 0..4u8), 1..4), 1..5),
        ) {
            fn push(out: &mut Vec<u8>, seq: u64, lines: &[(i64, String, u8)]) {
                push_lines(out, Source::Daemon, seq, lines.iter().map(|(t, text, f)| (*t, text.as_str(), *f)));
            }
            let frames: Vec<Vec<u8>> = blocks.iter().map(|lines| {
                let mut frame = Vec::new();
                push(&mut frame, 7, lines);
                frame
            }).collect();
            let (mut joined, mut one) = (Vec::new(), Vec::new());
            let lines = frames.iter().map(|frame| lines_in(frame).unwrap());
            push_joined(&mut joined, Source::Daemon, seq, lines);
            push(&mut one, seq, &blocks.concat());
            prop_assert_eq!(joined, one);
            prop_assert!(frames.len() == 1 || lines_in(&frames.concat()).is_none());
        }
    }
}
