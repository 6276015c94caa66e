//! What an installer says, on its way into the journal.
//!
//! Its reader hands over one chunk at a time and waits for the answer, which comes once the chunk is kept: a disk that
//! refuses holds the installer up, as a keeper's socket does a server. Reading its stream is the runtime's business.

use super::{Context, Feed, trouble::Waiting};
use roost_console::Writer;
use roost_wire::clock::Millis;
use std::io;
use tokio::sync::oneshot;

/// What its reader hands over.
#[derive(Debug)]
pub(in crate::pump) enum Installer {
    Chunk(Vec<u8>, oneshot::Sender<()>),
    End,
}

impl Installer {
    /// Writes it, or nothing.
    pub(super) fn write(&self, writer: &mut Writer, now: Millis) -> io::Result<usize> {
        match self {
            Self::Chunk(bytes, _) => writer.installer_output(bytes, now),
            Self::End => writer.installer_ended(now),
        }
    }

    pub(super) fn is_chunk(&self) -> bool {
        matches!(self, Self::Chunk(..))
    }

    /// The next one may come.
    pub(super) fn taken(self) {
        if let Self::Chunk(_, reply) = self {
            // Nobody waits for it once the installation was called off.
            let _ = reply.send(());
        }
    }
}

impl Feed {
    pub(super) fn installer(&mut self, said: Installer, cx: &Context<'_>) {
        let time = cx.time();
        if let Some(trouble) = &mut self.trouble {
            return trouble.keep(Waiting::Installer(said), time);
        }
        let before = self.writer.console().next_seq();
        match said.write(&mut self.writer, time) {
            Ok(_) => {
                self.upkeep.last_installer_byte = cx.now;
                if self.writer.console().next_seq() != before {
                    self.wrote(cx.now);
                }
                said.taken();
            }
            Err(error) => self.refused(&error, cx).keep(Waiting::Installer(said), time),
        }
    }

    /// The node lets go of the server: what an installer said last is a line.
    pub(super) fn end_installer(&mut self, time: Millis) {
        if let Err(error) = self.writer.installer_ended(time) {
            tracing::warn!(server = %self.server, %error, "the last words of an installer could not be written down");
        }
    }
}
