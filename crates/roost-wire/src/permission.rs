//! Permission names and the rule by which a set of them covers one.
//!
//! The catalogue is Pterodactyl's. Whether a person holds a set is the panel's business; the node sees only what
//! the token carries. Both ask [`PermissionSet::allows`], so that token rights and REST rights cannot differ.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Open the live socket: console and figures.
pub const WEBSOCKET_CONNECT: &str = "websocket.connect";
/// Send commands.
pub const CONTROL_CONSOLE: &str = "control.console";
/// Start the server.
pub const CONTROL_START: &str = "control.start";
/// Stop or kill the server.
pub const CONTROL_STOP: &str = "control.stop";
/// Restart the server.
pub const CONTROL_RESTART: &str = "control.restart";
/// Read what the console showed before the grant (Roost's own name).
pub const CONSOLE_HISTORY: &str = "console.history";
/// List subusers.
pub const USER_READ: &str = "user.read";
/// Give somebody else access.
pub const USER_CREATE: &str = "user.create";
/// Change somebody else's access.
pub const USER_UPDATE: &str = "user.update";
/// Take somebody's access away.
pub const USER_DELETE: &str = "user.delete";
/// Read the server's audit.
pub const ACTIVITY_READ: &str = "activity.read";
/// See the secondary addresses of a server.
pub const ALLOCATION_READ: &str = "allocation.read";
/// See startup variables.
pub const STARTUP_READ: &str = "startup.read";
/// Token only: raw errors.
pub const ADMIN_ERRORS: &str = "admin.websocket.errors";
/// Token only: the installer's output.
pub const ADMIN_INSTALL: &str = "admin.websocket.install";
/// Token only: the transfer's log.
pub const ADMIN_TRANSFER: &str = "admin.websocket.transfer";
/// Everything that does not start with `admin`.
pub const ALL: &str = "*";

/// The three names that only an administrator's token carries.
pub const ADMIN_WEBSOCKET: [&str; 3] = [ADMIN_ERRORS, ADMIN_INSTALL, ADMIN_TRANSFER];

/// One group of the catalogue: name, description, and keys with descriptions.
pub type Group = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// What can be granted to a subuser, by group (`websocket.connect` is group `websocket`, key `connect`).
pub const CATALOGUE: &[Group] = &[
    (
        "websocket",
        "The live console",
        &[("connect", "Open the live console and its figures.")],
    ),
    (
        "console",
        "Console history",
        &[(
            "history",
            "Read what the console showed before access was granted.",
        )],
    ),
    (
        "control",
        "Power and commands",
        &[
            ("console", "Send commands to the server."),
            ("start", "Start the server when it is stopped."),
            ("stop", "Stop or kill the server when it runs."),
            ("restart", "Restart the server."),
        ],
    ),
    (
        "user",
        "Other people's access",
        &[
            ("create", "Give somebody else access to the server."),
            ("read", "See who has access, and to what."),
            ("update", "Change somebody else's access."),
            ("delete", "Take somebody's access away."),
        ],
    ),
    (
        "file",
        "Files",
        &[
            ("create", "Create files and folders."),
            ("read", "List folders, without reading files."),
            ("read-content", "Read and download files."),
            ("update", "Change files and folders."),
            ("delete", "Delete files and folders."),
            ("archive", "Pack and unpack archives."),
            ("sftp", "Reach the files by SFTP, within the other file rights."),
        ],
    ),
    (
        "backup",
        "Backups",
        &[
            ("create", "Make backups."),
            ("read", "See the list of backups."),
            ("delete", "Delete backups."),
            ("download", "Download backups."),
            ("restore", "Restore backups."),
        ],
    ),
    (
        "allocation",
        "Addresses",
        &[
            ("read", "See all addresses of the server."),
            ("create", "Add addresses."),
            ("update", "Change the main address and notes."),
            ("delete", "Remove addresses."),
        ],
    ),
    (
        "startup",
        "Startup",
        &[
            ("read", "See the startup variables."),
            ("update", "Change the startup variables."),
            ("docker-image", "Change the image."),
        ],
    ),
    (
        "database",
        "Databases",
        &[
            ("create", "Make databases."),
            ("read", "See the databases."),
            ("update", "Change a database's password."),
            ("delete", "Delete databases."),
            ("view_password", "See a database's password."),
        ],
    ),
    (
        "schedule",
        "Schedules",
        &[
            ("create", "Make schedules."),
            ("read", "See schedules."),
            ("update", "Change and run schedules."),
            ("delete", "Delete schedules."),
        ],
    ),
    (
        "settings",
        "Settings",
        &[
            ("rename", "Rename the server."),
            ("reinstall", "Install the server again."),
        ],
    ),
    (
        "activity",
        "Audit",
        &[("read", "See what was done on the server, and by whom.")],
    ),
];

