//! Who watches a server: users and how many sockets each has, on all shards together, for viewers of `roost.v1`.
//!
//! They are told when it has changed, at most once a second, by the sweep of each shard.

use super::{Ended, shard::Shard, viewer::Viewer};
use bytes::Bytes;
use roost_wire::v1;
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;

/// Users that are named.
const NAMED_MAX: usize = 50;
/// Between two words on it.
const PAUSE: Duration = Duration::from_secs(1);

/// The sockets of one server by user. A user without a name in his token has the name `""`.
#[derive(Debug, Default)]
pub(super) struct Presence {
    sockets: Mutex<BTreeMap<Box<str>, u32>>,
    /// Grows with each change.
    version: AtomicU64,
}

impl Presence {
    pub(super) fn came(&self, user: &str) {
        let mut sockets = self.sockets();
        match sockets.get_mut(user) {
            Some(count) => *count += 1,
            None => {
                sockets.insert(user.into(), 1);
            }
        }
        self.version.fetch_add(1, Ordering::Release);
    }

    pub(super) fn left(&self, user: &str) {
        let mut sockets = self.sockets();
        if let Some(count) = sockets.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                sockets.remove(user);
            }
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The frame that says who is there.
    pub(super) fn frame(&self) -> Bytes {
        let sockets = self.sockets();
        let users: Vec<_> = sockets
            .iter()
            .take(NAMED_MAX)
            .map(|(user, count)| json!({"user": user, "sockets": count}))
            .collect();
        let all: u32 = sockets.values().sum();
        v1::frame(v1::PRESENCE, &[json!({"sockets": all, "users": users})]).into()
    }

    fn sockets(&self) -> MutexGuard<'_, BTreeMap<Box<str>, u32>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Tells those who speak `roost.v1`, where it has changed.
    pub(super) fn tell_presence(&mut self) {
        let now = self.now;
        let changed = self.groups.iter_mut().filter_map(|(server, group)| {
            let version = group.watch.presence().version();
            if group.v1 == 0 || version == group.told_presence || now < group.presence_pause {
                return None;
            }
            group.told_presence = version;
            group.presence_pause = now + PAUSE;
            Some((*server, group.watch.presence().frame()))
        });
        let changed: Vec<(Uuid, Bytes)> = changed.collect();
        for (server, frame) in changed {
            self.for_each_member(server, |shard, viewer: &mut Viewer| -> Result<(), Ended> {
                if !viewer.is_v1 || !viewer.is_let_in() {
                    return Ok(());
                }
                if viewer.has_backlog() {
                    viewer.is_owed_presence = true;
                    return Ok(());
                }
                Ok(viewer.push(frame.clone(), shard.now)?)
            });
        }
    }

    /// To one whose socket was full when it changed: how it is now.
    pub(super) fn send_owed_presence(&self, viewer: &mut Viewer) -> Result<(), Ended> {
        if !std::mem::take(&mut viewer.is_owed_presence) || !viewer.is_let_in() {
            return Ok(());
        }
        if let Some(group) = self.groups.get(&viewer.server) {
            viewer.push(group.watch.presence().frame(), self.now)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_counted_by_user_and_at_most_fifty_are_named() {
        let presence = Presence::default();
        presence.came("ada");
        presence.came("ada");
        presence.came("bob");
        presence.left("bob");
        presence.left("nobody");
        assert_eq!(presence.version(), 4);
        let text = |frame: &Bytes| String::from_utf8_lossy(frame).into_owned();
        assert!(
            text(&presence.frame()).ends_with(r#"[{"sockets":2,"users":[{"sockets":2,"user":"ada"}]}]}"#)
        );
        (0..100).for_each(|n| presence.came(&format!("{n}")));
        let text = text(&presence.frame());
        assert!(
            text.contains(r#""sockets":102,"#) && text.matches("user\"").count() == 50,
            "{text}"
        );
    }
}
