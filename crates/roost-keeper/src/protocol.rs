//! What node and keeper say to each other over the keeper's Unix socket, version 1.
//!
//! Each frame is `length: u32, type: u8, payload`; all numbers are little-endian; `length` counts the payload only and
//! is at most [`MAX_FRAME`]. The node speaks first.
//!
//! | type | from | name | payload |
//! |---|---|---|---|
//! | 0x01 | node | HELLO | version u32, run 16 bytes, resume_offset u64 |
//! | 0x02 | node | INPUT | id u64, the bytes (at most [`MAX_INPUT`]) |
//! | 0x03 | node | ACK | offset u64: everything before it is safe |
//! | 0x04 | node | SIGNAL | signal i32, tree u8 |
//! | 0x05 | node | RELEASE | nothing: the run is over and recorded, the keeper may go |
//! | 0x81 | keeper | HELLO | version u32, run 16 bytes, pid u32 (0: none), first_offset u64, started_ms i64 |
//! | 0x82 | keeper | CHUNK | offset u64, time_ms i64, the bytes (at most [`MAX_CHUNK`]) |
//! | 0x83 | keeper | INPUT_RESULT | id u64, a sentence in UTF-8; empty when the terminal took the bytes |
//! | 0x84 | keeper | HOLE | from u64, to u64, newlines u64 |
//! | 0x85 | keeper | EXIT | flags u8 (1: code is set, 2: signal is set), code i32, signal i32, end_offset u64, time_ms i64 |
//!
//! - Offsets count the bytes of the run's output from 0. Times are milliseconds since the Unix epoch.
//! - After the node's HELLO the keeper answers with its own, then sends everything that it holds from `resume_offset`
//!   on, or from `first_offset` if that is later, in order. A HELLO with another run than the keeper's (the nil UUID
//!   means: whichever you hold) is answered with the keeper's HELLO and the end of the connection.
//! - Both sides speak the lower of the two versions. A payload may be longer than this table says: later versions add
//!   fields at its end (never to CHUNK and INPUT). Unknown types are skipped.
//! - HOLE stands in the place of bytes that the keeper could not keep. It is repeated after a reconnect until an ACK
//!   covers it; where the resume offset lies inside, `from` and `newlines` are those of the rest.
//! - EXIT comes when the program has ended and all its output was sent (attached streams: the stream has ended, no code
//!   and no signal). It is repeated after a reconnect. The keeper then waits for RELEASE, however long.
//! - RELEASE before EXIT is ignored by a keeper that holds a program, and obeyed by one that holds a stream.
//! - One connection at a time: a newer one ends the older.
//!
//! Reading and writing sockets is the caller's business.

use uuid::Uuid;

mod decoder;
pub use decoder::Decoder;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod older;
#[cfg(test)]
mod tests;

/// The version that this file describes.
pub const VERSION: u32 = 1;
/// Longest payload of a frame, in bytes.
pub const MAX_FRAME: usize = 1 << 20;
/// Longest input in one frame, in bytes.
pub const MAX_INPUT: usize = 64 << 10;
/// Longest piece of output in one frame, in bytes.
pub const MAX_CHUNK: usize = 64 << 10;

/// A frame that the node sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeFrame<'a> {
    /// First on each connection.
    Hello {
        /// The node's [`VERSION`].
        version: u32,
        /// The run that it expects; nil for any.
        run: Uuid,
        /// First byte of the output that it lacks.
        resume_offset: u64,
    },
    /// Bytes for the terminal; answered with [`KeeperFrame::InputResult`].
    Input {
        /// Chosen by the node.
        id: u64,
        /// At most [`MAX_INPUT`].
        bytes: &'a [u8],
    },
    /// Output before this offset is safe.
    Ack {
        /// First byte that is not.
        offset: u64,
    },
    /// A signal for the program's process group, or the end of its whole tree.
    Signal {
        /// By number of this machine; without meaning if `tree`.
        signal: i32,
        /// SIGKILL for everything that the program ever started.
        tree: bool,
    },
    /// The keeper may go.
    Release,
}

/// A frame that the keeper sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeeperFrame<'a> {
    /// Answer to the node's.
    Hello {
        /// The keeper's [`VERSION`].
        version: u32,
        /// Its run.
        run: Uuid,
        /// Main process, 0 where there is none (attached streams).
        pid: u32,
        /// Oldest byte of the output still held (or covered by a HOLE).
        first_offset: u64,
        /// When the run began, milliseconds since the epoch.
        started_ms: i64,
    },
    /// A piece of the output.
    Chunk {
        /// Where it begins.
        offset: u64,
        /// When it was read, milliseconds since the epoch.
        time_ms: i64,
        /// At most [`MAX_CHUNK`].
        bytes: &'a [u8],
    },
    /// What became of an input.
    InputResult {
        /// The node's id.
        id: u64,
        /// Empty: the terminal took it.
        error: &'a str,
    },
    /// Output that could not be kept.
    Hole {
        /// First byte that is missing.
        from: u64,
        /// First byte after it.
        to: u64,
        /// How many newlines were in it.
        newlines: u64,
    },
    /// The end of the run; nothing follows.
    Exit {
        /// Exit code.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// Length of the whole output.
        end_offset: u64,
        /// When it ended, milliseconds since the epoch.
        time_ms: i64,
    },
}

