//! How much of everything viewers may have: the settings with their defaults, the message bucket, and the counting of
//! sockets by address, credential and in all.
//!
//! Sockets without a token are capped tightly by address; those with one generously by address and credential, and a
//! part of the total is kept for owners and administrators. So neither a flood nor a user with many windows locks
//! others out. What a viewer is told at a limit is said where the limit is asked.

use super::{frame_reader::MESSAGE_MAX, throttle::ViewThrottle};
use roost_wire::{close::Close, node_config::ConsoleLimits};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Limits and times of the viewers' side. The defaults are [`Settings::default`]'s.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Threads that own viewers. Default: one a core, at most 4.
    pub threads: usize,
    /// Lines that `send logs` replays (`system.websocket_log_count`). Default 150.
    pub log_count: u64,
    /// Time for a first valid token. Default 10 s; then close 4403.
    pub auth_deadline: Duration,
    /// Refused tokens before a first valid one. Default 5; then close 4403.
    pub auth_failures: u8,
    /// How long live lines wait for a `send logs` after the first `auth`. Default 150 ms.
    pub hold: Duration,
    /// How long an expired socket waits for a fresh token. Default 5 s; then close 4401.
    pub grace: Duration,
    /// How long waiting data may not move. Default 30 s; then close 4408.
    pub write_deadline: Duration,
    /// After so long without output `stats` is sent, so that proxies keep the socket. Default 30 s.
    pub keep_alive: Duration,
    /// Between two pings of a viewer of `roost.v1`. Default 20 s.
    pub ping: Duration,
    /// How long nothing may come from such a viewer behind a ping. Default 40 s; then close 4408.
    pub pong: Duration,
    /// Messages a second, and at once. Default 20 and 100; over it a message is dropped, which is said.
    pub messages: (f32, f32),
    /// Dropped messages a second, and at once. Default 50 and 500; over it close 4429.
    pub dropped: (f32, f32),
    /// Messages a second, and at once, of all sockets of a user on a server. Default 200 and 5,000; dropped as above.
    pub user_messages: (f32, f32),
    /// The same of an address on a server. Default 500 and 10,000.
    pub address_messages: (f32, f32),
    /// Bytes of a message with all its fragments. Default 32,768; over it close 1009.
    pub message_bytes: usize,
    /// Sockets without a valid token, by address (IPv6 by /64). Default 60; over it 429.
    pub guests_per_address: u32,
    /// Sockets without a valid token in all. Default 2,048; over it 429.
    pub guests: u32,
    /// Sockets with a token, by address and server. Default 2,000; over it close 1013.
    pub per_address: u32,
    /// Sockets with a token, by credential (by user where the token names none) and server. Default 500; over it close
    /// 1013.
    pub per_credential: u32,
    /// Sockets with a token, by user on all servers. Default 10,000; over it close 1013. No user can fill the node.
    pub per_user: u32,
    /// Sockets with a token in all. Default 20,000; over it close 1013.
    pub total: u32,
    /// Lines that a viewer is shown an interval (`throttles`). Default none; over it a counted gap.
    pub throttle: Option<ViewThrottle>,
    /// The part of `total` that only holders of `*` may use. Default 1,000.
    pub reserve: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
            log_count: 150,
            auth_deadline: Duration::from_secs(10),
            auth_failures: 5,
            hold: Duration::from_millis(150),
            grace: Duration::from_secs(roost_wire::token::GRACE_SECS.unsigned_abs()),
            write_deadline: Duration::from_secs(30),
            keep_alive: Duration::from_secs(30),
            ping: Duration::from_secs(20),
            pong: Duration::from_secs(40),
            messages: (20.0, 100.0),
            dropped: (50.0, 500.0),
            user_messages: (200.0, 5_000.0),
            address_messages: (500.0, 10_000.0),
            message_bytes: MESSAGE_MAX,
            guests_per_address: 60,
            guests: 2_048,
            per_address: 2_000,
            per_credential: 500,
            per_user: 10_000,
            total: 20_000,
            throttle: None,
            reserve: 1_000,
        }
    }
}

