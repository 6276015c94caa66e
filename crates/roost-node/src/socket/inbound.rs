//! What viewers send: frames become events, and events are carried out or answered with the reason why not.
//!
//! Every right is checked here, on each event. Text that is no event, unknown events and binary frames are counted and
//! ignored, since existing clients send all of them. Acting on a server is its actor's business.

use super::{
    Ended,
    audit::requester,
    frame_reader::Message,
    inbox::Post,
    limits::Permit,
    message_limits::Over,
    shard::Shard,
    v1::Answer,
    viewer::{Mode, Viewer},
};
use crate::server::handle::{Refusal, Reply, Request, Requester};
use roost_wire::{
    close::Close,
    event::{self, Inbound},
    frame, permission,
    power::PowerAction,
    token::TokenError,
    v1::{self, Code},
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
        if !bytes.is_empty() {
            viewer.pings.heard();
        }
        while viewer.mode != Mode::Closing {
            let Some(message) = viewer.reader.read(&mut bytes)? else {
                break;
            };
            if let Message::Close(code) = message {
                viewer.is_peer_done = true;
                return Err(Ended::ByPeer(code));
            }
            if message == Message::Pong && viewer.pings.is_answer() {
                continue;
            }
            match self.may_speak(viewer) {
                Ok(()) => self.handle(viewer, message)?,
                Err(over) => self.drop_message(viewer, &message, over)?,
            }
        }
        Ok(())
    }

    /// Whether the limits let a message through.
    fn may_speak(&self, viewer: &mut Viewer) -> Result<(), Over> {
        let settings = &self.hub.settings;
        if !viewer.messages.take(settings.messages, self.now) {
            return Err(Over::Socket);
        }
        let user = viewer.session.as_ref().map(|session| session.user);
        let address = viewer.permit.as_ref().and_then(Permit::counted_address);
        let limits = &self.hub.message_limits;
        limits.take(viewer.server, user, address, settings, self.now)?;
        viewer.is_throttled = false;
        Ok(())
    }

    /// A message over the limit. A request of `roost.v1` is refused by its name, since its client waits for an answer;
    /// for all others the first one of a run is answered.
    fn drop_message(&mut self, viewer: &mut Viewer, message: &Message, over: Over) -> Result<(), Ended> {
        let settings = &self.hub.settings;
        let advice = over.advice(settings);
        self.hub.counters.dropped.fetch_add(1, Ordering::Relaxed);
        if !viewer.dropped.take(settings.dropped, self.now) {
            return Err(Ended::By(Close::TooManyMessages));
        }
        if let Message::Text(text) = message
            && viewer.is_v1
            && viewer.is_let_in()
            && let Some(name) = v1::Request::name_to_answer(text)
        {
            let reason = format!("Too many messages, this one was dropped: {advice}, and ask again.");
            return self.refuse(viewer, Some(name), Code::Limit, &reason);
        }
        if !std::mem::replace(&mut viewer.is_throttled, true) {
            let text = format!("Too many messages, some are dropped: {advice}.");
            self.tell(viewer, &text)?;
        }
        Ok(())
    }

    fn handle(&mut self, viewer: &mut Viewer, message: Message) -> Result<(), Ended> {
        match message {
            Message::Text(text) if viewer.is_v1 => match v1::Request::parse(&text) {
                Ok(Ok(request)) => return self.request(viewer, request),
                Ok(Err(bad)) => return self.refuse_request(viewer, bad),
                Err(_) => self.ignore(),
            },
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
            return self.authenticate(viewer, token, v1::Begin::default(), false);
        }
        if !self.may_ask(viewer)? {
            return Ok(());
        }
        match event {
            Inbound::SendLogs => self.replay(viewer),
            Inbound::SendStats => self.send_stats(viewer),
            Inbound::SendCommand(text) => {
                self.release(viewer)?;
                self.command(viewer, text, None)
            }
            Inbound::SetState(word) => {
                self.release(viewer)?;
                self.set_state(viewer, &word, None)
            }
            Inbound::Unknown(_) | Inbound::Auth(_) => {
                self.ignore();
                Ok(())
            }
        }
    }

    fn request(&mut self, viewer: &mut Viewer, request: v1::Request) -> Result<(), Ended> {
        if let v1::Request::Auth(token, begin) = &request {
            return self.authenticate(viewer, token, *begin, false);
        }
        if !self.may_ask(viewer)? {
            return Ok(());
        }
        match request {
            v1::Request::Stats => self.send_stats(viewer),
            v1::Request::Command(text, name) => self.command(viewer, text, name),
            v1::Request::State(word, name) => self.set_state(viewer, &word, name),
            v1::Request::Page { place, lines, name } => self.send_page(viewer, place, lines, name),
            v1::Request::Search(search, name) => self.send_search(viewer, &search, name),
            v1::Request::CancelSearch => self.cancel_search(viewer, "You have cancelled it."),
            v1::Request::Unknown | v1::Request::Auth(..) => {
                self.ignore();
                Ok(())
            }
        }
    }

    /// Whether a viewer holds a token that is good now. If not, it is told so.
    fn may_ask(&mut self, viewer: &mut Viewer) -> Result<bool, Ended> {
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
            Mode::Guest => TokenError::Missing,
            Mode::Expired => TokenError::Expired,
            Mode::Held | Mode::Following | Mode::Closing => return Ok(true),
        };
        viewer.send(event::frame(event::JWT_ERROR, &[&missing.to_string()]), self.now)?;
        Ok(false)
    }

    fn command(&mut self, viewer: &mut Viewer, text: String, name: Option<Value>) -> Result<(), Ended> {
        if !viewer.rights().console {
            let refusal = Refusal::NoPermission(permission::CONTROL_CONSOLE);
            return self.tell_refusal(viewer, name, &refusal);
        }
        let details = json!({"command": text});
        self.ask(viewer, name, "server:console.command", details, |by, reply| {
            Request::Command { text, by, reply }
        });
        Ok(())
    }

    fn set_state(&mut self, viewer: &mut Viewer, word: &str, name: Option<Value>) -> Result<(), Ended> {
        let Ok(action) = word.parse::<PowerAction>() else {
            return self.tell_refusal(viewer, name, &Refusal::UnknownAction);
        };
        if !viewer.rights().allow(action) {
            let refusal = Refusal::NoPermission(action.permission());
            return self.tell_refusal(viewer, name, &refusal);
        }
        let event = match action {
            PowerAction::Start => "server:power.start",
            PowerAction::Stop => "server:power.stop",
            PowerAction::Restart => "server:power.restart",
            PowerAction::Kill => "server:power.kill",
        };
        self.ask(viewer, name, event, json!({}), |by, reply| Request::Power {
            action,
            by,
            reply,
        });
        Ok(())
    }

    /// Hands a request to the actor. What is accepted is recorded, and the answer comes back by mail.
    fn ask(
        &mut self,
        viewer: &Viewer,
        name: Option<Value>,
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
        let (is_answered, after) = (viewer.is_v1, group.handle.console.next_seq().saturating_sub(1));
        let reply = Reply::new(move |result| {
            if result.is_ok() {
                hub.audit.did(&recorded, socket, server, event, details);
            }
            if is_answered || result.is_err() {
                let answer = Answer { name, after, result };
                inbox.post(Post::Answer(key, Box::new(answer)));
            }
        });
        group.handle.ask(request(by, reply));
    }
}
