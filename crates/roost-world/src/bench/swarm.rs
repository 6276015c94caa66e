//! Many classic viewers on one thread: raw sockets, an epoll, every line's number checked, latencies sampled.

use super::{Seen, stream::Stream};
use anyhow::{Context, bail, ensure};
use rustix::event::epoll;
use rustls::ClientConfig;
use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// In front of each line in a classic frame.
const PREFIX: &[u8] = b"{\"event\":\"console output\",\"args\":[\"L";
/// The same before any line, and behind one.
const OUTPUT: &[u8] = b"{\"event\":\"console output\",\"args\":[\"";
const END: &[u8] = b"\"]}";
/// The same before what `count` has the server say.
const COUNTED: &[u8] = b"{\"event\":\"console output\",\"args\":[\"counted ";
/// Every so many lines of a viewer, its latency is taken.
const SAMPLE: u64 = 7;
/// Sockets by one token: a session may hold 500 on a server.
pub const PER_TOKEN: usize = 450;

/// Where a viewer goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which of the servers, from 0 on.
    pub server: usize,
    /// Its node.
    pub address: SocketAddr,
    /// Path of its console.
    pub path: String,
    /// Lets in.
    pub token: String,
}

struct Viewer {
    server: usize,
    stream: Stream,
    rest: Vec<u8>,
    next: Option<u64>,
    /// The server's own word on how many lines it has written.
    told: Option<u64>,
    /// The beginning of a line of which the rest is still to come, with what stands before it in its frame.
    broken: Option<Vec<u8>>,
}

/// The viewers.
pub struct Swarm {
    epoll: OwnedFd,
    viewers: Vec<Viewer>,
    buffer: Vec<u8>,
}

impl Swarm {
    /// Opens one more socket, from this address, and authenticates it.
    pub fn join(
        &mut self,
        target: &Target,
        from: IpAddr,
        tls: Option<&Arc<ClientConfig>>,
    ) -> anyhow::Result<()> {
        let Target {
            server,
            address,
            path,
            token,
        } = target;
        let tcp = connect(from, *address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut stream = match tls {
            None => Stream::Plain(tcp),
            Some(config) => Stream::client(config, tcp)?,
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        stream.write_all(&masked(&format!("{{\"event\":\"auth\",\"args\":[\"{token}\"]}}")))?;
        // Any event after `auth` ends the wait for `send logs`.
        stream.write_all(&masked("{\"event\":\"send stats\",\"args\":[null]}"))?;
        let mut rest = Vec::new();
        while !contains(&rest, b"auth success") {
            let mut piece = [0; 4096];
            let n = stream.read(&mut piece).context("waiting for auth success")?;
            ensure!(n > 0, "the node closed: {}", String::from_utf8_lossy(&rest));
            rest.extend_from_slice(&piece[..n]);
        }
        let head = rest
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .context("no end of headers")?;
        rest.drain(..head + 4);
        self.add(*server, stream, rest)
    }

    /// Takes raw sockets on which frames come at once (the floor's).
    pub fn of(streams: Vec<Stream>) -> anyhow::Result<Self> {
        let mut swarm = Self::empty()?;
        for stream in streams {
            swarm.add(0, stream, Vec::new())?;
        }
        Ok(swarm)
    }

    /// Nobody yet.
    pub fn empty() -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self {
            epoll,
            viewers: Vec::new(),
            buffer: vec![0; 256 * 1024],
        })
    }

    fn add(&mut self, server: usize, stream: Stream, rest: Vec<u8>) -> anyhow::Result<()> {
        stream.tcp().set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(self.viewers.len() as u64);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
        self.viewers.push(Viewer {
            server,
            stream,
            rest,
            next: None,
            told: None,
            broken: None,
        });
        Ok(())
    }

    /// Types one line to every server, as the first viewer of each.
    pub fn command(&mut self, text: &str) -> anyhow::Result<()> {
        ensure!(!self.viewers.is_empty(), "no viewer");
        let frame = masked(&format!("{{\"event\":\"send command\",\"args\":[\"{text}\"]}}"));
        let mut typed = None;
        for viewer in &mut self.viewers {
            if typed != Some(viewer.server) {
                viewer.stream.write_all(&frame)?;
                typed = Some(viewer.server);
            }
        }
        Ok(())
    }