/// Whether `name` can be granted to a subuser.
pub fn is_grantable(name: &str) -> bool {
    name.split_once('.').is_some_and(|(group, key)| {
        CATALOGUE
            .iter()
            .any(|(g, _, keys)| *g == group && keys.iter().any(|(k, _)| *k == key))
    })
}

/// Every name of the catalogue, as `group.key`.
pub fn grantable() -> Vec<String> {
    CATALOGUE
        .iter()
        .flat_map(|(g, _, keys)| keys.iter().map(move |(k, _)| format!("{g}.{k}")))
        .collect()
}

/// A set of permission names, as a token carries it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PermissionSet(BTreeSet<String>);

impl PermissionSet {
    /// An owner's set: exactly `["*"]`.
    pub fn owner() -> Self {
        [ALL].into_iter().collect()
    }

    /// An administrator's set: `*` and the three `admin.websocket.*`.
    pub fn admin() -> Self {
        std::iter::once(ALL).chain(ADMIN_WEBSOCKET).collect()
    }

    /// Exact name, or `*` for anything that does not start with `admin`.
    pub fn allows(&self, name: &str) -> bool {
        self.0.contains(name) || (!name.starts_with("admin") && self.0.contains(ALL))
    }

    /// Whether the installer's output may be shown (on Roost's node `*` includes it).
    pub fn sees_install(&self) -> bool {
        self.0.contains(ADMIN_INSTALL) || self.0.contains(ALL)
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<S: Into<String>> FromIterator<S> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_granted_is_the_catalogue_and_nothing_else() {
        let names = grantable();
        assert_eq!(
            names.len(),
            CATALOGUE.iter().map(|(_, _, keys)| keys.len()).sum::<usize>()
        );
        assert!(names.iter().all(|name| is_grantable(name)));
        assert!(names.iter().any(|name| name == WEBSOCKET_CONNECT));
        // A key of another group, and a group's key that it lacks.
        assert!(!is_grantable("websocket.reinstall") && !is_grantable("control.connect"));
    }

    #[test]
    fn a_set_tells_its_names_and_who_sees_the_installer() {
        let set: PermissionSet = ["control.stop", "control.console"].into_iter().collect();
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            ["control.console", "control.stop"]
        );
        assert!(!set.is_empty() && PermissionSet::default().is_empty());
        let install: PermissionSet = [ADMIN_INSTALL].into_iter().collect();
        assert!(install.sees_install() && PermissionSet::owner().sees_install() && !set.sees_install());
    }

    #[test]
    fn a_star_covers_all_but_admin_names() {
        let owner = PermissionSet::owner();
        assert!(grantable().iter().all(|name| owner.allows(name)));
        assert!(!ADMIN_WEBSOCKET.iter().any(|name| owner.allows(name)));
        assert!(
            ADMIN_WEBSOCKET
                .iter()
                .all(|name| PermissionSet::admin().allows(name))
        );
    }

    #[test]
    fn a_subuser_holds_exactly_what_was_granted() {
        let set: PermissionSet = [WEBSOCKET_CONNECT].into_iter().collect();
        assert!(set.allows(WEBSOCKET_CONNECT));
        assert!(!set.allows(CONTROL_CONSOLE) && !set.sees_install());
        assert!(!set.allows("websocket.connect.more") && !set.allows("Websocket.connect"));
    }

    #[test]
    fn the_catalogue_knows_its_names() {
        assert!(is_grantable("control.console") && is_grantable("console.history"));
        assert!(!is_grantable("*") && !is_grantable("admin.websocket.errors") && !is_grantable("control"));
    }
}
