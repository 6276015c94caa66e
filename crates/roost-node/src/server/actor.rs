//! The one task that acts for a server.
//!
//! ```text
//!   mailbox (sockets, routes) ──┐
//!   pump events ────────────────┤
//!   reports of its own jobs ────┼──> Input ──> roost_power::step ──> effects ──> driver
//!   timers ─────────────────────┘                  └──> view (watch), state.json
//! ```
//!
//! It never waits for anything but the next of these: what takes time is a job that reports back. What follows from
//! what is the power rule's business; how an effect is carried out is the driver's.

mod asked;
mod removal;
mod timers;
mod told;

use super::{
    context::Context,
    definition::Definition,
    driver::Placed,
    figures::Figures,
    handle::{Refusal, Reply, Request, ServerHandle, ServerView},
    saved,
};
use crate::{pump::PumpEvent, runtime::Running, socket::Filter};
use roost_console::Console;
use roost_power::{AfterEnd, Input, Power, Rules, Saved, step};
use roost_wire::{close::Close, node_api::LastEnd, power::PowerState, stats::Stats};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use timers::Timers;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Requests that wait for a server at most; the next is refused with [`Refusal::TooMany`].
const MAILBOX: usize = 64;
/// Lines on their way to a terminal that does not read; the next is refused.
const INPUTS: usize = 64;
/// How long the node looks for the program of its last life before it takes requests.
const FIND_FIRST: Duration = Duration::from_secs(5);
/// How long a launch may go on when the node shuts down.
const LAUNCH_GRACE: Duration = Duration::from_secs(3);

/// What a job of the server's own tells its actor.
#[derive(Debug)]
pub(super) enum Report {
    /// Something for the rule.
    Input(Input),
    /// The program lives.
    Launched(Uuid, Running),
    /// The program of the node's last life, if it lives.
    Found(Option<Running>),
    /// A new link to the program of this run, maybe under the name of another run.
    Link(Uuid, Running),
    /// The panel has new settings, and who asked for them.
    Defined(Box<Definition>, Option<Reply>),
    /// It is this server's turn to be started again after the node's.
    Turn(OwnedSemaphorePermit),
    /// That turn has lasted long enough.
    TurnOver,
    /// Figures of the program.
    Sample(Option<Stats>),
    /// Bytes in its directory, and when to look again.
    Disk(u64, Duration),
    /// The installer has ended, successfully or not, and the panel was told.
    Installed(bool),
    /// A line for the console.
    Notice(String),
}

/// A server that an actor is made for.
#[derive(Debug)]
pub(super) struct Beginning {
    /// What it is.
    pub(super) definition: Definition,
    /// What it did in the node's last life.
    pub(super) saved: Saved,
    /// How its last run ended, if that is known.
    pub(super) last_end: Option<LastEnd>,
    /// How the node came to it.
    pub(super) origin: Origin,
}

/// How the node came to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It had it in its last life.
    Disk,
    /// The panel lists it.
    Listed,
    /// The panel asked for it.
    Created(Installing),
}

/// What a new server begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installing {
    /// Run no installer.
    pub skip_scripts: bool,
    /// Start it afterwards.
    pub then_start: bool,
}

pub(super) struct Actor {
    pub(super) uuid: Uuid,
    pub(super) context: Arc<Context>,
    pub(super) console: Arc<Console>,
    pub(super) definition: Arc<Definition>,
    /// Read by the route that shows the settings.
    pub(super) defined: watch::Sender<Arc<Definition>>,
    pub(super) power: Power,
    pub(super) view: watch::Sender<ServerView>,
    pub(super) figures: Figures,
    /// Where the run that is under way lives.
    pub(super) placed: Placed,
    pub(super) timers: Timers,
    /// Calls the launch that is under way off.
    pub(super) launching: Option<CancellationToken>,
    /// Ends the installer that is at work.
    pub(super) installing: Option<CancellationToken>,
    /// Held while this server comes up after the node's start.
    restoring: Option<OwnedSemaphorePermit>,
    /// Limits the lines on their way to the terminal.
    inputs: Arc<Semaphore>,
    deleting: Option<Reply>,
    saved: Saved,
    reporter: mpsc::UnboundedSender<Report>,
    /// The jobs end with the actor.
    pub(super) ended: CancellationToken,
}

/// What others need of an actor.
pub(super) struct Started {
    pub(super) handle: ServerHandle,
    pub(super) defined: watch::Receiver<Arc<Definition>>,
    pub(super) task: tokio::task::JoinHandle<()>,
}

