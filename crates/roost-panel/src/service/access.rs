//! What somebody may do on a server: the one place that knows owner, administrator, subuser and stranger.
//!
//! The client API and the console's token both get their rights from [`access`], so they can't differ.

use crate::store::{ServerRow, UserRow};
use roost_wire::{
    clock::Millis,
    permission::{ALL, CONSOLE_HISTORY, PermissionSet, WEBSOCKET_CONNECT, grantable},
};

/// What somebody is to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An administrator, also of his own servers.
    Admin,
    /// Its owner.
    Owner,
    /// Somebody with a grant.
    Subuser,
}

/// What somebody may do on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// As what.
    pub role: Role,
    /// Exactly this, over HTTP as on the socket.
    pub rights: PermissionSet,
    /// What the console showed before this time is not for him; `None`: everything is.
    pub history_from: Option<Millis>,
}

/// Decides; `None` for a stranger. `granted` is the user's grant on this server, if there is one, and since when.
/// With `full`, whoever may open the console may do everything.
pub fn access(
    server: &ServerRow,
    user: &UserRow,
    granted: Option<&(Vec<String>, Millis)>,
    full: bool,
) -> Option<Access> {
    let all = |role, rights| {
        Some(Access {
            role,
            rights,
            history_from: None,
        })
    };
    if user.admin {
        return all(Role::Admin, PermissionSet::admin());
    }
    if server.owner == user.uuid {
        return all(Role::Owner, PermissionSet::owner());
    }
    let (names, since) = granted?;
    let granted: PermissionSet = names.iter().map(String::as_str).collect();
    let history_from = (!granted.allows(CONSOLE_HISTORY)).then_some(*since);
    let everything = grantable().iter().all(|name| granted.allows(name));
    let rights = if everything || (full && granted.allows(WEBSOCKET_CONNECT)) {
        [ALL].into_iter().collect()
    } else {
        granted
    };
    Some(Access {
        role: Role::Subuser,
        rights,
        history_from,
    })
}

#[cfg(test)]
mod tests;
