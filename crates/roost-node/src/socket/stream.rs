//! The bytes of one viewer's connection, plain or TLS, without ever waiting.
//!
//! Over TLS what is written in one call becomes one record (up to the record size of 16 KiB), and what the socket does
//! not take stays inside the session until the next call. Frames are not this file's business.

use super::Upgraded;
use bytes::Bytes;
use rustls::ServerConnection;
use std::{
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

/// A dead peer shows after this many milliseconds with unacknowledged data.
const USER_TIMEOUT_MS: u32 = 40_000;
/// An idle peer is probed after this long, then this often.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));
/// Bytes that the kernel holds for a viewer that does not read. Enough for a fast viewer far away, little enough that
/// thousands of stalled ones don't exhaust the machine.
const SEND_BUFFER: usize = 256 << 10;

pub(super) struct Stream {
    tcp: TcpStream,
    tls: Option<Box<ServerConnection>>,
    /// Bytes that the socket has taken so far: how progress is told from none.
    pub(super) moved: u64,
}

impl Stream {
    /// Takes a connection over; also gives what was read of it already.
    pub(super) fn new(upgraded: Upgraded) -> io::Result<(Self, Bytes)> {
        use rustix::net::sockopt;
        let (tcp, tls, read) = match upgraded {
            Upgraded::Plain(tcp, read) => (tcp, None, read),
            Upgraded::Tls(tcp, mut tls, read) => {
                // Its bound is ours: bytes are handed over only when all before them are gone.
                tls.set_buffer_limit(None);
                (tcp, Some(tls), read)
            }
        };
        tcp.set_nonblocking(true)?;
        tcp.set_nodelay(true)?;
        sockopt::set_tcp_user_timeout(&tcp, USER_TIMEOUT_MS)?;
        sockopt::set_socket_keepalive(&tcp, true)?;
        sockopt::set_tcp_keepidle(&tcp, KEEP_ALIVE.0)?;
        sockopt::set_tcp_keepintvl(&tcp, KEEP_ALIVE.1)?;
        sockopt::set_socket_send_buffer_size(&tcp, SEND_BUFFER)?;
        Ok((Self { tcp, tls, moved: 0 }, read))
    }

    /// Writes what is taken now; 0 when nothing is.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.tls.is_none() {
            let taken = or_zero(self.tcp.write(bytes))?;
            self.moved += taken as u64;
            return Ok(taken);
        }
        self.write_tls_with(|tls| tls.writer().write(bytes))
    }

    /// The same for several pieces at once.
    pub(super) fn write_many(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.tls.is_none() {
            let taken = or_zero(self.tcp.write_vectored(pieces))?;
            self.moved += taken as u64;
            return Ok(taken);
        }
        self.write_tls_with(|tls| tls.writer().write_vectored(pieces))
    }

    fn write_tls_with(
        &mut self,
        write: impl FnOnce(&mut ServerConnection) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if !self.flush()? {
            return Ok(0);
        }
        let taken = match &mut self.tls {
            Some(tls) => write(tls)?,
            None => 0,
        };
        self.flush()?;
        Ok(taken)
    }

    /// Hands what TLS still holds to the socket. True when nothing is left.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        while tls.wants_write() {
            match or_zero(tls.write_tls(&mut self.tcp))? {
                0 => return Ok(false),
                taken => self.moved += taken as u64,
            }
        }
        Ok(true)
    }

    /// Whether TLS holds bytes that the socket has not taken yet.
    pub(super) fn has_pending(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Reads into `buf`: `None` when there is nothing now, `Some(0)` at the end. With `is_fresh` false only what was
    /// decrypted already is given: nobody wakes a reader for that.
    pub(super) fn read(&mut self, buf: &mut [u8], is_fresh: bool) -> io::Result<Option<usize>> {
        let Some(tls) = &mut self.tls else {
            return if is_fresh {
                or_none(self.tcp.read(buf))
            } else {
                Ok(None)
            };
        };
        loop {
            if let Some(n) = or_none(tls.reader().read(buf))? {
                return Ok(Some(n));
            }
            if !is_fresh {
                return Ok(None);
            }
            match or_none(tls.read_tls(&mut self.tcp))? {
                None => return Ok(None),
                Some(0) => return Ok(Some(0)),
                Some(_) => {}
            }
            if let Err(error) = tls.process_new_packets() {
                // The alert that names the reason; whether it leaves does not matter any more.
                let _ = tls.write_tls(&mut self.tcp);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }

    /// Whether reads go through TLS, so that one wake-up can stand for several of them.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// No more will be written. The peer still gets all that was.
    pub(super) fn finish(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut self.tcp);
        }
        // Fails only on a connection that is gone, which is what was wanted.
        let _ = self.tcp.shutdown(Shutdown::Write);
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp.as_fd()
    }
}

fn or_zero(result: io::Result<usize>) -> io::Result<usize> {
    or_none(result).map(Option::unwrap_or_default)
}

fn or_none(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
        Err(e) => Err(e),
    }
}