/// Starts the actor of a server whose console is open. Its pump events come from `pump_events`.
pub(super) fn start(
    context: Arc<Context>,
    beginning: Beginning,
    console: Arc<Console>,
    published: Arc<Notify>,
    pump_events: mpsc::UnboundedReceiver<PumpEvent>,
) -> Started {
    let uuid = beginning.definition.uuid;
    let definition = Arc::new(beginning.definition);
    console.set_encoding(definition.roost().encoding);
    context.directories.keep(&definition, &context.layout);
    let (mailbox, requests) = mpsc::channel(MAILBOX);
    let (reporter, reports) = mpsc::unbounded_channel();
    let (view, view_reader) = watch::channel(ServerView {
        suspended: definition.settings.suspended,
        not_enforced: context.runtimes.not_enforced(&definition),
        last_end: beginning.last_end.map(Arc::new),
        ..ServerView::default()
    });
    let (defined, defined_reader) = watch::channel(Arc::clone(&definition));
    let ended = context.closing.child_token();
    let actor = Actor {
        uuid,
        placed: Placed::new(&context, &definition),
        definition,
        defined,
        power: Power::default(),
        view,
        console: Arc::clone(&console),
        figures: Figures::default(),
        timers: Timers::default(),
        launching: None,
        installing: None,
        restoring: None,
        inputs: Arc::new(Semaphore::new(INPUTS)),
        deleting: None,
        saved: beginning.saved,
        reporter,
        ended,
        context,
    };
    let task = tokio::spawn(actor.run(beginning.origin, requests, pump_events, reports));
    Started {
        handle: ServerHandle {
            uuid,
            console,
            published,
            view: view_reader,
            mailbox,
        },
        defined: defined_reader,
        task,
    }
}

impl Actor {
    async fn run(
        mut self,
        origin: Origin,
        mut requests: mpsc::Receiver<Request>,
        mut pump_events: mpsc::UnboundedReceiver<PumpEvent>,
        mut reports: mpsc::UnboundedReceiver<Report>,
    ) {
        self.look_for_program(&mut reports).await;
        if let Origin::Created(installing) = origin {
            self.begin(installing);
        }
        while !self.is_finished() {
            let deadline = self.timers.next();
            tokio::select! {
                biased;
                () = self.context.closing.cancelled() => break,
                Some(event) = pump_events.recv() => self.pump_event(event),
                Some(report) = reports.recv() => self.report(report),
                () = sleep_until(deadline) => {
                    while let Some(input) = self.timers.due(Instant::now()) {
                        self.input_from_inside(input);
                    }
                }
                request = requests.recv() => match request {
                    Some(request) => self.request(request),
                    None => break,
                },
            }
        }
        if self.deleting.is_some() {
            drop(requests);
            return self.remove().await;
        }
        self.finish_launch(reports).await;
    }

    /// The program of the node's last life is found before anybody is served, where that is quick.
    async fn look_for_program(&mut self, reports: &mut mpsc::UnboundedReceiver<Report>) {
        self.find_program();
        let first = tokio::time::timeout(FIND_FIRST, async {
            while let Some(report) = reports.recv().await {
                let found = matches!(report, Report::Found(_));
                self.report(report);
                if found {
                    return;
                }
            }
        });
        if first.await.is_err() {
            tracing::warn!(server = %self.uuid, "whether this server's program lives is not known yet; still looking");
        }
    }

    /// A launch that is nearly through should not leave a program that nobody knows of.
    async fn finish_launch(mut self, mut reports: mpsc::UnboundedReceiver<Report>) {
        if self.launching.is_none() {
            return;
        }
        let end = tokio::time::timeout(LAUNCH_GRACE, async {
            while let Some(report) = reports.recv().await {
                let over = matches!(
                    report,
                    Report::Launched(..) | Report::Input(Input::LaunchFailed { .. })
                );
                self.report(report);
                if over {
                    return;
                }
            }
        });
        if end.await.is_err() {
            tracing::warn!(server = %self.uuid, "the node ends while this server's program is being made");
        }
    }

    /// A server without a life: deleted, and its program has ended.
    fn is_finished(&self) -> bool {
        self.deleting.is_some() && self.power.phase.run().is_none() && self.installing.is_none()
    }

