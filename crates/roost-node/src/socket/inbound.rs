//! What viewers send: frames become events, and events are carried out or answered with the reason why not.
//!
//! Every right is checked here, on each event. Text that is no event, unknown events and binary frames are counted and
//! ignored, since existing clients send all of them. Acting on a server is its actor's business.

use super::{
    Ended,
    audit::requester,
    frame_reader::Message,
    inbox::Post,
    shard::Shard,
    viewer::{Mode, Viewer},
};
use crate::server::handle::{Refusal, Reply, Request, Requester};
use roost_wire::{
    close::Close,
    event::{self, Inbound},
    frame, permission,
    power::PowerAction,
    token::TokenError,
};
use serde_json::{Value, json};
use std::sync::{Arc, atomic::Ordering};

/// Reads from one TLS viewer in one turn, before others have theirs.
const READS: usize = 16;

impl Shard {
    /// Reads what the socket has.
    pub(super) fn readable(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.read_into(viewer, &mut buffer);
        self.buffer = buffer;
        result
    }

    fn read_into(&mut self, viewer: &mut Viewer, buffer: &mut [u8]) -> Result<(), Ended> {
        let mut reads = 0;
        while let Some(n) = viewer.stream.read(buffer, reads < READS)? {
            if n == 0 {
                return Err(Ended::Lost);
            }
            self.received(viewer, &buffer[..n])?;
            if !viewer.stream.is_tls() {
                break;
            }
            reads += 1;
        }
        // Answers of TLS itself.
        viewer.stream.flush()?;
        Ok(())
    }

    /// Takes bytes that a viewer sent.
    pub(super) fn received(&mut self, viewer: &mut Viewer, mut bytes: &[u8]) -> Result<(), Ended> {
        while viewer.mode != Mode::Closing {
            let Some(message) = viewer.reader.read(&mut bytes)? else {
                break;
            };
            if let Message::Close(code) = message {
                viewer.is_peer_done = true;
                return Err(Ended::ByPeer(code));
            }
            if self.may_speak(viewer)? {
                self.handle(viewer, message)?;
            }
        }
        Ok(())
    }

    /// Whether the limits let a message through. The first dropped one of a run is answered.
    fn may_speak(&mut self, viewer: &mut Viewer) -> Result<bool, Ended> {
        let settings = &self.hub.settings;
        if viewer.messages.take(settings.messages, self.now) {
            viewer.is_throttled = false;
            return Ok(true);
        }
        self.hub.counters.dropped.fetch_add(1, Ordering::Relaxed);
        if !viewer.dropped.take(settings.dropped, self.now) {
            return Err(Ended::By(Close::TooManyMessages));
        }
        if !std::mem::replace(&mut viewer.is_throttled, true) {
            let text = format!(
                "Too many messages, some are dropped: send at most {} a second.",
                settings.messages.0
            );
            self.tell(viewer, &text)?;
        }
        Ok(false)
    }

    fn handle(&mut self, viewer: &mut Viewer, message: Message) -> Result<(), Ended> {
        match message {
            Message::Text(text) => match Inbound::parse(&text) {
                Ok(event) => return self.event(viewer, event),
                Err(_) => self.ignore(),
            },
            Message::Ping(payload) => {
                let mut pong = Vec::with_capacity(payload.len() + 2);
                frame::push(&mut pong, frame::PONG, &payload);
                viewer.send(pong, self.now)?;
            }
            Message::Binary => self.ignore(),
            Message::Pong | Message::Fragment | Message::Close(_) => {}
        }
        Ok(())
    }

    fn ignore(&self) {
        self.hub.counters.ignored.fetch_add(1, Ordering::Relaxed);
    }

    fn event(&mut self, viewer: &mut Viewer, event: Inbound) -> Result<(), Ended> {
        if let Inbound::Auth(token) = &event {
            return self.authenticate(viewer, token, false);
        }
        let wall = self.hub.clock.now();
        if viewer.is_let_in()
            && viewer
                .session
                .as_ref()
                .is_some_and(|session| session.expires <= wall)
        {
            self.expire(viewer)?;
        }
        let missing = match viewer.mode {
            Mode::Guest => Some(TokenError::Missing),
            Mode::Expired => Some(TokenError::Expired),
            Mode::Held | Mode::Following | Mode::Closing => None,
        };
        if let Some(error) = missing {
            viewer.send(event::frame(event::JWT_ERROR, &[&error.to_string()]), self.now)?;
            return Ok(());
        }
        match event {
            Inbound::SendLogs => self.replay(viewer),
            Inbound::SendStats => self.send_stats(viewer),
            Inbound::SendCommand(text) => {
                self.release(viewer)?;
                self.command(viewer, text)
            }
            Inbound::SetState(word) => {
                self.release(viewer)?;
                self.set_state(viewer, &word)
            }
            Inbound::Unknown(_) | Inbound::Auth(_) => {
                self.ignore();
                Ok(())
            }
        }
    }

    fn command(&mut self, viewer: &mut Viewer, text: String) -> Result<(), Ended> {
        if !viewer.rights().console {
            return self.tell(
                viewer,
                &Refusal::NoPermission(permission::CONTROL_CONSOLE).to_string(),
            );
        }
        let details = json!({"command": text});
        self.ask(viewer, "server:console.command", details, |by, reply| {
            Request::Command { text, by, reply }
        });
        Ok(())
    }

    fn set_state(&mut self, viewer: &mut Viewer, word: &str) -> Result<(), Ended> {
        let Ok(action) = word.parse::<PowerAction>() else {
            return self.tell(viewer, &Refusal::UnknownAction.to_string());
        };
        if !viewer.rights().allow(action) {
            return self.tell(viewer, &Refusal::NoPermission(action.permission()).to_string());
        }
        let event = match action {
            PowerAction::Start => "server:power.start",
            PowerAction::Stop => "server:power.stop",
            PowerAction::Restart => "server:power.restart",
            PowerAction::Kill => "server:power.kill",
        };
        self.ask(viewer, event, json!({}), |by, reply| Request::Power {
            action,
            by,
            reply,
        });
        Ok(())
    }

    /// Hands a request to the actor. What is accepted is recorded; what is refused comes back as a message.
    fn ask(
        &mut self,
        viewer: &Viewer,
        event: &'static str,
        details: Value,
        request: impl FnOnce(Requester, Reply) -> Request,
    ) {
        let Some(session) = &viewer.session else { return };
        let Some(group) = self.groups.get(&viewer.server) else {
            return;
        };
        let by = requester(session, viewer.address);
        let (recorded, socket) = (by.clone(), session.socket);
        let (hub, inbox) = (Arc::clone(&self.hub), Arc::clone(&self.inbox));
        let (key, server) = (viewer.key, viewer.server);
        let reply = Reply::new(move |answer| match answer {
            Ok(()) => hub.audit.did(&recorded, socket, server, event, details),
            Err(refusal) => inbox.post(Post::Refused(key, refusal.to_string())),
        });
        group.handle.ask(request(by, reply));
    }
}
