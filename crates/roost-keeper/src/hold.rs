//! The keeper's one loop: reads the program, serves the node, ends the tree.
//!
//! ```text
//!   Running ──program ended──> Ending ──tree is gone──> Draining ──output read──> Ended ──RELEASE──> (leave)
//! ```
//!
//! The program's output is read as fast as it comes, whatever the node does. Nothing in a turn waits but the one
//! `poll`. How frames look, where output is kept and how a program is started lies in the modules beside this one.

use crate::{
    image,
    input::{self, Input},
    link::{Gone, Link},
    place::Place,
    protocol::{KeeperFrame, NodeFrame, VERSION},
    store::Store,
    sys,
    tree::Tree,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{WaitOptions, wait},
    time::{ClockId, clock_gettime},
};
use std::{
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};
use uuid::Uuid;

mod wait;

/// How long the rest of a tree may take to end by itself.
const LOOK: Duration = Duration::from_millis(250);
/// Between two passes of killing.
const KILL_PAUSE: Duration = Duration::from_millis(10);
/// After so long without success, what can't be killed is left.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// How long a terminal that nobody should hold any more may be silent before its output counts as read.
const SILENCE: Duration = Duration::from_millis(200);
/// How long a program may take to end after the keeper was told to end (SIGTERM).
const TERM_PATIENCE: Duration = Duration::from_secs(5);
/// How long the last frames may take to leave after that.
const FAREWELL: Duration = Duration::from_secs(1);
/// Most bytes read in a turn, so that the rest of the turn comes.
const READ_BUDGET: usize = 256 << 10;

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// What is held.
#[derive(Debug)]
pub(crate) enum Held {
    /// A program: our end of its terminal, its end (until the tree is gone), its pid.
    Program {
        /// Kept open, so that the terminal outlives a program that closes it.
        slave: Option<OwnedFd>,
        pid: i32,
        tree: Tree,
    },
    /// A container's stream.
    Stream,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exit {
    code: Option<i32>,
    signal: Option<i32>,
    time_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Ending { exit: Exit, since: Instant },
    Draining { exit: Exit, silent_since: Instant },
    Ended { exit: Exit, told: bool, since: Instant },
}

/// The keeper at work.
#[derive(Debug)]
pub(crate) struct Hold {
    run: Uuid,
    started_ms: i64,
    place: Place,
    signals: OwnedFd,
    held: Held,
    /// The terminal or the stream; `None` once it has ended.
    source: Option<OwnedFd>,
    store: Store,
    input: Input,
    phase: Phase,
    /// The node that is served.
    link: Option<Link>,
    /// One that has connected and not said HELLO yet.
    candidate: Option<Link>,
    /// The tree is being killed since then; the next pass is due.
    killing: Option<(Instant, Instant)>,
    /// Told to end; the program is killed then.
    terminate_at: Option<Instant>,
    terminating: bool,
    released: bool,
    buffer: Vec<u8>,
}

impl Hold {
    pub(crate) fn new(
        run: Uuid,
        place: Place,
        signals: OwnedFd,
        held: Held,
        source: OwnedFd,
        store: Store,
        started_ms: i64,
    ) -> Self {
        Self {
            run,
            started_ms,
            place,
            signals,
            held,
            source: Some(source),
            store,
            input: Input::default(),
            phase: Phase::Running,
            link: None,
            candidate: None,
            killing: None,
            terminate_at: None,
            terminating: false,
            released: false,
            buffer: vec![0; 32 << 10],
        }
    }

    /// Works until it is released or told to end.
    pub(crate) fn run(mut self) {
        while !self.may_leave() {
            let ready = self.wait();
            if ready.signals {
                self.on_signals();
            }
            if ready.source {
                self.read_source();
            }
            if ready.listener
                && let Some(link) = Link::accept(&self.place.listener)
            {
                self.candidate = Some(link);
            }
            if ready.candidate {
                self.read_candidate();
            }
            if ready.link {
                self.read_link();
            }
            self.write_input();
            self.advance(Instant::now(), ready.signals);
            self.flush();
        }
        Place::leave();
        self.store.remove_spool();
    }

    fn may_leave(&self) -> bool {
        match self.phase {
            Phase::Ended { told, since, .. } => {
                self.released
                    || self.terminating && (told || self.link.is_none() || since.elapsed() > FAREWELL)
            }
            _ => matches!(self.held, Held::Stream) && (self.released || self.terminating),
        }
    }