    /// New settings from the panel.
    pub(super) fn define(&mut self, definition: Definition) {
        if self.launching.is_some() {
            self.placed = Placed::new(&self.context, &definition);
        }
        let was_suspended = self.definition.settings.suspended;
        let is_suspended = definition.settings.suspended;
        self.definition = Arc::new(definition);
        self.context
            .directories
            .keep(&self.definition, &self.context.layout);
        self.defined.send_replace(Arc::clone(&self.definition));
        self.console.set_encoding(self.definition.roost().encoding);
        self.context
            .pumps
            .set_limits(self.uuid, super::registry::limits(&self.definition));
        let not_enforced = self.context.runtimes.not_enforced(&self.definition);
        let is_live = self.power.phase.run().is_some();
        self.view.send_modify(|view| {
            view.suspended = is_suspended;
            if !is_live {
                // A run keeps the limits that it was started with.
                view.not_enforced = not_enforced;
            }
        });
        if is_suspended && !was_suspended {
            self.input_from_inside(Input::Suspend);
            let (shards, everybody) = (self.context.shards.clone(), Filter::Server(self.uuid));
            tokio::task::spawn_blocking(move || shards.close(&everybody, Close::Suspended, None));
        }
    }

    fn rules(&self) -> Rules {
        let crash = &self.context.config.system.crash_detection;
        let settings = &self.definition.settings;
        Rules {
            now: self.context.clock.now(),
            next_run: Uuid::new_v4(),
            suspended: settings.suspended || self.deleting.is_some(),
            going_down: self.context.going_down.load(Ordering::Relaxed),
            stop_timeout_secs: self.definition.roost().stop_timeout_secs,
            after_end: match self.definition.roost().restart {
                Some(policy) => AfterEnd::Policy(policy),
                None => AfterEnd::Stock {
                    restart: settings.crash_detection_enabled.unwrap_or(crash.enabled),
                    clean_exit_is_crash: crash.detect_clean_exit_as_crash,
                    window_ms: i64::try_from(crash.timeout.saturating_mul(1000)).unwrap_or(i64::MAX),
                },
            },
            awaited: self.definition.awaited(),
        }
    }

    /// The one place where the rule is asked. The answer counts for requests.
    pub(super) fn input(&mut self, input: Input) -> Result<(), Refusal> {
        let before = self.power.phase.run();
        let (power, effects) = step(self.power.clone(), input, &self.rules());
        self.power = power;
        // Written down first: an effect that is under way when the node is killed must not be forgotten.
        self.write_down();
        let mut answer = Ok(());
        for effect in effects {
            match effect {
                roost_power::Effect::Refuse(refusal) => answer = Err(refusal.into()),
                effect => self.carry_out(effect),
            }
        }
        if before.is_some() && self.power.phase.run() != before {
            self.run_is_over();
        }
        if self.power.phase.wire() != PowerState::Starting {
            self.restoring = None;
        }
        self.show();
        answer
    }

    pub(super) fn input_from_inside(&mut self, input: Input) {
        if let Err(refusal) = self.input(input) {
            tracing::debug!(server = %self.uuid, %refusal, "refused");
        }
    }

    fn write_down(&mut self) {
        let saved = self.power.saved();
        if saved == self.saved {
            return;
        }
        self.saved = saved;
        if let Err(error) = saved::save_power(&self.context.layout, self.uuid, &self.saved) {
            tracing::error!(server = %self.uuid, %error, "what the server does can't be written down; a restart of the node may forget it");
        }
    }

    /// Brings the view up to date.
    fn show(&mut self) {
        let phase = &self.power.phase;
        let state = phase.wire();
        let installing = matches!(phase, roost_power::Phase::Installing { .. });
        let starts_again_at = self.timers.starts_again_at();
        self.view.send_if_modified(|view| {
            let before = view.clone();
            view.state = state;
            view.stats.state = state;
            view.installing = installing;
            view.starts_again_at = starts_again_at;
            *view != before
        });
    }

    /// The run of the node's last life.
    pub(super) const fn last_run(&self) -> Option<Uuid> {
        self.saved.run
    }

    pub(super) fn say(&self, text: String) {
        self.context
            .pumps
            .notice(self.uuid, roost_wire::node_api::Source::Daemon, text);
    }

    pub(super) fn reporter(&self) -> mpsc::UnboundedSender<Report> {
        self.reporter.clone()
    }

    /// Something that takes time. It ends with the actor.
    pub(super) fn job(&self, work: impl Future<Output = ()> + Send + 'static) {
        let ended = self.ended.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = work => {}
            }
        });
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
