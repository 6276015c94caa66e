//! The keeper's side of a feed: handshake, frames, acknowledgement, the end of a run.
//!
//! What frames look like is the protocol's business, see the keeper's room.

use super::{Context, Ending, Feed};
use crate::pump::{
    Broken, PumpEvent, RunEnd,
    link::{Filled, Link},
};
use roost_console::Writer;
use roost_keeper::protocol::{KeeperFrame, NodeFrame, VERSION};
use roost_wire::clock::Millis;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

/// Reads of one link in one turn, so that a burst leaves time to the thread's other servers.
const READS_A_TURN: usize = 4;
/// Bytes and time after which what was written is acknowledged. A keeper's memory is larger than the first.
const ACK_BYTES: u64 = 64 * 1024;
pub(super) const ACK_DELAY: Duration = Duration::from_millis(10);

/// A frame that asks the journal for something.
#[derive(Debug)]
pub(super) enum Held {
    Chunk { bytes: Vec<u8>, end: u64, time: Millis },
    Hole { to: u64, lines: u64 },
    Exit(RunEnd, u64),
}

impl Held {
    /// Writes it. Doing it again after an error, or after the keeper repeated it, adds nothing twice.
    pub(super) fn write(&self, writer: &mut Writer, now: Millis) -> io::Result<()> {
        match self {
            Self::Chunk { bytes, end, time } => writer.output(bytes, *end, *time).map(drop),
            Self::Hole { to, lines } if *to > writer.received() => writer.hole(*to, Some(*lines), now),
            Self::Hole { .. } => Ok(()),
            Self::Exit(_, end) => {
                if *end > writer.received() {
                    writer.hole(*end, None, now)?;
                }
                writer.end_of_stream(now).map(drop)
            }
        }
    }
}

impl Feed {
    /// Takes a new link and shakes hands.
    pub(super) fn attach(&mut self, mut link: Link, skip: u64, cx: &Context<'_>) {
        let run = link.run;
        // What the old link asked for is asked again by the new one, if it is the same run's.
        self.held = None;
        if let Some(ending) = self.ending.take()
            && ending.end.run != run
        {
            self.tell(PumpEvent::Ended(ending.end));
        }
        let known = self.writer.position().filter(|position| position.run == run);
        let resume_offset = known.map_or(skip, |position| position.offset);
        self.begin = known.is_none().then_some((run, skip));
        if self.run.replace(run) != Some(run) && known.is_some() {
            // Written by a node that may not have lived to see it.
            self.watch_run();
        }
        link.acked = resume_offset;
        link.send(&NodeFrame::Hello {
            version: VERSION,
            run,
            resume_offset,
        });
        self.link = Some(link);
        if self.trouble.is_none()
            && let Err(error) = self.begin_run(cx)
        {
            self.refused(&error, cx);
        }
    }

    /// Writes the beginning of the run, if it is due.
    pub(super) fn begin_run(&mut self, cx: &Context<'_>) -> io::Result<()> {
        if let Some((run, skip)) = self.begin {
            let before = self.writer.console().next_seq();
            self.writer.begin_run_at(run, skip, cx.time())?;
            self.begin = None;
            self.watch_run();
            self.upkeep.dirty(cx.now);
            // It may have ended a line of the run before.
            self.news |= self.writer.console().next_seq() != before;
        }
        Ok(())
    }

    /// No link feeds this run any more: all that came is written down, for others to go on from.
    pub(super) fn break_off(&mut self, cx: &Context<'_>) -> io::Result<Broken> {
        if self.link.as_ref().is_some_and(|link| !link.released) {
            return Err(io::Error::other("a keeper's link still feeds the console"));
        }
        self.writer.break_off(cx.time())?;
        self.wrote(cx.now);
        Ok(Broken {
            run: self.writer.position().map(|position| position.run),
            run_first_seq: self.writer.run_first_seq(),
            console: Arc::clone(self.writer.console()),
        })
    }

    /// Output that came another way than by a keeper.
    pub(super) fn recovered(&mut self, pieces: &[(Millis, Vec<u8>)], cx: &Context<'_>) -> io::Result<()> {
        self.wrote(cx.now);
        pieces
            .iter()
            .try_for_each(|(time, bytes)| self.writer.recovered(bytes, *time))
    }

    /// Looks for the `done` text from the run's first line on.
    fn watch_run(&mut self) {
        if let Some(done) = &mut self.done {
            done.restart(self.writer.console().at(self.writer.run_first_seq()));
            self.look_for_done();
        }
    }

    /// The socket can be read or written.
    pub(in crate::pump) fn ready(&mut self, cx: &Context<'_>) {
        if let Some(link) = &mut self.link {
            link.flush();
        }
        for _ in 0..READS_A_TURN {
            if self.is_paused() {
                return;
            }
            let Some(link) = &mut self.link else { return };
            let filled = link.fill();
            self.frames(cx);
            match filled {
                Ok(Filled::Some) => {}
                Ok(Filled::Dry) => return,
                Ok(Filled::End) if self.is_paused() => return,
                Ok(Filled::End) => return self.lose("it closed its socket"),
                Err(error) => return self.lose(&format!("its socket failed: {error}")),
            }
        }
    }

