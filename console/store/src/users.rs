//! Console users.

use centaur_base::Secret;
use centaur_base::oid::{Oid, UserId};
use serde::Serialize;

use crate::audit::Entry;
use crate::db::{Arg, Row, args};
use crate::error::StoreError;
use crate::list::{Listed, Page, Query};
use crate::name::expect_revision;
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

/// Somebody who may sign in to the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Trimmed, lower case, unique.
    pub email: String,
    /// A name for people.
    pub name: Option<String>,
    /// Whether the user may come in.
    pub status: UserStatus,
    /// May see and change everything.
    pub admin: bool,
    /// Has a password; others sign in by a provider.
    pub has_password: bool,
    /// Somebody vouched for the address: who made the user, or a provider.
    pub email_verified: bool,
    /// When an administrator let the user in.
    pub approved_at: Option<Micros>,
    /// Which one.
    pub approved_by: Option<UserId>,
    /// Raised by every write.
    pub revision: i64,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last written.
    pub updated_at: Micros,
}

/// Whether a user may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UserStatus {
    /// Waits for an administrator.
    Pending,
    /// May.
    Active,
    /// May not any more; neither may the user's keys.
    Disabled,
}

impl UserStatus {
    /// As the API and the table write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    /// The inverse of [`UserStatus::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Disabled].into_iter().find(|known| known.as_str() == text)
    }
}

/// A user to make.
#[derive(Debug)]
pub struct NewUser {
    /// Trimmed and put into lower case on the way in.
    pub email: String,
    /// A name for people.
    pub name: Option<String>,
    /// Whether the user may come in at once.
    pub status: UserStatus,
    /// May see and change everything.
    pub admin: bool,
    /// The hash of the password as a PHC string.
    pub password_hash: Option<Secret<String>>,
    /// Somebody vouches for the address.
    pub email_verified: bool,
}

/// What to write into a user; `None` keeps what is there.
#[derive(Debug, Default)]
pub struct UserPatch {
    /// The name; `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    /// The status. From pending to active it is noted who did it, and when.
    pub status: Option<UserStatus>,
    /// The administrator's rights.
    pub admin: Option<bool>,
    /// The hash of a new password. All sessions of the user end.
    pub password_hash: Option<Secret<String>>,
    /// Somebody vouches for the address now.
    pub email_verified: Option<bool>,
}

pub(crate) const COLUMNS: &str = "users.id, users.email, users.name, users.status, users.admin, \
                                  CASE WHEN users.password_hash IS NULL THEN CAST(0 AS BIGINT) \
                                  ELSE CAST(1 AS BIGINT) END, users.email_verified, users.approved_at, users.approved_by, \
                                  users.revision, users.created_at, users.updated_at";

impl ReadTx {
    /// The user of this id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        self.one_user(format!("SELECT {COLUMNS} FROM users WHERE id = $1"), args![id.row()]).await
    }

    /// The user of this address, however it is written.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn user_by_email(&mut self, email: &str) -> Result<Option<User>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM users WHERE email = $1");
        self.one_user(sql, args![plain(email)]).await
    }

    /// A page of users; of one status, when it is given.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn users(
        &mut self,
        status: Option<UserStatus>,
        page: Page,
    ) -> Result<Listed<User>, StoreError> {
        let mut query = Query::new("");
        if let Some(status) = status {
            query.and("status = ?", status.as_str());
        }
        let listed = self.page(COLUMNS, "users", query, page).await?;
        let rows = listed.rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Listed { rows, total: listed.total })
    }

    /// The hash of a user's password; `None` when there is no such user or no password.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn password_hash(&mut self, id: UserId) -> Result<Option<Secret<String>>, StoreError> {
        let row = self.row("SELECT password_hash FROM users WHERE id = $1", args![id.row()]).await?;
        let hash = row.map(|mut row| row.next::<Option<String>>()).transpose()?.flatten();
        Ok(hash.map(Secret::new))
    }

    /// A hash made by bcrypt, of whomever: how much work such a one is. `None` when all are newer.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn older_password_hash(&mut self) -> Result<Option<Secret<String>>, StoreError> {
        let sql = "SELECT password_hash FROM users WHERE password_hash LIKE '$2%' ORDER BY id LIMIT 1";
        let row = self.row(sql, vec![]).await?;
        Ok(row.map(|mut row| row.next::<String>()).transpose()?.map(Secret::new))
    }

    /// How many administrators may come in.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn active_administrators(&mut self) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM users WHERE admin = 1 AND status = 'active'";
        Ok(self.number(sql, vec![]).await?.unsigned_abs())
    }

    /// Whether there is any user, which the first boot asks.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn has_users(&mut self) -> Result<bool, StoreError> {
        self.exists("SELECT 1 FROM users LIMIT 1", vec![]).await
    }

    async fn one_user(&mut self, sql: String, args: Vec<Arg>) -> Result<Option<User>, StoreError> {
        self.row(sqlx::AssertSqlSafe(sql), args).await?.map(read).transpose()
    }
}