impl Settings {
    /// With what an operator may set; the rest is the default.
    pub fn of(limits: &ConsoleLimits) -> Self {
        Self {
            auth_deadline: Duration::from_secs(limits.auth_secs),
            auth_failures: limits.refused_tokens,
            write_deadline: Duration::from_secs(limits.write_secs),
            ping: Duration::from_secs(limits.ping_secs),
            pong: Duration::from_secs(limits.pong_secs),
            messages: (limits.messages_per_second as f32, limits.messages_at_once as f32),
            dropped: (limits.dropped_per_second as f32, limits.dropped_at_once as f32),
            user_messages: (
                limits.user_messages_per_second as f32,
                limits.user_messages_at_once as f32,
            ),
            address_messages: (
                limits.address_messages_per_second as f32,
                limits.address_messages_at_once as f32,
            ),
            message_bytes: usize::try_from(limits.message_bytes).unwrap_or(usize::MAX),
            grace: Duration::from_secs(limits.grace_secs),
            guests_per_address: limits.waiting_per_address,
            guests: limits.waiting,
            per_address: limits.per_address,
            per_credential: limits.per_key,
            per_user: limits.per_user,
            total: limits.total,
            reserve: limits.reserve,
            ..Self::default()
        }
    }
}

/// A token bucket that fills by time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    filled: f32,
    at: Instant,
}

impl Bucket {
    /// A full one; `rate` is (a second, at once).
    pub(super) fn full(rate: (f32, f32), now: Instant) -> Self {
        Self {
            filled: rate.1,
            at: now,
        }
    }

    /// Whether it has filled up.
    pub(super) fn is_full(&self, rate: (f32, f32), now: Instant) -> bool {
        now.saturating_duration_since(self.at)
            .as_secs_f32()
            .mul_add(rate.0, self.filled)
            >= rate.1
    }

    /// Takes one. False when there is none.
    pub(super) fn take(&mut self, rate: (f32, f32), now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f32();
        self.filled = passed.mul_add(rate.0, self.filled).min(rate.1);
        self.at = now;
        let is_there = self.filled >= 1.0;
        if is_there {
            self.filled -= 1.0;
        }
        is_there
    }
}

/// An address as limits count it: IPv4 whole, IPv6 by its /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AddressKey(u64, bool);

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(v4.to_bits()), false),
            IpAddr::V6(v6) => Self((v6.to_bits() >> 64) as u64, true),
        }
    }
}

/// The limit that was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// Sockets of one address that have not shown a token.
    #[error("too many sockets of this address wait for a token")]
    Guests,
    /// Sockets that have not shown a token.
    #[error("too many sockets wait for a token")]
    AllGuests,
    /// Sockets of one address on this server.
    #[error("too many sockets of this address on this server")]
    Address,
    /// Sockets of one session or API key on this server.
    #[error("too many sockets of this session or API key on this server")]
    Credential,
    /// Sockets of one user on this node.
    #[error("too many sockets of this user on this node")]
    User,
    /// All sockets of the node.
    #[error("too many sockets on this node")]
    Total,
}

impl TooMany {
    /// With what a socket that has shown a token is closed.
    pub(super) fn close(self) -> Close {
        match self {
            Self::Address => Close::AddressFull,
            Self::Credential => Close::KeyFull,
            Self::User => Close::UserFull,
            Self::Guests | Self::AllGuests | Self::Total => Close::TryLater,
        }
    }
}

/// Whom a socket with a token is counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) server: Uuid,
    pub(super) user: Uuid,
    /// The credential, or the user where the token names none.
    pub(super) credential: Box<str>,
}

/// Counts the sockets of all shards.
#[derive(Debug, Default)]
pub(super) struct Admissions(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    guests: HashMap<AddressKey, u32>,
    all_guests: u32,
    by_address: HashMap<(AddressKey, Uuid), u32>,
    by_credential: HashMap<(Uuid, Box<str>), u32>,
    by_user: HashMap<Uuid, u32>,
    total: u32,
}

