//! What of the viewers' side goes into the audit: connects, refusals, commands, power actions, disconnects.
//!
//! Refusals are limited by address, so that a flood can't fill the audit; how many were left out stands in the next
//! row. Queueing the rows and bringing them to the panel is the recorder's business.

use super::{
    limits::{AddressKey, Bucket},
    viewer::Session,
};
use roost_wire::{
    clock::{Clock, rfc3339},
    remote::Activity,
};
use serde_json::{Map, Value, json};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use uuid::Uuid;

/// Rows of refusals by address: one in 10 s, 10 at once.
const REFUSALS: (f32, f32) = (0.1, 10.0);
/// Addresses that are told apart; beyond it all further ones share one allowance.
const ADDRESSES_MAX: usize = 4_096;

/// Where audit rows go. Called on the threads that serve viewers: must not wait.
pub trait Recorder: Send + Sync + 'static {
    /// Takes one row. Its `id` is left open for the recorder to fill in.
    fn record(&self, row: Activity);
}

/// Writes rows.
pub(super) struct Audit {
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    refusals: Mutex<HashMap<Option<AddressKey>, Refusals>>,
}

struct Refusals {
    bucket: Bucket,
    left_out: u64,
}

/// Who did it, as a row names it.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) socket: Uuid,
    pub(super) user: Uuid,
    pub(super) user_name: Option<Box<str>>,
    pub(super) credential: Option<Box<str>>,
    pub(super) address: IpAddr,
}

impl Actor {
    pub(super) fn of(session: &Session, address: IpAddr) -> Self {
        Self {
            socket: session.socket,
            user: session.user,
            user_name: session.user_name.clone(),
            credential: session.credential.clone(),
            address,
        }
    }
}

impl Audit {
    pub(super) fn new(recorder: Arc<dyn Recorder>, clock: Arc<dyn Clock>) -> Self {
        Self { recorder, clock, refusals: Mutex::default() }
    }

    /// Something that a known user did.
    pub(super) fn did(&self, actor: &Actor, server: Uuid, event: &str, details: Value) {
        let mut metadata = Map::new();
        metadata.insert("socket".to_owned(), json!(actor.socket));
        if let Some(name) = &actor.user_name {
            metadata.insert("user_name".to_owned(), json!(name));
        }
        if let Some(credential) = &actor.credential {
            metadata.insert("credential".to_owned(), json!(credential));
        }
        if let Value::Object(details) = details {
            metadata.extend(details);
        }
        self.record(Some(actor.user), server, event, metadata, actor.address);
    }

    /// A socket that was refused. The user is one only if the token was genuine.
    pub(super) fn refused(&self, user: Option<Uuid>, server: Uuid, address: IpAddr, reason: &str, now: Instant) {
        let Some(left_out) = self.may_record_refusal(address, now) else { return };
        let mut metadata = Map::new();
        metadata.insert("reason".to_owned(), json!(reason));
        if left_out > 0 {
            metadata.insert("suppressed".to_owned(), json!(left_out));
        }
        self.record(user, server, "server:websocket.refused", metadata, address);
    }

    /// How many rows of this address were left out since the last one; `None` if this one is left out, too.
    fn may_record_refusal(&self, address: IpAddr, now: Instant) -> Option<u64> {
        let mut all = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = Some(AddressKey::from(address));
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&key) {
            // An allowance that has filled up again and has nothing to tell is as good as none.
            all.retain(|_, one| one.left_out > 0 || !one.bucket.is_full(REFUSALS, now));
            if all.len() >= ADDRESSES_MAX {
                key = None;
            }
        }
        let one = all
            .entry(key)
            .or_insert_with(|| Refusals { bucket: Bucket::full(REFUSALS, now), left_out: 0 });
        if one.bucket.take(REFUSALS, now) {
            Some(std::mem::take(&mut one.left_out))
        } else {
            one.left_out += 1;
            None
        }
    }

    fn record(
        &self,
        user: Option<Uuid>,
        server: Uuid,
        event: &str,
        metadata: Map<String, Value>,
        address: IpAddr,
    ) {
        self.recorder.record(Activity {
            id: None,
            user: user.map(|user| user.to_string()),
            server,
            event: event.to_owned(),
            metadata: Some(metadata),
            ip: Some(address.to_string()),
            timestamp: rfc3339(self.clock.now()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::clock::ManualClock;
    use std::time::Duration;

    #[derive(Default)]
    struct Rows(Mutex<Vec<Activity>>);
    impl Recorder for Rows {
        fn record(&self, row: Activity) {
            self.0.lock().unwrap().push(row);
        }
    }

    #[test]
    fn a_flood_of_refusals_leaves_a_few_rows_and_a_count() {
        let rows = Arc::new(Rows::default());
        let audit = Audit::new(rows.clone(), Arc::new(ManualClock::at(0)));
        let (start, address) = (Instant::now(), "10.1.1.1".parse().unwrap());
        for _ in 0..1000 {
            audit.refused(None, Uuid::nil(), address, "jwt: signature is invalid", start);
        }
        audit.refused(None, Uuid::nil(), "10.1.1.2".parse().unwrap(), "another address", start);
        audit.refused(None, Uuid::nil(), address, "later", start + Duration::from_secs(11));
        let rows = rows.0.lock().unwrap();
        assert_eq!(rows.len(), 12);
        assert_eq!(rows[11].metadata.as_ref().unwrap()["suppressed"], 990);
    }
}
