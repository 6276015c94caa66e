//! Who may be here and until when: `auth`, its failures and deadlines, expiry and the grace behind it, and the other
//! things that happen to a viewer by time.
//!
//! A token is checked when it comes; from then on a viewer is a few rights and an end. Tokens that are denied later end
//! their sockets by a close from outside.

use super::{
    Ended,
    audit::requester,
    shard::Shard,
    slots::Key,
    viewer::{Floor, Mode, Session, Viewer},
};
use bytes::Bytes;
use roost_wire::{
    clock::Millis,
    close::Close,
    event,
    power::PowerState,
    token::{self, TokenError, Verified},
    v1::Begin,
};
use serde_json::json;
use std::sync::atomic::Ordering;
use uuid::Uuid;

impl Shard {
    /// A token came, by `auth` or in the address.
    pub(super) fn authenticate(
        &mut self,
        viewer: &mut Viewer,
        text: &str,
        begin: Begin,
        is_query: bool,
    ) -> Result<(), Ended> {
        let result = self.check(viewer, text);
        match result {
            Ok(token) if viewer.session.is_some() => self.refresh(viewer, token),
            Ok(token) => {
                viewer.begin = viewer.is_v1.then(|| Box::new(begin));
                self.let_in(viewer, token)
            }
            Err(error) => {
                let reason = error.to_string();
                self.hub.counters.refused.fetch_add(1, Ordering::Relaxed);
                self.hub
                    .audit
                    .refused(None, viewer.server, viewer.address, &reason, self.now);
                viewer.send(event::frame(event::JWT_ERROR, &[&reason]), self.now)?;
                viewer.failures = viewer.failures.saturating_add(1);
                let is_last = viewer.failures >= self.hub.settings.auth_failures;
                if viewer.session.is_none() && (is_query || is_last) {
                    return Err(Ended::By(Close::NotAuthenticated));
                }
                Ok(())
            }
        }
    }

    fn check(&self, viewer: &Viewer, text: &str) -> Result<Verified, TokenError> {
        let clock = &*self.hub.clock;
        let token = token::verify(text, &self.hub.secrets.accepted(), viewer.server, clock)?;
        if self.hub.deny.is_denied(&token) {
            return Err(TokenError::Denied);
        }
        match &viewer.session {
            Some(session) if session.user != token.user => Err(TokenError::OtherUser),
            _ => Ok(token),
        }
    }

    /// The first valid token.
    fn let_in(&mut self, viewer: &mut Viewer, token: Verified) -> Result<(), Ended> {
        let wall = self.hub.clock.now();
        let session = Session::new(token, Uuid::new_v4(), wall);
        let Some(group) = self.groups.get_mut(&viewer.server) else {
            return Err(Ended::By(Close::Internal));
        };
        let (state, is_suspended) = {
            let view = group.handle.view.borrow();
            (view.state, view.suspended)
        };
        let mut refused = None;
        if is_suspended && !session.rights.is_admin {
            refused = Some((Close::Suspended, Close::Suspended.reason().to_owned()));
        } else if let Some(permit) = &mut viewer.permit {
            let (member, holds_all) = (session.member(viewer.server), session.rights.holds_all);
            if let Err(limit) = permit.promote(member, holds_all, &self.hub.settings) {
                refused = Some((limit.close(), limit.to_string()));
            }
        }
        if let Some((close, reason)) = refused {
            self.hub.counters.refused.fetch_add(1, Ordering::Relaxed);
            self.hub.audit.refused(
                Some(session.user),
                viewer.server,
                viewer.address,
                &reason,
                self.now,
            );
            return Err(Ended::By(close));
        }
        // Here its lines begin.
        viewer.cursor = group.handle.console.tail();
        viewer.events_from = viewer.cursor.entry;
        if !group.watch.came(&group.handle) {
            self.hub.watches.settle_later();
        }
        group
            .watch
            .presence()
            .came(session.user_name.as_deref().unwrap_or_default());
        group.v1 += u32::from(viewer.is_v1);
        self.hub.counters.viewers.fetch_add(1, Ordering::Relaxed);
        let by = requester(&session, viewer.address);
        self.hub.audit.did(
            &by,
            session.socket,
            viewer.server,
            "server:websocket.connect",
            json!({}),
        );
        viewer.floor = session.history_from.map_or(Floor::None, Floor::At);
        viewer.session = Some(Box::new(session));
        viewer.failures = 0;
        viewer.mode = Mode::Held;
        if viewer.is_v1 {
            self.welcome(viewer)?;
        } else {
            self.holds
                .push_back((self.now + self.hub.settings.hold, viewer.key));
            viewer.send(event::frame(event::AUTH_SUCCESS, &[]), self.now)?;
        }
        self.send_status(viewer)?;
        if state == PowerState::Offline {
            self.send_stats(viewer)?;
        }
        self.warn_of_expiry(viewer, wall)?;
        if viewer.is_v1 {
            let group = self.groups.get(&viewer.server);
            if let Some(presence) = group.map(|group| group.watch.presence().frame()) {
                viewer.push(presence, self.now)?;
            }
            self.begin(viewer)?;
        }
        Ok(())
    }

