//! Accounts: made, given new passwords, removed.

use super::{
    Result, ServiceError,
    audit::{Actor, entry},
    revocation::{self, Scope},
    secrets::random_uuid,
};
use crate::{
    panel::App,
    store::{StoreError, UserRow},
};
use roost_wire::admin_api::NewUser;
use uuid::{Uuid, uuid};

/// The account that stands for the command line on the panel's machine.
pub const CLI: Uuid = uuid!("00000000-0000-4000-8000-00000000c11c");
/// Fewest characters of a password.
pub const PASSWORD_MIN: usize = 8;
/// Most bytes of a password: hashing takes time with its length.
pub const PASSWORD_MAX: usize = 1024;
/// Most characters of a name.
const NAME_MAX: usize = 32;

/// The account that stands for the command line. It has no password, and is in no list.
pub fn cli_user() -> UserRow {
    UserRow {
        number: 0,
        uuid: CLI,
        name: "cli".to_owned(),
        email: None,
        admin: true,
        hidden: true,
        created_at: 0,
    }
}

/// Makes the command line's account, if it is not there.
pub async fn ensure_cli(app: &App) -> Result<()> {
    if app.store.user(CLI).await?.is_some() {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    match tx.insert_user(&cli_user(), None).await {
        Ok(()) => Ok(tx.commit().await?),
        // Another panel on this database was faster.
        Err(StoreError::Conflict) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// The account of this name.
pub async fn by_name(app: &App, name: &str) -> Result<UserRow> {
    let shown: String = name.chars().take(NAME_MAX).collect();
    app.store.user_by_name(name).await?.ok_or_else(|| {
        ServiceError::NotFound(format!(
            "There is no user `{shown}`. `roost user list` shows them."
        ))
    })
}

/// Makes an account.
pub async fn create(app: &App, actor: &Actor, new: NewUser) -> Result<UserRow> {
    check_name(&new.name)?;
    check_password(&new.password)?;
    let email = new.email.as_deref().map(str::trim).filter(|e| !e.is_empty());
    if let Some(email) = email {
        check_email(email)?;
    }
    let user = UserRow {
        number: 0,
        uuid: random_uuid()?,
        name: new.name,
        email: email.map(str::to_owned),
        admin: new.admin,
        hidden: false,
        created_at: app.now(),
    };
    let hash = app.passwords.hash(new.password).await?;
    let mut tx = app.store.begin().await?;
    tx.insert_user(&user, Some(&hash))
        .await
        .map_err(|error| match error {
            StoreError::Conflict => ServiceError::Conflict(format!(
                "name or email: an account with the name `{}`{} exists already.",
                user.name,
                user.email
                    .as_deref()
                    .map(|e| format!(" or the e-mail {e}"))
                    .unwrap_or_default()
            )),
            other => other.into(),
        })?;
    let row = entry(app, actor, "user:create")
        .with("name", user.name.as_str())
        .with("admin", user.admin);
    tx.audit(&row).await?;
    let stored = tx.user(user.uuid).await?;
    tx.commit().await?;
    Ok(stored.unwrap_or(user))
}

/// Sets a password. All sessions of the account end; its API keys stay.
pub async fn set_password(app: &App, actor: &Actor, name: &str, password: String) -> Result<()> {
    check_password(&password)?;
    let user = by_name(app, name).await?;
    let hash = app.passwords.hash(password).await?;
    let mut tx = app.store.begin().await?;
    tx.set_password(user.uuid, &hash).await?;
    for session in tx.delete_sessions_of(user.uuid).await? {
        revocation::queue(app, &mut tx, user.uuid, Scope::Credential(&session)).await?;
    }
    tx.audit(&entry(app, actor, "user:account.password-changed").with("name", user.name))
        .await?;
    tx.commit().await?;
    app.revocations.wake(app.now());
    Ok(())
}

/// Removes an account with its sessions, keys, grants and live consoles. One that owns servers stays.
pub async fn delete(app: &App, actor: &Actor, name: &str) -> Result<()> {
    let user = by_name(app, name).await?;
    let mut tx = app.store.begin().await?;
    let owned = tx.identifiers_owned_by(user.uuid).await?;
    if !owned.is_empty() {
        return Err(ServiceError::Conflict(format!(
            "{} owns servers: {}. Give them to somebody else first (`roost server set SERVER --owner USER`), or delete \
             them.",
            user.name,
            owned.join(", ")
        )));
    }
    if user.admin && tx.other_admins(user.uuid).await? == 0 {
        return Err(ServiceError::Conflict(format!(
            "{} is the last administrator. Make another one first.",
            user.name
        )));
    }
    revocation::queue(app, &mut tx, user.uuid, Scope::Everything).await?;
    tx.delete_user(user.uuid).await?;
    tx.audit(&entry(app, actor, "user:delete").with("name", user.name))
        .await?;
    tx.commit().await?;
    app.revocations.wake(app.now());
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(fits) {
        return Err(ServiceError::Invalid(format!(
            "name: 1 to {NAME_MAX} characters, letters (a-z), digits, `.`, `_` and `-`."
        )));
    }
    if name.eq_ignore_ascii_case("cli") {
        return Err(ServiceError::Invalid(
            "name: `cli` stands for the command line; take another one.".to_owned(),
        ));
    }
    Ok(())
}

fn check_password(password: &str) -> Result<()> {
    if password.chars().count() < PASSWORD_MIN || password.len() > PASSWORD_MAX {
        return Err(ServiceError::Invalid(format!(
            "password: {PASSWORD_MIN} characters at least, {PASSWORD_MAX} bytes at most."
        )));
    }
    Ok(())
}

fn check_email(email: &str) -> Result<()> {
    let plain = email.len() <= 191 && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    let split = email
        .split_once('@')
        .is_some_and(|(who, host)| !who.is_empty() && !host.is_empty() && !host.contains('@'));
    if plain && split {
        Ok(())
    } else {
        Err(ServiceError::Invalid(
            "email: an address such as ada@example.com, at most 191 characters.".to_owned(),
        ))
    }
}
