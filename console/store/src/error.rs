//! What can go wrong, and how the engines' errors become that.
//!
//! Both engines name a broken rule: PostgreSQL by the constraint, SQLite by the constraint for a check and by the
//! columns for a unique key. [`UNIQUE`] is the one place where both are mapped.

use sqlx::error::{DatabaseError, ErrorKind};

use crate::seal::SealError;

/// Why an operation of the store failed. Texts carry no value of any row.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another row has this value already; 422 on the field.
    #[error("{field} has already been taken")]
    Taken {
        /// The attribute, as the API names it.
        field: &'static str,
    },
    /// The row, or one it refers to, is not there; 404.
    #[error("no such {what}")]
    Missing {
        /// What was looked for.
        what: &'static str,
    },
    /// The row cannot go while others refer to it; 409.
    #[error("is still referred to by {by}")]
    StillReferred {
        /// What refers to it.
        by: &'static str,
    },
    /// A value breaks a rule of the schema that the caller should have checked; 422.
    #[error("breaks the rule {rule}")]
    Invalid {
        /// The constraint, or a word for the rule.
        rule: String,
    },
    /// The caller is held to one namespace, and this is of another, or of none; 403.
    #[error("is outside of the namespace {0:?}")]
    OutOfScope(String),
    /// The row was written since the revision that the caller saw; 412.
    #[error("was changed in the meantime")]
    Stale,
    /// The engine gave up on the transaction because of another one; it may be tried again.
    #[error("the database is busy")]
    Busy,
    /// No connection to the database could be had, or it broke; 503.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// A sealed value could not be opened or made.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A row that this program cannot have written.
    #[error("an inconsistent row in {table}: {detail}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// What is wrong with it, without values.
        detail: String,
    },
    /// The schema is not one this program can work with.
    #[error("the schema does not fit: {0}")]
    Schema(String),
    /// The address of the database is not usable.
    #[error("the address of the database: {0}")]
    Address(String),
    /// Anything else of the driver.
    #[error("the database refused a statement")]
    Driver(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the same transaction, tried again, can succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy)
    }

    pub(crate) fn inconsistent(table: &'static str, detail: impl Into<String>) -> Self {
        Self::Inconsistent { table, detail: detail.into() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(cause) => match from_engine(cause.as_ref()) {
                Some(known) => known,
                None if cause.code().is_some_and(|code| is_away(&code)) => Self::Unavailable(error),
                None => Self::Driver(error),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Driver(error),
        }
    }
}

fn from_engine(cause: &dyn DatabaseError) -> Option<StoreError> {
    let code = cause.code();
    if code.as_deref().is_some_and(|code| TRANSIENT.contains(&code)) {
        return Some(StoreError::Busy);
    }
    if code.as_deref().is_some_and(|code| UNSTORABLE.contains(&code)) {
        return Some(StoreError::Invalid { rule: "value_fits".to_owned() });
    }
    let rule = broken_rule(cause);
    match cause.kind() {
        ErrorKind::UniqueViolation => {
            let field = UNIQUE.iter().find(|(name, ..)| *name == rule).map_or("id", |(.., field)| field);
            Some(StoreError::Taken { field })
        }
        ErrorKind::ForeignKeyViolation => {
            Some(StoreError::Missing { what: "row that is referred to, or a reference remains" })
        }
        ErrorKind::CheckViolation | ErrorKind::NotNullViolation => {
            Some(StoreError::Invalid { rule: rule.to_owned() })
        }
        _ => None,
    }
}

/// Whether the database, or what it stands on, fails, and the statement is not to blame.
fn is_away(code: &str) -> bool {
    match code.len() {
        5 => AWAY_POSTGRES.iter().any(|class| code.starts_with(class)),
        _ => code.parse::<u32>().is_ok_and(|code| AWAY_SQLITE.contains(&(code & 0xff))),
    }
}

/// The name of the broken constraint; for a foreign key on SQLite, which does not say, it is empty.
pub(crate) fn broken_rule(cause: &dyn DatabaseError) -> &str {
    let told = cause.message().split_once("constraint failed: ").map(|(_, rule)| rule);
    let rule = cause.constraint().or(told).unwrap_or("");
    UNIQUE.iter().find(|(_, columns, _)| *columns == rule).map_or(rule, |(name, ..)| name)
}

/// Unique keys: their name, their columns as SQLite lists them, the attribute as the API names it.
const UNIQUE: &[(&str, &str, &str)] = &[
    ("users_email_key", "users.email", "email"),
    ("api_keys_token_hash_key", "api_keys.token_hash", "token"),
    ("user_identities_subject_key", "user_identities.provider, user_identities.subject", "subject"),
    ("sessions_token_hash_key", "sessions.token_hash", "token"),
    ("principals_foreign_id_key", "principals.namespace, principals.foreign_id", "foreign_id"),
    ("roles_foreign_id_key", "roles.namespace, roles.foreign_id", "foreign_id"),
    ("role_assignments_pk", "role_assignments.principal_id, role_assignments.role_id", "role"),
    ("slack_permissions_pk", "slack_permissions.principal_id, slack_permissions.channel_id", "channel_id"),
    ("oauth_apps_slug_key", "oauth_apps.slug", "slug"),
    (
        "broker_credentials_foreign_id_key",
        "broker_credentials.namespace, broker_credentials.foreign_id",
        "foreign_id",
    ),
    (
        "broker_credentials_subject_key",
        "broker_credentials.oauth_app_id, broker_credentials.provider_subject",
        "provider_subject",
    ),
    ("secrets_foreign_id_key", "secrets.kind, secrets.namespace, secrets.foreign_id", "foreign_id"),
    ("secret_sources_slot_key", "secret_sources.secret_id, secret_sources.slot", "sources"),
    ("grants_principal_secret_key", "grants.principal_id, grants.secret_id", "secret"),
    ("grants_role_secret_key", "grants.role_id, grants.secret_id", "secret"),
    ("config_views_version_key", "config_views.principal_id, config_views.version", "version"),
    ("proxy_tokens_pk", "proxy_tokens.token_hash", "token"),
];

/// PostgreSQL: a text that is too long, a number out of its range, a character it has not, a value too large for an
/// index. The caller should have checked; it is no failure of the database.
const UNSTORABLE: &[&str] = &["22001", "22003", "22021", "22P05", "54000"];

/// PostgreSQL: connection, resources, shutdown and time limits, system errors; a standby, which writes nothing; a database
/// or a role that is gone.
const AWAY_POSTGRES: &[&str] = &["08", "53", "57", "58", "25006", "3D000", "28"];

/// SQLite, without the details in the upper bits: read-only, reading or writing fails, damaged, full, cannot be opened, lock
/// protocol, no database.
const AWAY_SQLITE: &[u32] = &[8, 10, 11, 13, 14, 15, 26];

/// PostgreSQL: serialisation failure, deadlock, lock not available. SQLite: busy, in its three forms, and locked.
const TRANSIENT: &[&str] = &["40001", "40P01", "55P03", "5", "261", "517", "6"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_fails_is_told_from_a_statement_that_does() {
        // A full disk, a read-only file, no database; too many connections, a shutdown, a standby.
        for code in ["13", "1032", "26", "266", "53300", "57P01", "25006", "08006"] {
            assert!(is_away(code), "{code}");
        }
        // A mistake in the SQL, a constraint; a syntax error, a unique key, out of range.
        for code in ["1", "2067", "42601", "23505", "22003", ""] {
            assert!(!is_away(code), "{code}");
        }
    }
}
