//! What a principal may use, all its ways to it, and until when that stands.

use std::collections::BTreeMap;

use centaur_base::Secret;
use centaur_base::oid::{GrantId, Oid, PrincipalId, RoleId};

use crate::db::{Row, args};
use crate::error::StoreError;
use crate::secrets::{StoredSecret, read_cells, value_place};
use crate::time::Micros;
use crate::tx::ReadTx;

/// All that a principal may use at one moment.
#[derive(Debug)]
pub struct Effective {
    /// The version of the principal it was read at; it holds as long as that stands and `stands_until` is not past.
    pub config_version: i64,
    /// Each secret once, by priority and then by row, both upwards: the strongest last (console-api.md, section 15.3).
    pub secrets: Vec<EffectiveSecret>,
    /// When the first of the grants expires.
    pub stands_until: Option<Micros>,
}

/// A secret that a principal may use.
#[derive(Debug)]
pub struct EffectiveSecret {
    /// The secret.
    pub secret: StoredSecret,
    /// The highest priority of its grants.
    pub priority: i64,
    /// The grants that lead to it, direct ones first, then by role.
    pub paths: Vec<GrantPath>,
    /// The values the store itself holds, by slot.
    pub values: BTreeMap<String, Secret<String>>,
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

impl ReadTx {
    /// What a principal may use now: a few queries, however many secrets there are. `None` when there is no such
    /// principal.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when a stored value does not open.
    pub async fn effective(&mut self, principal: PrincipalId) -> Result<Option<Effective>, StoreError> {
        let now = self.now();
        self.reached_after(principal, now).await
    }

    /// As [`ReadTx::effective`], with the grants that have expired: for explaining why something is not served.
    ///
    /// # Errors
    /// As [`ReadTx::effective`].
    pub async fn reached(&mut self, principal: PrincipalId) -> Result<Option<Effective>, StoreError> {
        self.reached_after(principal, Micros(i64::MIN)).await
    }

    /// Over the grants that expire after `cutoff`.
    async fn reached_after(
        &mut self,
        principal: PrincipalId,
        cutoff: Micros,
    ) -> Result<Option<Effective>, StoreError> {
        let Some(config_version) = self.config_version(principal).await? else { return Ok(None) };
        let rows = self.rows(GRANTED, args![principal.row(), cutoff]).await?;
        let now = self.now();
        let mut stands_until: Option<Micros> = None;
        let mut found: BTreeMap<i64, (StoredSecret, Vec<GrantPath>)> = BTreeMap::new();
        for mut row in rows {
            let path = read_path(&mut row)?;
            let secret = read_cells(&mut row)?;
            let ahead = path.expires_at.filter(|at| *at > now);
            stands_until = stands_until.into_iter().chain(ahead).min();
            let (_, paths) = found.entry(secret.id.row).or_insert_with(|| (secret, Vec::new()));
            paths.push(path);
        }
        let (mut secrets, paths): (Vec<_>, Vec<_>) = found.into_values().unzip();
        self.fill_sources(&mut secrets).await?;
        let mut values = self.values_for(principal, cutoff).await?;
        let mut secrets: Vec<_> = secrets
            .into_iter()
            .zip(paths)
            .map(|(secret, paths)| EffectiveSecret {
                priority: paths.iter().map(|path| path.priority).max().unwrap_or_default(),
                values: values.remove(&secret.id.row).unwrap_or_default(),
                secret,
                paths,
            })
            .collect();
        secrets.sort_by_key(|effective| (effective.priority, effective.secret.id.row));
        Ok(Some(Effective { config_version, secrets, stands_until }))
    }

    /// The opened values of all secrets a principal may use, by row and slot.
    async fn values_for(&mut self, principal: PrincipalId, cutoff: Micros) -> Result<Values, StoreError> {
        let keys = self.keys();
        let mut values = Values::new();
        for mut row in self.rows(VALUES, args![principal.row(), cutoff]).await? {
            let (secret, namespace): (i64, String) = (row.next()?, row.next()?);
            let (source, slot, sealed): (i64, String, Vec<u8>) = (row.next()?, row.next()?, row.next()?);
            let value = keys.open_text(value_place(source, &namespace), &sealed)?;
            values.entry(secret).or_default().insert(slot, value);
        }
        Ok(values)
    }
}

fn read_path(row: &mut Row) -> Result<GrantPath, StoreError> {
    let grant = GrantId::new(row.next()?).ok_or(StoreError::inconsistent("grants", "id below one"))?;
    let (priority, expires_at) = (row.next()?, row.next::<Option<i64>>()?.map(Micros));
    let role = row.next::<Option<i64>>()?.and_then(RoleId::new);
    let role_name: Option<String> = row.next()?;
    Ok(GrantPath { grant, priority, expires_at, role: role.map(|id| (id, role_name)) })
}

type Values = BTreeMap<i64, BTreeMap<String, Secret<String>>>;

/// The grants of a principal and of its roles that expire after `$2`. Not "of the one or of the others": PostgreSQL
/// would read all grants there are. SQLite takes tables in the order of a cross join, whatever its statistics say.
macro_rules! grants_of {
    () => {
        "g.id IN (SELECT d.id FROM grants d WHERE d.principal_id = $1 UNION ALL \
                  SELECT m.id FROM role_assignments a CROSS JOIN grants m \
                   WHERE a.principal_id = $1 AND m.role_id = a.role_id) \
         AND (g.expires_at IS NULL OR g.expires_at > $2)"
    };
}
pub(crate) use grants_of;

const GRANTED: &str = concat!(
    "SELECT g.id, g.priority, g.expires_at, g.role_id, r.foreign_id, s.id, s.kind, s.namespace, s.foreign_id, s.name, \
     s.description, s.labels, s.definition, s.rules, s.broker_credential_id, s.created_by, s.revision, s.created_at, \
     s.updated_at FROM grants g JOIN secrets s ON s.id = g.secret_id LEFT JOIN roles r ON r.id = g.role_id WHERE ",
    grants_of!(),
    // Direct grants, whose role is null, come first.
    " ORDER BY CASE WHEN g.role_id IS NULL THEN 0 ELSE 1 END, g.role_id, g.id"
);

const VALUES: &str = concat!(
    "SELECT s.id, s.namespace, c.id, c.slot, c.value FROM secret_sources c JOIN secrets s ON s.id = c.secret_id \
     WHERE c.value IS NOT NULL AND s.id IN (SELECT g.secret_id FROM grants g WHERE ",
    grants_of!(),
    ")"
);
