//! The node's secret, and the old one beside it while it is being replaced.
//!
//! It opens the node's API to the panel, the panel's remote API to the node, and signs websocket tokens. It never
//! appears in a log, and is compared in constant time.

use roost_wire::clock::{Clock, Millis};
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// How long an old secret stays valid, in milliseconds: one life of a websocket token.
pub const OVERLAP_MS: Millis = roost_wire::token::LIFETIME_SECS * 1000;

/// Cheap to clone; all clones change together.
#[derive(Clone)]
pub struct Secrets {
    token_id: Arc<str>,
    held: Arc<RwLock<Held>>,
    clock: Arc<dyn Clock>,
}

struct Held {
    current: Arc<str>,
    previous: Option<(Arc<str>, Millis)>,
}

impl Secrets {
    /// `previous` is valid for [`OVERLAP_MS`] from now on.
    pub fn new(token_id: &str, current: &str, previous: Option<&str>, clock: Arc<dyn Clock>) -> Self {
        let until = clock.now() + OVERLAP_MS;
        Self {
            token_id: token_id.into(),
            held: Arc::new(RwLock::new(Held {
                current: current.into(),
                previous: previous.filter(|p| !p.is_empty()).map(|p| (p.into(), until)),
            })),
            clock,
        }
    }

    /// The public half.
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// The secret that is used from now on.
    pub fn current(&self) -> Arc<str> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&held.current)
    }

    /// All that are valid now, the current one first: for checking tokens.
    pub fn accepted(&self) -> Vec<Arc<str>> {
        let now = self.clock.now();
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = vec![Arc::clone(&held.current)];
        all.extend(
            held.previous
                .iter()
                .filter(|(_, until)| now < *until)
                .map(|(secret, _)| Arc::clone(secret)),
        );
        all
    }

    /// Whether `given` is one of them. Takes the same time wherever it differs.
    pub fn accepts(&self, given: &str) -> bool {
        let digest = |text: &str| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let given = digest(given);
        self.accepted().iter().fold(false, |found, secret| {
            let same =
                aws_lc_rs::constant_time::verify_slices_are_equal(digest(secret).as_ref(), given.as_ref());
            found | same.is_ok()
        })
    }

    /// Puts `new` in the place of the current one and returns the old one; `None` if nothing changes.
    pub fn replace(&self, new: &str) -> Option<Arc<str>> {
        let until = self.clock.now() + OVERLAP_MS;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if new.is_empty() || *held.current == *new {
            return None;
        }
        let old = std::mem::replace(&mut held.current, new.into());
        held.previous = Some((Arc::clone(&old), until));
        Some(old)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("token_id", &self.token_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::clock::ManualClock;

    #[test]
    fn an_old_secret_is_valid_for_one_token_life() {
        let clock = Arc::new(ManualClock::at(0));
        let secrets = Secrets::new("id", "one", None, clock.clone());
        assert!(secrets.accepts("one") && !secrets.accepts("two") && !secrets.accepts(""));
        assert_eq!(secrets.replace("two").as_deref(), Some("one"));
        assert_eq!(secrets.replace("two"), None, "sent twice by a careful panel");
        assert!(secrets.accepts("one") && secrets.accepts("two"));
        clock.advance(OVERLAP_MS);
        assert!(!secrets.accepts("one") && secrets.accepts("two"));
        assert_eq!(&*secrets.current(), "two");
        assert!(!format!("{secrets:?}").contains("two"));
    }
}
