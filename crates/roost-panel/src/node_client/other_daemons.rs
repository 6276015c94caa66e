//! What has to be remembered about daemons that are not Roost's, so that their ways do no harm.
//!
//! It is a memory of this process only: what is missing costs a retry. When it is asked is `node_client`'s and the
//! services' business.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};
use uuid::Uuid;

/// Milliseconds of a second: such daemons know the age of a token in whole seconds.
const SECOND: i64 = 1_000;

/// A node, a server of it, a user.
type Access = (Uuid, Uuid, Uuid);

/// The memory.
#[derive(Debug, Default)]
pub(super) struct OtherDaemons {
    /// Nodes that are not Roost's. At most one entry a node.
    nodes: Mutex<HashSet<Uuid>>,
    /// From when on tokens hold again, in milliseconds since the epoch. What is over is swept at each new entry.
    holds_from: Mutex<HashMap<Access, i64>>,
}

impl OtherDaemons {
    /// A node has said what it is.
    pub(super) fn note(&self, node: Uuid, is_roost: bool) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if is_roost {
            nodes.remove(&node);
        } else {
            nodes.insert(node);
        }
    }

    /// Whether the node is known not to be Roost's.
    pub(super) fn knows(&self, node: Uuid) -> bool {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.contains(&node)
    }

    /// The node was told to refuse what had been issued until `now`. It refuses what is issued later in the same second
    /// as well, because that looks older than the refusal.
    pub(super) fn denied(&self, access: Access, now: i64) {
        let mut all = self.holds_from.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, from| *from > now);
        all.insert(access, (now.div_euclid(SECOND) + 1) * SECOND);
    }

    /// From when on a token may be issued that the node takes: `now`, or the next second.
    pub(super) fn holds_from(&self, access: Access, now: i64) -> i64 {
        let all = self.holds_from.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&access).copied().unwrap_or(now).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(user: u128) -> Access {
        (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(user))
    }

    #[test]
    fn after_a_refusal_tokens_hold_from_the_next_second_on() {
        let others = OtherDaemons::default();
        assert_eq!(others.holds_from(access(3), 5_200), 5_200);
        others.denied(access(3), 5_200);
        assert_eq!(others.holds_from(access(3), 5_300), 6_000);
        assert_eq!(others.holds_from(access(3), 6_001), 6_001);
        assert_eq!(others.holds_from(access(4), 5_300), 5_300);
        // Refused on the second, which may have been a moment later there.
        others.denied(access(4), 7_000);
        assert_eq!(others.holds_from(access(4), 7_000), 8_000);
        assert_eq!(
            others.holds_from.lock().unwrap().len(),
            1,
            "what is over is forgotten"
        );
    }

    #[test]
    fn a_node_may_become_roosts() {
        let others = OtherDaemons::default();
        let node = Uuid::from_u128(1);
        assert!(!others.knows(node));
        others.note(node, false);
        assert!(others.knows(node));
        others.note(node, true);
        assert!(!others.knows(node));
    }
}
