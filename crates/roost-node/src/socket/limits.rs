//! How much of everything viewers may have: the settings with their defaults, the message bucket, and the counting of
//! sockets by address, credential and in all.
//!
//! Sockets without a token are capped tightly by address; those with one generously by address and credential, and a
//! part of the total is kept for owners and administrators. So neither a flood nor a user with many windows locks
//! others out. What a viewer is told at a limit is said where the limit is asked.

use super::{frame_reader::MESSAGE_MAX, throttle::ViewThrottle};
use roost_wire::node_config::ConsoleLimits;
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
            message_bytes: MESSAGE_MAX,
            guests_per_address: 60,
            guests: 2_048,
            per_address: 2_000,
            per_credential: 500,
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
            message_bytes: usize::try_from(limits.message_bytes).unwrap_or(usize::MAX),
            grace: Duration::from_secs(limits.grace_secs),
            guests_per_address: limits.waiting_per_address,
            guests: limits.waiting,
            per_address: limits.per_address,
            per_credential: limits.per_key,
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
    /// All sockets of the node.
    #[error("too many sockets on this node")]
    Total,
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
    total: u32,
}

/// The right to have one socket open; gives it back when dropped.
#[derive(Debug)]
pub struct Permit {
    admissions: Arc<Admissions>,
    address: AddressKey,
    /// Whether limits by address hold: not where the address is a proxy's.
    by_address: bool,
    member: Option<(Uuid, Box<str>)>,
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

    fn drop_member(&mut self, address: AddressKey, member: &(Uuid, Box<str>)) {
        self.total = self.total.saturating_sub(1);
        decrement(&mut self.by_address, &(address, member.0));
        decrement(&mut self.by_credential, member);
    }

    fn add_member(&mut self, address: AddressKey, member: &(Uuid, Box<str>)) {
        self.total += 1;
        *self.by_address.entry((address, member.0)).or_default() += 1;
        *self.by_credential.entry(member.clone()).or_default() += 1;
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
        server: Uuid,
        credential: &str,
        holds_all: bool,
        settings: &Settings,
    ) -> Result<(), TooMany> {
        let member = (server, Box::from(credential));
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
        if self.by_address && of(counts.by_address.get(&(self.address, server))) >= settings.per_address {
            return Err(TooMany::Address);
        }
        if of(counts.by_credential.get(&member)) >= settings.per_credential {
            return Err(TooMany::Credential);
        }
        counts.add_member(self.address, &member);
        counts.drop_guest(self.address);
        self.member = Some(member);
        Ok(())
    }

    /// A member came with a token of another credential. Never refused: the socket is there already.
    pub(super) fn change_credential(&mut self, credential: &str) {
        let Some(old) = self.member.take() else { return };
        let new = (old.0, Box::from(credential));
        let mut counts = self.admissions.lock();
        counts.drop_member(self.address, &old);
        counts.add_member(self.address, &new);
        drop(counts);
        self.member = Some(new);
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
        let server = Uuid::from_u128(1);
        for (address, credential) in [("10.0.0.1", "a"), ("10.0.0.1", "a"), ("10.0.0.2", "b")] {
            let mut permit = all.guest(ip(address), true, &rules).unwrap();
            permit.promote(server, credential, false, &rules).unwrap();
            held.push(permit);
        }
        let mut late = all.guest(ip("10.0.0.3"), true, &rules).unwrap();
        assert_eq!(late.promote(server, "c", false, &rules), Err(TooMany::Total));
        assert_eq!(late.promote(server, "a", true, &rules), Err(TooMany::Credential));
        assert_eq!(late.promote(server, "owner", true, &rules), Ok(()));
        drop((held, late));
        let counts = all.lock();
        assert_eq!((counts.total, counts.all_guests), (0, 0));
        assert!(counts.guests.is_empty() && counts.by_address.is_empty() && counts.by_credential.is_empty());
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
