//! Carries the power rule's effects out: what a launch, a stop and a kill are made of.
//!
//! Whatever takes time is a job that reports back to the actor. When an effect is due is the rule's business; how a
//! program is made or found, a runtime's.

mod end;
mod install;
mod launch;

use super::{
    actor::{Actor, Installing, Report},
    command,
    handle::ServerView,
    stop::{StopWith, stop_with},
};
use crate::{
    pump::DoneRule,
    runtime::{Running, StartError},
};
use bytes::Bytes;
use roost_console::{Audience, Event};
use roost_power::{
    Effect, Exit, Input,
    signal::{SIGKILL, SIGTERM},
};
use roost_wire::{event, node_api::Source, remote::Runtime, stats::Stats, v1};
use std::sync::Arc;
use tokio::time::Instant;
use uuid::Uuid;

pub(super) use launch::Placed;

impl Actor {
    /// Everything but `Refuse`, which is the asker's.
    pub(super) fn carry_out(&mut self, effect: Effect) {
        let now = Instant::now();
        match effect {
            Effect::Refuse(_) => {}
            Effect::Launch { run } => self.launch(run),
            Effect::CancelLaunch { .. } => {
                if let Some(launching) = &self.launching {
                    launching.cancel();
                }
            }
            Effect::SendStop { run } => self.send_stop(run),
            Effect::ArmKillTimer { run, secs, warn } => self.timers.arm_kill(now, run, secs, warn),
            Effect::ArmDoneReminder { run } => self.timers.arm_done(now, run),
            Effect::AwaitTurn => self.await_turn(),
            Effect::Keep { exit, asked } => self.keep_end(&exit, asked),
            Effect::StartAgainAfter { ms } => {
                let time = self.context.clock.now();
                self.timers.arm_start_again(now, time, ms);
            }
            Effect::DisarmTimers => self.timers.disarm(),
            Effect::Kill { run } => self.kill(run),
            Effect::Install => self.install(),
            Effect::CancelInstall => {
                if let Some(installing) = &self.installing {
                    installing.cancel();
                }
            }
            Effect::Publish(state) => {
                tracing::info!(server = %self.uuid, %state, "power state");
                self.publish(event::STATUS, &[state.as_str()], Audience::All);
            }
            Effect::Notice(text) => self.say(text),
        }
    }

    /// Says lines of its own or of an installer, from a job.
    pub(super) fn sayer(&self) -> impl Fn(Source, String) + Send + Sync + use<> {
        let (pumps, uuid) = (self.context.pumps.clone(), self.uuid);
        move |source, text| pumps.notice(uuid, source, text)
    }

    /// An event in its place among the lines.
    pub(super) fn publish(&self, name: &'static str, args: &[&str], audience: Audience) {
        let frame = Bytes::from(event::frame(name, args));
        let event = Event {
            classic: frame.clone(),
            v1: frame,
            audience,
        };
        self.context.pumps.event(self.uuid, name, event);
    }

    /// Who typed what, before its effect: for viewers that may type themselves and speak `roost.v1`.
    pub(super) fn publish_typed(&self, user: Option<&str>, text: &str) {
        let typed = serde_json::json!({"user": user, "text": text, "time": self.context.clock.now()});
        let event = Event {
            classic: Bytes::new(),
            v1: v1::frame(v1::TYPED, &[typed]).into(),
            audience: Audience::Console,
        };
        self.context.pumps.event(self.uuid, v1::TYPED, event);
    }

    /// A server that was just created: it is installed, or the panel is told that there is nothing to install.
    pub(super) fn begin(&mut self, installing: Installing) {
        let settings = &self.definition.settings;
        let scripts = self.definition.runtime() == Runtime::Docker && !settings.skip_egg_scripts;
        if scripts && !installing.skip_scripts {
            let then_start = installing.then_start;
            return self.input_from_inside(Input::Install { then_start });
        }
        let (context, uuid) = (Arc::clone(&self.context), self.uuid);
        self.job(async move {
            if let Err(error) = context.panel.install_result(uuid, true).await {
                tracing::warn!(server = %uuid, %error, "the panel could not be told that the server is installed");
            }
        });
        if installing.then_start {
            self.input_from_inside(Input::Request(roost_wire::power::PowerAction::Start));
        }
    }

    /// A program lives: its output goes to the pump from now on.
    pub(super) fn take(&mut self, running: Running) {
        let startup = &self.definition.process.startup;
        let rule = DoneRule {
            patterns: startup
                .done
                .iter()
                .filter(|text| !text.is_empty())
                .cloned()
                .collect(),
            strip_ansi: startup.strip_ansi,
        };
        let awaits = !rule.patterns.is_empty();
        self.context.pumps.watch_done(self.uuid, awaits.then_some(rule));
        self.context
            .pumps
            .attach(self.uuid, running.run, running.link, running.skip);
        for sentence in &running.not_enforced {
            self.say(sentence.clone());
        }
        self.view.send_modify(|view| {
            view.pid = running.pid;
            view.not_enforced = running.not_enforced;
        });
        self.meter();
    }

