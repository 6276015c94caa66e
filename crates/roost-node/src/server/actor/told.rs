//! What the pump and the server's own jobs tell: ends, samples, settings, the program of the node's last life.

use super::{Actor, Report};
use crate::{
    pump::PumpEvent,
    runtime::Running,
    server::power::{Exit, Input},
};
use std::sync::Arc;

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
                tracing::error!(server = %self.uuid, %run, reason, "a keeper went away");
                self.stream_ended(run, Exit::unknown(format!("its keeper went away ({reason})")));
            }
            PumpEvent::DiskTrouble(reason) => {
                tracing::error!(server = %self.uuid, reason, "the journal can't be written: lines wait in the keeper");
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
    pub(super) fn found(&mut self, found: Option<Running>) {
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
}
