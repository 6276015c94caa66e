//! One server's feed: its writer, its keeper's link, and what is under way between them.
//!
//! Orders come in here; frames of the keeper in [`keeper`], an installer's output in [`installer`], a disk that refuses
//! in [`trouble`], what time asks for in [`upkeep`]. A feed never waits: what can't be done now is remembered. Threads and epoll are not its business.

mod installer;
mod keeper;
mod trouble;
mod upkeep;

use super::{
    PumpEvent, RunEnd, Wake,
    compressor::Compressor,
    done::DoneWatch,
    inbox::{Inbox, Order},
    link::Link,
    syncer::{Syncer, Then},
};
pub(super) use installer::Installer;
use keeper::Held;
use roost_console::Writer;
use roost_wire::{
    clock::{Clock, Millis},
    node_api::Source,
};
use rustix::fd::OwnedFd;
use std::{io, sync::Arc, time::Instant};
use tokio::sync::{Notify, mpsc, oneshot};
use trouble::{Trouble, Waiting};
use upkeep::Upkeep;
use uuid::Uuid;

/// What the thread lends to its feeds for one turn.
pub(super) struct Context<'a> {
    pub(super) epoll: &'a OwnedFd,
    pub(super) inbox: &'a Arc<Inbox>,
    pub(super) wake: &'a dyn Wake,
    pub(super) clock: &'a dyn Clock,
    pub(super) syncer: &'a Syncer,
    pub(super) compressor: &'a Compressor,
    /// For deadlines.
    pub(super) now: Instant,
}

impl Context<'_> {
    /// For lines.
    fn time(&self) -> Millis {
        self.clock.now()
    }
}

/// A run that has ended, and whose last lines are on their way to the disk.
#[derive(Debug)]
struct Ending {
    end: RunEnd,
    /// A sync that covers the last line is under way.
    syncing: bool,
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) server: Uuid,
    /// What epoll calls it.
    token: u64,
    writer: Writer,
    published: Arc<Notify>,
    events: mpsc::UnboundedSender<PumpEvent>,
    link: Option<Link>,
    /// The run attached last.
    run: Option<Uuid>,
    /// This run's beginning is not in the journal yet: no frame is taken before.
    begin: Option<(Uuid, u64)>,
    /// What a frame asked for and the disk refused; no other frame is taken before.
    held: Option<Held>,
    trouble: Option<Trouble>,
    ending: Option<Ending>,
    done: Option<DoneWatch>,
    /// Something was published since the last wake.
    news: bool,
    upkeep: Upkeep,
    /// When the thread looks after it next.
    pub(super) scheduled: Option<Instant>,
}

impl Feed {
    pub(super) fn new(
        server: Uuid,
        token: u64,
        writer: Writer,
        published: Arc<Notify>,
        events: mpsc::UnboundedSender<PumpEvent>,
        now: Instant,
    ) -> Self {
        Self {
            server,
            token,
            writer,
            published,
            events,
            link: None,
            run: None,
            begin: None,
            held: None,
            trouble: None,
            ending: None,
            done: None,
            news: false,
            upkeep: Upkeep::new(now),
            scheduled: None,
        }
    }

    /// Carries an order out; [`Order::Remove`] is the thread's.
    pub(super) fn order(&mut self, order: Order, cx: &Context<'_>) {
        match order {
            Order::Attach(run, stream, skip) => match Link::new(run, stream) {
                Ok(link) => self.attach(link, skip, cx),
                Err(error) => {
                    let why = format!("the keeper's socket can't be used: {error}");
                    self.tell(PumpEvent::KeeperLost(run, why));
                }
            },
            Order::Input(bytes, reply) => match &mut self.link {
                Some(link) if !link.released => {
                    link.input(&bytes, reply);
                    if self.trouble.is_some() {
                        link.take_inputs_for_done();
                    }
                }
                _ => {
                    let _ = reply.send(Err("The server is offline: start it first.".to_owned()));
                }
            },
            Order::Signal(signal, tree) => self.signal(signal, tree),
            Order::Notice(source, text) => self.notice(source, text, cx),
            Order::Installer(said) => self.installer(said, cx),
            Order::Event(_, event) => {
                self.writer.event(event);
                self.news = true;
            }
            Order::WatchDone(rule) => {
                let console = self.writer.console();
                let from = match &self.link {
                    Some(link) if !link.released && self.begin.is_none() => self.writer.run_first_seq(),
                    _ => console.next_seq(),
                };
                self.done = rule.map(|rule| DoneWatch::new(&rule, console.at(from)));
                self.look_for_done();
            }
            Order::Limits(limits) => {
                self.writer.set_limits(limits);
                self.upkeep.limits_at = cx.now;
            }
            Order::BreakOff(reply) => {
                let _ = reply.send(self.break_off(cx));
            }
            Order::Recovered(pieces, reply) => {
                let _ = reply.send(self.recovered(&pieces, cx));
            }
            Order::Erase(before, reply) => {
                let erased = self.writer.erase_before(before);
                self.upkeep.dirty(cx.now);
                let _ = reply.send(erased);
            }
            Order::Remove(reply) => {
                let _ = reply.send(());
            }
        }
    }