    /// Reads what the program has printed.
    fn read_source(&mut self) {
        let mut budget = READ_BUDGET;
        let Some(source) = &self.source else {
            return;
        };
        loop {
            match rustix::io::read(source, &mut self.buffer[..]) {
                Ok(count @ 1..) => {
                    self.store.append(now_ms(), &self.buffer[..count]);
                    if let Phase::Draining { silent_since, .. } = &mut self.phase {
                        *silent_since = Instant::now();
                    }
                    // A terminal gives at most a page; a short read means that nothing more is there yet.
                    budget = budget.saturating_sub(count);
                    if budget == 0 || count < 2048 {
                        return;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // EIO is the end of a terminal.
                Ok(_) | Err(_) => {
                    self.source = None;
                    return;
                }
            }
        }
    }

    /// Signals for the keeper itself; those of children are only a reason to look for them.
    fn on_signals(&mut self) {
        if !sys::read_signals(&self.signals).contains(&libc::SIGTERM) {
            return;
        }
        let now = Instant::now();
        let again = std::mem::replace(&mut self.terminating, true);
        if let (Held::Program { pid, .. }, Phase::Running) = (&self.held, self.phase) {
            if again {
                self.terminate_at = Some(now);
            } else {
                let _ = sys::kill(-pid, libc::SIGTERM);
                self.terminate_at = Some(now + TERM_PATIENCE);
            }
        }
    }

    /// Takes leave of children that have ended; true if none is left.
    fn reap(&mut self) -> bool {
        let Held::Program { pid, .. } = self.held else {
            return true;
        };
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((ended, status))) if ended.as_raw_nonzero().get() == pid => {
                    let exit = Exit {
                        code: status.exit_status(),
                        signal: status.terminating_signal(),
                        time_ms: now_ms(),
                    };
                    let since = Instant::now();
                    self.phase = Phase::Ending { exit, since };
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }

    fn read_candidate(&mut self) {
        let Some(mut link) = self.candidate.take() else {
            return;
        };
        if link.read().is_err() {
            return;
        }
        let (run, resume) = match link.next() {
            Ok(Some(NodeFrame::Hello {
                run, resume_offset, ..
            })) => (run, resume_offset),
            Ok(None) => {
                self.candidate = Some(link);
                return;
            }
            Ok(Some(_)) | Err(_) => return,
        };
        link.send(&KeeperFrame::Hello {
            version: VERSION,
            run: self.run,
            pid: self.pid(),
            first_offset: self.store.first(),
            started_ms: self.started_ms,
        });
        if !run.is_nil() && run != self.run {
            let _ = link.flush(None);
            return;
        }
        self.store.seek(resume);
        if let Phase::Ended { told, .. } = &mut self.phase {
            *told = false;
        }
        self.link = Some(link);
        self.handle_frames();
        // Nothing of the handshake is needed again for days.
        image::let_go_of_pages();
        sys::trim_heap();
    }

    fn pid(&self) -> u32 {
        match self.held {
            Held::Program { pid, .. } => u32::try_from(pid).unwrap_or(0),
            Held::Stream => 0,
        }
    }

    fn read_link(&mut self) {
        if let Some(link) = &mut self.link {
            match link.read() {
                Ok(()) => self.handle_frames(),
                Err(Gone) => self.link = None,
            }
        }
    }

    fn handle_frames(&mut self) {
        let Some(mut link) = self.link.take() else {
            return;
        };
        loop {
            let answer = match link.next() {
                Ok(Some(NodeFrame::Input { id, bytes })) => {
                    let refused = self.take_input(id, bytes);
                    refused.map(|why| (id, why))
                }
                Ok(Some(NodeFrame::Ack { offset })) => {
                    if self.store.ack(offset) {
                        sys::trim_heap();
                    }
                    None
                }
                Ok(Some(NodeFrame::Signal { signal, tree })) => {
                    self.signal(signal, tree);
                    None
                }
                Ok(Some(NodeFrame::Release)) => {
                    let over = matches!(self.phase, Phase::Ended { .. });
                    self.released |= over || matches!(self.held, Held::Stream);
                    None
                }
                Ok(None) => {
                    self.link = Some(link);
                    return;
                }
                // A second HELLO, or nonsense: that node must connect again.
                Ok(Some(NodeFrame::Hello { .. })) | Err(_) => return,
            };
            if let Some((id, error)) = answer {
                link.send(&KeeperFrame::InputResult { id, error: &error });
            }
        }
    }

    /// Puts input in its queue, or says why not.
    fn take_input(&mut self, id: u64, bytes: &[u8]) -> Option<String> {
        let longest = input::longest_line(bytes);
        if self.source.is_none() || self.phase != Phase::Running {
            return Some(input::CLOSED.to_owned());
        }
        if longest > input::LINE_MAX && self.edits_lines() {
            let most = input::LINE_MAX;
            return Some(format!(
                "The line has {longest} bytes, the program's terminal takes {most}: shorten it."
            ));
        }
        self.input.push(id, bytes).err().map(str::to_owned)
    }

    /// Whether the terminal edits lines, as it does unless the program wants single keys.
    fn edits_lines(&self) -> bool {
        let Held::Program {
            slave: Some(slave), ..
        } = &self.held
        else {
            return false;
        };
        rustix::termios::tcgetattr(slave)
            .is_ok_and(|modes| modes.local_modes.contains(rustix::termios::LocalModes::ICANON))
    }

    fn write_input(&mut self) {
        if self.input.is_empty() {
            return;
        }
        let outcomes = match &self.source {
            Some(source) => self
                .input
                .write(source.as_fd(), self.edits_lines(), Instant::now()),
            None => self.input.give_up(input::CLOSED),
        };
        if let Some(link) = &mut self.link {
            for (id, error) in outcomes {
                link.send(&KeeperFrame::InputResult { id, error });
            }
        }
    }

    fn signal(&mut self, signal: i32, tree: bool) {
        let (Held::Program { pid, .. }, false) = (&self.held, self.is_over()) else {
            return;
        };
        if tree {
            let now = Instant::now();
            self.killing.get_or_insert((now, now));
        } else if self.phase == Phase::Running {
            // The program was not waited for yet, so that the group is still its own.
            let _ = sys::kill(-pid, signal);
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. } | Phase::Ended { .. })
    }

    /// Takes the phases that are due; `signalled` means that a child may have ended.
    fn advance(&mut self, now: Instant, signalled: bool) {
        if self.terminate_at.is_some_and(|at| at <= now) {
            self.terminate_at = None;
            self.killing.get_or_insert((now, now));
        }
        if let (Some((since, next)), false) = (self.killing, self.is_over())
            && next <= now
            && let Held::Program { tree, .. } = &self.held
        {
            tree.kill();
            self.killing = Some((since, now + KILL_PAUSE));
        }
        let look = signalled || self.killing.is_some() || matches!(self.phase, Phase::Ending { .. });
        let childless = look && self.reap();
        if let Phase::Ending { exit, since } = self.phase {
            let hopeless = self.killing.is_some_and(|(since, _)| now - since > KILL_PATIENCE);
            if childless || hopeless {
                if let Held::Program { slave, .. } = &mut self.held {
                    *slave = None;
                }
                self.phase = Phase::Draining {
                    exit,
                    silent_since: now,
                };
                self.read_source();
            } else if self.killing.is_none() && now.saturating_duration_since(since) >= LOOK {
                self.killing = Some((now, now));
            }
        }
        let exit = match self.phase {
            Phase::Draining { exit, silent_since } => (self.source.is_none()
                || now.saturating_duration_since(silent_since) >= SILENCE)
                .then_some(exit),
            Phase::Running if self.source.is_none() && matches!(self.held, Held::Stream) => Some(Exit {
                code: None,
                signal: None,
                time_ms: now_ms(),
            }),
            _ => None,
        };
        if let Some(exit) = exit {
            self.source = None;
            self.killing = None;
            self.phase = Phase::Ended {
                exit,
                told: false,
                since: now,
            };
        }
    }

    /// Sends what the node lacks.
    fn flush(&mut self) {
        let Some(link) = &mut self.link else {
            return;
        };
        let mut done = link.flush(Some(&mut self.store));
        if let (Ok(true), Phase::Ended { exit, told, .. }) = (&done, &mut self.phase)
            && !*told
        {
            *told = true;
            link.send(&KeeperFrame::Exit {
                code: exit.code,
                signal: exit.signal,
                end_offset: self.store.end(),
                time_ms: exit.time_ms,
            });
            done = link.flush(None);
        }
        if done.is_err() {
            self.link = None;
        }
    }
}
