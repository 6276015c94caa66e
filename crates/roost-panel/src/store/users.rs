//! Accounts. Names and e-mails are found in any letter case.

use super::{Result, Store, Tx, change, rows, tx_rows};
use uuid::Uuid;

/// An account. Its password's hash is fetched apart, and only to check it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct UserRow {
    /// Small number, for clients that want one.
    pub number: i64,
    /// The account.
    #[sqlx(try_from = "String")]
    pub uuid: Uuid,
    /// As its owner writes it.
    pub name: String,
    /// Optional.
    pub email: Option<String>,
    /// Administrator.
    pub admin: bool,
    /// Stands for the command line: it is in no list and can't log in.
    pub hidden: bool,
    /// Milliseconds since the epoch.
    pub created_at: i64,
}

macro_rules! select_users {
    ($rest:literal) => {
        concat!(
            "SELECT number, uuid, name, email, admin, hidden, created_at FROM users ",
            $rest
        )
    };
}

/// What a name or e-mail is looked up by.
pub(crate) fn lookup_key(text: &str) -> String {
    text.trim().to_lowercase()
}

impl Store {
    /// All but the hidden one, by name.
    pub async fn users(&self) -> Result<Vec<UserRow>> {
        rows!(
            fetch_all,
            UserRow,
            &self.db,
            select_users!("WHERE NOT hidden ORDER BY name_key")
        )
    }

    /// By id.
    pub async fn user(&self, uuid: Uuid) -> Result<Option<UserRow>> {
        rows!(
            fetch_optional,
            UserRow,
            &self.db,
            select_users!("WHERE uuid = $1"),
            uuid.to_string()
        )
    }

    /// By name, in any letter case; the hidden one is not found.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<UserRow>> {
        rows!(
            fetch_optional,
            UserRow,
            &self.db,
            select_users!("WHERE name_key = $1 AND NOT hidden"),
            lookup_key(name)
        )
    }

    /// By name or e-mail, with the password's hash.
    pub async fn user_for_login(&self, name_or_email: &str) -> Result<Option<(UserRow, Option<String>)>> {
        #[derive(sqlx::FromRow)]
        struct WithHash {
            #[sqlx(flatten)]
            user: UserRow,
            password_hash: Option<String>,
        }
        let found = rows!(
            fetch_optional,
            WithHash,
            &self.db,
            "SELECT number, uuid, name, email, admin, hidden, created_at, password_hash FROM users \
             WHERE (name_key = $1 OR email_key = $1) AND NOT hidden ORDER BY name_key = $1 DESC LIMIT 1",
            lookup_key(name_or_email)
        )?;
        Ok(found.map(|row| (row.user, row.password_hash)))
    }

    /// Whether somebody can administer this panel.
    pub async fn has_admin(&self) -> Result<bool> {
        let (count,) = rows!(
            fetch_one,
            (i64,),
            &self.db,
            "SELECT COUNT(*) FROM users WHERE admin AND NOT hidden"
        )?;
        Ok(count > 0)
    }
}

impl Tx {
    /// Adds an account; [`super::StoreError::Conflict`] if the name or the e-mail is taken.
    pub async fn insert_user(&mut self, user: &UserRow, password_hash: Option<&str>) -> Result<()> {
        change!(
            self,
            "INSERT INTO users (uuid, name, name_key, email, email_key, password_hash, admin, hidden, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            user.uuid.to_string(),
            &user.name,
            // A name has no space in it, so the hidden account takes no name from anybody.
            if user.hidden {
                format!(" {}", user.name)
            } else {
                lookup_key(&user.name)
            },
            &user.email,
            user.email.as_deref().map(lookup_key),
            password_hash,
            user.admin,
            user.hidden,
            user.created_at
        )?;
        Ok(())
    }

    /// By id, as this change sees it.
    pub async fn user(&mut self, uuid: Uuid) -> Result<Option<UserRow>> {
        tx_rows!(
            fetch_optional,
            UserRow,
            self,
            select_users!("WHERE uuid = $1"),
            uuid.to_string()
        )
    }

    /// Sets the password's hash.
    pub async fn set_password(&mut self, user: Uuid, hash: &str) -> Result<bool> {
        let changed = change!(
            self,
            "UPDATE users SET password_hash = $2 WHERE uuid = $1",
            user.to_string(),
            hash
        )?;
        Ok(changed > 0)
    }

    /// Removes an account with its sessions, keys and grants; [`super::StoreError::Dependent`] if it owns servers.
    pub async fn delete_user(&mut self, user: Uuid) -> Result<bool> {
        Ok(change!(
            self,
            "DELETE FROM users WHERE uuid = $1 AND NOT hidden",
            user.to_string()
        )? > 0)
    }

    /// How many administrators there are beside `user`.
    pub async fn other_admins(&mut self, user: Uuid) -> Result<i64> {
        let (count,) = tx_rows!(
            fetch_one,
            (i64,),
            self,
            "SELECT COUNT(*) FROM users WHERE admin AND NOT hidden AND uuid <> $1",
            user.to_string()
        )?;
        Ok(count)
    }
}
