//! What many principals may use, read together, and the secrets apart from that: who kept a secret at its version
//! need not read it again.

use std::collections::{BTreeMap, HashMap};

use centaur_base::Secret;
use centaur_base::oid::{GrantId, Oid, PrincipalId, RoleId};
use sqlx::AssertSqlSafe;

use crate::db::{Arg, Row, args};
use crate::error::StoreError;
use crate::list::{filled, some_at_a_time};
use crate::principals::Principal;
use crate::secrets::{
    OWNED_COLUMNS, SecretId, SecretKind, StoredSecret, read_cells, read_source, value_place,
};
use crate::time::Micros;
use crate::tx::ReadTx;

/// What principals may use, at one moment.
#[derive(Debug, Default)]
pub struct Holdings {
    /// The number of the last change that is in it.
    pub change: i64,
    /// Those who are there; the others may use nothing.
    pub holders: HashMap<PrincipalId, Holder>,
}

/// A principal with all its ways to secrets.
#[derive(Debug)]
pub struct Holder {
    /// Who. The Slack rows are there when it may call the API server.
    pub principal: Principal,
    /// Direct grants first, then those of roles.
    pub held: Vec<Held>,
}

/// A way to a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What may be used.
    pub secret: SecretVersion,
    /// Why.
    pub path: GrantPath,
}

/// A secret as it is between two writes. Documents, sources and values of one version are always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretVersion {
    /// Which one.
    pub id: SecretId,
    /// Raised by every write.
    pub revision: i64,
    /// When it was last written: tells revisions apart that have one number, in a database that was put back.
    pub updated_at: Micros,
}

/// A grant that leads a principal to a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantPath {
    /// The grant.
    pub grant: GrantId,
    /// Its priority.
    pub priority: i64,
    /// From when it is not effective.
    pub expires_at: Option<Micros>,
    /// The role that has the grant, with its foreign id; `None` when the principal itself has it.
    pub role: Option<(RoleId, Option<String>)>,
}

/// A secret with the values that the store itself holds.
#[derive(Debug)]
pub struct OpenedSecret {
    /// The secret.
    pub secret: StoredSecret,
    /// By slot.
    pub values: BTreeMap<String, Secret<String>>,
}

impl StoredSecret {
    /// The version that this is.
    pub fn version(&self) -> SecretVersion {
        SecretVersion { id: self.id, revision: self.revision, updated_at: self.updated_at }
    }
}

impl ReadTx {
    /// What these principals may use now: a few queries, however many there are.
    ///
    /// # Errors
    /// [`StoreError::OutOfScope`] for a principal of another namespace than the transaction is held to.
    pub async fn holdings(&mut self, principals: &[PrincipalId]) -> Result<Holdings, StoreError> {
        let now = self.now();
        self.held_after(principals, now).await
    }

    /// As [`ReadTx::holdings`], with the grants that have expired: for explaining why something is not served.
    ///
    /// # Errors
    /// As [`ReadTx::holdings`].
    pub async fn holdings_ever(&mut self, principals: &[PrincipalId]) -> Result<Holdings, StoreError> {
        self.held_after(principals, Micros(i64::MIN)).await
    }

    /// Over the grants that expire after `cutoff`.
    async fn held_after(
        &mut self,
        principals: &[PrincipalId],
        cutoff: Micros,
    ) -> Result<Holdings, StoreError> {
        let mut all = Holdings::default();
        for some in some_at_a_time(principals) {
            let (change, found) = self.principals_of(some).await?;
            all.change = change;
            let found = found.into_iter().map(|one| (one.id, Holder { principal: one, held: Vec::new() }));
            all.holders.extend(found);
            let ids = some.iter().map(|id| Arg::from(id.row())).collect();
            let (places, ids) = filled(2, ids);
            let sql = GRANTED.replace("{}", &places);
            let mut given = args![cutoff];
            given.extend(ids);
            for mut row in self.rows(AssertSqlSafe(sql), given).await? {
                let holder = PrincipalId::new(row.next()?).and_then(|id| all.holders.get_mut(&id));
                let held = read_held(&mut row)?;
                if let Some(holder) = holder {
                    holder.held.push(held);
                }
            }
        }
        for holder in all.holders.values_mut() {
            holder.held.sort_by_key(|held| {
                (held.path.role.as_ref().map_or(0, |(role, _)| role.row()), held.path.grant.row())
            });
        }
        Ok(all)
    }