/// The peer does not speak this protocol; the connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Longer than the bound.
    #[error("a frame of {0} bytes is longer than the {1} allowed")]
    TooLong(usize, usize),
    /// A known type whose payload ends too early, or is not what its type needs.
    #[error("a frame of type 0x{0:02x} is malformed")]
    Malformed(u8),
}

/// A frame either side can send.
pub trait Frame: Sized {
    /// Appends the whole frame to `out`.
    fn encode(&self, out: &mut Vec<u8>);
}

impl Frame for NodeFrame<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            NodeFrame::Hello {
                version,
                run,
                resume_offset,
            } => put(
                out,
                0x01,
                &[
                    &version.to_le_bytes(),
                    run.as_bytes(),
                    &resume_offset.to_le_bytes(),
                ],
            ),
            NodeFrame::Input { id, bytes } => put(out, 0x02, &[&id.to_le_bytes(), bytes]),
            NodeFrame::Ack { offset } => put(out, 0x03, &[&offset.to_le_bytes()]),
            NodeFrame::Signal { signal, tree } => put(out, 0x04, &[&signal.to_le_bytes(), &[u8::from(tree)]]),
            NodeFrame::Release => put(out, 0x05, &[]),
        }
    }
}

impl Frame for KeeperFrame<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            KeeperFrame::Hello {
                version,
                run,
                pid,
                first_offset,
                started_ms,
            } => put(
                out,
                0x81,
                &[
                    &version.to_le_bytes(),
                    run.as_bytes(),
                    &pid.to_le_bytes(),
                    &first_offset.to_le_bytes(),
                    &started_ms.to_le_bytes(),
                ],
            ),
            KeeperFrame::Chunk {
                offset,
                time_ms,
                bytes,
            } => put(out, 0x82, &[&offset.to_le_bytes(), &time_ms.to_le_bytes(), bytes]),
            KeeperFrame::InputResult { id, error } => put(out, 0x83, &[&id.to_le_bytes(), error.as_bytes()]),
            KeeperFrame::Hole { from, to, newlines } => put(
                out,
                0x84,
                &[&from.to_le_bytes(), &to.to_le_bytes(), &newlines.to_le_bytes()],
            ),
            KeeperFrame::Exit {
                code,
                signal,
                end_offset,
                time_ms,
            } => put(
                out,
                0x85,
                &[
                    &[u8::from(code.is_some()) | (u8::from(signal.is_some()) << 1)],
                    &code.unwrap_or(0).to_le_bytes(),
                    &signal.unwrap_or(0).to_le_bytes(),
                    &end_offset.to_le_bytes(),
                    &time_ms.to_le_bytes(),
                ],
            ),
        }
    }
}

/// No part is ever near 4 GiB: callers stay below [`MAX_FRAME`], and what does not is refused by the other side.
fn put(out: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    debug_assert!(length <= MAX_FRAME, "a frame of {length} bytes");
    out.reserve(5 + length);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    out.push(kind);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Reads fields off the front of a payload.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }
    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_le_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }
    fn uuid(&mut self) -> Option<Uuid> {
        self.take().map(Uuid::from_bytes)
    }
}

impl<'a> NodeFrame<'a> {
    const KNOWN: std::ops::RangeInclusive<u8> = 0x01..=0x05;

    fn parse(kind: u8, payload: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        Some(match kind {
            0x01 => Self::Hello {
                version: fields.u32()?,
                run: fields.uuid()?,
                resume_offset: fields.u64()?,
            },
            0x02 => Self::Input {
                id: fields.u64()?,
                bytes: fields.0,
            },
            0x03 => Self::Ack {
                offset: fields.u64()?,
            },
            0x04 => Self::Signal {
                signal: fields.i32()?,
                tree: fields.u8()? != 0,
            },
            0x05 => Self::Release,
            _ => return None,
        })
    }
}

impl<'a> KeeperFrame<'a> {
    const KNOWN: std::ops::RangeInclusive<u8> = 0x81..=0x85;

    fn parse(kind: u8, payload: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        Some(match kind {
            0x81 => Self::Hello {
                version: fields.u32()?,
                run: fields.uuid()?,
                pid: fields.u32()?,
                first_offset: fields.u64()?,
                started_ms: fields.i64()?,
            },
            0x82 => Self::Chunk {
                offset: fields.u64()?,
                time_ms: fields.i64()?,
                bytes: fields.0,
            },
            0x83 => Self::InputResult {
                id: fields.u64()?,
                error: std::str::from_utf8(fields.0).ok()?,
            },
            0x84 => Self::Hole {
                from: fields.u64()?,
                to: fields.u64()?,
                newlines: fields.u64()?,
            },
            0x85 => {
                let flags = fields.u8()?;
                let (code, signal) = (fields.i32()?, fields.i32()?);
                Self::Exit {
                    code: (flags & 1 != 0).then_some(code),
                    signal: (flags & 2 != 0).then_some(signal),
                    end_offset: fields.u64()?,
                    time_ms: fields.i64()?,
                }
            }
            _ => return None,
        })
    }
}
