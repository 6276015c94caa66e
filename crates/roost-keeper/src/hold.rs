//! The keeper's loop: the stream into the store, the store to the node, the node's input to the stream.
//!
//! It reads the stream as fast as it comes, whoever listens. One thread, one poll; nothing here waits for the node or
//! for the program.

mod input;
mod node;

use crate::{
    place::Place,
    protocol::{Frame, KeeperFrame},
    store::Store,
    sys, tree,
};
use input::Inputs;
use node::{Node, Order};
use rustix::{
    event::{PollFd, PollFlags},
    process::{WaitOptions, WaitStatus},
};
use std::{
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Read at once from the stream, in bytes.
const READ: usize = 32 << 10;
/// Reads of the stream before the node gets its turn.
const READS: usize = 8;
/// After the program's end, its terminal is read until it was silent for this long.
const SILENCE: Duration = Duration::from_millis(200);

/// What is held.
#[derive(Debug)]
pub(crate) struct Held {
    /// The run.
    pub(crate) run: Uuid,
    /// The terminal's or the container's stream, not blocking.
    pub(crate) stream: OwnedFd,
    /// The program; none for a container's stream.
    pub(crate) pid: Option<i32>,
    /// When the run began, milliseconds since the epoch.
    pub(crate) started_ms: i64,
    /// Ends everything in the program's control group.
    pub(crate) cgroup_kill: Option<PathBuf>,
}

/// How the run ended.
#[derive(Debug, Clone, Copy, Default)]
struct Exit {
    code: Option<i32>,
    signal: Option<i32>,
}

/// The loop and what it knows.
pub(crate) struct Keeper {
    held: Held,
    place: Place,
    signals: OwnedFd,
    store: Store,
    node: Option<Node>,
    inputs: Inputs,
    stream_open: bool,
    exit: Option<Exit>,
    last_output: Instant,
    /// Everything was read and the end is known, since then.
    ended_ms: Option<i64>,
    exit_sent: bool,
    buffer: Vec<u8>,
}

impl Keeper {
    pub(crate) fn new(held: Held, place: Place, signals: OwnedFd, store: Store) -> Self {
        Self {
            held,
            place,
            signals,
            store,
            node: None,
            inputs: Inputs::default(),
            stream_open: true,
            exit: None,
            last_output: Instant::now(),
            ended_ms: None,
            exit_sent: false,
            buffer: vec![0; READ],
        }
    }

    /// What came before the loop began.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.store.append(now_ms(), bytes);
        }
    }

    /// Runs until the node lets go of the keeper.
    pub(crate) fn run(mut self) {
        loop {
            self.settle();
            if !self.serve_node() {
                break;
            }
            if self.wait().is_err() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        if self.held.pid.is_some() {
            tree::end(self.held.cgroup_kill.as_deref());
        }
        self.store.remove_spool();
        Place::leave();
    }

    /// Waits for anything to do and does what concerns the stream, the signals and new connections.
    fn wait(&mut self) -> io::Result<()> {
        let mut stream_wants = PollFlags::empty();
        if self.stream_open {
            stream_wants |= PollFlags::IN;
            if self.inputs.is_waiting() {
                stream_wants |= PollFlags::OUT;
            }
        }
        let mut node_wants = PollFlags::IN;
        if self.node.as_ref().is_some_and(Node::is_full) {
            node_wants |= PollFlags::OUT;
        }
        let (signals, listener) = (&self.signals, &self.place.listener);
        let mut fds = vec![
            PollFd::new(signals, PollFlags::IN),
            PollFd::new(listener, PollFlags::IN),
        ];
        if let Some(node) = &self.node {
            fds.push(PollFd::new(&node.stream, node_wants));
        }
        if self.stream_open {
            fds.push(PollFd::new(&self.held.stream, stream_wants));
        }
        let timeout = self.timeout().map(|left| rustix::time::Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(0),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        drop(fds);
        if !ready[0].is_empty() {
            self.take_signals();
        }
        if !ready[1].is_empty() {
            self.accept();
        }
        if self.stream_open && ready.last().is_some_and(|flags| !flags.is_empty()) {
            self.read_stream();
        }
        self.inputs.write(&self.held.stream, self.stream_open);
        Ok(())
    }

    fn timeout(&self) -> Option<Duration> {
        let drain = (self.exit.is_some() && self.ended_ms.is_none()).then_some(SILENCE / 4);
        [drain, self.inputs.timeout()].into_iter().flatten().min()
    }

    fn take_signals(&mut self) {
        for signal in sys::read_signals(&self.signals) {
            if signal == libc::SIGTERM {
                tree::end(self.held.cgroup_kill.as_deref());
            }
        }
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if Some(pid.as_raw_nonzero().get()) == self.held.pid && self.exit.is_none() {
                self.exit = Some(exit_of(status));
                self.last_output = Instant::now();
                // Whatever it left behind ends with it.
                tree::end(self.held.cgroup_kill.as_deref());
            }
        }
    }

    fn accept(&mut self) {
        let own = rustix::process::geteuid();
        while let Ok((stream, _)) = self.place.listener.accept() {
            let fits = rustix::net::sockopt::socket_peercred(&stream).is_ok_and(|peer| peer.uid == own);
            if fits && stream.set_nonblocking(true).is_ok() {
                self.node = Some(Node::new(stream));
                self.exit_sent = false;
            }
        }
    }

    fn read_stream(&mut self) {
        for _ in 0..READS {
            match rustix::io::read(&self.held.stream, &mut self.buffer[..]) {
                Ok(0) => self.stream_open = false,
                Ok(count) => {
                    self.store.append(now_ms(), &self.buffer[..count]);
                    self.last_output = Instant::now();
                    if count == READ {
                        continue;
                    }
                }
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => {}
                // EIO is how a terminal ends.
                Err(_) => self.stream_open = false,
            }
            return;
        }
    }

    /// Finds out whether the run is over.
    fn settle(&mut self) {
        if self.ended_ms.is_some() {
            return;
        }
        let over = match (self.held.pid, self.exit) {
            (Some(_), None) => false,
            (Some(_), Some(_)) => !self.stream_open || self.last_output.elapsed() >= SILENCE,
            (None, _) => !self.stream_open,
        };
        if over {
            self.stream_open = false;
            self.ended_ms = Some(now_ms());
            self.inputs.give_up("the program has ended");
        }
    }

    /// Does what the node asks and sends what it lacks; false once it lets go.
    fn serve_node(&mut self) -> bool {
        let Some(mut node) = self.node.take() else {
            return true;
        };
        let mut alive = node.read().is_ok();
        while alive {
            match node.next_order() {
                Ok(Some(Order::Release)) => return false,
                Ok(Some(order)) => self.obey(&mut node, order),
                Ok(None) => break,
                Err(_) => alive = false,
            }
        }
        self.inputs.write(&self.held.stream, self.stream_open);
        for (id, error) in self.inputs.results() {
            KeeperFrame::InputResult { id, error: &error }.encode(&mut node.out);
        }
        // The answers go first: what waits for them would make the node look full, and nothing wakes this loop again.
        alive = alive && node.write().is_ok();
        if node.greeted {
            while self.store.has_unsent() && !node.is_full() {
                self.store.fill(&mut node.out, node::OUT_MAX);
                alive = alive && node.write().is_ok();
                if !alive {
                    break;
                }
            }
            if let (Some(time_ms), false, false) = (self.ended_ms, self.store.has_unsent(), self.exit_sent) {
                let exit = self.exit.unwrap_or_default();
                KeeperFrame::Exit {
                    code: exit.code,
                    signal: exit.signal,
                    end_offset: self.store.end(),
                    time_ms,
                }
                .encode(&mut node.out);
                self.exit_sent = true;
            }
        }
        alive = alive && node.write().is_ok();
        if alive {
            self.node = Some(node);
        }
        true
    }

    fn obey(&mut self, node: &mut Node, order: Order) {
        match order {
            Order::Hello { resume } => {
                self.store.seek(resume);
                let pid = self.held.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
                node.greet(self.held.run, pid, self.store.first(), self.held.started_ms);
            }
            Order::Input { id, bytes } => self.inputs.push(id, bytes),
            Order::Ack { offset } => self.store.ack(offset),
            Order::Signal { signal, tree: false } => {
                if let Some(pid) = self.held.pid.filter(|_| self.exit.is_none()) {
                    let _ = sys::kill(-pid, signal);
                }
            }
            Order::Signal { tree: true, .. } => {
                if self.held.pid.is_some() {
                    tree::end(self.held.cgroup_kill.as_deref());
                }
            }
            Order::Release => {}
        }
    }
}

fn exit_of(status: WaitStatus) -> Exit {
    Exit {
        code: status.exit_status(),
        signal: status.terminating_signal(),
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}
