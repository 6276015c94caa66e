//! Limits of failed logins: by address, and by account plus address with a growing delay.
//!
//! Nothing is counted by account alone, so nobody can lock an owner out from another address. An attempt counts as
//! failed before its password is looked at, and is taken back if it was right: callers at the same time can't slip
//! through together. Whether a password is right is not this file's business.

use super::{Result, ServiceError, secrets::sha256_hex};
use crate::{
    panel::App,
    store::{LimitRow, Tx},
};
use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
};

/// Failures from one address within [`WINDOW`] before it has to wait for the window's end.
pub const ADDRESS_FAILURES: i64 = 30;
/// The window of an address, in milliseconds.
pub const WINDOW: i64 = 10 * 60 * 1000;
/// Failures on one account from one address without a delay.
pub const FREE_FAILURES: i64 = 4;
/// Longest delay, in milliseconds.
pub const LONGEST: i64 = 15 * 60 * 1000;
/// A counter is forgotten so many milliseconds after its last failure.
pub const FORGOTTEN: i64 = 60 * 60 * 1000;

/// An attempt that counts as failed until [`Attempt::succeed`].
#[derive(Debug)]
pub struct Attempt {
    address_key: String,
    pair_key: String,
}

/// Counts an attempt, or refuses it with the time after which another makes sense.
pub async fn begin(app: &App, account: &str, address: IpAddr) -> Result<Attempt> {
    let now = app.now();
    let network = network_of(address);
    let attempt = Attempt {
        address_key: format!("address {network}"),
        pair_key: format!(
            "pair {}",
            sha256_hex(format!("{network} {}", account.trim().to_lowercase()).as_bytes())
        ),
    };
    sweep_now_and_then(app, now).await?;
    let mut tx = app.store.begin().await?;
    count(&mut tx, &attempt.address_key, now, after_address_failure).await?;
    count(&mut tx, &attempt.pair_key, now, after_pair_failure).await?;
    tx.commit().await?;
    Ok(attempt)
}

impl Attempt {
    /// The password was right.
    pub async fn succeed(self, tx: &mut Tx) -> Result<()> {
        tx.lower_limit(&self.address_key).await?;
        tx.clear_limit(&self.pair_key).await?;
        Ok(())
    }
}

/// In a change of its own: within another it could wait for one that waits for it.
async fn sweep_now_and_then(app: &App, now: i64) -> Result<()> {
    static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
    if ATTEMPTS.fetch_add(1, Ordering::Relaxed).is_multiple_of(64) {
        let mut tx = app.store.begin().await?;
        tx.sweep_limits(now - FORGOTTEN).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn count(tx: &mut Tx, key: &str, now: i64, rule: fn(LimitRow, i64) -> LimitRow) -> Result<()> {
    let row = tx.take_limit(key, now).await?;
    if now < row.blocked_until {
        let seconds = (row.blocked_until - now).unsigned_abs().div_ceil(1000);
        return Err(ServiceError::TooMany { seconds });
    }
    tx.set_limit(key, rule(row, now), now).await?;
    Ok(())
}

fn after_address_failure(row: LimitRow, now: i64) -> LimitRow {
    let (failures, since) = if row.failures == 0 || now - row.since >= WINDOW {
        (1, now)
    } else {
        (row.failures + 1, row.since)
    };
    let blocked_until = if failures >= ADDRESS_FAILURES {
        since + WINDOW
    } else {
        0
    };
    LimitRow {
        failures,
        since,
        blocked_until,
    }
}

/// 1 s after the first failure beyond the free ones, then twice as long each time. `since` is the last failure.
fn after_pair_failure(row: LimitRow, now: i64) -> LimitRow {
    let failures = if now - row.since > FORGOTTEN {
        1
    } else {
        row.failures + 1
    };
    let beyond = failures - FREE_FAILURES;
    let blocked_until = if beyond > 0 {
        let exponent = u32::try_from(beyond - 1).unwrap_or(u32::MAX).min(20);
        now + (1000_i64 << exponent).min(LONGEST)
    } else {
        0
    };
    LimitRow {
        failures,
        since: now,
        blocked_until,
    }
}

/// One IPv4 address, or the network of 64 bits that one subscriber holds of IPv6.
fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_quarter_of_an_hour() {
        let mut row = LimitRow {
            failures: 0,
            since: 0,
            blocked_until: 0,
        };
        let mut delays = Vec::new();
        for _ in 0..18 {
            row = after_pair_failure(row, 0);
            delays.push(row.blocked_until / 1000);
        }
        assert_eq!(delays[..8], [0, 0, 0, 0, 1, 2, 4, 8]);
        assert_eq!(delays[17], 900);
        assert_eq!(after_pair_failure(row, FORGOTTEN + 1).failures, 1);
    }

    #[test]
    fn an_addresss_window_begins_anew() {
        let mut row = LimitRow {
            failures: 0,
            since: 0,
            blocked_until: 0,
        };
        for _ in 0..ADDRESS_FAILURES {
            assert_eq!(row.blocked_until, 0);
            row = after_address_failure(row, 7);
        }
        assert_eq!(row.blocked_until, 7 + WINDOW);
        row = after_address_failure(row, 7 + WINDOW);
        assert_eq!((row.failures, row.blocked_until), (1, 0));
    }

    #[test]
    fn a_subscribers_ipv6_network_counts_as_one() {
        let one = network_of("2001:db8:1:2:3::1".parse().unwrap());
        assert_eq!(one, network_of("2001:db8:1:2:ffff::9".parse().unwrap()));
        assert_ne!(one, network_of("2001:db8:1:3::1".parse().unwrap()));
        assert_eq!(network_of("::ffff:1.2.3.4".parse().unwrap()), "1.2.3.4");
    }
}
