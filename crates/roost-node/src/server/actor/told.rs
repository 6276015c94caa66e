//! What the pump and the server's own jobs tell: ends, samples, settings, the program of the node's last life.

use super::{Actor, Report};
use crate::{pump::PumpEvent, runtime::Running, server::runtimes::Failure};
use roost_console::Audience;
use roost_power::{Exit, Input};
use roost_wire::event;
use std::{sync::Arc, time::Duration};
use tokio::sync::OwnedSemaphorePermit;

/// The longest time for which a server that comes up keeps others waiting for their turn.
const TURN: Duration = Duration::from_secs(60);

impl Actor {
    pub(super) fn pump_event(&mut self, event: PumpEvent) {
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
                self.context.runtimes.failures().count(Failure::Keeper);
                tracing::error!(server = %self.uuid, %run, reason, "a keeper went away");
                self.stream_ended(run, Exit::unknown(format!("its keeper went away ({reason})")));
            }
            PumpEvent::DiskTrouble(reason) => {
                self.context.runtimes.failures().count(Failure::Journal);
                tracing::error!(server = %self.uuid, reason, "the journal can't be written: lines wait in the keeper");
                // It can't be a line: those wait.
                self.publish(event::DAEMON_MESSAGE, &[&reason], Audience::All);
            }
        }
    }

    pub(super) fn report(&mut self, report: Report) {
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
            Report::Turn(permit) => self.turn(permit),
            Report::TurnOver => self.restoring = None,
            Report::Sample(sample) => self.sampled(sample),
            Report::Disk(bytes, pause) => self.disk_measured(bytes, pause),
            Report::Installed(successful) => self.installed(successful),
            Report::Notice(text) => self.say(text),
        }
    }

    /// The program was looked for, first of all.
    pub(super) fn found(&mut self, found: Option<Running>) {
        let saved = self.saved.clone();
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
            None => self.input_from_inside(Input::Gone { saved }),
        }
        self.write_down();
    }

    /// Waits until few enough other servers of this node are being started.
    pub(in crate::server) fn await_turn(&self) {
        let (starts, reporter) = (Arc::clone(&self.context.boot_starts), self.reporter.clone());
        self.job(async move {
            if let Ok(permit) = starts.acquire_owned().await {
                let _ = reporter.send(Report::Turn(permit));
            }
        });
    }

    /// Its turn lasts until the server is up, or is not to come up, or [`TURN`] has passed.
    fn turn(&mut self, permit: OwnedSemaphorePermit) {
        self.restoring = Some(permit);
        self.input_from_inside(Input::Turn);
        let reporter = self.reporter.clone();
        self.job(async move {
            tokio::time::sleep(TURN).await;
            let _ = reporter.send(Report::TurnOver);
        });
    }
}
