//! One viewer: a socket, a cursor, a checked token, a few times. Idle, it holds no buffer.
//!
//! Here is what it is and how bytes leave it. What it may see and when is decided by session and delivery.

use super::{
    Peer, Settings,
    frame_reader::FrameReader,
    limits::{Bucket, Member, Permit},
    pings::Pings,
    search::Running,
    slots::Key,
    stream::Stream,
    throttle::Shown,
};
use bytes::Bytes;
use roost_console::{Audience, Cursor};
use roost_wire::{
    clock::Millis,
    permission::{self, PermissionSet},
    power::{PowerAction, PowerState},
    token::Verified,
    v1::Begin,
};
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    net::IpAddr,
    time::Instant,
};
use uuid::Uuid;

/// Bytes of answers that may wait for a viewer before no more of its messages are read.
const ANSWERS_MAX: usize = 64 << 10;
/// Pieces that go into one system call.
const PIECES: usize = 32;

/// Where a viewer stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// No valid token yet; ends at the deadline.
    Guest,
    /// Just let in: live lines wait a moment for a `send logs`.
    Held,
    /// Gets lines.
    Following,
    /// Its token has expired; a fresh one saves it until the deadline.
    Expired,
    /// A close is on its way; what comes is ignored, and the deadline ends it.
    Closing,
}

/// Where the history of a viewer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Floor {
    /// At the beginning.
    None,
    /// At a time whose line is not known yet.
    At(Millis),
    /// The same, and it is being looked up for a `send logs` that waits.
    Asked(Millis),
    /// At this line.
    Seq(u64),
}

pub(super) struct Viewer {
    pub(super) key: Key,
    pub(super) server: Uuid,
    pub(super) address: IpAddr,
    /// Speaks `roost.v1`.
    pub(super) is_v1: bool,
    /// Where a viewer of `roost.v1` begins, once its floor is known.
    pub(super) begin: Option<Box<Begin>>,
    /// A page of history is being read for it.
    pub(super) is_paging: bool,
    /// Its search that is under way.
    pub(super) search: Option<Box<Running>>,
    pub(super) stream: Stream,
    pub(super) reader: FrameReader,
    /// Pieces of frames that the socket has not taken.
    outbox: VecDeque<Bytes>,
    /// Bytes of answers put there since it was last empty.
    answers: usize,
    pub(super) permit: Option<Permit>,
    pub(super) session: Option<Box<Session>>,
    pub(super) mode: Mode,
    /// When the mode ends by itself, where it does.
    pub(super) deadline: Instant,
    /// The next line wanted, unless the viewer is live: then its group's tail is.
    pub(super) cursor: Cursor,
    /// Events before this ring entry are not shown again when lines are replayed.
    pub(super) events_from: u64,
    /// Lines were read from the journal, past which the ring's events may have gone.
    pub(super) missed_events: bool,
    /// Presence has changed while its socket was full.
    pub(super) is_owed_presence: bool,
    pub(super) floor: Floor,
    /// Lines before this number were asked for: they are shown whole, whatever the throttle.
    pub(super) whole_to: u64,
    /// Where the node has a view throttle: what it was shown.
    pub(super) shown: Option<Box<Shown>>,
    /// Number of the latest read of history; an answer to another one is out of date.
    pub(super) read: u16,
    pub(super) is_reading: bool,
    pub(super) failures: u8,
    /// The viewer has said goodbye: once ours is out, the connection can go.
    pub(super) is_peer_done: bool,
    /// Nothing more will be written.
    pub(super) is_finished: bool,
    pub(super) is_expiring_told: bool,
    pub(super) told_state: PowerState,
    pub(super) messages: Bucket,
    pub(super) dropped: Bucket,
    pub(super) is_throttled: bool,
    pub(super) last_output: Instant,
    pub(super) pings: Pings,
    /// Bytes moved when last looked, and since when it is that many.
    progress: (u64, Instant),
    /// What epoll watches for at the moment.
    pub(super) interest: (bool, bool),
}

