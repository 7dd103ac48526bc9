//! The change feed, and the versions of what proxies get.
//!
//! A change that may alter what principals get takes a number, writes it into their `config_version`, and puts a row
//! into `changes`. Whatever was derived from a principal holds exactly as long as its version stands.

use centaur_base::oid::{Oid, PrincipalId};

use crate::db::{Arg, args};
use crate::error::StoreError;
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

/// A row of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number. Numbers are in the order of commits.
    pub seq: i64,
    /// The one principal concerned; `None` when several are, which [`ReadTx::principals_changed_since`] names.
    pub principal: Option<PrincipalId>,
    /// What was written: `principal`, `role`, `grant`, `assignment`, `secret`, `credential`, `proxy`, `setting`.
    pub kind: String,
    /// When.
    pub at: Micros,
}

/// Whom a change concerns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reach {
    Principal(i64),
    /// All who hold the role.
    Role(i64),
    /// All who are granted the secret, directly or by a role.
    Secret(i64),
    /// All who are granted a secret with a source that takes its value from the credential.
    Credential(i64),
    /// No principal gets something else; those who wait on the feed are woken.
    Nobody,
}

impl ReadTx {
    /// What changed after the change `seq`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn changes_since(&mut self, seq: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let sql = "SELECT seq, principal_id, kind, at FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2";
        let rows = self.rows(sql, args![seq, i64::from(limit)]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(Change {
                    seq: row.next()?,
                    principal: row.next::<Option<i64>>()?.and_then(PrincipalId::new),
                    kind: row.next()?,
                    at: Micros(row.next()?),
                })
            })
            .collect()
    }

    /// The number of the last change.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn last_change(&mut self) -> Result<i64, StoreError> {
        self.number("SELECT change_seq FROM ledger WHERE id = 1", vec![]).await
    }

    /// The principals that may get something else since the change `seq`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn principals_changed_since(&mut self, seq: i64) -> Result<Vec<PrincipalId>, StoreError> {
        let rows =
            self.rows("SELECT id FROM principals WHERE config_version > $1 ORDER BY id", args![seq]).await?;
        rows.into_iter()
            .map(|mut row| Ok(PrincipalId::new(row.next()?)))
            .filter_map(Result::transpose)
            .collect()
    }
}

impl WriteTx<'_> {
    /// Takes the next number for a change, for all whom it reaches now. A change that takes something away is
    /// announced before it is written, while its reach can still be seen.
    pub(crate) async fn announce(&mut self, kind: &'static str, reach: Reach) -> Result<i64, StoreError> {
        self.change_seq += 1;
        let seq = self.change_seq;
        let principal = match reach {
            Reach::Principal(id) => {
                self.execute("UPDATE principals SET config_version = $1 WHERE id = $2", args![seq, id])
                    .await?;
                Some(id)
            }
            Reach::Role(id) => {
                self.execute("UPDATE roles SET config_version = $1 WHERE id = $2", args![seq, id]).await?;
                self.execute(HOLDERS, args![seq, id]).await?;
                None
            }
            Reach::Secret(id) => {
                self.execute(ROLES_OF_SECRET, args![seq, id]).await?;
                self.execute(HOLDERS_OF_SECRET, args![seq, id]).await?;
                None
            }
            Reach::Credential(id) => {
                self.execute(ROLES_OF_CREDENTIAL, args![seq, id]).await?;
                self.execute(HOLDERS_OF_CREDENTIAL, args![seq, id]).await?;
                None
            }
            Reach::Nobody => None,
        };
        let row: Vec<Arg> = args![seq, principal, kind, self.now()];
        self.execute("INSERT INTO changes (seq, principal_id, kind, at) VALUES ($1, $2, $3, $4)", row)
            .await?;
        Ok(seq)
    }

    /// Forgets changes that are older than `before`; their numbers are not used again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn prune_changes(&mut self, before: Micros) -> Result<u64, StoreError> {
        self.execute("DELETE FROM changes WHERE at < $1", args![before]).await
    }
}

const HOLDERS: &str = "UPDATE principals SET config_version = $1 \
     WHERE id IN (SELECT principal_id FROM role_assignments WHERE role_id = $2)";

const ROLES_OF_SECRET: &str = "UPDATE roles SET config_version = $1 \
     WHERE id IN (SELECT role_id FROM grants WHERE secret_id = $2)";

const HOLDERS_OF_SECRET: &str = "UPDATE principals SET config_version = $1 \
     WHERE id IN (SELECT principal_id FROM grants WHERE secret_id = $2) \
        OR id IN (SELECT a.principal_id FROM grants g JOIN role_assignments a ON a.role_id = g.role_id \
                   WHERE g.secret_id = $2)";

const ROLES_OF_CREDENTIAL: &str = "UPDATE roles SET config_version = $1 \
     WHERE id IN (SELECT g.role_id FROM grants g JOIN secret_sources s ON s.secret_id = g.secret_id \
                   WHERE s.broker_credential_id = $2)";

const HOLDERS_OF_CREDENTIAL: &str = "UPDATE principals SET config_version = $1 \
     WHERE id IN (SELECT g.principal_id FROM grants g JOIN secret_sources s ON s.secret_id = g.secret_id \
                   WHERE s.broker_credential_id = $2) \
        OR id IN (SELECT a.principal_id FROM grants g JOIN secret_sources s ON s.secret_id = g.secret_id \
                    JOIN role_assignments a ON a.role_id = g.role_id \
                   WHERE s.broker_credential_id = $2)";
