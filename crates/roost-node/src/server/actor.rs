//! The one task that acts for a server.
//!
//! ```text
//!   mailbox (sockets, routes) ──┐
//!   pump events ────────────────┤
//!   reports of its own jobs ────┼──> Input ──> power::step ──> effects ──> driver
//!   timers ─────────────────────┘                  └──> view (watch), state.json
//! ```
//!
//! It never waits for anything but the next of these: what takes time is a job that reports back. What follows from
//! what is the power rule's business; how an effect is carried out is the driver's.

mod removal;
mod timers;

use super::{
    command,
    context::Context,
    definition::Definition,
    driver::Placed,
    figures::Figures,
    handle::{Refusal, Reply, Request, Requester, ServerHandle, ServerView},
    power::{Exit, Input, Power, Rules, Saved, step},
    saved,
    stop::{StopWith, stop_with},
};
use crate::{pump::PumpEvent, runtime::Running, socket::Filter};
use roost_console::Console;
use roost_wire::{close::Close, stats::Stats};
use std::{sync::Arc, time::Duration};
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
    Restore(OwnedSemaphorePermit),
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
    pub(super) skip_scripts: bool,
    /// Start it afterwards.
    pub(super) then_start: bool,
}

pub(super) struct Actor {
    pub(super) uuid: Uuid,
    pub(super) context: Arc<Context>,
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
    /// Held while the node's start brings this server up.
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
    let (mailbox, requests) = mpsc::channel(MAILBOX);
    let (reporter, reports) = mpsc::unbounded_channel();
    let (view, view_reader) = watch::channel(ServerView {
        suspended: definition.settings.suspended,
        not_enforced: context.runtimes.not_enforced(&definition),
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

    fn request(&mut self, request: Request) {
        match request {
            Request::Power { action, by, reply } => {
                let answer = self.input(Input::Request(action));
                let user = by.user.map(tracing::field::display);
                match &answer {
                    Ok(()) => {
                        tracing::info!(server = %self.uuid, %action, user, "a power action was taken on");
                    }
                    Err(reason) => {
                        tracing::info!(server = %self.uuid, %action, user, %reason, "a power action was refused");
                    }
                }
                reply.send(answer);
            }
            Request::Command { text, by, reply } => self.command(&text, &by, reply),
            Request::Install { then_start, reply } => reply.send(self.input(Input::Install { then_start })),
            Request::Begin(installing) => self.begin(installing),
            Request::Figures(answer) => self.answer_figures(answer),
            Request::Down => self.input_from_inside(Input::Down),
            Request::Sync { reply } => self.sync(reply),
            Request::Watched(watched) => self.watched(watched),
            Request::Delete { reply } => {
                self.deleting = Some(reply);
                self.input_from_inside(Input::Request(roost_wire::power::PowerAction::Kill));
            }
        }
    }

    fn command(&mut self, text: &str, by: &Requester, reply: Reply) {
        if let Err(refusal) = self.may_type(text) {
            return reply.send(Err(refusal));
        }
        let Ok(permit) = Arc::clone(&self.inputs).try_acquire_owned() else {
            return reply.send(Err(Refusal::TooMany));
        };
        if stop_with(&self.definition.process.stop).0 == StopWith::Command(text.trim().to_owned()) {
            let user = by.user.map(tracing::field::display);
            tracing::info!(server = %self.uuid, user, "the stop command was typed");
            self.input_from_inside(Input::StopTyped);
        }
        let written = self
            .context
            .pumps
            .input(self.uuid, format!("{text}\n").into_bytes());
        tokio::spawn(async move {
            let _permit = permit;
            reply.send(match written.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(reason)) => Err(Refusal::Failed(reason)),
                Err(_) => Err(Refusal::Offline),
            });
        });
    }

    fn may_type(&self, text: &str) -> Result<(), Refusal> {
        command::check(text)?;
        let view = self.view.borrow();
        if view.suspended {
            Err(Refusal::Suspended)
        } else if view.installing {
            Err(Refusal::Installing)
        } else if self.power.phase.is_live() {
            Ok(())
        } else if self.power.phase.run().is_some() {
            Err(Refusal::Failed(
                "The server's program is still being made: wait a moment and try again.".to_owned(),
            ))
        } else {
            Err(Refusal::Offline)
        }
    }

    fn sync(&mut self, reply: Reply) {
        let (context, uuid, reporter) = (Arc::clone(&self.context), self.uuid, self.reporter.clone());
        self.job(async move {
            match context.panel.server(uuid).await {
                Ok(definition) => {
                    saved::remember(&context.layout, &definition).await;
                    let _ = reporter.send(Report::Defined(Box::new(definition), Some(reply)));
                }
                Err(error) => reply.send(Err(Refusal::Failed(error.to_string()))),
            }
        });
    }