/// What is kept of a valid token.
#[derive(Debug)]
pub(super) struct Session {
    /// Names the socket in lists and in the audit.
    pub(super) socket: Uuid,
    pub(super) user: Uuid,
    pub(super) user_name: Option<Box<str>>,
    pub(super) credential: Option<Box<str>>,
    pub(super) token_id: Box<str>,
    pub(super) rights: Rights,
    /// When its token was issued and expires, milliseconds since the epoch.
    pub(super) issued_ms: Millis,
    pub(super) expires: Millis,
    pub(super) history_from: Option<Millis>,
    /// First `auth`, milliseconds since the epoch.
    pub(super) since: Millis,
}

/// Of what kind a viewer is, where it matters for the bytes that it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    /// Speaks `roost.v1`.
    pub(super) is_v1: bool,
    sees_install: bool,
    sees_typed: bool,
}

impl View {
    /// How many kinds there are.
    pub(super) const KINDS: usize = 8;

    /// A number below [`Self::KINDS`].
    pub(super) fn kind(self) -> usize {
        usize::from(self.is_v1) << 2 | usize::from(self.sees_install) << 1 | usize::from(self.sees_typed)
    }

    /// The one that stands for all of its dialect, where nothing is shown to some only.
    pub(super) fn of_common(self) -> Self {
        Self {
            is_v1: self.is_v1,
            sees_install: false,
            sees_typed: false,
        }
    }

    pub(super) fn includes(self, audience: Audience) -> bool {
        match audience {
            Audience::All => true,
            Audience::Install => self.sees_install,
            Audience::Console => self.sees_typed,
        }
    }
}

/// The rights that matter on a socket, small enough for thousands of viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rights {
    pub(super) console: bool,
    start: bool,
    stop: bool,
    restart: bool,
    pub(super) sees_install: bool,
    pub(super) holds_all: bool,
    pub(super) is_admin: bool,
}

impl Rights {
    fn of(set: &PermissionSet) -> Self {
        Self {
            console: set.allows(permission::CONTROL_CONSOLE),
            start: set.allows(permission::CONTROL_START),
            stop: set.allows(permission::CONTROL_STOP),
            restart: set.allows(permission::CONTROL_RESTART),
            sees_install: set.sees_install(),
            holds_all: set.allows(permission::ALL),
            is_admin: permission::ADMIN_WEBSOCKET.iter().any(|name| set.allows(name)),
        }
    }

    pub(super) fn allow(self, action: PowerAction) -> bool {
        match action {
            PowerAction::Start => self.start,
            PowerAction::Stop | PowerAction::Kill => self.stop,
            PowerAction::Restart => self.restart,
        }
    }
}

impl Session {
    pub(super) fn new(token: Verified, socket: Uuid, since: Millis) -> Self {
        Self {
            socket,
            user: token.user,
            user_name: token.user_name.map(Into::into),
            credential: token.credential.map(Into::into),
            token_id: token.token_id.into(),
            rights: Rights::of(&token.permissions),
            issued_ms: token.issued_ms,
            expires: token.expires_at.saturating_mul(1000),
            history_from: token.history_from,
            since,
        }
    }

    /// Whom its socket is counted by.
    pub(super) fn member(&self, server: Uuid) -> Member {
        let credential = self.credential.clone();
        Member {
            server,
            user: self.user,
            credential: credential.unwrap_or_else(|| format!("user {}", self.user).into()),
        }
    }
}

impl Viewer {
    pub(super) fn new(
        key: Key,
        server: Uuid,
        peer: Peer,
        stream: Stream,
        settings: &Settings,
        now: Instant,
    ) -> Self {
        Self {
            key,
            server,
            address: peer.address,
            is_v1: peer.is_v1,
            begin: None,
            is_paging: false,
            search: None,
            stream,
            reader: FrameReader::new(settings.message_bytes),
            outbox: VecDeque::new(),
            answers: 0,
            permit: peer.permit,
            session: None,
            mode: Mode::Guest,
            deadline: now + settings.auth_deadline,
            cursor: Cursor { seq: 0, entry: 0 },
            events_from: 0,
            missed_events: false,
            is_owed_presence: false,
            floor: Floor::None,
            whole_to: 0,
            shown: None,
            read: 0,
            is_reading: false,
            failures: 0,
            is_peer_done: false,
            is_finished: false,
            is_expiring_told: false,
            told_state: PowerState::Offline,
            messages: Bucket::full(settings.messages, now),
            dropped: Bucket::full(settings.dropped, now),
            is_throttled: false,
            last_output: now,
            pings: Pings::new(now),
            progress: (0, now),
            interest: (true, false),
        }
    }

