//! The change feed, and the versions of what proxies get.
//!
//! A change that may alter what principals get takes a number, writes it into their `config_version`, and puts a row
//! into `changes`. Whatever was derived from a principal holds exactly as long as its version stands.

use std::collections::{BTreeMap, BTreeSet};

use centaur_base::oid::{Oid, PrincipalId, ProxyId};

use crate::db::{Arg, args};
use crate::error::StoreError;
use crate::store::Store;
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

/// A row of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number. Numbers are in the order of commits.
    pub seq: i64,
    /// The one principal concerned.
    pub principal: Option<PrincipalId>,
    /// The one proxy concerned. With neither, several principals may be, which [`ReadTx::principals_changed_since`]
    /// names.
    pub proxy: Option<ProxyId>,
    /// What was written: `principal`, `role`, `grant`, `assignment`, `secret`, `credential`, `proxy`, `setting`.
    pub kind: String,
    /// When.
    pub at: Micros,
}

/// Whom the changes after a number concern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// The number of the last change.
    pub seq: i64,
    /// Not all of the changes are known any more: anything may be another.
    pub everything: bool,
    /// Principals that may get something else, with their versions.
    pub principals: Vec<(PrincipalId, i64)>,
    /// Proxies that may have other principals, another token, or be gone.
    pub proxies: Vec<ProxyId>,
}

/// Changes that are looked at one by one; of more, it is cheaper to look at none.
const MOST: i64 = 10_000;

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
    /// One proxy, whose principals, mode or tokens are others.
    Proxy(i64),
    /// Nothing that a proxy gets.
    Nobody,
}

impl ReadTx {
    /// What changed after the change `seq`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn changes_since(&mut self, seq: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let sql =
            "SELECT seq, principal_id, proxy_id, kind, at FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2";
        let rows = self.rows(sql, args![seq, i64::from(limit)]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(Change {
                    seq: row.next()?,
                    principal: row.next::<Option<i64>>()?.and_then(PrincipalId::new),
                    proxy: row.next::<Option<i64>>()?.and_then(ProxyId::new),
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

    /// The principals that may get something else since the change `seq`, with their versions.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn principals_changed_since(
        &mut self,
        seq: i64,
    ) -> Result<Vec<(PrincipalId, i64)>, StoreError> {
        let sql = "SELECT id, config_version FROM principals WHERE config_version > $1 ORDER BY id";
        let mut principals = Vec::new();
        for mut row in self.rows(sql, args![seq]).await? {
            if let (Some(id), version) = (PrincipalId::new(row.next()?), row.next()?) {
                principals.push((id, version));
            }
        }
        Ok(principals)
    }

    /// Whom the changes after `seq` concern.
    async fn moved_since(&mut self, seq: i64) -> Result<Moved, StoreError> {
        let last = self.last_change().await?;
        let mut moved = Moved { seq: last, ..Moved::default() };
        let count = last - seq;
        if count == 0 {
            return Ok(moved);
        }
        let changes = match u32::try_from(count) {
            Ok(limit) if count <= MOST => self.changes_since(seq, limit).await?,
            _ => Vec::new(),
        };
        // Numbers have no gaps: fewer rows are rows that were forgotten, or a database that was put back.
        if i64::try_from(changes.len()) != Ok(count) {
            moved.everything = true;
            return Ok(moved);
        }
        let mut principals: BTreeMap<_, _> =
            changes.iter().filter_map(|change| Some((change.principal?, change.seq))).collect();
        let proxies: BTreeSet<_> = changes.iter().filter_map(|change| change.proxy).collect();
        if changes.iter().any(|change| change.principal.is_none() && change.proxy.is_none()) {
            principals.extend(self.principals_changed_since(seq).await?);
        }
        moved.principals = principals.into_iter().collect();
        moved.proxies = proxies.into_iter().collect();
        Ok(moved)
    }
}

impl Store {
    /// Whom the changes after the change `seq` concern, as of a moment after the call. While there are none this is
    /// one small query. Before the first change of all is a number below zero: then it is everything.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn moved_since(&self, seq: i64) -> Result<Moved, StoreError> {
        let last = self.pools().number("SELECT change_seq FROM ledger WHERE id = 1").await?;
        if last == seq || seq < 0 {
            return Ok(Moved { seq: last, everything: seq < 0, ..Moved::default() });
        }
        self.read().await?.moved_since(seq).await
    }
}

impl WriteTx<'_> {
    /// Takes the next number for a change, for all whom it reaches now. A change that takes something away is
    /// announced before it is written, while its reach can still be seen.
    pub(crate) async fn announce(&mut self, kind: &'static str, reach: Reach) -> Result<i64, StoreError> {
        self.change_seq += 1;
        let seq = self.change_seq;
        if !matches!(reach, Reach::Nobody) {
            self.reached = Some(seq);
        }
        let mut proxy = None;
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
            Reach::Proxy(id) => {
                proxy = Some(id);
                None
            }
            Reach::Nobody => None,
        };
        let row: Vec<Arg> = args![seq, principal, proxy, kind, self.now()];
        let sql = "INSERT INTO changes (seq, principal_id, proxy_id, kind, at) VALUES ($1, $2, $3, $4, $5)";
        self.execute(sql, row).await?;
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
