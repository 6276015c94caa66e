//! Cuts a byte stream into lines, whatever chunks it comes in.
//!
//! A line ends at `\n`; the `\r`s straight before it go with it, any other byte stays. What is longer than the soft
//! cap is cut into pieces: all but the last are `open`, all but the first `continued`, and put together they are the
//! line. Cuts never part a character of the server's encoding, nor `\r` from `\n`. Feeding is in two steps, so that a write that failed
//! can be tried again: [`Splitter::feed`] only looks, [`Splitter::commit`] keeps.
//!
//! ```text
//!   already cut │ pending: text (at most the cap) │ withheld: \r run, or the start of a character │ chunk ...
//! ```
//!
//! At most one cap of `\r`s is withheld; of a longer run the first ones are text. So a stream of nothing but `\r`
//! stays bounded, and where the cuts fall never changes the line. Numbers, times and storage are not its business.

use crate::text::incomplete_tail;
use memchr::{memchr, memchr_iter};
use roost_wire::encoding::Encoding;

/// Bytes of text after which a line is cut.
pub(crate) const SOFT_CAP: usize = 64 * 1024;

/// One line, or a piece of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) bytes: &'a [u8],
    /// The rest of the piece before.
    pub(crate) continued: bool,
    /// Its rest follows.
    pub(crate) open: bool,
    /// How many bytes of pending text and chunk, taken together, are behind this piece and its line end.
    pub(crate) end: usize,
}

/// What [`Splitter::feed`] found, to be handed to [`Splitter::commit`].
#[derive(Debug, Clone, Copy)]
#[must_use]
pub(crate) enum Fed {
    /// No piece: the chunk only adds to the pending text.
    Grown,
    /// Pieces were cut; what lies from `keep` on stays pending.
    Cut { keep: usize, continued: bool },
}

/// The state between two chunks.
#[derive(Debug)]
pub(crate) struct Splitter {
    cap: usize,
    /// Whose characters are not parted.
    pub(crate) encoding: Encoding,
    /// Not cut yet; its text without the withheld bytes is at most `cap` long.
    pending: Vec<u8>,
    /// Length of the run of `\r` at the end of `pending`; counted along, so that a long run is not walked again.
    trailing_cr: usize,
    /// The next piece is the rest of one that was cut before.
    continued: bool,
    /// Pending text and chunk in one piece while cutting; kept for its allocation.
    work: Vec<u8>,
}

impl Splitter {
    pub(crate) fn new(cap: usize, continued: bool) -> Self {
        Self {
            cap,
            encoding: Encoding::Utf8,
            pending: Vec::new(),
            trailing_cr: 0,
            continued,
            work: Vec::new(),
        }
    }

    /// Bytes that are not cut yet.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The line of the last piece has not ended.
    pub(crate) fn continued(&self) -> bool {
        self.continued
    }

    /// An upper bound for the pieces that `chunk` can complete.
    pub(crate) fn pieces_bound(&self, chunk: &[u8]) -> usize {
        // A cut is at most 3 bytes short of the cap.
        let cuts = (self.pending.len() + chunk.len()) / self.cap.saturating_sub(3).max(1);
        memchr_iter(b'\n', chunk).count() + cuts
    }

    /// Cuts pending text and `chunk`. Nothing changes until [`Self::commit`].
    pub(crate) fn feed(&mut self, chunk: &[u8], mut emit: impl FnMut(Piece<'_>)) -> Fed {
        let total = self.pending.len() + chunk.len();
        if memchr(b'\n', chunk).is_none() && total - self.run_with(chunk).min(self.cap) <= self.cap {
            return Fed::Grown;
        }
        let work: &[u8] = if self.pending.is_empty() {
            chunk
        } else {
            self.work.clear();
            self.work.extend_from_slice(&self.pending);
            self.work.extend_from_slice(chunk);
            &self.work
        };
        let (keep, continued) = cut(work, self.limits(), self.continued, &mut emit);
        Fed::Cut { keep, continued }
    }

    /// Keeps what `feed` found for the same `chunk`.
    pub(crate) fn commit(&mut self, chunk: &[u8], fed: Fed) {
        match fed {
            Fed::Grown => {
                self.trailing_cr = self.run_with(chunk);
                self.pending.extend_from_slice(chunk);
            }
            Fed::Cut { keep, continued } => {
                match keep.checked_sub(self.pending.len()) {
                    Some(from) => {
                        self.pending.clear();
                        self.pending.extend_from_slice(&chunk[from..]);
                    }
                    None => {
                        self.pending.drain(..keep);
                        self.pending.extend_from_slice(chunk);
                    }
                }
                self.trailing_cr = cr_run(&self.pending);
                self.continued = continued;
            }
        }
    }

    /// The pending text that can be shown now: without withheld bytes. `None` if there is none.
    pub(crate) fn partial(&self) -> Option<Piece<'_>> {
        let text = &self.pending[..self.pending.len() - self.trailing_cr.min(self.cap)];
        let end = match self.trailing_cr {
            0 => text.len() - incomplete_tail(self.encoding, text),
            _ => text.len(),
        };
        (end > 0).then(|| Piece {
            bytes: &text[..end],
            continued: self.continued,
            open: true,
            end,
        })
    }

