//! Who comes to a shard and who goes: connections that are adopted, ended, listed, and all of them at the node's end.
//!
//! What happens in between is the business of `shard`, and when a viewer may stay that of `session`.

use super::{
    Ended,
    audit::requester,
    shard::Shard,
    slots::Key,
    stream::Stream,
    viewer::{Mode, Viewer},
    watchers::Group,
};
use roost_wire::{close::Close, event, frame, node_api::SocketInfo, v1};
use rustix::event::epoll;
use serde_json::json;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How long a close may take to leave, and the peer to answer it.
const CLOSING: Duration = Duration::from_secs(3);
/// How long all of them may take when the node stops.
const FAREWELL: Duration = Duration::from_millis(800);

impl Shard {
    pub(super) fn adopt(
        &mut self,
        stream: super::Upgraded,
        handle: crate::server::handle::ServerHandle,
        mut peer: super::Peer,
    ) {
        let server = handle.uuid;
        let key = self.slots.reserve();
        let opened = Stream::new(stream).and_then(|(stream, read)| {
            let data = epoll::EventData::new_u64(key.to_u64());
            epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
            Ok((stream, read))
        });
        let (stream, read) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(%error, %server, address = %peer.address, "a new connection was lost at once");
                self.slots.release(key);
                self.hub.watches.leave(server, self.number);
                return;
            }
        };
        let query_token = peer.query_token.take();
        let viewer = Viewer::new(key, server, peer, stream, &self.hub.settings, self.now);
        self.join_group(key, handle);
        self.slots.put(Box::new(viewer));
        let is_stopping = self.farewell.is_some();
        self.turn(key, |shard, viewer| {
            if is_stopping {
                return Err(Ended::By(Close::Restarting));
            }
            if let Some(token) = &query_token {
                shard.authenticate(viewer, token, v1::Begin::default(), true)?;
            }
            shard.received(viewer, &read)?;
            // TLS may have decrypted more than the upgrade took.
            shard.readable(viewer)
        });
    }

    fn join_group(&mut self, key: Key, handle: crate::server::handle::ServerHandle) {
        let server = handle.uuid;
        let is_stale = |group: &Group| !Arc::ptr_eq(&group.handle.console, &handle.console);
        if self.groups.get(&server).is_some_and(is_stale) {
            // The server was removed and made again: those who watch the old one are told so.
            self.close(&super::Filter::Server(server), Close::Restarting, None);
            self.groups.remove(&server);
        }
        let Some(watch) = self.hub.watches.get(server) else {
            return;
        };
        let now = self.now;
        let group = self
            .groups
            .entry(server)
            .or_insert_with(|| Group::new(handle, watch, now));
        group.add(key, &mut self.slots);
    }

    /// Ends a viewer: at once if its connection is gone, else with a close frame that gets a moment to leave.
    pub(super) fn end(&mut self, viewer: &mut Viewer, why: &Ended) -> Result<(), Ended> {
        if viewer.mode == Mode::Closing {
            return Err(Ended::Lost);
        }
        self.part(viewer, why);
        let (close, echo) = match why {
            Ended::Lost => return Err(Ended::Lost),
            Ended::ByPeer(code) => (None, *code),
            Ended::By(close) | Ended::ByAdmin(close, _) => (Some(*close), None),
        };
        if close.is_some() {
            viewer.drop_backlog();
        }
        match close {
            Some(close) => {
                if close == Close::ServerDeleted {
                    viewer.queue(event::frame(event::DELETED, &["null"]).into());
                }
                viewer.queue(frame::close(close).into());
            }
            None => {
                let mut answer = Vec::new();
                let payload = echo.map(u16::to_be_bytes);
                frame::push(
                    &mut answer,
                    frame::CLOSE,
                    payload.as_ref().map_or(&[], |code| code.as_slice()),
                );
                viewer.queue(answer.into());
            }
        }
        viewer.deadline = self.now + CLOSING;
        self.writable(viewer)
    }

    /// Takes a viewer out of its group and says so to the audit and to the actor.
    fn part(&mut self, viewer: &mut Viewer, why: &Ended) {
        viewer.mode = Mode::Closing;
        let counters = &self.hub.counters;
        counters.closed.fetch_add(1, Ordering::Relaxed);
        if let Ended::By(close) | Ended::ByAdmin(close, _) = why
            && let Some(at) = Close::ALL.iter().position(|one| one == close)
        {
            counters.closed_by[at].fetch_add(1, Ordering::Relaxed);
        }
        if let Some(group) = self.groups.get_mut(&viewer.server) {
            group.remove(viewer.key, &mut self.slots);
            if let Some(session) = &viewer.session {
                let user = session.user_name.as_deref().unwrap_or_default();
                group.watch.presence().left(user);
                group.v1 -= u32::from(viewer.is_v1);
            }
            if viewer.session.is_some() && !group.watch.left() {
                self.hub.watches.settle_later();
            }
            if group.members().is_empty() {
                self.groups.remove(&viewer.server);
            }
        }
        let Some(session) = viewer.session.take() else {
            return;
        };
        counters.viewers.fetch_sub(1, Ordering::Relaxed);
        let (code, reason, ended_by) = match why {
            Ended::Lost => (1006, "connection lost", "network"),
            Ended::ByPeer(code) => (code.unwrap_or(1005), "", "viewer"),
            Ended::By(close) => (close.code(), close.reason(), "node"),
            Ended::ByAdmin(close, by) => (close.code(), close.reason(), by.as_str()),
        };
        let seconds = (self.hub.clock.now() - session.since).max(0) / 1000;
        self.hub.audit.did(
            &requester(&session, viewer.address),
            session.socket,
            viewer.server,
            "server:websocket.disconnect",
            json!({"code": code, "reason": reason, "seconds": seconds, "by": ended_by}),
        );
    }

    pub(super) fn remove(&mut self, mut viewer: Viewer) {
        if viewer.mode != Mode::Closing {
            self.part(&mut viewer, &Ended::Lost);
        }
        self.slots.release(viewer.key);
        self.hub.watches.leave(viewer.server, self.number);
    }

    pub(super) fn close(&mut self, filter: &super::Filter, why: Close, by: Option<&str>) -> usize {
        let chosen: Vec<Key> = self
            .slots
            .iter()
            .filter(|viewer| viewer.mode != Mode::Closing && filter.names(viewer))
            // An administrator may look at a suspended server.
            .filter(|viewer| why != Close::Suspended || !viewer.rights().is_admin)
            .map(|viewer| viewer.key)
            .collect();
        for key in &chosen {
            let ended = by.map_or(Ended::By(why), |by| Ended::ByAdmin(why, by.to_owned()));
            self.turn(*key, |_, _| Err(ended));
        }
        chosen.len()
    }

    pub(super) fn list(&self) -> Vec<SocketInfo> {
        let info = |viewer: &Viewer| {
            let session = viewer.session.as_ref()?;
            Some(SocketInfo {
                id: session.socket,
                user: session.user,
                user_name: session.user_name.as_deref().map(str::to_owned),
                server: viewer.server,
                address: viewer.address.to_string(),
                since: session.since,
                credential: session.credential.as_deref().map(str::to_owned),
            })
        };
        self.slots.iter().filter_map(info).collect()
    }

    pub(super) fn shut_down(&mut self) {
        self.farewell = Some(self.now + FAREWELL);
        let all: Vec<Key> = self.slots.iter().map(|viewer| viewer.key).collect();
        for key in all {
            self.turn(key, |_, viewer| match viewer.mode {
                Mode::Closing => Ok(()),
                _ => Err(Ended::By(Close::Restarting)),
            });
        }
    }
}