impl WriteTx<'_> {
    /// Makes a user.
    ///
    /// # Errors
    /// [`StoreError::Taken`] on `email`.
    pub async fn create_user(&mut self, new: &NewUser) -> Result<User, StoreError> {
        let id = self.next_id("users").await?;
        let row = args![
            id,
            plain(&new.email),
            &new.name,
            new.status.as_str(),
            new.admin,
            new.password_hash.as_ref().map(|hash| hash.expose().as_str()),
            self.now(),
            new.email_verified,
        ];
        self.execute(INSERT, row).await?;
        let id = UserId::new(id).ok_or(StoreError::inconsistent("id_counters", "below one"))?;
        let made = self.user(id).await?.ok_or(StoreError::inconsistent("users", "just written"))?;
        self.record_user("create", None, &made).await?;
        Ok(made)
    }

    /// Writes a user. Disabling ends the user's sessions and deletes the user's API keys; a new password ends the
    /// sessions.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Stale`] when `if_revision` is not the row's.
    pub async fn update_user(
        &mut self,
        id: UserId,
        patch: &UserPatch,
        if_revision: Option<i64>,
    ) -> Result<User, StoreError> {
        let before = self.user(id).await?.ok_or(StoreError::Missing { what: "user" })?;
        expect_revision(before.revision, if_revision)?;
        let mut after = before.clone();
        if let Some(name) = &patch.name {
            after.name.clone_from(name);
        }
        after.status = patch.status.unwrap_or(after.status);
        after.admin = patch.admin.unwrap_or(after.admin);
        after.has_password |= patch.password_hash.is_some();
        after.email_verified = patch.email_verified.unwrap_or(after.email_verified);
        if (before.status, after.status) == (UserStatus::Pending, UserStatus::Active) {
            after.approved_at = Some(self.now());
            after.approved_by = self.actor.user();
        }
        if after == before && patch.password_hash.is_none() {
            return Ok(before);
        }
        after.revision += 1;
        after.updated_at = self.now();
        let row = args![
            id.row(),
            &after.name,
            after.status.as_str(),
            after.admin,
            patch.password_hash.as_ref().map(|hash| hash.expose().as_str()),
            after.approved_at,
            after.approved_by.map(Oid::row),
            after.revision,
            after.updated_at,
            after.email_verified,
        ];
        self.execute(UPDATE, row).await?;
        self.record_user("update", Some(&before), &after).await?;
        let (was_out, is_out) = (before.status == UserStatus::Disabled, after.status == UserStatus::Disabled);
        if is_out && !was_out {
            self.suspend_sessions(id).await?;
            self.delete_api_keys(id).await?;
        } else if patch.password_hash.is_some() {
            self.end_sessions(id, None, "password").await?;
        } else if was_out && !is_out {
            // They ended when the user was disabled, which was told then.
            self.forget_sessions(id).await?;
        }
        if before.admin && !after.admin {
            self.forget_views_as_operator(id).await?;
        }
        Ok(after)
    }

    /// Keeps a better hash of the same password, unless another one was set meanwhile. Nothing ends and nothing is
    /// audited: nobody changed anything.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn upgrade_password_hash(
        &mut self,
        id: UserId,
        before: &Secret<String>,
        after: &Secret<String>,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
        let row = args![id.row(), before.expose().as_str(), after.expose().as_str()];
        Ok(self.execute(sql, row).await? == 1)
    }

    async fn record_user(
        &mut self,
        action: &'static str,
        before: Option<&User>,
        after: &User,
    ) -> Result<(), StoreError> {
        let id = after.id.row();
        self.record(Entry { action, kind: "user", id, namespace: None, before, after: Some(after) }).await
    }
}

fn plain(email: &str) -> String {
    email.trim().to_lowercase()
}

fn read(mut row: Row) -> Result<User, StoreError> {
    read_cells(&mut row)
}

/// The columns of [`COLUMNS`], of which the first may not be the first of the row.
pub(crate) fn read_cells(row: &mut Row) -> Result<User, StoreError> {
    let id = row.next()?;
    Ok(User {
        id: UserId::new(id).ok_or(StoreError::inconsistent("users", "id below one"))?,
        email: row.next()?,
        name: row.next()?,
        status: UserStatus::parse(&row.next::<String>()?)
            .ok_or(StoreError::inconsistent("users", "status"))?,
        admin: row.flag()?,
        has_password: row.flag()?,
        email_verified: row.flag()?,
        approved_at: row.next::<Option<i64>>()?.map(Micros),
        approved_by: row.next::<Option<i64>>()?.and_then(UserId::new),
        revision: row.next()?,
        created_at: Micros(row.next()?),
        updated_at: Micros(row.next()?),
    })
}

const INSERT: &str = "INSERT INTO users (id, email, name, status, admin, password_hash, revision, created_at, \
     updated_at, email_verified) VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7, $8)";

const UPDATE: &str = "UPDATE users SET name = $2, status = $3, admin = $4, \
     password_hash = COALESCE($5, password_hash), approved_at = $6, approved_by = $7, revision = $8, updated_at = $9, \
     email_verified = $10 WHERE id = $1";