    /// A fresh token: nothing changes but rights and end.
    fn refresh(&mut self, viewer: &mut Viewer, token: Verified) -> Result<(), Ended> {
        let wall = self.hub.clock.now();
        let Some(old) = viewer.session.take() else {
            return Ok(());
        };
        let session = Session::new(token, old.socket, old.since);
        let member = session.member(viewer.server);
        if member != old.member(viewer.server)
            && let Some(permit) = &mut viewer.permit
        {
            permit.change_member(member);
        }
        if session.history_from != old.history_from {
            viewer.floor = session.history_from.map_or(Floor::None, Floor::At);
        }
        viewer.session = Some(Box::new(session));
        viewer.failures = 0;
        viewer.is_expiring_told = false;
        viewer.send(event::frame(event::AUTH_SUCCESS, &[]), self.now)?;
        self.warn_of_expiry(viewer, wall)?;
        if viewer.mode == Mode::Expired {
            return self.follow(viewer);
        }
        if viewer.mode == Mode::Held && viewer.floor != Floor::None {
            // What waited for the old beginning starts again from the new one.
            return if matches!(viewer.floor, Floor::At(_)) {
                if viewer.is_v1 {
                    return self.begin(viewer);
                }
                self.replay(viewer)
            } else {
                Ok(())
            };
        }
        Ok(())
    }

    /// At the token's end: lines stop where they are, and wait for a fresh one.
    pub(super) fn expire(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        self.pause(viewer);
        viewer.mode = Mode::Expired;
        viewer.deadline = self.now + self.hub.settings.grace;
        if let Floor::Asked(from) = viewer.floor {
            viewer.floor = Floor::At(from);
        }
        viewer.is_reading = false;
        viewer.read = viewer.read.wrapping_add(1);
        viewer.send(event::frame(event::TOKEN_EXPIRED, &[]), self.now)?;
        Ok(())
    }

    fn warn_of_expiry(&mut self, viewer: &mut Viewer, wall: Millis) -> Result<(), Ended> {
        let Some(session) = &viewer.session else {
            return Ok(());
        };
        if !viewer.is_expiring_told && session.expires - wall <= token::EXPIRING_SECS * 1000 {
            viewer.is_expiring_told = true;
            viewer.send(event::frame(event::TOKEN_EXPIRING, &[]), self.now)?;
        }
        Ok(())
    }