    fn pump_event(&mut self, event: PumpEvent) {
        match event {
            PumpEvent::Done(run) => self.input_from_inside(Input::DoneSeen { run }),
            PumpEvent::Ended(end) => {
                let exit = Exit {
                    code: end.code,
                    signal: end.signal,
                    ..Exit::default()
                };
                self.stream_ended(end.run, exit);
            }
            PumpEvent::KeeperLost(run, reason) => {
                tracing::error!(server = %self.uuid, %run, reason, "a keeper went away");
                self.stream_ended(run, Exit::unknown(format!("its keeper went away ({reason})")));
            }
            PumpEvent::DiskTrouble(reason) => {
                tracing::error!(server = %self.uuid, reason, "the journal can't be written: lines wait in the keeper");
            }
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Input(Input::Ended { run, exit }) => self.end_of_run(run, exit),
            Report::Input(input) => {
                if matches!(input, Input::LaunchFailed { .. }) {
                    self.launching = None;
                }
                self.input_from_inside(input);
            }
            Report::Launched(run, running) => self.launched(run, running),
            Report::Found(found) => self.found(found),
            Report::Link(run, running) => {
                if self.power.phase.run() == Some(run) {
                    self.power.phase.rename(running.run);
                    self.timers.rename(running.run);
                    self.write_down();
                    self.take(running);
                }
            }
            Report::Defined(definition, reply) => {
                self.define(*definition);
                if let Some(reply) = reply {
                    reply.send(Ok(()));
                }
            }
            Report::Restore(permit) => {
                self.restoring = Some(permit);
                self.input_from_inside(Input::Request(roost_wire::power::PowerAction::Start));
            }
            Report::Sample(sample) => self.sampled(sample),
            Report::Disk(bytes, pause) => self.disk_measured(bytes, pause),
            Report::Installed(successful) => self.installed(successful),
            Report::Notice(text) => self.say(text),
        }
    }

    /// The program was looked for, first of all.
    fn found(&mut self, found: Option<Running>) {
        let saved = self.saved;
        match found {
            Some(_) if self.power.phase.run().is_some() => {
                tracing::warn!(server = %self.uuid, "a program of the node's last life turned up after a new one was started");
                return;
            }
            Some(running) => {
                let run = running.run;
                let ready = self.definition.is_ready_at_once();
                self.take(running);
                // Its console was told when it was started.
                let not_enforced = self.context.runtimes.not_enforced(&self.definition);
                self.view.send_modify(|view| view.not_enforced = not_enforced);
                self.input_from_inside(Input::Found { run, saved, ready });
            }
            None if saved.installing => {
                self.say("The installer was cut off when the node ended: run it again.".to_owned());
            }
            None if saved.wants_start()
                && self.power.phase.run().is_none()
                && !self.definition.settings.suspended =>
            {
                self.say(
                    "The node has started and the server's program is gone: it is started again.".to_owned(),
                );
                let (restores, reporter) = (Arc::clone(&self.context.restores), self.reporter.clone());
                self.job(async move {
                    if let Ok(permit) = restores.acquire_owned().await {
                        let _ = reporter.send(Report::Restore(permit));
                    }
                });
                return;
            }
            None => {}
        }
        self.write_down();
    }

    /// New settings from the panel.
    pub(super) fn define(&mut self, definition: Definition) {
        if self.launching.is_some() {
            self.placed = Placed::new(&self.context, &definition);
        }
        let was_suspended = self.definition.settings.suspended;
        let is_suspended = definition.settings.suspended;
        self.definition = Arc::new(definition);
        self.defined.send_replace(Arc::clone(&self.definition));
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
            stop_timeout_secs: self.definition.roost().stop_timeout_secs,
            crash_restart: settings.crash_detection_enabled.unwrap_or(crash.enabled),
            clean_exit_is_crash: crash.detect_clean_exit_as_crash,
            crash_window_ms: i64::try_from(crash.timeout.saturating_mul(1000)).unwrap_or(i64::MAX),
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
                super::power::Effect::Refuse(refusal) => answer = Err(refusal),
                effect => self.carry_out(effect),
            }
        }
        if before.is_some() && self.power.phase.run() != before {
            self.run_is_over();
        }
        if self.launching.is_none() {
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
        let saved = self.power.phase.saved();
        if saved == self.saved {
            return;
        }
        self.saved = saved;
        if let Err(error) = saved::save_power(&self.context.layout, self.uuid, saved) {
            tracing::error!(server = %self.uuid, %error, "what the server does can't be written down; a restart of the node may forget it");
        }
    }

    /// Brings the view up to date.
    fn show(&mut self) {
        let phase = &self.power.phase;
        let state = phase.wire();
        let installing = matches!(phase, super::power::Phase::Installing { .. });
        let last_exit = match phase {
            super::power::Phase::Offline { last_exit, .. } => last_exit.as_ref().map(Exit::sentence),
            _ => self.view.borrow().last_exit.clone(),
        };
        self.view.send_if_modified(|view| {
            let before = view.clone();
            view.state = state;
            view.stats.state = state;
            view.installing = installing;
            view.last_exit = last_exit;
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