    pub(super) fn launched(&mut self, run: Uuid, running: Running) {
        self.launching = None;
        let ready = self.definition.is_ready_at_once();
        self.take(running);
        self.input_from_inside(Input::Launched { run, ready });
        self.meter();
    }

    fn send_stop(&mut self, run: Uuid) {
        let (with, not_understood) = stop_with(&self.definition.process.stop);
        if let Some(text) = not_understood {
            self.say(text);
        }
        match (with, self.placed.runtime()) {
            (StopWith::Command(text), _) => self.type_stop(run, &text),
            (StopWith::Signal(signal), Runtime::Process) => {
                self.context.pumps.signal(self.uuid, signal, signal == SIGKILL);
            }
            (StopWith::Native, Runtime::Process) => self.context.pumps.signal(self.uuid, SIGTERM, false),
            (with, Runtime::Docker) => self.stop_container(with),
        }
    }

    fn type_stop(&self, run: Uuid, text: &str) {
        let line = match command::line(text, self.console.encoding()) {
            Ok(line) => line,
            Err(refusal) => {
                tracing::warn!(server = %self.uuid, %run, reason = %refusal, "the stop command could not be typed");
                return self.say(format!(
                    "The stop command was not typed. {refusal} Kill works all the same."
                ));
            }
        };
        let written = self.context.pumps.input(self.uuid, line);
        let (uuid, reporter) = (self.uuid, self.reporter());
        self.job(async move {
            let failed = match written.await {
                Ok(Ok(())) => return,
                Ok(Err(reason)) => reason,
                Err(_) => "its terminal is gone".to_owned(),
            };
            tracing::warn!(server = %uuid, %run, reason = failed, "the stop command could not be typed");
            let text = format!("The stop command could not be typed ({failed}); kill works all the same.");
            let _ = reporter.send(Report::Notice(text));
        });
    }

    fn stop_container(&self, with: StopWith) {
        let (context, uuid, reporter) = (Arc::clone(&self.context), self.uuid, self.reporter());
        self.job(async move {
            let asked = match with {
                StopWith::Signal(signal) => context.runtimes.signal_container(uuid, signal).await,
                _ => context.runtimes.stop_container(uuid).await,
            };
            if let Err(StartError(reason)) = asked {
                let _ = reporter.send(Report::Notice(format!(
                    "The server could not be asked to stop: {reason}"
                )));
            }
        });
    }

    fn kill(&mut self, run: Uuid) {
        tracing::info!(server = %self.uuid, %run, "killed");
        if self.placed.runtime() == Runtime::Process {
            self.context.pumps.signal(self.uuid, SIGKILL, true);
        }
        let (context, uuid, reporter) = (Arc::clone(&self.context), self.uuid, self.reporter());
        let (placed, again) = (self.placed.clone(), self.placed.count_kill());
        self.job(async move {
            // The keeper of a process ends the tree; only if that did nothing is it done without the keeper.
            if (placed.runtime() == Runtime::Docker || again)
                && let Err(StartError(reason)) = context.runtimes.kill(&placed, uuid, run).await
            {
                let _ = reporter.send(Report::Notice(format!(
                    "The server could not be killed: {reason}"
                )));
            }
        });
    }

    /// The stream of a run has ended: for a process that is its end; a container may live on.
    pub(super) fn stream_ended(&mut self, run: Uuid, exit: Exit) {
        if self.power.phase.run() != Some(run) {
            return;
        }
        let (context, uuid, reporter) = (Arc::clone(&self.context), self.uuid, self.reporter());
        let placed = self.placed.clone();
        let say = self.sayer();
        self.job(async move {
            let report = match context
                .runtimes
                .after_stream(&placed, uuid, run, exit, &context.pumps, &say)
                .await
            {
                super::runtimes::AfterStream::Ended(exit) => Report::Input(Input::Ended { run, exit }),
                super::runtimes::AfterStream::Lives(running) => Report::Link(run, running),
            };
            let _ = reporter.send(report);
        });
    }

    /// Nothing of the run is left.
    pub(super) fn run_is_over(&mut self) {
        self.context.pumps.watch_done(self.uuid, None);
        let not_enforced = self.context.runtimes.not_enforced(&self.definition);
        self.view.send_modify(|view| {
            *view = ServerView {
                pid: None,
                not_enforced,
                stats: Stats {
                    memory_limit_bytes: view.stats.memory_limit_bytes,
                    disk_bytes: view.stats.disk_bytes,
                    ..Stats::default()
                },
                ..view.clone()
            };
        });
        self.stop_meter();
        self.measure_disk(true);
    }
}
