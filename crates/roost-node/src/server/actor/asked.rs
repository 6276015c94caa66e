//! What people and the panel ask of a server. Whether they may is decided before.

use super::{Actor, Report};
use crate::server::{
    command,
    handle::{Down, Refusal, Reply, Request, Requester},
    saved,
    stop::{StopWith, stop_with},
};
use roost_power::Input;
use std::sync::Arc;

impl Actor {
    pub(super) fn request(&mut self, request: Request) {
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
            Request::Down(Down::Asked) => self.input_from_inside(Input::Down),
            Request::Down(Down::Machine) => self.input_from_inside(Input::MachineDown),
            Request::Sync { reply } => self.sync(reply),
            Request::Watched(watched) => self.watched(watched),
            Request::Delete { reply } => {
                self.deleting = Some(reply);
                self.input_from_inside(Input::Request(roost_wire::power::PowerAction::Kill));
            }
        }
    }

    pub(super) fn command(&mut self, text: &str, by: &Requester, reply: Reply) {
        if let Err(refusal) = self.may_type(text) {
            return reply.send(Err(refusal));
        }
        let line = match command::line(text, self.console.encoding()) {
            Ok(line) => line,
            Err(refusal) => return reply.send(Err(refusal)),
        };
        let Ok(permit) = Arc::clone(&self.inputs).try_acquire_owned() else {
            return reply.send(Err(Refusal::TooMany));
        };
        if stop_with(&self.definition.process.stop).0 == StopWith::Command(text.trim().to_owned()) {
            let user = by.user.map(tracing::field::display);
            tracing::info!(server = %self.uuid, user, "the stop command was typed");
            self.input_from_inside(Input::StopTyped);
        }
        self.publish_typed(by.user_name.as_deref(), text);
        let written = self.context.pumps.input(self.uuid, line);
        tokio::spawn(async move {
            let _permit = permit;
            reply.send(match written.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(reason)) => Err(Refusal::Failed(reason)),
                Err(_) => Err(Refusal::Offline),
            });
        });
    }

    pub(super) fn may_type(&self, text: &str) -> Result<(), Refusal> {
        command::check(text)?;
        let view = self.view.borrow();
        if view.suspended {
            Err(roost_power::Refusal::Suspended.into())
        } else if view.installing {
            Err(roost_power::Refusal::Installing.into())
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

    pub(super) fn sync(&mut self, reply: Reply) {
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
}
