//! API keys, in the form that existing bots expect: `ptlc_` and 43 letters and digits.

use super::{
    Result, ServiceError,
    audit::{Actor, entry},
    revocation::{self, Scope},
    secrets::{random_alphanumeric, sha256_hex},
};
use crate::{
    panel::App,
    store::{KeyRow, StoreError, UserRow},
};

/// What every key begins with.
pub const PREFIX: &str = "ptlc_";
/// Characters of a whole key.
pub const LENGTH: usize = 48;
/// Characters of its identifier, which are its first ones.
pub const IDENTIFIER: usize = 16;
/// Its last use is noted at most once in so many milliseconds.
const NOTED_EVERY: i64 = 60_000;
/// Keys of one user.
const MOST: usize = 50;
/// Characters of a description.
const DESCRIPTION: usize = 500;

/// The key, if it holds.
pub async fn check(app: &App, token: &str) -> Result<Option<KeyRow>> {
    if token.len() != LENGTH || !token.starts_with(PREFIX) {
        return Ok(None);
    }
    let found = app.store.key(&sha256_hex(token.as_bytes())).await?;
    let now = app.now();
    if let Some(key) = &found
        && key.last_used_at.is_none_or(|last| now - last >= NOTED_EVERY)
    {
        match app.store.touch_key(&key.identifier, now, NOTED_EVERY).await {
            // When it was last used is only told, and noted once there is room.
            Ok(()) | Err(StoreError::DiskFull) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Makes a key; the whole of it is told this once.
pub async fn create(app: &App, actor: &Actor, user: &UserRow, description: &str) -> Result<String> {
    let description = description.trim();
    if description.chars().count() > DESCRIPTION {
        return Err(ServiceError::Invalid(format!(
            "description: at most {DESCRIPTION} characters."
        )));
    }
    if app.store.keys(Some(user.uuid)).await?.len() >= MOST {
        return Err(ServiceError::Conflict(format!(
            "{} has {MOST} API keys already: revoke one first.",
            user.name
        )));
    }
    let key = format!("{PREFIX}{}", random_alphanumeric(LENGTH - PREFIX.len())?);
    let identifier = &key[..IDENTIFIER];
    let mut tx = app.store.begin().await?;
    tx.insert_key(
        identifier,
        &sha256_hex(key.as_bytes()),
        user.uuid,
        description,
        app.now(),
    )
    .await?;
    let row = entry(app, actor, "user:api-key.create")
        .with("identifier", identifier)
        .with("owner", user.name.as_str());
    tx.audit(&row).await?;
    tx.commit().await?;
    Ok(key)
}

/// Revokes a key, with the sockets and tokens that came of it.
pub async fn revoke(app: &App, actor: &Actor, identifier: &str) -> Result<()> {
    let missing = || ServiceError::NotFound(format!("There is no API key `{}`.", shown(identifier)));
    let key = app
        .store
        .key_by_identifier(identifier)
        .await?
        .ok_or_else(missing)?;
    let mut tx = app.store.begin().await?;
    if !tx.delete_key(identifier).await? {
        return Err(missing());
    }
    revocation::queue(app, &mut tx, key.user.uuid, Scope::Credential(identifier)).await?;
    let row = entry(app, actor, "user:api-key.delete")
        .with("identifier", identifier)
        .with("owner", key.user.name);
    tx.audit(&row).await?;
    tx.commit().await?;
    app.revocations.wake(app.now());
    Ok(())
}

/// Somebody may give a whole key where its identifier is asked for: it is not repeated.
fn shown(identifier: &str) -> String {
    identifier.chars().take(IDENTIFIER).collect()
}
