//! Who users are at sign-in providers.

use centaur_base::oid::{IdentityId, Oid, UserId};
use serde::Serialize;

use crate::audit::Entry;
use crate::db::{Row, args};
use crate::error::StoreError;
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};
use crate::users::{self, User};

/// Who a user is at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Its id.
    pub id: IdentityId,
    /// Whose it is.
    pub user_id: UserId,
    /// `google`, `slack`, `okta`, `oidc`.
    pub provider: String,
    /// The provider's id of the account.
    pub subject: String,
    /// The address, as the provider said last.
    pub email: Option<String>,
    /// The provider vouches for the address.
    pub email_verified: bool,
    /// The Slack team.
    pub slack_team: Option<String>,
    /// When it was last signed in with.
    pub last_sign_in_at: Micros,
    /// When it was first seen.
    pub created_at: Micros,
    /// When it was last written.
    pub updated_at: Micros,
}

/// What a provider says of who signs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenIdentity {
    /// `google`, `slack`, `okta`, `oidc`.
    pub provider: String,
    /// The provider's id of the account.
    pub subject: String,
    /// The address, trimmed and in lower case.
    pub email: Option<String>,
    /// The provider vouches for the address.
    pub email_verified: bool,
    /// The Slack team.
    pub slack_team: Option<String>,
    /// A name for people.
    pub name: Option<String>,
}

const COLUMNS: &str = "user_identities.id, user_identities.user_id, user_identities.provider, user_identities.subject, \
                       user_identities.email, user_identities.email_verified, user_identities.slack_team, \
                       user_identities.last_sign_in_at, user_identities.created_at, user_identities.updated_at";

impl ReadTx {
    /// The identity of a provider's account, with its user as the user is now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn identity(
        &mut self,
        provider: &str,
        subject: &str,
    ) -> Result<Option<(Identity, User)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, {} FROM user_identities JOIN users ON users.id = user_identities.user_id \
             WHERE user_identities.provider = $1 AND user_identities.subject = $2",
            users::COLUMNS
        );
        let row = self.row(sqlx::AssertSqlSafe(sql), args![provider, subject]).await?;
        row.map(|mut row| Ok((read_cells(&mut row)?, users::read_cells(&mut row)?))).transpose()
    }

    /// The identities of a user, the oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn identities(&mut self, user: UserId) -> Result<Vec<Identity>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM user_identities WHERE user_id = $1 ORDER BY id");
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![user.row()]).await?;
        rows.into_iter().map(|mut row| read_cells(&mut row)).collect()
    }
}

impl WriteTx<'_> {
    /// Gives a user an identity.
    ///
    /// # Errors
    /// [`StoreError::Taken`] on `subject`; [`StoreError::Invalid`] for an empty provider or subject.
    pub async fn link_identity(&mut self, user: UserId, seen: &SeenIdentity) -> Result<Identity, StoreError> {
        self.user(user).await?.ok_or(StoreError::Missing { what: "user" })?;
        let id = self.next_id("user_identities").await?;
        let row = args![
            id,
            user.row(),
            &seen.provider,
            &seen.subject,
            &seen.email,
            seen.email_verified,
            &seen.slack_team,
            self.now(),
        ];
        let sql = "INSERT INTO user_identities (id, user_id, provider, subject, email, email_verified, slack_team, \
                   last_sign_in_at, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8)";
        self.execute(sql, row).await?;
        let made = self.identity(&seen.provider, &seen.subject).await?;
        let (made, _) = made.ok_or(StoreError::inconsistent("user_identities", "just written"))?;
        let entry = Entry {
            action: "create",
            kind: "identity",
            id,
            namespace: None,
            before: None::<&()>,
            after: Some(&made),
        };
        self.record(entry).await?;
        Ok(made)
    }

    /// Notes what a provider said of an identity that is known, and that it was signed in with. What changed is
    /// audited.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub async fn refresh_identity(&mut self, seen: &SeenIdentity) -> Result<Identity, StoreError> {
        let known = self.identity(&seen.provider, &seen.subject).await?;
        let (before, _) = known.ok_or(StoreError::Missing { what: "identity" })?;
        let now = self.now();
        let mut after = Identity {
            email: seen.email.clone().or(before.email.clone()),
            email_verified: if seen.email.is_some() { seen.email_verified } else { before.email_verified },
            slack_team: seen.slack_team.clone().or(before.slack_team.clone()),
            ..before.clone()
        };
        let changed = after != before;
        after.last_sign_in_at = now;
        if changed {
            after.updated_at = now;
        }
        let row = args![
            after.id.row(),
            &after.email,
            after.email_verified,
            &after.slack_team,
            after.last_sign_in_at,
            after.updated_at,
        ];
        let sql = "UPDATE user_identities SET email = $2, email_verified = $3, slack_team = $4, last_sign_in_at = $5, \
                   updated_at = $6 WHERE id = $1";
        self.execute(sql, row).await?;
        if changed {
            let id = after.id.row();
            let (before, after) = (Some(&before), Some(&after));
            self.record(Entry { action: "update", kind: "identity", id, namespace: None, before, after })
                .await?;
        }
        Ok(after)
    }
}

fn read_cells(row: &mut Row) -> Result<Identity, StoreError> {
    let wrong = || StoreError::inconsistent("user_identities", "id below one");
    Ok(Identity {
        id: IdentityId::new(row.next()?).ok_or_else(wrong)?,
        user_id: UserId::new(row.next()?).ok_or_else(wrong)?,
        provider: row.next()?,
        subject: row.next()?,
        email: row.next()?,
        email_verified: row.flag()?,
        slack_team: row.next()?,
        last_sign_in_at: Micros(row.next()?),
        created_at: Micros(row.next()?),
        updated_at: Micros(row.next()?),
    })
}
