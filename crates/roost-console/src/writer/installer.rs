//! An installer's output: cut into lines as the server's is, by a splitter of its own.
//!
//! It is no part of a run's stream: it has no offsets, and nobody could send it again. Its lines carry the place that
//! the server's stream has reached, so that what the keeper is asked for does not change.

use super::Writer;
use roost_wire::{clock::Millis, node_api::Source};
use std::io;

impl Writer {
    /// Appends a chunk, whole or not at all: after an error the same chunk can simply be given again. Returns how many
    /// lines it completed.
    pub fn installer_output(&mut self, chunk: &[u8], now: Millis) -> io::Result<usize> {
        let bound = self.installer.pieces_bound(chunk);
        let bytes = self.installer.pending() + chunk.len();
        let mut staged = self.stage(now, bound, if bound == 0 { 0 } else { bytes })?;
        let (offset, mut lines) = (self.journaled(), 0);
        let fed = self.installer.feed(chunk, |piece| {
            lines += usize::from(!piece.open);
            staged.line(Source::Install, piece.continued, piece.open, offset, piece.bytes);
        });
        self.publish(staged)?;
        self.installer.commit(chunk, fed);
        Ok(lines)
    }

    /// Whether [`Self::flush_installer`] would show something.
    pub fn has_installer_partial(&self) -> bool {
        self.installer.partial().is_some()
    }

    /// Shows pending text now; the rest of its line follows as a continuation. Returns how many pieces were shown.
    pub fn flush_installer(&mut self, now: Millis) -> io::Result<usize> {
        if !self.has_installer_partial() {
            return Ok(0);
        }
        let mut staged = self.stage(now, 1, self.installer.pending())?;
        let offset = self.journaled();
        if let Some(piece) = self.installer.partial() {
            staged.line(Source::Install, piece.continued, true, offset, piece.bytes);
        }
        self.publish(staged)?;
        self.installer.commit_partial();
        Ok(1)
    }

    /// The installer has ended: pending text becomes a whole line. Returns how many lines that were.
    pub fn installer_ended(&mut self, now: Millis) -> io::Result<usize> {
        let mut staged = self.stage(now, 1, self.installer.pending())?;
        let (offset, mut lines) = (self.journaled(), 0);
        if let Some(piece) = self.installer.last() {
            staged.line(Source::Install, piece.continued, false, offset, piece.bytes);
            lines = 1;
        }
        self.publish(staged)?;
        self.installer.reset();
        Ok(lines)
    }
}
