//! The socket to one keeper: frames in, frames out, without ever waiting.
//!
//! What frames mean is the feed's business.

use roost_keeper::protocol::{Decoder, Frame, NodeFrame};
use rustix::event::epoll::{self, EventData, EventFlags};
use std::{
    collections::HashMap,
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Read at a time from a keeper that is silent most of the time, and at most: buffers of 200 such keepers are small.
const READ: usize = 8 * 1024;
const READ_MAX: usize = 128 * 1024;
/// Bytes that may wait for a keeper that does not read.
const OUT_BOUND: usize = 512 * 1024;
/// Inputs that may wait for their result.
const INPUTS: usize = 1024;

/// What one read gave.
pub(super) enum Filled {
    Some,
    /// Nothing more for now.
    Dry,
    /// The keeper has closed.
    End,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) run: Uuid,
    /// The keeper has answered the handshake.
    pub(super) greeted: bool,
    /// Offset up to which the keeper was told that its bytes are safe.
    pub(super) acked: u64,
    pub(super) decoder: Decoder,
    /// Read at a time now.
    read: usize,
    /// RELEASE was sent: the link goes as soon as it has left.
    pub(super) released: bool,
    stream: UnixStream,
    out: Vec<u8>,
    inputs: HashMap<u64, oneshot::Sender<Result<(), String>>>,
    next_input: u64,
    /// What epoll watches now; nothing while reading is paused, since a hang-up would be reported all the same.
    watched: EventFlags,
}

impl Link {
    pub(super) fn new(run: Uuid, stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            run,
            greeted: false,
            acked: 0,
            decoder: Decoder::default(),
            read: READ,
            released: false,
            stream,
            out: Vec::new(),
            inputs: HashMap::new(),
            next_input: 1,
            watched: EventFlags::empty(),
        })
    }

    /// Reads once.
    pub(super) fn fill(&mut self) -> io::Result<Filled> {
        let space = self.decoder.space(self.read);
        let room = space.len();
        match self.stream.read(space) {
            Ok(0) => Ok(Filled::End),
            Ok(n) => {
                self.decoder.filled(n);
                if n < room {
                    return Ok(Filled::Dry);
                }
                self.read = READ_MAX.min(self.read * 2);
                Ok(Filled::Some)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Filled::Dry),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(Filled::Some),
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Ok(Filled::End),
            Err(e) => Err(e),
        }
    }

    /// Sends a frame, as far as the socket takes it now.
    pub(super) fn send(&mut self, frame: &NodeFrame<'_>) {
        frame.encode(&mut self.out);
        self.flush();
    }

    /// Sends what waits. A broken socket shows when it is read.
    pub(super) fn flush(&mut self) {
        let mut sent = 0;
        while sent < self.out.len() {
            match self.stream.write(&self.out[sent..]) {
                Ok(n) => sent += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => sent = self.out.len(),
            }
        }
        self.out.drain(..sent);
    }

    /// Something waits to be sent.
    pub(super) fn is_sending(&self) -> bool {
        !self.out.is_empty()
    }

    /// Sends input; `reply` gets the keeper's word, or ours.
    pub(super) fn input(&mut self, bytes: &[u8], reply: oneshot::Sender<Result<(), String>>) {
        let refused = if bytes.len() > roost_keeper::protocol::MAX_INPUT {
            Some("The input is longer than 64 KiB: send less at once.")
        } else if self.out.len() > OUT_BOUND || self.inputs.len() >= INPUTS {
            Some("The program does not read its input: wait until it does.")
        } else {
            None
        };
        if let Some(sentence) = refused {
            let _ = reply.send(Err(sentence.to_owned()));
            return;
        }
        let id = self.next_input;
        self.next_input += 1;
        self.inputs.insert(id, reply);
        self.send(&NodeFrame::Input { id, bytes });
    }

    /// The keeper's words wait behind output that can't be written down: what was passed on to it counts as done.
    pub(super) fn take_inputs_for_done(&mut self) {
        for (_, reply) in self.inputs.drain() {
            let _ = reply.send(Ok(()));
        }
    }

    /// The keeper's word on an input; empty for done.
    pub(super) fn input_result(&mut self, id: u64, error: &str) {
        if let Some(reply) = self.inputs.remove(&id) {
            let result = match error {
                "" => Ok(()),
                error => Err(error.to_owned()),
            };
            let _ = reply.send(result);
        }
    }

    /// Has epoll watch what is needed now.
    pub(super) fn watch(&mut self, epoll: &OwnedFd, token: u64, paused: bool) -> io::Result<()> {
        let wanted = match (paused, self.out.is_empty()) {
            (true, true) => EventFlags::empty(),
            (true, false) => EventFlags::OUT,
            (false, true) => EventFlags::IN,
            (false, false) => EventFlags::IN | EventFlags::OUT,
        };
        if wanted == self.watched {
            return Ok(());
        }
        let data = EventData::new_u64(token);
        if wanted.is_empty() {
            epoll::delete(epoll, &self.stream)?;
        } else if self.watched.is_empty() {
            epoll::add(epoll, &self.stream, data, wanted)?;
        } else {
            epoll::modify(epoll, &self.stream, data, wanted)?;
        }
        self.watched = wanted;
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for (_, reply) in self.inputs.drain() {
            let sentence = "The program's keeper went away before it took the input.";
            let _ = reply.send(Err(sentence.to_owned()));
        }
    }
}
