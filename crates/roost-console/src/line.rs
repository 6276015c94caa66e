//! One line as readers see it, and lines put together again where they came in pieces.
//!
//! Colours, wire forms and who may see a line are not its business.

use crate::text;
use roost_wire::{clock::Millis, encoding::Encoding};
use std::borrow::Cow;

/// One line of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Sequence number.
    pub seq: u64,
    /// Arrival.
    pub time: Millis,
    /// Raw bytes without the line end.
    pub bytes: &'a [u8],
    /// What they are in.
    pub encoding: Encoding,
    /// The rest of the line before.
    pub continued: bool,
    /// Not ended: its rest follows.
    pub open: bool,
}

impl<'a> Line<'a> {
    /// The line as text; what is no character is replaced by U+FFFD.
    pub fn text(&self) -> Cow<'a, str> {
        text::decode(self.encoding, self.bytes)
    }
}

/// Puts the pieces of one source's lines together, up to a bound.
#[derive(Debug)]
pub struct LineJoiner {
    max: usize,
    line: Vec<u8>,
    open: bool,
}

impl Default for LineJoiner {
    /// Lines of up to 256 KiB.
    fn default() -> Self {
        Self::new(256 * 1024)
    }
}

impl LineJoiner {
    /// Lines of up to `max` bytes; what is beyond is left out of the joined line.
    pub fn new(max: usize) -> Self {
        Self {
            max,
            line: Vec::new(),
            open: false,
        }
    }

    /// Takes the next line of the source. Returns the joined line when it has ended.
    pub fn push<'a>(&'a mut self, line: Line<'a>) -> Option<&'a [u8]> {
        let begins = !self.open || !line.continued;
        if begins && !line.open {
            self.open = false;
            return Some(&line.bytes[..line.bytes.len().min(self.max)]);
        }
        if begins {
            self.line.clear();
        }
        let room = self.max - self.line.len();
        self.line
            .extend_from_slice(&line.bytes[..line.bytes.len().min(room)]);
        self.open = line.open;
        (!line.open).then_some(&self.line[..])
    }

    /// What is known of a line that has not ended; `None` between lines.
    pub fn so_far(&self) -> Option<&[u8]> {
        self.open.then_some(&self.line[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8], continued: bool, open: bool) -> Line<'_> {
        Line {
            seq: 1,
            time: 0,
            bytes,
            encoding: Encoding::Utf8,
            continued,
            open,
        }
    }

    #[test]
    fn pieces_become_the_line_that_they_were() {
        let mut joiner = LineJoiner::new(10);
        assert_eq!(joiner.push(line(b"whole", false, false)), Some(&b"whole"[..]));
        assert_eq!(joiner.push(line(b"na", false, true)), None);
        assert_eq!(joiner.so_far(), Some(&b"na"[..]));
        assert_eq!(joiner.push(line(b"me", true, true)), None);
        assert_eq!(joiner.push(line(b"", true, false)), Some(&b"name"[..]));
        assert_eq!(joiner.so_far(), None);
        assert_eq!(joiner.push(line(b"123456", false, true)), None);
        assert_eq!(
            joiner.push(line(b"789012", true, false)),
            Some(&b"1234567890"[..]),
            "bounded"
        );
    }

    #[test]
    fn a_rest_without_its_beginning_stands_alone() {
        let mut joiner = LineJoiner::default();
        assert_eq!(joiner.push(line(b"rest", true, false)), Some(&b"rest"[..]));
        assert_eq!(joiner.push(line(b"lost", false, true)), None);
        assert_eq!(joiner.push(line(b"new", false, false)), Some(&b"new"[..]));
    }
}