    /// Secrets by row, with their sources and opened values; those that are gone are left out.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when a value does not open.
    pub async fn opened_secrets(&mut self, rows: &[i64]) -> Result<Vec<OpenedSecret>, StoreError> {
        let keys = self.keys();
        let mut found: BTreeMap<i64, OpenedSecret> = BTreeMap::new();
        for some in some_at_a_time(rows) {
            let (places, ids) = filled(1, some.iter().copied().map(Arg::from).collect());
            let sql = format!(
                "SELECT {OWNED_COLUMNS}, c.value, c.id, c.slot, c.source_type, c.config, c.broker_credential_id \
                 FROM secrets s LEFT JOIN secret_sources c ON c.secret_id = s.id WHERE s.id IN ({places}) \
                 ORDER BY s.id, c.position, c.id"
            );
            for mut row in self.rows(AssertSqlSafe(sql), ids).await? {
                let secret = read_cells(&mut row)?;
                let id = secret.id.row;
                let one = found.entry(id).or_insert_with(|| OpenedSecret { secret, values: BTreeMap::new() });
                let sealed: Option<Vec<u8>> = row.next()?;
                let Some(source) = read_source(&mut row)? else { continue };
                if let Some(sealed) = sealed {
                    let place = value_place(source.row, &one.secret.namespace);
                    one.values.insert(source.slot.clone(), keys.open_text(place, &sealed)?);
                }
                one.secret.sources.push(source);
            }
        }
        Ok(found.into_values().collect())
    }
}

fn read_held(row: &mut Row) -> Result<Held, StoreError> {
    let wrong = |detail| StoreError::inconsistent("grants", detail);
    let grant = GrantId::new(row.next()?).ok_or(wrong("id below one"))?;
    let (priority, expires_at) = (row.next()?, row.next::<Option<i64>>()?.map(Micros));
    let role = row.next::<Option<i64>>()?.and_then(RoleId::new);
    let role_name: Option<String> = row.next()?;
    let path = GrantPath { grant, priority, expires_at, role: role.map(|id| (id, role_name)) };
    let (id, kind): (i64, String) = (row.next()?, row.next()?);
    let kind = SecretKind::parse(&kind).ok_or(wrong("kind of the secret"))?;
    let secret = SecretVersion {
        id: SecretId { kind, row: id },
        revision: row.next()?,
        updated_at: Micros(row.next()?),
    };
    Ok(Held { secret, path })
}

/// The grants of principals, then those of their roles, that expire after `$1`. Not "of the one or of the others":
/// PostgreSQL would read all grants there are. SQLite takes tables in the order of a cross join, whatever its
/// statistics say.
const GRANTED: &str = "SELECT g.principal_id, g.id, g.priority, g.expires_at, g.role_id, CAST(NULL AS TEXT), s.id, s.kind, s.revision, \
            s.updated_at \
       FROM grants g JOIN secrets s ON s.id = g.secret_id \
      WHERE g.principal_id IN ({}) AND (g.expires_at IS NULL OR g.expires_at > $1) \
     UNION ALL \
     SELECT a.principal_id, g.id, g.priority, g.expires_at, g.role_id, r.foreign_id, s.id, s.kind, s.revision, \
            s.updated_at \
       FROM role_assignments a CROSS JOIN grants g JOIN roles r ON r.id = g.role_id JOIN secrets s ON s.id = g.secret_id \
      WHERE a.principal_id IN ({}) AND g.role_id = a.role_id AND (g.expires_at IS NULL OR g.expires_at > $1)";
