//! Messages of all sockets of a user, and of an address, on a server: so that many sockets are not many times as many
//! messages. What a socket alone may send is its own bucket's business.

use super::limits::{AddressKey, Bucket, Settings};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Instant,
};
use uuid::Uuid;

/// Buckets after which full ones, which say nothing, are thrown away.
const SWEEP_AT: usize = 1024;

/// Of all shards.
#[derive(Debug, Default)]
pub(super) struct MessageLimits(Mutex<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    users: HashMap<(Uuid, Uuid), Bucket>,
    addresses: HashMap<(AddressKey, Uuid), Bucket>,
}

/// Whose messages are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// This socket's.
    Socket,
    /// All of its user's on this server.
    User,
    /// All of its address's on this server.
    Address,
}

impl Over {
    /// What a viewer is told to do.
    pub(super) fn advice(self, settings: &Settings) -> String {
        let (together, rate) = match self {
            Self::Socket => ("", settings.messages),
            Self::User => (" with all your windows together", settings.user_messages),
            Self::Address => (" from this address", settings.address_messages),
        };
        format!("send at most {} a second{together}", rate.0)
    }
}

impl MessageLimits {
    /// Takes one message for `server` from what its sender has left, `user` and `address` where they count.
    pub(super) fn take(
        &self,
        server: Uuid,
        user: Option<Uuid>,
        address: Option<AddressKey>,
        settings: &Settings,
        now: Instant,
    ) -> Result<(), Over> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = user
            .is_none_or(|user| take_from(&mut buckets.users, (user, server), settings.user_messages, now));
        if !of_user {
            return Err(Over::User);
        }
        let of_address = address.is_none_or(|address| {
            let key = (address, server);
            take_from(&mut buckets.addresses, key, settings.address_messages, now)
        });
        if of_address { Ok(()) } else { Err(Over::Address) }
    }
}

fn take_from<K: Hash + Eq>(buckets: &mut HashMap<K, Bucket>, key: K, rate: (f32, f32), now: Instant) -> bool {
    if buckets.len() >= SWEEP_AT {
        buckets.retain(|_, bucket| !bucket.is_full(rate, now));
    }
    buckets
        .entry(key)
        .or_insert_with(|| Bucket::full(rate, now))
        .take(rate, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::IpAddr, time::Duration};

    fn address(text: &str) -> Option<AddressKey> {
        Some(AddressKey::from(text.parse::<IpAddr>().unwrap()))
    }

    #[test]
    fn many_sockets_share_what_their_user_and_their_address_have() {
        let settings = Settings {
            user_messages: (1.0, 3.0),
            address_messages: (1.0, 4.0),
            ..Settings::default()
        };
        let (limits, now) = (MessageLimits::default(), Instant::now());
        let [one, other] = [1, 2].map(Uuid::from_u128);
        let [ada, bob, eve] = [11, 12, 13].map(Uuid::from_u128);
        let take = |server, user, from| limits.take(server, user, from, &settings, now);
        for _ in 0..3 {
            assert_eq!(take(one, Some(ada), address("10.0.0.1")), Ok(()));
        }
        let elsewhere = address("10.0.0.2");
        assert_eq!(
            take(one, Some(ada), elsewhere),
            Err(Over::User),
            "wherever she is"
        );
        assert_eq!(
            take(other, Some(ada), address("10.0.0.1")),
            Ok(()),
            "another server"
        );
        assert_eq!(
            take(one, Some(bob), address("10.0.0.1")),
            Ok(()),
            "the fourth there"
        );
        assert_eq!(take(one, Some(bob), address("10.0.0.1")), Err(Over::Address));
        // Who has no token is from there, too; where the address is a proxy's it does not count.
        assert_eq!(take(one, None, address("10.0.0.1")), Err(Over::Address));
        assert_eq!(take(one, Some(eve), None), Ok(()));
        let later = now + Duration::from_secs(1);
        assert_eq!(limits.take(one, Some(ada), elsewhere, &settings, later), Ok(()));
    }

    #[test]
    fn who_has_all_left_is_forgotten() {
        let settings = Settings::default();
        let (limits, now) = (MessageLimits::default(), Instant::now());
        let take = |server, at| limits.take(server, Some(Uuid::nil()), None, &settings, at);
        for number in 0..SWEEP_AT as u128 {
            assert_eq!(take(Uuid::from_u128(number), now), Ok(()));
        }
        assert_eq!(take(Uuid::max(), now + Duration::from_secs(1)), Ok(()));
        assert_eq!(limits.0.lock().unwrap().users.len(), 1);
    }
}
