//! Looks for the text that says that a server is up.
//!
//! It reads the console like any other reader, so that it sees joined lines. What follows from the text is the
//! actor's business.

use super::DoneRule;
use regex::Regex;
use roost_console::{Batch, Console, Cursor, Entry, LineJoiner, Read};
use roost_wire::{encoding::Encoding, node_api::Source};
use std::{borrow::Cow, io};

/// Bytes read at a time.
const READ: usize = 256 * 1024;

/// A rule at work on one run.
#[derive(Debug)]
pub(super) struct DoneWatch {
    texts: Vec<String>,
    expressions: Vec<Regex>,
    strip_ansi: bool,
    cursor: Cursor,
    joiner: LineJoiner,
    /// It was seen in this run.
    pub(super) seen: bool,
}

impl DoneWatch {
    /// From `cursor` on.
    pub(super) fn new(rule: &DoneRule, cursor: Cursor) -> Self {
        let (mut texts, mut expressions) = (Vec::new(), Vec::new());
        for pattern in rule.patterns.iter().filter(|p| !p.is_empty()) {
            match pattern.strip_prefix("regex:") {
                Some(expression) => match Regex::new(expression) {
                    Ok(expression) => expressions.push(expression),
                    Err(_) => texts.push(expression.to_owned()),
                },
                None => texts.push(pattern.clone()),
            }
        }
        Self {
            texts,
            expressions,
            strip_ansi: rule.strip_ansi,
            cursor,
            joiner: LineJoiner::default(),
            seen: false,
        }
    }

    /// A new run begins.
    pub(super) fn restart(&mut self, cursor: Cursor) {
        (self.cursor, self.joiner, self.seen) = (cursor, LineJoiner::default(), false);
    }

    /// Looks through what is new. True from when the text was seen in this run.
    pub(super) fn look(&mut self, console: &Console) -> io::Result<bool> {
        while !self.seen {
            match console.read(&mut self.cursor, READ) {
                Read::Entries(entries) => {
                    for entry in entries {
                        if let Entry::Lines(batch) = entry {
                            self.take(&batch, console.encoding());
                        }
                    }
                }
                // The text came in one batch with more than the ring holds.
                Read::Behind => {
                    for batch in console.history(&mut self.cursor, READ)?.batches {
                        self.take(&batch, console.encoding());
                    }
                }
                Read::Empty | Read::Closed => return Ok(false),
            }
        }
        Ok(true)
    }

    fn take(&mut self, batch: &Batch, encoding: Encoding) {
        if batch.source() != Source::Output {
            return;
        }
        for line in batch.lines() {
            let (text, whole) = match self.joiner.push(line) {
                Some(text) => (text, true),
                // A prompt may never end: what it says so far counts, for plain texts.
                None => (self.joiner.so_far().unwrap_or_default(), false),
            };
            let text = roost_console::decode(encoding, text);
            let text = match self.strip_ansi {
                true => {
                    let plain = roost_console::without_escapes(text.as_bytes());
                    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
                }
                false => text,
            };
            self.seen = self.texts.iter().any(|t| text.contains(t.as_str()))
                || (whole && self.expressions.iter().any(|e| e.is_match(&text)));
            if self.seen {
                return;
            }
        }
    }
}
