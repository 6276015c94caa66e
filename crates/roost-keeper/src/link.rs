//! One node's connection: frames in, frames out, nothing that waits.
//!
//! Who may connect is checked when it is accepted. What frames mean is [`crate::hold`]'s business.

use crate::{
    protocol::{Decoder, Frame, KeeperFrame, MAX_INPUT, NodeFrame, ProtocolError},
    store::Store,
    tree,
};
use std::{
    io::{ErrorKind, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    os::unix::net::{UnixListener, UnixStream},
};

/// Frames are made in portions of this size.
const PORTION: usize = 64 << 10;
/// Most portions written before the keeper looks at everything else again.
const PORTIONS: usize = 8;
/// With more than this to send, a node is not read from: answers to its frames must not pile up.
const BACKLOG_MAX: usize = 256 << 10;

/// The other side is gone, or does not speak the protocol.
#[derive(Debug)]
pub(crate) struct Gone;

#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    decoder: Decoder,
    out: Vec<u8>,
    sent: usize,
    /// The socket took less than there was.
    full: bool,
}

impl Link {
    /// The next connection, if it is one of the keeper's own user and does not come from a program that is held,
    /// by this keeper or another.
    pub(crate) fn accept(listener: &UnixListener) -> Option<Self> {
        let (stream, _) = listener.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
        let allowed =
            peer.uid == rustix::process::geteuid() && !tree::is_held(peer.pid.as_raw_nonzero().get());
        allowed.then(|| Self {
            stream,
            decoder: Decoder::with_max(MAX_INPUT + 64),
            out: Vec::new(),
            sent: 0,
            full: false,
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub(crate) fn wants_read(&self) -> bool {
        self.out.len() - self.sent < BACKLOG_MAX
    }

    pub(crate) fn wants_write(&self) -> bool {
        self.full
    }

    /// Reads what has come.
    pub(crate) fn read(&mut self) -> Result<(), Gone> {
        match self.stream.read(self.decoder.space(4096)) {
            Ok(0) => Err(Gone),
            Ok(count) => {
                self.decoder.filled(count);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(_) => Err(Gone),
        }
    }

    /// The next frame of what was read.
    pub(crate) fn next(&mut self) -> Result<Option<NodeFrame<'_>>, ProtocolError> {
        self.decoder.next_from_node()
    }

    /// Puts one frame behind what is to be sent.
    pub(crate) fn send(&mut self, frame: &KeeperFrame<'_>) {
        frame.encode(&mut self.out);
    }

    /// Sends what waits, then output from `store`, as long as the socket takes it. True once nothing is left.
    pub(crate) fn flush(&mut self, mut store: Option<&mut Store>) -> Result<bool, Gone> {
        self.full = false;
        for _ in 0..PORTIONS {
            if self.sent == self.out.len() {
                self.out.clear();
                self.sent = 0;
                if let Some(store) = &mut store {
                    store.fill(&mut self.out, PORTION);
                }
                if self.out.is_empty() {
                    return Ok(true);
                }
            }
            match self.stream.write(&self.out[self.sent..]) {
                Ok(0) => return Err(Gone),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.full = true;
                    return Ok(false);
                }
                Err(_) => return Err(Gone),
            }
        }
        // More is left than one turn's share: the socket will be found writable at once.
        self.full = true;
        Ok(false)
    }
}
