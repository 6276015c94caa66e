//! Frames in a row, of which those of `roost.v1` with lines that follow each other are made one: so a history that was
//! written line by line does not come as a frame a line.
//!
//! What is joined are bytes that were made already, for live viewers or for this one. Which lines somebody sees is
//! decided by `shown`.

use bytes::{Bytes, BytesMut};
use roost_console::Batch;
use roost_wire::{node_api::Source, v1};

/// Most bytes of lines in a frame that is joined.
const FRAME_BYTES: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Joined {
    frames: Vec<Bytes>,
    open: Option<Open>,
}

/// Frames with lines that may get company.
#[derive(Debug)]
struct Open {
    source: Source,
    /// Number of the first line, and of the one behind the last.
    first: u64,
    next: u64,
    /// Of lines.
    bytes: usize,
    frames: Vec<Bytes>,
}

impl Joined {
    /// Frames that stay as they are.
    pub(super) fn push(&mut self, frames: Bytes) {
        self.close();
        if !frames.is_empty() {
            self.frames.push(frames);
        }
    }

    /// The lines of a batch from `from` on and before `end`, for `roost.v1`.
    pub(super) fn push_lines(&mut self, batch: &Batch, from: u64, end: u64) {
        let frames = batch.v1_between(from, end);
        let Some(bytes) = v1::lines_in(&frames).map(<[u8]>::len) else {
            // None, or several full ones.
            return self.push(frames);
        };
        let (source, first) = (batch.source(), batch.first_seq().max(from));
        let next = batch.end_seq().min(end);
        match &mut self.open {
            Some(open)
                if (open.source, open.next) == (source, first) && open.bytes + bytes <= FRAME_BYTES =>
            {
                open.next = next;
                open.bytes += bytes;
                open.frames.push(frames);
            }
            _ => {
                self.close();
                self.open = Some(Open {
                    source,
                    first,
                    next,
                    bytes,
                    frames: vec![frames],
                });
            }
        }
    }

    fn close(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        if open.frames.len() == 1 {
            self.frames.append(&mut open.frames);
            return;
        }
        let mut frame = Vec::with_capacity(open.bytes + open.frames.len() + 128);
        let lines = open.frames.iter().filter_map(|frame| v1::lines_in(frame));
        v1::push_joined(&mut frame, open.source, open.first, lines);
        self.frames.push(frame.into());
    }

    /// All of them; a single one is not copied.
    pub(super) fn finish(mut self) -> Bytes {
        self.close();
        match &*self.frames {
            [] => Bytes::new(),
            [only] => only.clone(),
            frames => {
                let mut joined = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
                for frame in frames {
                    joined.extend_from_slice(frame);
                }
                joined.freeze()
            }
        }
    }
}
