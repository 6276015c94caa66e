//! The connected node: its orders in, frames out. What the orders do is not decided here.

use crate::protocol::{Decoder, Frame, KeeperFrame, MAX_INPUT, NodeFrame, ProtocolError, VERSION};
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};
use uuid::Uuid;

/// Bytes that are made ready before the node has taken them.
pub(super) const OUT_MAX: usize = 128 << 10;

/// A connection.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) stream: UnixStream,
    decoder: Decoder,
    pub(super) out: Vec<u8>,
    done: usize,
    pub(super) greeted: bool,
}

/// A frame of the node's, owned.
#[derive(Debug)]
pub(super) enum Order {
    Hello { resume: u64 },
    Input { id: u64, bytes: Vec<u8> },
    Ack { offset: u64 },
    Signal { signal: i32, tree: bool },
    Release,
}

impl Node {
    pub(super) fn new(stream: UnixStream) -> Self {
        let decoder = Decoder::with_max(MAX_INPUT + 64);
        Self {
            stream,
            decoder,
            out: Vec::new(),
            done: 0,
            greeted: false,
        }
    }

    /// Whether it has not taken what was made ready.
    pub(super) fn is_full(&self) -> bool {
        self.done < self.out.len()
    }

    /// Reads what has come. An error ends the connection.
    pub(super) fn read(&mut self) -> io::Result<()> {
        loop {
            match self.stream.read(self.decoder.space(4096)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.decoder.filled(count);
                    if count < 4096 {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn next_order(&mut self) -> Result<Option<Order>, ProtocolError> {
        Ok(self.decoder.next_from_node()?.map(|frame| match frame {
            NodeFrame::Hello { resume_offset, .. } => Order::Hello {
                resume: resume_offset,
            },
            NodeFrame::Input { id, bytes } => Order::Input {
                id,
                bytes: bytes.to_vec(),
            },
            NodeFrame::Ack { offset } => Order::Ack { offset },
            NodeFrame::Signal { signal, tree } => Order::Signal { signal, tree },
            NodeFrame::Release => Order::Release,
        }))
    }

    pub(super) fn greet(&mut self, run: Uuid, pid: u32, first_offset: u64, started_ms: i64) {
        KeeperFrame::Hello {
            version: VERSION,
            run,
            pid,
            first_offset,
            started_ms,
        }
        .encode(&mut self.out);
        self.greeted = true;
    }

    /// Writes as much as it takes.
    pub(super) fn write(&mut self) -> io::Result<()> {
        while self.done < self.out.len() {
            match self.stream.write(&self.out[self.done..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.done += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.done = 0;
        Ok(())
    }
}