    /// Called a few times a second for every viewer.
    pub(super) fn look_at_times(&mut self, viewer: &mut Viewer, wall: Millis) -> Result<(), Ended> {
        let is_over = self.now >= viewer.deadline;
        match viewer.mode {
            Mode::Closing if is_over => return Err(Ended::Lost),
            Mode::Closing => return Ok(()),
            Mode::Guest if is_over => {
                let reason = Close::NotAuthenticated.reason();
                self.hub
                    .audit
                    .refused(None, viewer.server, viewer.address, reason, self.now);
                return Err(Ended::By(Close::NotAuthenticated));
            }
            Mode::Expired if is_over => return Err(Ended::By(Close::TokenExpired)),
            Mode::Guest | Mode::Expired => {}
            Mode::Held | Mode::Following => {
                if viewer
                    .session
                    .as_ref()
                    .is_some_and(|session| session.expires <= wall)
                {
                    self.expire(viewer)?;
                } else {
                    self.warn_of_expiry(viewer, wall)?;
                    self.tell_left_out(viewer)?;
                    self.keep_alive(viewer)?;
                    self.ping(viewer)?;
                }
            }
        }
        if viewer.is_stuck(self.hub.settings.write_deadline, self.now) {
            return Err(Ended::By(Close::TooSlow));
        }
        Ok(())
    }

    fn keep_alive(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        let quiet = self.now.saturating_duration_since(viewer.last_output);
        if viewer.has_backlog() || quiet < self.hub.settings.keep_alive {
            return Ok(());
        }
        self.send_stats(viewer)
    }

    /// Viewers that did not ask for logs in time go on live.
    pub(super) fn release_holds(&mut self) {
        while let Some((_, key)) = self.holds.pop_front_if(|(at, _)| *at <= self.now) {
            self.turn(key, |shard, viewer| shard.release(viewer));
        }
    }

    /// Ends the wait for `send logs`, unless one came and is being answered.
    pub(super) fn release(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        if viewer.mode != Mode::Held || matches!(viewer.floor, Floor::Asked(_)) {
            return Ok(());
        }
        self.follow(viewer)?;
        // A state that changed meanwhile is among the lines; one that is not was published before it was set.
        let state = self
            .groups
            .get(&viewer.server)
            .map(|group| group.handle.view.borrow().state);
        if state.is_some_and(|state| state != viewer.told_state) {
            self.send_status(viewer)?;
        }
        Ok(())
    }

    pub(super) fn send_status(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        let Some(group) = self.groups.get(&viewer.server) else {
            return Ok(());
        };
        let state = group.handle.view.borrow().state;
        viewer.told_state = state;
        viewer.send(event::frame(event::STATUS, &[state.as_str()]), self.now)?;
        Ok(())
    }

    pub(super) fn send_stats(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        let Some(group) = self.groups.get(&viewer.server) else {
            return Ok(());
        };
        let stats = {
            let view = group.handle.view.borrow();
            roost_wire::stats::Stats {
                state: view.state,
                ..view.stats
            }
        };
        viewer.send(event::frame(event::STATS, &[&stats.to_json()]), self.now)?;
        Ok(())
    }

    /// A `daemon message` to one viewer. Nothing is said after the token's end.
    pub(super) fn tell(&mut self, viewer: &mut Viewer, text: &str) -> Result<(), Ended> {
        if viewer.is_let_in() {
            viewer.send(event::frame(event::DAEMON_MESSAGE, &[text]), self.now)?;
        }
        Ok(())
    }

    /// The latest figures for all viewers of a server; one that is busy skips them.
    pub(super) fn broadcast_stats(&mut self, server: Uuid, frame: &Bytes) {
        self.for_each_member(server, |shard, viewer| {
            if viewer.is_let_in() && !viewer.has_backlog() {
                viewer.send(frame.clone(), shard.now)?;
            }
            Ok(())
        });
    }

    /// Viewers that have more to get, after others had their turn.
    pub(super) fn go_on(&mut self) {
        let keys: Vec<Key> = std::mem::take(&mut self.again);
        for key in keys {
            self.turn(key, Self::catch_up);
        }
    }
}
