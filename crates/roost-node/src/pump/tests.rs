//! Pumps against a keeper that is played by the test over a socket pair, frame by frame.

mod disk;
mod stories;

use super::*;
use roost_console::{Console, Cursor, Entry, Read};
use roost_keeper::protocol::{Decoder, Frame, KeeperFrame, NodeFrame, VERSION};
use roost_wire::clock::SystemClock;
use std::{
    io::{ErrorKind, Read as _, Write as _},
    path::Path,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

const LIMITS: Limits = Limits {
    journal_bytes: 1 << 30,
    journal_age: 0,
    disk_free_percent: 0,
    ring_bytes: 1 << 20,
};
const SERVER: Uuid = Uuid::from_u128(1);
const RUN: Uuid = Uuid::from_u128(2);
/// Nothing here takes longer, unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts wakes.
#[derive(Default)]
struct Bell(AtomicU64);

impl Wake for Bell {
    fn published(&self, _: Uuid) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A node with one server.
struct Node {
    pumps: Pumps,
    bell: Arc<Bell>,
    console: Arc<Console>,
    events: mpsc::UnboundedReceiver<PumpEvent>,
}

impl Node {
    fn start(dir: &Path, limits: Limits) -> Self {
        let (writer, console, recovery) =
            roost_console::open(&dir.join("journal"), "Roost", limits, 0).unwrap();
        assert_eq!(recovery.notes, Vec::<String>::new());
        let bell = Arc::new(Bell::default());
        let pumps = Pumps::start(1, Arc::clone(&bell) as _, Arc::new(SystemClock)).unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        pumps.add(SERVER, writer, Arc::new(Notify::new()), sender);
        Self {
            pumps,
            bell,
            console,
            events,
        }
    }

    /// A keeper of `run`, connected, with the node's HELLO read.
    fn attach(&self, run: Uuid) -> FakeKeeper {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.pumps.attach(SERVER, run, theirs, 0);
        let mut keeper = FakeKeeper::new(ours);
        keeper.greet(run);
        keeper
    }

    /// Whole history as text, pieces of a line marked with `~`.
    fn texts(&self) -> Vec<String> {
        let mut cursor = self.console.at(1);
        let mut texts = Vec::new();
        loop {
            let batches = match self.console.read(&mut cursor, 1 << 20) {
                Read::Entries(entries) => entries
                    .into_iter()
                    .filter_map(|entry| match entry {
                        Entry::Lines(batch) => Some(batch),
                        Entry::Event(_) => None,
                    })
                    .collect(),
                Read::Behind => self.console.history(&mut cursor, 1 << 20).unwrap().batches,
                Read::Empty | Read::Closed => return texts,
            };
            for batch in batches {
                texts.extend(batch.lines().map(|line| {
                    let mark = |on: bool| if on { "~" } else { "" };
                    format!("{}{}{}", mark(line.continued), line.text(), mark(line.open))
                }));
            }
        }
    }

    fn wait_for_texts(&self, expected: &[&str]) {
        let begun = Instant::now();
        while self.texts() != expected {
            assert!(
                begun.elapsed() < PATIENCE,
                "waiting for {expected:?}, there is {:?}",
                self.texts()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn event(&mut self) -> PumpEvent {
        let begun = Instant::now();
        loop {
            match self.events.try_recv() {
                Ok(event) => return event,
                Err(error) => assert!(
                    begun.elapsed() < PATIENCE,
                    "waiting for an event of the pump: {error}"
                ),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// An owned [`NodeFrame`].
#[derive(Debug, PartialEq)]
enum Got {
    Hello(Uuid, u64),
    Input(u64, Vec<u8>),
    Ack(u64),
    Signal(i32, bool),
    Release,
    /// The node has closed.
    End,
}

struct FakeKeeper {
    stream: UnixStream,
    decoder: Decoder,
    offset: u64,
    resumed_at: u64,
}

impl FakeKeeper {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            decoder: Decoder::default(),
            offset: 0,
            resumed_at: 0,
        }
    }

    fn greet(&mut self, run: Uuid) {
        let Got::Hello(asked, offset) = self.next() else {
            panic!("the node speaks first");
        };
        assert_eq!(asked, run);
        (self.offset, self.resumed_at) = (offset, offset);
        self.send(&KeeperFrame::Hello {
            version: VERSION,
            run,
            pid: 1,
            first_offset: 0,
            started_ms: 0,
        });
    }

    fn send(&mut self, frame: &KeeperFrame<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.stream.write_all(&bytes).unwrap();
    }

    fn output(&mut self, bytes: &[u8]) {
        self.output_at(self.offset, bytes);
    }

    fn output_at(&mut self, offset: u64, bytes: &[u8]) {
        self.send(&KeeperFrame::Chunk {
            offset,
            time_ms: 1,
            bytes,
        });
        self.offset = offset + bytes.len() as u64;
    }

    fn exit(&mut self, code: i32) {
        self.send(&KeeperFrame::Exit {
            code: Some(code),
            signal: None,
            end_offset: self.offset,
            time_ms: 2,
        });
    }

    /// The next frame of the node.
    fn next(&mut self) -> Got {
        loop {
            if let Some(frame) = self.decoder.next_from_node().unwrap() {
                return match frame {
                    NodeFrame::Hello {
                        run, resume_offset, ..
                    } => Got::Hello(run, resume_offset),
                    NodeFrame::Input { id, bytes } => Got::Input(id, bytes.to_vec()),
                    NodeFrame::Ack { offset } => Got::Ack(offset),
                    NodeFrame::Signal { signal, tree } => Got::Signal(signal, tree),
                    NodeFrame::Release => Got::Release,
                };
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Got::End,
                Ok(n) => self.decoder.push(&bytes[..n]),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Got::End,
                Err(e) => panic!("waiting for a frame of the node: {e}"),
            }
        }
    }

    /// The next frame that is no ACK.
    fn next_but_ack(&mut self) -> Got {
        loop {
            match self.next() {
                Got::Ack(_) => {}
                other => return other,
            }
        }
    }

    /// Reads ACKs up to this offset.
    fn wait_for_ack(&mut self, offset: u64) {
        loop {
            match self.next() {
                Got::Ack(at) if at == offset => return,
                Got::Ack(at) => assert!(at < offset, "acknowledged {at}, which was never sent"),
                other => panic!("waiting for ACK {offset}, got {other:?}"),
            }
        }
    }
}

fn cursor_from_the_start() -> Cursor {
    Cursor {
        seq: 1,
        entry: Cursor::NOT_ALIGNED,
    }
}
