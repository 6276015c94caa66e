//! What of the viewers' side goes into the audit: connects, refusals, commands, power actions, disconnects.
//!
//! Refusals are limited by address, so that a flood can't fill the audit; how many were left out stands in the next
//! row. Queueing the rows and bringing them to the panel is the recorder's business.

use super::{
    limits::{AddressKey, Bucket},
    viewer::Session,
};
use crate::server::handle::Requester;
use serde_json::{Value, json};
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
    /// `by` did `event` on `server`; `details` is an object.
    fn record(&self, server: Uuid, event: &str, by: &Requester, details: Value);
}

impl Recorder for crate::activity::Recorder {
    fn record(&self, server: Uuid, event: &str, by: &Requester, details: Value) {
        Self::record(self, server, event, by, details);
    }
}

/// Writes rows.
pub(super) struct Audit {
    recorder: Arc<dyn Recorder>,
    refusals: Mutex<HashMap<Option<AddressKey>, Refusals>>,
}

struct Refusals {
    bucket: Bucket,
    left_out: u64,
}

/// Who a session is, for requests and for the audit.
pub(super) fn requester(session: &Session, address: IpAddr) -> Requester {
    Requester {
        user: Some(session.user),
        user_name: session.user_name.as_deref().map(str::to_owned),
        address: Some(address),
        credential: session.credential.as_deref().map(str::to_owned),
    }
}

impl Audit {
    pub(super) fn new(recorder: Arc<dyn Recorder>) -> Self {
        Self {
            recorder,
            refusals: Mutex::default(),
        }
    }

    /// Something that a known user did through this socket.
    pub(super) fn did(&self, by: &Requester, socket: Uuid, server: Uuid, event: &str, mut details: Value) {
        if let Value::Object(details) = &mut details {
            details.insert("socket".to_owned(), json!(socket));
            if let Some(name) = &by.user_name {
                details.insert("user_name".to_owned(), json!(name));
            }
        }
        self.recorder.record(server, event, by, details);
    }

    /// A socket that was refused. The user is one only if the token was genuine.
    pub(super) fn refused(
        &self,
        user: Option<Uuid>,
        server: Uuid,
        address: IpAddr,
        reason: &str,
        now: Instant,
    ) {
        let Some(left_out) = self.may_record_refusal(address, now) else {
            return;
        };
        let by = Requester {
            user,
            user_name: None,
            address: Some(address),
            credential: None,
        };
        let mut details = json!({"reason": reason});
        if left_out > 0 {
            details["suppressed"] = json!(left_out);
        }
        self.recorder
            .record(server, "server:websocket.refused", &by, details);
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
        let one = all.entry(key).or_insert_with(|| Refusals {
            bucket: Bucket::full(REFUSALS, now),
            left_out: 0,
        });
        if one.bucket.take(REFUSALS, now) {
            Some(std::mem::take(&mut one.left_out))
        } else {
            one.left_out += 1;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[derive(Default)]
    struct Rows(Mutex<Vec<Value>>);
    impl Recorder for Rows {
        fn record(&self, _server: Uuid, _event: &str, _by: &Requester, details: Value) {
            self.0.lock().unwrap().push(details);
        }
    }

    #[test]
    fn a_flood_of_refusals_leaves_a_few_rows_and_a_count() {
        let rows = Arc::new(Rows::default());
        let audit = Audit::new(rows.clone());
        let (start, address) = (Instant::now(), "10.1.1.1".parse().unwrap());
        for _ in 0..1000 {
            audit.refused(None, Uuid::nil(), address, "jwt: signature is invalid", start);
        }
        audit.refused(
            None,
            Uuid::nil(),
            "10.1.1.2".parse().unwrap(),
            "another address",
            start,
        );
        audit.refused(
            None,
            Uuid::nil(),
            address,
            "later",
            start + Duration::from_secs(11),
        );
        let rows = rows.0.lock().unwrap();
        assert_eq!(rows.len(), 12);
        assert_eq!(rows[11]["suppressed"], 990);
    }
}
