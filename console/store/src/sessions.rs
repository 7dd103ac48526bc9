//! Browsers that are signed in.

use std::time::Duration;

use centaur_base::oid::{Oid, SessionId, UserId};
use serde::Serialize;
use serde_json::json;

use crate::db::{Row, args};
use crate::error::StoreError;
use crate::store::Store;
use crate::time::Micros;
use crate::token::TokenHash;
use crate::tx::{ReadTx, WriteTx};
use crate::users::{self, User};

/// A browser that is signed in; what its cookie holds is known to it alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who is signed in.
    pub user_id: UserId,
    /// `password`, or the provider.
    pub provider: String,
    /// The rights of an administrator are paused.
    pub as_operator: bool,
    /// Where it was begun.
    pub address: Option<String>,
    /// By what, as the browser said.
    pub user_agent: Option<String>,
    /// About when it was last used.
    pub last_used_at: Micros,
    /// When it was begun.
    pub created_at: Micros,
}

/// A session to begin.
#[derive(Debug, Clone, Default)]
pub struct NewSession {
    /// `password`, or the provider.
    pub provider: String,
    /// Where the browser is.
    pub address: Option<String>,
    /// What it says it is.
    pub user_agent: Option<String>,
}

/// How long sessions live. They are judged by the limits of who asks, so that a shorter one holds at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without use.
    pub idle: Duration,
    /// From its beginning, used or not.
    pub absolute: Duration,
}

impl SessionLimits {
    /// Sessions last used at or before the first, or begun at or before the second, are over.
    fn over(self, now: Micros) -> (Micros, Micros) {
        let before = |span: Duration| {
            Micros(now.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
        };
        (before(self.idle), before(self.absolute))
    }
}

const COLUMNS: &str = "sessions.id, sessions.user_id, sessions.provider, sessions.as_operator, sessions.address, \
                       sessions.user_agent, sessions.last_used_at, sessions.created_at";

impl ReadTx {
    /// The session of a token that is not over, with its user as the user is now. Those of disabled users are over.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn session_by_token(
        &mut self,
        token: &TokenHash,
        limits: SessionLimits,
    ) -> Result<Option<(Session, User)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, {} FROM sessions JOIN users ON users.id = sessions.user_id \
             WHERE sessions.token_hash = $1 AND sessions.last_used_at > $2 AND sessions.created_at > $3 \
             AND users.status <> 'disabled'",
            users::COLUMNS
        );
        let (unused, begun) = limits.over(self.now());
        let row = self.row(sqlx::AssertSqlSafe(sql), args![token.bytes(), unused, begun]).await?;
        row.map(|mut row| Ok((read_cells(&mut row)?, users::read_cells(&mut row)?))).transpose()
    }

    /// Whether a token is that of a session which ended because its user was disabled, so that the browser can be told.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn is_of_disabled_user(&mut self, token: &TokenHash) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM sessions JOIN users ON users.id = sessions.user_id \
                   WHERE sessions.token_hash = $1 AND users.status = 'disabled'";
        self.exists(sql, args![token.bytes()]).await
    }

    /// The sessions of a user that are not over, the newest first; 200 at most.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sessions(
        &mut self,
        user: UserId,
        limits: SessionLimits,
    ) -> Result<Vec<Session>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions WHERE user_id = $1 AND last_used_at > $2 AND created_at > $3 \
             ORDER BY id DESC LIMIT 200"
        );
        let (unused, begun) = limits.over(self.now());
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![user.row(), unused, begun]).await?;
        rows.into_iter().map(|mut row| read_cells(&mut row)).collect()
    }
}