/// The right to have one socket open; gives it back when dropped.
#[derive(Debug)]
pub struct Permit {
    admissions: Arc<Admissions>,
    address: AddressKey,
    /// Whether limits by address hold: not where the address is a proxy's.
    by_address: bool,
    member: Option<Member>,
}

impl Admissions {
    /// Lets a connection in that has not shown a token.
    pub(super) fn guest(
        self: &Arc<Self>,
        address: IpAddr,
        by_address: bool,
        settings: &Settings,
    ) -> Result<Permit, TooMany> {
        let address = AddressKey::from(address);
        let mut counts = self.lock();
        if counts.all_guests >= settings.guests {
            return Err(TooMany::AllGuests);
        }
        let here = counts.guests.entry(address).or_default();
        if by_address && *here >= settings.guests_per_address {
            return Err(TooMany::Guests);
        }
        *here += 1;
        counts.all_guests += 1;
        Ok(Permit {
            admissions: Arc::clone(self),
            address,
            by_address,
            member: None,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn drop_guest(&mut self, address: AddressKey) {
        self.all_guests = self.all_guests.saturating_sub(1);
        decrement(&mut self.guests, &address);
    }

    fn drop_member(&mut self, address: AddressKey, member: &Member) {
        self.total = self.total.saturating_sub(1);
        decrement(&mut self.by_address, &(address, member.server));
        decrement(
            &mut self.by_credential,
            &(member.server, member.credential.clone()),
        );
        decrement(&mut self.by_user, &member.user);
    }

    fn add_member(&mut self, address: AddressKey, member: &Member) {
        self.total += 1;
        *self.by_address.entry((address, member.server)).or_default() += 1;
        let by_credential = (member.server, member.credential.clone());
        *self.by_credential.entry(by_credential).or_default() += 1;
        *self.by_user.entry(member.user).or_default() += 1;
    }
}

fn decrement<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Permit {
    /// From a guest to a member. On an error it stays a guest.
    pub(super) fn promote(
        &mut self,
        member: Member,
        holds_all: bool,
        settings: &Settings,
    ) -> Result<(), TooMany> {
        let admissions = Arc::clone(&self.admissions);
        let mut counts = admissions.lock();
        let total = if holds_all {
            settings.total
        } else {
            settings.total.saturating_sub(settings.reserve)
        };
        if counts.total >= total {
            return Err(TooMany::Total);
        }
        let of = |count: Option<&u32>| count.copied().unwrap_or_default();
        let here = (self.address, member.server);
        if self.by_address && of(counts.by_address.get(&here)) >= settings.per_address {
            return Err(TooMany::Address);
        }
        let by_credential = (member.server, member.credential.clone());
        if of(counts.by_credential.get(&by_credential)) >= settings.per_credential {
            return Err(TooMany::Credential);
        }
        if of(counts.by_user.get(&member.user)) >= settings.per_user {
            return Err(TooMany::User);
        }
        counts.add_member(self.address, &member);
        counts.drop_guest(self.address);
        self.member = Some(member);
        Ok(())
    }

    /// A member came with a token of somebody else. Never refused: the socket is there already.
    pub(super) fn change_member(&mut self, new: Member) {
        let Some(old) = self.member.take() else { return };
        let mut counts = self.admissions.lock();
        counts.drop_member(self.address, &old);
        counts.add_member(self.address, &new);
        drop(counts);
        self.member = Some(new);
    }
}

impl Permit {
    /// The address that its messages count for; none where it is a proxy's.
    pub(super) fn counted_address(&self) -> Option<AddressKey> {
        self.by_address.then_some(self.address)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admissions.lock();
        match &self.member {
            Some(member) => counts.drop_member(self.address, member),
            None => counts.drop_guest(self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Settings {
        Settings {
            guests_per_address: 2,
            guests: 4,
            per_address: 3,
            per_credential: 2,
            total: 4,
            reserve: 1,
            ..Settings::default()
        }
    }

    #[test]
    fn what_is_not_set_is_as_documented() {
        assert_eq!(Settings::of(&ConsoleLimits::default()), Settings::default());
        let limits = ConsoleLimits {
            per_key: 7,
            ..ConsoleLimits::default()
        };
        assert_eq!(Settings::of(&limits).per_credential, 7);
    }

    fn member(user: u128, credential: &str) -> Member {
        Member {
            server: Uuid::from_u128(1),
            user: Uuid::from_u128(user),
            credential: credential.into(),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_can_not_use_up_the_guests() {
        let all = Arc::new(Admissions::default());
        let first = all.guest(ip("2001:db8::1"), true, &small()).unwrap();
        let _second = all.guest(ip("2001:db8::2"), true, &small()).unwrap();
        assert_eq!(
            all.guest(ip("2001:db8::ffff:3"), true, &small()).unwrap_err(),
            TooMany::Guests
        );
        assert!(
            all.guest(ip("2001:db8:0:1::1"), true, &small()).is_ok(),
            "another /64"
        );
        assert!(
            all.guest(ip("2001:db8::4"), false, &small()).is_ok(),
            "a proxy's address does not count"
        );
        drop(first);
        assert!(all.guest(ip("2001:db8::3"), true, &small()).is_ok());
    }

    #[test]
    fn a_reserve_is_kept_for_owners() {
        let (all, rules) = (Arc::new(Admissions::default()), small());
        let mut held = Vec::new();
        for (address, user, credential) in [("10.0.0.1", 1, "a"), ("10.0.0.1", 1, "a"), ("10.0.0.2", 2, "b")]
        {
            let mut permit = all.guest(ip(address), true, &rules).unwrap();
            permit.promote(member(user, credential), false, &rules).unwrap();
            held.push(permit);
        }
        let mut late = all.guest(ip("10.0.0.3"), true, &rules).unwrap();
        assert_eq!(late.promote(member(3, "c"), false, &rules), Err(TooMany::Total));
        assert_eq!(
            late.promote(member(1, "a"), true, &rules),
            Err(TooMany::Credential)
        );
        assert_eq!(late.promote(member(3, "owner"), true, &rules), Ok(()));
        drop((held, late));
        assert_nothing_left(&all);
    }

    fn assert_nothing_left(all: &Admissions) {
        let counts = all.lock();
        assert_eq!((counts.total, counts.all_guests), (0, 0));
        assert!(counts.guests.is_empty() && counts.by_address.is_empty());
        assert!(counts.by_credential.is_empty() && counts.by_user.is_empty());
    }

    #[test]
    fn a_user_with_many_keys_and_servers_does_not_fill_the_node() {
        let all = Arc::new(Admissions::default());
        let rules = Settings {
            per_user: 3,
            ..Settings::default()
        };
        let of = |server, user, key: &str| Member {
            server: Uuid::from_u128(server),
            ..member(user, key)
        };
        let mut held = Vec::new();
        for (number, key) in ["a", "b", "c"].into_iter().enumerate() {
            let mut permit = all.guest(ip("10.0.0.1"), true, &rules).unwrap();
            permit.promote(of(number as u128, 1, key), true, &rules).unwrap();
            held.push(permit);
        }
        let mut late = all.guest(ip("10.0.0.2"), true, &rules).unwrap();
        assert_eq!(late.promote(of(9, 1, "d"), true, &rules), Err(TooMany::User));
        assert_eq!(TooMany::User.close(), Close::UserFull);
        assert_eq!(late.promote(of(9, 2, "e"), false, &rules), Ok(()));
        // A socket that goes over to somebody else makes room for the one and takes it from the other.
        held[0].change_member(of(0, 2, "f"));
        let mut next = all.guest(ip("10.0.0.2"), true, &rules).unwrap();
        assert_eq!(next.promote(of(9, 1, "d"), true, &rules), Ok(()));
        drop((held, late, next));
        assert_nothing_left(&all);
    }

    #[test]
    fn a_bucket_lets_a_burst_pass_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::full((2.0, 3.0), start);
        let mut take = |ms| bucket.take((2.0, 3.0), start + Duration::from_millis(ms));
        assert_eq!([take(0), take(0), take(0), take(0)], [true, true, true, false]);
        assert_eq!([take(400), take(500), take(600)], [false, true, false]);
    }
}