    /// Takes the frames that have arrived, until the disk refuses or the run has ended.
    pub(super) fn frames(&mut self, cx: &Context<'_>) {
        while !self.is_paused() {
            let Some(link) = &mut self.link else { return };
            let frame = match link.decoder.next_from_keeper() {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => return self.lose(&format!("it does not speak the keeper's protocol: {error}")),
            };
            match frame {
                // The way of every line: no copy on it.
                KeeperFrame::Chunk {
                    offset,
                    time_ms,
                    bytes,
                } => {
                    let end = offset + bytes.len() as u64;
                    let before = self.writer.console().next_seq();
                    match self.writer.output(bytes, end, time_ms) {
                        Ok(_) => {
                            self.upkeep.last_byte = cx.now;
                            if self.writer.console().next_seq() != before {
                                self.wrote(cx.now);
                            }
                        }
                        Err(error) => {
                            self.held = Some(Held::Chunk {
                                bytes: bytes.to_vec(),
                                end,
                                time: time_ms,
                            });
                            self.refused(&error, cx);
                        }
                    }
                }
                KeeperFrame::Hole { to, newlines, .. } => {
                    self.take(Held::Hole { to, lines: newlines }, cx);
                }
                KeeperFrame::Exit {
                    code,
                    signal,
                    end_offset,
                    ..
                } => {
                    let run = link.run;
                    self.take(Held::Exit(RunEnd { run, code, signal }, end_offset), cx);
                }
                KeeperFrame::InputResult { id, error } => {
                    let error = error.to_owned();
                    link.input_result(id, &error);
                }
                KeeperFrame::Hello { run, .. } if run != link.run => {
                    return self.lose("it holds another run of the server");
                }
                KeeperFrame::Hello { .. } => link.greeted = true,
            }
        }
    }

    /// Writes what a frame asks for, or holds it.
    fn take(&mut self, held: Held, cx: &Context<'_>) {
        match held.write(&mut self.writer, cx.time()) {
            Ok(()) => self.taken(held, cx),
            Err(error) => {
                self.held = Some(held);
                self.refused(&error, cx);
            }
        }
    }

    /// It was written.
    pub(super) fn taken(&mut self, held: Held, cx: &Context<'_>) {
        self.wrote(cx.now);
        if let Held::Exit(end, _) = held {
            self.ending = Some(Ending { end, syncing: false });
        }
    }

    /// Tells the keeper what is safe from the end of the node, once it is worth a frame.
    pub(super) fn acknowledge(&mut self, now: Instant) {
        let due = self
            .upkeep
            .ack_since
            .is_some_and(|since| now >= since + ACK_DELAY);
        let Some(waiting) = self.unacknowledged() else {
            self.upkeep.ack_since = None;
            return;
        };
        if due || waiting >= ACK_BYTES {
            self.acknowledge_all();
        } else {
            self.upkeep.ack_since.get_or_insert(now);
        }
    }

    pub(super) fn acknowledge_all(&mut self) {
        self.upkeep.ack_since = None;
        if self.unacknowledged().is_some()
            && let Some(position) = self.writer.position()
            && let Some(link) = &mut self.link
        {
            link.acked = position.offset;
            link.send(&NodeFrame::Ack {
                offset: position.offset,
            });
        }
    }

    /// Bytes that are in the journal and that the keeper still holds.
    fn unacknowledged(&self) -> Option<u64> {
        let link = self.link.as_ref().filter(|link| link.greeted && !link.released)?;
        let position = self.writer.position().filter(|p| p.run == link.run)?;
        position.offset.checked_sub(link.acked).filter(|&bytes| bytes > 0)
    }

    /// Has the last lines of an ended run synced, and then says that it has ended.
    pub(super) fn end_if_synced(&mut self, cx: &Context<'_>) {
        let Some(ending) = self.ending.as_mut().filter(|ending| !ending.syncing) else {
            return;
        };
        if self.upkeep.syncing {
            // That one may have begun too early.
            return;
        }
        ending.syncing = true;
        if !self.sync(cx) {
            self.ended();
        }
    }

    /// The actor is told, and the keeper may go.
    pub(super) fn ended(&mut self) {
        let Some(Ending { end, .. }) = self.ending.take() else {
            return;
        };
        if let Some(link) = &mut self.link {
            link.released = true;
            link.send(&NodeFrame::Release);
        }
        self.tell(PumpEvent::Ended(end));
    }

    pub(super) fn signal(&mut self, signal: i32, tree: bool) {
        match &mut self.link {
            Some(link) if !link.released => link.send(&NodeFrame::Signal { signal, tree }),
            _ => tracing::debug!(server = %self.server, signal, "no program to signal"),
        }
    }

    /// The keeper is gone, or of no use.
    pub(super) fn lose(&mut self, why: &str) {
        let Some(link) = self.link.take() else { return };
        (self.held, self.begin) = (None, None);
        if !link.released {
            tracing::warn!(server = %self.server, run = %link.run, reason = why, "the keeper was lost");
            self.tell(PumpEvent::KeeperLost(
                link.run,
                format!("The server's keeper was lost: {why}."),
            ));
        }
    }
}