impl WriteTx<'_> {
    /// Begins a session, and forgets those that are over. A session that the browser had before ends.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for the user; [`StoreError::Taken`] on `token`.
    pub async fn begin_session(
        &mut self,
        user: UserId,
        new: &NewSession,
        token: &TokenHash,
        before: Option<&TokenHash>,
        limits: SessionLimits,
    ) -> Result<Session, StoreError> {
        self.user(user).await?.ok_or(StoreError::Missing { what: "user" })?;
        let (unused, begun) = limits.over(self.now());
        let over = "DELETE FROM sessions WHERE last_used_at <= $1 OR created_at <= $2";
        self.execute(over, args![unused, begun]).await?;
        if let Some(before) = before {
            self.replace_session(before).await?;
        }
        let id = self.next_id("sessions").await?;
        let (provider, now) = (&new.provider, self.now());
        let row = args![id, token.bytes(), user.row(), provider, &new.address, &new.user_agent, now];
        let sql = "INSERT INTO sessions (id, token_hash, user_id, provider, as_operator, address, user_agent, \
                   last_used_at, created_at) VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $7)";
        self.execute(sql, row).await?;
        let id = SessionId::new(id).ok_or(StoreError::inconsistent("id_counters", "below one"))?;
        self.audit("sign_in", "user", user.row(), &json!({ "provider": provider, "session": id })).await?;
        self.session(user, id).await?.ok_or(StoreError::inconsistent("sessions", "just written"))
    }

    /// The browser signs in anew: the session it had is over, whoever's it was.
    async fn replace_session(&mut self, token: &TokenHash) -> Result<(), StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sessions WHERE token_hash = $1");
        let row = self.row(sqlx::AssertSqlSafe(sql), args![token.bytes()]).await?;
        let Some(ended) = row.map(|mut row| read_cells(&mut row)).transpose()? else { return Ok(()) };
        self.execute("DELETE FROM sessions WHERE id = $1", args![ended.id.row()]).await?;
        let details = json!({ "provider": ended.provider, "session": ended.id, "because": "replaced" });
        self.audit("sign_out", "user", ended.user_id.row(), &details).await
    }

    /// Ends a session of a user.
    ///
    /// # Errors
    /// [`StoreError::Missing`], also for another user's session.
    pub async fn end_session(&mut self, user: UserId, id: SessionId) -> Result<(), StoreError> {
        let ended = self.session(user, id).await?.ok_or(StoreError::Missing { what: "session" })?;
        self.execute("DELETE FROM sessions WHERE id = $1", args![id.row()]).await?;
        let details = json!({ "provider": ended.provider, "session": id });
        self.audit("sign_out", "user", user.row(), &details).await
    }

    /// Ends all sessions of a user but one; how many there were.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_sessions(
        &mut self,
        user: UserId,
        but: Option<SessionId>,
        because: &'static str,
    ) -> Result<u64, StoreError> {
        let sql = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2";
        let ended = self.execute(sql, args![user.row(), but.map_or(0, Oid::row)]).await?;
        if ended > 0 {
            let details = json!({ "sessions": ended, "because": because });
            self.audit("sign_out", "user", user.row(), &details).await?;
        }
        Ok(ended)
    }

    /// The user was disabled: no session is found any more. Their rows go when the user is let in again, or with time.
    pub(crate) async fn suspend_sessions(&mut self, user: UserId) -> Result<(), StoreError> {
        let count =
            self.number("SELECT COUNT(*) FROM sessions WHERE user_id = $1", args![user.row()]).await?;
        if count > 0 {
            let details = json!({ "sessions": count, "because": "disabled" });
            self.audit("sign_out", "user", user.row(), &details).await?;
        }
        Ok(())
    }

    /// Takes the rows of sessions away that ended before.
    pub(crate) async fn forget_sessions(&mut self, user: UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM sessions WHERE user_id = $1", args![user.row()]).await.map(drop)
    }

    /// Pauses the rights of an administrator for a session, or ends the pause.
    ///
    /// # Errors
    /// [`StoreError::Missing`], also for another user's session.
    pub async fn view_as_operator(
        &mut self,
        user: UserId,
        id: SessionId,
        paused: bool,
    ) -> Result<(), StoreError> {
        let session = self.session(user, id).await?.ok_or(StoreError::Missing { what: "session" })?;
        if session.as_operator == paused {
            return Ok(());
        }
        self.execute("UPDATE sessions SET as_operator = $2 WHERE id = $1", args![id.row(), paused]).await?;
        let action = if paused { "view_as_operator" } else { "restore_admin" };
        self.audit(action, "user", user.row(), &json!({ "session": id })).await
    }

    /// What was paused stays paused for nobody: the user is no administrator any more.
    pub(crate) async fn forget_views_as_operator(&mut self, user: UserId) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET as_operator = 0 WHERE user_id = $1";
        self.execute(sql, args![user.row()]).await.map(drop)
    }

    async fn session(&mut self, user: UserId, id: SessionId) -> Result<Option<Session>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sessions WHERE id = $1 AND user_id = $2");
        let row = self.row(sqlx::AssertSqlSafe(sql), args![id.row(), user.row()]).await?;
        row.map(|mut row| read_cells(&mut row)).transpose()
    }
}

impl Store {
    /// Notes that a session was used, at most once a minute. No turn is waited for and nothing is audited.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn touch_session(&self, session: &Session) -> Result<(), StoreError> {
        let now = self.clock().now();
        if now.0 - session.last_used_at.0 < i64::try_from(TOUCH_INTERVAL.as_micros()).unwrap_or(i64::MAX) {
            return Ok(());
        }
        let mut conn = self.pools().write().await?;
        let sql = "UPDATE sessions SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2";
        conn.execute(sql, args![session.id.row(), now]).await?;
        conn.commit().await
    }
}

fn read_cells(row: &mut Row) -> Result<Session, StoreError> {
    let wrong = || StoreError::inconsistent("sessions", "id below one");
    Ok(Session {
        id: SessionId::new(row.next()?).ok_or_else(wrong)?,
        user_id: UserId::new(row.next()?).ok_or_else(wrong)?,
        provider: row.next()?,
        as_operator: row.flag()?,
        address: row.next()?,
        user_agent: row.next()?,
        last_used_at: Micros(row.next()?),
        created_at: Micros(row.next()?),
    })
}

/// How exact `last_used_at` is.
const TOUCH_INTERVAL: Duration = Duration::from_mins(1);