    /// Reads for this long.
    pub fn watch(&mut self, time: Duration) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        self.read_while(time, &mut seen, |_, _| true)?;
        seen.latency_us.sort_unstable();
        Ok(seen)
    }

    /// Reads until this many lines came, for at most this long.
    pub fn watch_until(&mut self, time: Duration, lines: u64) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        self.read_while(time, &mut seen, |_, seen| seen.lines < lines)?;
        seen.latency_us.sort_unstable();
        Ok(seen)
    }

    /// Reads for this long, then has the server stop and say how many lines it has written, and reads on until every
    /// viewer has all of them, or for `patience` more. Gives what was seen and how many lines were due from where each
    /// viewer stood, all viewers together.
    pub fn watch_exactly(&mut self, time: Duration, patience: Duration) -> anyhow::Result<(Seen, u64)> {
        let mut seen = Seen::default();
        let mut from = Vec::with_capacity(self.viewers.len());
        for viewer in &mut self.viewers {
            viewer.told = None;
            let next = viewer.next;
            from.push(
                next.with_context(|| format!("a viewer of server {} has seen no line yet", viewer.server))?,
            );
        }
        self.read_while(time, &mut seen, |_, _| true)?;
        self.command("rate 0")?;
        self.command("count")?;
        self.read_while(patience, &mut seen, |viewers, _| {
            viewers.iter().any(|v| v.told.is_none())
        })?;
        let mut last = HashMap::new();
        for viewer in &self.viewers {
            if let Some(told) = viewer.told {
                last.insert(viewer.server, told);
            }
        }
        let mut due = 0;
        for (viewer, from) in self.viewers.iter().zip(from) {
            let last = last
                .get(&viewer.server)
                .context("no viewer was told how many lines there are")?;
            // Its end is missing, which the numbers of the lines can't show.
            seen.faults += (last + 1).saturating_sub(viewer.next.unwrap_or(0));
            due += (last + 1).saturating_sub(from);
        }
        seen.latency_us.sort_unstable();
        Ok((seen, due))
    }

    fn read_while(
        &mut self,
        time: Duration,
        seen: &mut Seen,
        goes_on: impl Fn(&[Viewer], &Seen) -> bool,
    ) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        let mut ready = Vec::with_capacity(1024);
        while goes_on(&self.viewers, seen) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            ready.clear();
            let timeout = rustix::time::Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(left.subsec_nanos()).min(50_000_000),
            };
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut ready),
                Some(&timeout),
            ) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &ready {
                let at = event.data.u64() as usize;
                read(&mut self.viewers[at], &mut self.buffer, seen)?;
            }
        }
        Ok(())
    }
}

/// Until nothing is left: TLS may hold more than its socket shows.
fn read(viewer: &mut Viewer, buffer: &mut [u8], seen: &mut Seen) -> anyhow::Result<()> {
    loop {
        let held = viewer.rest.len();
        buffer[..held].copy_from_slice(&viewer.rest);
        let n = match viewer.stream.read(&mut buffer[held..]) {
            Ok(0) => bail!("the node closed a viewer"),
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        let now = wall_nanos();
        let bytes = &buffer[..held + n];
        let mut at = 0;
        while let Some((begin, end)) = frame(bytes, at) {
            line(&bytes[begin..end], viewer, now, seen);
            at = end;
        }
        viewer.rest.clear();
        viewer.rest.extend_from_slice(&bytes[at..]);
        if matches!(viewer.stream, Stream::Plain(_)) {
            return Ok(());
        }
    }
}

/// From one of the loopback's many addresses, so that many viewers do not seem one.
fn connect(from: IpAddr, to: SocketAddr) -> anyhow::Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    bind(&socket, &SocketAddr::new(from, 0))?;
    connect(&socket, &to)?;
    Ok(TcpStream::from(socket))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement needs the machine's own clock"
)]
fn wall_nanos() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_nanos() as u64)
}

/// Payload of the whole frame at `at`, if it is all there.
fn frame(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let head = bytes.get(at..at + 2)?;
    let (begin, len) = match head[1] {
        126 => (
            at + 4,
            usize::from(u16::from_be_bytes(bytes.get(at + 2..at + 4)?.try_into().ok()?)),
        ),
        127 => (
            at + 10,
            u64::from_be_bytes(bytes.get(at + 2..at + 10)?.try_into().ok()?) as usize,
        ),
        short => (at + 2, usize::from(short)),
    };
    (begin + len <= bytes.len()).then_some((begin, begin + len))
}

fn line(payload: &[u8], viewer: &mut Viewer, now: u64, seen: &mut Seen) {
    if let Some(mut begun) = viewer.broken.take()
        && let Some(rest) = payload.strip_prefix(OUTPUT)
    {
        begun.extend_from_slice(rest);
        return line(&begun, viewer, now, seen);
    }
    let Some(text) = payload.strip_prefix(PREFIX) else {
        if let Some(text) = payload.strip_prefix(COUNTED) {
            viewer.told = Some(digits(text).0);
        }
        return;
    };
    let (number, rest) = digits(text);
    let (written, behind) = digits(rest.get(1..).unwrap_or_default());
    // A program that waits in the middle of a line is shown what it has written of it: the rest is still to come.
    if !(rest.starts_with(b" ") && behind.starts_with(b" ")) {
        viewer.broken = payload.strip_suffix(END).map(<[u8]>::to_vec);
        return;
    }
    seen.lines += 1;
    match viewer.next {
        Some(next) if next != number => seen.faults += number.abs_diff(next).max(1),
        _ => {}
    }
    viewer.next = Some(number + 1);
    if number % SAMPLE == 0 {
        seen.latency_us.push(now.saturating_sub(written) / 1000);
    }
}

fn digits(text: &[u8]) -> (u64, &[u8]) {
    let end = text
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    (
        text[..end]
            .iter()
            .fold(0_u64, |n, b| n.wrapping_mul(10).wrapping_add(u64::from(b - b'0'))),
        &text[end..],
    )
}

/// A client's text frame, masked with zeros.
fn masked(text: &str) -> Vec<u8> {
    let mut out = vec![0x81];
    if text.len() < 126 {
        out.push(0x80 | text.len() as u8);
    } else {
        out.push(0x80 | 126);
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text.as_bytes());
    out
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}