    /// What [`Self::partial`] gave was kept.
    pub(crate) fn commit_partial(&mut self) {
        if let Some(end) = self.partial().map(|piece| piece.end) {
            self.pending.drain(..end);
            self.continued = true;
        }
    }

    /// The last piece, as if a line end came now. `None` if no line has begun.
    pub(crate) fn last(&self) -> Option<Piece<'_>> {
        let text = &self.pending[..self.pending.len() - self.trailing_cr.min(self.cap)];
        (!text.is_empty() || self.continued).then_some(Piece {
            bytes: text,
            continued: self.continued,
            open: false,
            end: self.pending.len(),
        })
    }

    /// Drops what is not cut yet; a line that was cut goes on.
    pub(crate) fn forget_pending(&mut self) {
        self.pending.clear();
        self.trailing_cr = 0;
    }

    /// Begins anew, on a fresh line.
    pub(crate) fn reset(&mut self) {
        self.pending.clear();
        self.trailing_cr = 0;
        self.continued = false;
    }

    fn limits(&self) -> Cuts {
        Cuts {
            cap: self.cap,
            encoding: self.encoding,
        }
    }

    /// The run of `\r` at the end of pending text and `chunk`.
    fn run_with(&self, chunk: &[u8]) -> usize {
        match cr_run(chunk) {
            all if all == chunk.len() => self.trailing_cr + all,
            run => run,
        }
    }
}

/// Where lines that are too long are cut.
#[derive(Clone, Copy)]
struct Cuts {
    cap: usize,
    encoding: Encoding,
}

/// Emits every piece of `work` that is due. Returns where the rest begins, and whether it continues a piece.
fn cut(work: &[u8], limits: Cuts, continued: bool, emit: &mut impl FnMut(Piece<'_>)) -> (usize, bool) {
    let mut start = 0;
    let mut continued = continued;
    for newline in memchr_iter(b'\n', work) {
        let text = cut_long(work, newline, limits, (&mut start, &mut continued), emit);
        start = newline + 1;
        emit(Piece {
            bytes: text,
            continued,
            open: false,
            end: start,
        });
        continued = false;
    }
    cut_long(work, work.len(), limits, (&mut start, &mut continued), emit);
    (start, continued)
}

/// Emits what is over the cap in the line from `start` up to `to`, and returns the rest of its text.
fn cut_long<'a>(
    work: &'a [u8],
    to: usize,
    Cuts { cap, encoding }: Cuts,
    (start, continued): (&mut usize, &mut bool),
    emit: &mut impl FnMut(Piece<'_>),
) -> &'a [u8] {
    let mut text = strip_cr(&work[*start..to], cap);
    while text.len() > cap {
        let (piece, rest) = text.split_at(cap - incomplete_tail(encoding, &text[..cap]));
        *start += piece.len();
        emit(Piece {
            bytes: piece,
            continued: *continued,
            open: true,
            end: *start,
        });
        *continued = true;
        text = rest;
    }
    text
}

/// Without the `\r`s at the end, of which at most `cap` are taken.
fn strip_cr(line: &[u8], cap: usize) -> &[u8] {
    &line[..line.len() - cr_run(line).min(cap)]
}

fn cr_run(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|&&b| b == b'\r').count()
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
