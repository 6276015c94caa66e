//! The first lines of a new stream, read at its keeper without taking them: nothing is acknowledged.
//!
//! What a keeper's frames are is the protocol's business.

use super::align::{DEPTH, Key};
use roost_keeper::protocol::{Decoder, Frame, KeeperFrame, NodeFrame, VERSION};
use roost_wire::clock::Millis;
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Silence after which nothing more is waited for.
const SILENCE: Duration = Duration::from_millis(150);
/// Longest time altogether.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that are read at most.
const BYTES: usize = 1 << 20;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Whole lines; the first may be the end of one.
    pub(super) lines: Vec<Key>,
    /// The first one.
    pub(super) first: Vec<u8>,
    /// When its end came.
    pub(super) time: Millis,
    /// Bytes of the stream that it takes, with its line end.
    pub(super) length: u64,
}

impl Head {
    /// Reads at a fresh link, and lets go of it.
    pub(super) async fn read(link: UnixStream, run: Uuid) -> Result<Self, String> {
        let read = tokio::task::spawn_blocking(move || Self::of(link, run));
        match read.await {
            Ok(Ok(head)) => Ok(head),
            Ok(Err(error)) => Err(format!("the new keeper can't be read ({error})")),
            Err(_) => Err("the node failed while it read from the new keeper".to_owned()),
        }
    }

    fn of(mut link: UnixStream, run: Uuid) -> io::Result<Self> {
        link.set_nonblocking(false)?;
        link.set_read_timeout(Some(SILENCE))?;
        let mut hello = Vec::new();
        NodeFrame::Hello {
            version: VERSION,
            run,
            resume_offset: 0,
        }
        .encode(&mut hello);
        link.write_all(&hello)?;
        let (mut head, mut line, mut bytes) = (Self::default(), Vec::new(), 0);
        let mut decoder = Decoder::default();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && head.lines.len() <= DEPTH && bytes < BYTES {
            match link.read(decoder.space(32 << 10)) {
                Ok(0) => break,
                Ok(count) => decoder.filled(count),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            while let Some(frame) = decoder.next_from_keeper().map_err(io::Error::other)? {
                if let KeeperFrame::Chunk {
                    time_ms,
                    bytes: chunk,
                    ..
                } = frame
                {
                    bytes += chunk.len();
                    head.take(chunk, time_ms, &mut line);
                }
            }
        }
        Ok(head)
    }

    fn take(&mut self, chunk: &[u8], time: Millis, line: &mut Vec<u8>) {
        for part in chunk.split_inclusive(|&byte| byte == b'\n') {
            line.extend_from_slice(part);
            if line.pop_if(|byte| *byte == b'\n').is_none() {
                continue;
            }
            self.lines.push(Key::new(line, time));
            if self.lines.len() == 1 {
                (self.time, self.length) = (time, line.len() as u64 + 1);
                self.first = std::mem::take(line);
            }
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_whatever_chunks_they_come_in() {
        let (mut head, mut line) = (Head::default(), Vec::new());
        for (chunk, time) in [("en", 1), ("d\r", 2), ("\nnext\r\nb", 3), ("eg", 4)] {
            head.take(chunk.as_bytes(), time, &mut line);
        }
        assert_eq!((head.lines.len(), head.time, head.length), (2, 3, 5));
        assert_eq!(head.first, b"end\r");
    }
}