    /// The last of a turn: wakes readers, acknowledges, watches the socket for what is wanted now.
    pub(super) fn settle(&mut self, cx: &Context<'_>) {
        if std::mem::take(&mut self.news) {
            cx.wake.published(self.server);
            self.published.notify_waiters();
            self.look_for_done();
        }
        self.acknowledge(cx.now);
        self.end_if_synced(cx);
        if self.link.as_ref().is_some_and(|l| l.released && !l.is_sending()) {
            self.link = None;
        }
        let paused = self.is_paused();
        if let Some(link) = &mut self.link
            && let Err(error) = link.watch(cx.epoll, self.token, paused)
        {
            self.lose(&format!("its socket can't be watched: {error}"));
        }
    }

    /// No frame may be taken now.
    fn is_paused(&self) -> bool {
        self.trouble.is_some() || self.ending.is_some() || self.link.as_ref().is_some_and(|l| l.released)
    }

    /// A line of the daemon's; it waits in a bounded queue while the disk refuses.
    fn notice(&mut self, source: Source, text: String, cx: &Context<'_>) {
        let time = cx.time();
        if let Some(trouble) = &mut self.trouble {
            trouble.keep(Waiting::Notice(source, text), time);
        } else if let Err(error) = self.writer.notice(source, &text, time) {
            self.refused(&error, cx).keep(Waiting::Notice(source, text), time);
        } else {
            self.wrote(cx.now);
        }
    }

    /// Something was written and published.
    fn wrote(&mut self, now: Instant) {
        self.news = true;
        self.upkeep.dirty(now);
    }

    fn look_for_done(&mut self) {
        let Some(watch) = self.done.as_mut().filter(|watch| !watch.seen) else {
            return;
        };
        match watch.look(self.writer.console()) {
            Ok(true) => {
                if let Some(run) = self.run {
                    self.tell(PumpEvent::Done(run));
                }
            }
            Ok(false) => {}
            Err(error) => {
                tracing::error!(server = %self.server, %error, "the text that says that the server is up can't be looked for");
            }
        }
    }

    fn tell(&self, event: PumpEvent) {
        // An actor that is gone needs to know nothing.
        let _ = self.events.send(event);
    }

    /// A sync that was asked for is over.
    pub(super) fn synced(&mut self, result: &io::Result<()>, cx: &Context<'_>) {
        self.upkeep.synced(self.server, result, cx.now);
        if self.ending.as_ref().is_some_and(|ending| ending.syncing) {
            self.ended();
        }
        self.settle(cx);
    }

    /// The server is removed: synced elsewhere, closed here.
    pub(super) fn remove(mut self, reply: oneshot::Sender<()>, cx: &Context<'_>) {
        self.acknowledge_all();
        self.end_installer(cx.time());
        cx.syncer.sync(self.writer.close(), Then::Answer(reply));
    }

    /// The node ends: synced and closed here and now.
    pub(super) fn shut_down(mut self, time: Millis) {
        self.acknowledge_all();
        self.end_installer(time);
        if let Err(error) = self.writer.close().run() {
            tracing::error!(server = %self.server, %error, "the journal could not be synced: a power cut may take its last second");
        }
    }

    /// Its handling panicked.
    pub(super) fn abandon(self) {
        let run = self.run.unwrap_or(Uuid::nil());
        let why =
            "the node failed while it handled the console; restart the node to take it up again".to_owned();
        self.tell(PumpEvent::KeeperLost(run, why));
    }
}
