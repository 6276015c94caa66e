//! What owners' friends may do: granted by name, exactly as named.

use super::{
    Result, ServiceError, accounts,
    audit::{Actor, entry},
    revocation::{self, Scope},
};
use crate::{panel::App, store::ServerRow};
use roost_wire::permission::{grantable, is_grantable};

/// Sets somebody's rights on a server: exactly these. Where that changes any he had, his live consoles there end.
pub async fn set(app: &App, actor: &Actor, server: &ServerRow, user: &str, names: &[String]) -> Result<()> {
    let user = accounts::by_name(app, user).await?;
    let names = check(names)?;
    if user.uuid == server.owner {
        return Err(ServiceError::Conflict(format!(
            "{} owns {} and may do everything there already.",
            user.name, server.identifier
        )));
    }
    let mut tx = app.store.begin().await?;
    let before = tx.grant(server.uuid, user.uuid).await?;
    if before.as_ref() == Some(&names) {
        return Ok(());
    }
    tx.set_grant(server.uuid, user.uuid, &names, app.now()).await?;
    let event = if before.is_some() {
        revocation::queue(app, &mut tx, user.uuid, Scope::Server(server)).await?;
        "server:subuser.update"
    } else {
        "server:subuser.create"
    };
    let row = entry(app, actor, event)
        .on(server)
        .with("subuser", user.name.as_str())
        .with("permissions", names);
    tx.audit(&row).await?;
    tx.commit().await?;
    app.revocations.wake(app.now());
    Ok(())
}

/// Takes somebody's rights on a server away; his live consoles there end.
pub async fn revoke(app: &App, actor: &Actor, server: &ServerRow, user: &str) -> Result<()> {
    let user = accounts::by_name(app, user).await?;
    let mut tx = app.store.begin().await?;
    if !tx.delete_grant(server.uuid, user.uuid).await? {
        return Err(ServiceError::NotFound(format!(
            "{} has no rights on {} that were granted.",
            user.name, server.identifier
        )));
    }
    revocation::queue(app, &mut tx, user.uuid, Scope::Server(server)).await?;
    let row = entry(app, actor, "server:subuser.delete")
        .on(server)
        .with("subuser", user.name);
    tx.audit(&row).await?;
    tx.commit().await?;
    app.revocations.wake(app.now());
    Ok(())
}

/// Names of the catalogue only, in its order, each once.
fn check(names: &[String]) -> Result<Vec<String>> {
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| !is_grantable(name))
        .map(|name| format!("`{}`", name.chars().take(60).collect::<String>()))
        .collect();
    if !unknown.is_empty() {
        return Err(ServiceError::Invalid(format!(
            "permissions: {} can't be granted. What can be: {}.",
            unknown.join(", "),
            grantable().join(", ")
        )));
    }
    if names.is_empty() {
        return Err(ServiceError::Invalid(
            "permissions: name at least one; to take all away, revoke the grant.".to_owned(),
        ));
    }
    Ok(grantable()
        .into_iter()
        .filter(|name| names.contains(name))
        .collect())
}