    /// Whether lines and events may be sent.
    pub(super) fn is_following(&self) -> bool {
        self.mode == Mode::Following
    }

    /// Whether it holds a token that has not expired.
    pub(super) fn is_let_in(&self) -> bool {
        matches!(self.mode, Mode::Held | Mode::Following)
    }

    pub(super) fn rights(&self) -> Rights {
        self.session
            .as_ref()
            .map(|session| session.rights)
            .unwrap_or_default()
    }

    pub(super) fn view(&self) -> View {
        let rights = self.rights();
        View {
            is_v1: self.is_v1,
            sees_install: rights.sees_install,
            sees_typed: rights.console,
        }
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.outbox.is_empty() || self.stream.has_pending()
    }

    /// Bytes that wait for the socket.
    #[cfg(test)]
    pub(super) fn waiting_bytes(&self) -> usize {
        self.outbox.iter().map(Bytes::len).sum()
    }

    /// What epoll should watch for: (readable, writable). A viewer that does not take its answers is not listened to.
    pub(super) fn wanted_interest(&self) -> (bool, bool) {
        (
            self.answers < ANSWERS_MAX || self.mode == Mode::Closing,
            self.has_backlog(),
        )
    }

    /// Sends an answer, in its place behind what waits.
    pub(super) fn send(&mut self, frame: impl Into<Bytes>, now: Instant) -> io::Result<()> {
        let frame = frame.into();
        let len = frame.len();
        self.push(frame, now)?;
        if self.has_backlog() {
            self.answers += len;
        }
        Ok(())
    }

    /// Sends bytes whose amount the caller bounds.
    pub(super) fn push(&mut self, mut bytes: Bytes, now: Instant) -> io::Result<()> {
        if self.outbox.is_empty() {
            let taken = self.write_now(&bytes, now)?;
            bytes = bytes.slice(taken..);
        }
        if !bytes.is_empty() {
            self.outbox.push_back(bytes);
        }
        Ok(())
    }

    /// Writes what the socket takes at once, for a viewer that has no backlog. The rest is the caller's to keep.
    pub(super) fn write_now(&mut self, bytes: &[u8], now: Instant) -> io::Result<usize> {
        let taken = self.stream.write(bytes)?;
        self.last_output = now;
        if taken < bytes.len() || self.stream.has_pending() {
            self.progress = (self.stream.moved, now);
        }
        Ok(taken)
    }

    /// Puts bytes behind what waits, without trying the socket.
    pub(super) fn queue(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.outbox.push_back(bytes);
        }
    }

    /// Writes as much of the backlog as the socket takes. True when nothing is left.
    pub(super) fn drain(&mut self, now: Instant) -> io::Result<bool> {
        while !self.outbox.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let mut count = 0;
            for (piece, bytes) in pieces.iter_mut().zip(&self.outbox) {
                *piece = IoSlice::new(bytes);
                count += 1;
            }
            let mut taken = self.stream.write_many(&pieces[..count])?;
            if taken == 0 {
                return Ok(false);
            }
            self.last_output = now;
            while let Some(front) = self.outbox.front_mut() {
                if taken < front.len() {
                    *front = front.slice(taken..);
                    break;
                }
                taken -= front.len();
                self.outbox.pop_front();
            }
        }
        self.answers = 0;
        if self.outbox.capacity() > PIECES {
            self.outbox = VecDeque::new();
        }
        self.stream.flush()
    }

    /// Forgets what was not begun, before a close. The piece under way stays: a frame can't be cut.
    pub(super) fn drop_backlog(&mut self) {
        self.outbox.truncate(1);
    }

    /// Whether data has waited for `limit` without any of it leaving.
    pub(super) fn is_stuck(&mut self, limit: std::time::Duration, now: Instant) -> bool {
        if !self.has_backlog() {
            return false;
        }
        if self.progress.0 != self.stream.moved {
            self.progress = (self.stream.moved, now);
        }
        now.saturating_duration_since(self.progress.1) >= limit
    }
}
