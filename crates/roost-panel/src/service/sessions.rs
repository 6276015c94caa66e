//! Sessions: logging in, being looked up, logging out.

use super::{
    Result, ServiceError,
    audit::{Actor, entry},
    limits,
    revocation::{self, Scope},
    secrets::{random_alphanumeric, random_token, sha256_hex},
};
use crate::{
    panel::App,
    store::{NewSession, SessionRow, StoreError, UserRow},
};
use std::net::IpAddr;

/// A session ends so many milliseconds after it was last used.
pub const LIFETIME: i64 = 30 * 24 * 60 * 60 * 1000;
/// Its end is moved at most once in so many milliseconds.
const EXTENDED_EVERY: i64 = 60 * 60 * 1000;
/// Sessions of one user; the oldest ends when one more begins.
const MOST: i64 = 50;

/// What a login gives.
#[derive(Debug)]
pub struct LoggedIn {
    /// Who.
    pub user: UserRow,
    /// The cookie's value; not kept anywhere.
    pub token: String,
    /// The session's public id.
    pub id: String,
}

/// Checks name (or e-mail) and password, and begins a session.
pub async fn log_in(
    app: &App,
    name: &str,
    password: String,
    address: IpAddr,
    agent: &str,
) -> Result<LoggedIn> {
    let from = Actor {
        user: None,
        address: Some(address.to_string()),
        via: "session",
        credential: None,
        uid: None,
    };
    // What the limit refuses is not recorded: that would be a way to fill the audit.
    let attempt = limits::begin(app, name, address).await?;
    let (found, hash) = match app.store.user_for_login(name).await? {
        Some((user, hash)) => (Some(user), hash),
        None => (None, None),
    };
    let fits = app.passwords.fits(password, hash).await?;
    let Some(user) = found.clone().filter(|_| fits) else {
        // A name that is no account's may be a password in the wrong field: it is not written down.
        let mut row = entry(app, &from, "auth:fail");
        row.user = found.map(|user| (user.uuid, user.name));
        app.store.record(row).await?;
        return Err(ServiceError::Unauthenticated(
            "These are not the name and the password of an account.".to_owned(),
        ));
    };
    let now = app.now();
    let (id, token) = (random_alphanumeric(16)?, random_token()?);
    let agent: String = agent.chars().filter(|c| !c.is_control()).take(200).collect();
    let session = NewSession {
        id: &id,
        token_hash: &sha256_hex(token.as_bytes()),
        user: user.uuid,
        address: &address.to_string(),
        agent: &agent,
        created_at: now,
        expires_at: now + LIFETIME,
    };
    let actor = Actor {
        user: Some((user.uuid, user.name.clone())),
        credential: Some(id.clone()),
        ..from
    };
    let mut tx = app.store.begin().await?;
    attempt.succeed(&mut tx).await?;
    tx.insert_session(&session, MOST).await?;
    tx.audit(&entry(app, &actor, "auth:success")).await?;
    tx.commit().await?;
    Ok(LoggedIn { user, token, id })
}

/// The session of a cookie, if it holds. Its end moves with its use.
pub async fn check(app: &App, cookie: &str) -> Result<Option<SessionRow>> {
    if cookie.len() != 43 {
        return Ok(None);
    }
    let now = app.now();
    let found = app.store.session(&sha256_hex(cookie.as_bytes()), now).await?;
    if let Some(session) = &found
        && session.expires_at < now + LIFETIME - EXTENDED_EVERY
    {
        match app.store.extend_session(&session.id, now + LIFETIME).await {
            // It holds for now, and its end is moved once there is room.
            Ok(()) | Err(StoreError::DiskFull) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Ends a session, with the sockets and tokens that came of it.
pub async fn log_out(app: &App, actor: &Actor, user: &UserRow, id: &str) -> Result<()> {
    let mut tx = app.store.begin().await?;
    if tx.delete_session(id).await? {
        tx.audit(&entry(app, actor, "auth:logout")).await?;
    }
    revocation::queue(app, &mut tx, user.uuid, Scope::Credential(id)).await?;
    tx.commit().await?;
    app.revocations.wake(app.now());
    Ok(())
}
