//! Grants, and what they add up to for a principal.

mod holdings;

use centaur_base::oid::{GrantId, Oid, PrincipalId, RoleId, UserId};
use serde::{Serialize, Serializer};

pub use holdings::{GrantPath, Held, Holder, Holdings, OpenedSecret, SecretVersion};

use crate::audit::Entry;
use crate::changes::Reach;
use crate::db::{Row, args};
use crate::error::StoreError;
use crate::list::{Listed, Page, Query};
use crate::name::Upserted;
use crate::roles::SAME_NAMESPACE;
use crate::secrets::{SecretId, SecretKind};
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

/// Somebody may use a secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Who may.
    #[serde(flatten)]
    pub grantee: Grantee,
    /// What.
    #[serde(rename = "secret_id")]
    pub secret: SecretId,
    /// Higher wins.
    pub priority: i64,
    /// From when it is not effective; `None` is never.
    pub expires_at: Option<Micros>,
    /// Who gave it.
    pub created_by: Option<UserId>,
    /// Raised by every write.
    pub revision: i64,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last written.
    pub updated_at: Micros,
}

/// Who is granted something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grantee {
    /// A principal, of any namespace.
    Principal(PrincipalId),
    /// A role of the secret's namespace.
    Role(RoleId),
}

impl Serialize for Grantee {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Principal(id) => map.serialize_entry("principal_id", id)?,
            Self::Role(id) => map.serialize_entry("role_id", id)?,
        }
        map.end()
    }
}

impl Grantee {
    /// The priority of a grant that names none: 100 for principals, 0 for roles (console-api.md, section 13.3).
    pub fn default_priority(self) -> i64 {
        match self {
            Self::Principal(_) => 100,
            Self::Role(_) => 0,
        }
    }

    fn reach(self) -> Reach {
        match self {
            Self::Principal(id) => Reach::Principal(id.row()),
            Self::Role(id) => Reach::Role(id.row()),
        }
    }
}

/// Which grants of the list; all by default.
#[derive(Debug, Clone, Default)]
pub struct GrantFilter {
    /// Direct grants of this grantee.
    pub grantee: Option<Grantee>,
    /// Grants of this secret.
    pub secret: Option<SecretId>,
    /// Grantees of this namespace.
    pub namespace: Option<String>,
}

const COLUMNS: &str = "id, principal_id, role_id, secret_id, \
                       (SELECT kind FROM secrets WHERE secrets.id = grants.secret_id), \
                       priority, expires_at, created_by, revision, created_at, updated_at";

impl ReadTx {
    /// The grant of this id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn grant(&mut self, id: GrantId) -> Result<Option<Grant>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM grants WHERE id = $1");
        let found = self.row(sqlx::AssertSqlSafe(sql), args![id.row()]).await?.map(read).transpose()?;
        if let Some(grant) = found.as_ref().filter(|_| self.scope().is_some()) {
            let namespace = self.namespace_of(grant.grantee).await?;
            self.within_any(namespace.as_deref())?;
        }
        Ok(found)
    }

    /// The namespace of a grantee.
    async fn namespace_of(&mut self, grantee: Grantee) -> Result<Option<String>, StoreError> {
        let (sql, id) = match grantee {
            Grantee::Principal(id) => ("SELECT namespace FROM principals WHERE id = $1", id.row()),
            Grantee::Role(id) => ("SELECT namespace FROM roles WHERE id = $1", id.row()),
        };
        self.row(sql, args![id]).await?.map(|mut row| row.next()).transpose()
    }

    /// A page of grants, expired ones included.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn grants(&mut self, filter: &GrantFilter, page: Page) -> Result<Listed<Grant>, StoreError> {
        let mut query = Query::new("");
        match filter.grantee {
            Some(Grantee::Principal(id)) => query.and("principal_id = ?", id.row()),
            Some(Grantee::Role(id)) => query.and("role_id = ?", id.row()),
            None => {}
        }
        if let Some(secret) = filter.secret {
            query.and("secret_id = ?", secret.row);
        }
        if let Some(namespace) = &filter.namespace {
            self.within(namespace)?;
        }
        if let Some(namespace) = filter.namespace.as_deref().or(self.scope()) {
            query.and(
                "COALESCE(role_namespace, (SELECT namespace FROM principals p WHERE p.id = grants.principal_id)) = ?",
                namespace,
            );
        }
        let listed = self.page(COLUMNS, "grants", query, page).await?;
        let rows = listed.rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Listed { rows, total: listed.total })
    }

    async fn grant_between(
        &mut self,
        grantee: Grantee,
        secret: SecretId,
    ) -> Result<Option<Grant>, StoreError> {
        let (column, id) = match grantee {
            Grantee::Principal(id) => ("principal_id", id.row()),
            Grantee::Role(id) => ("role_id", id.row()),
        };
        let sql = format!("SELECT {COLUMNS} FROM grants WHERE {column} = $1 AND secret_id = $2");
        self.row(sqlx::AssertSqlSafe(sql), args![id, secret.row]).await?.map(read).transpose()
    }
}

impl WriteTx<'_> {
    /// Grants a secret; `created` is false, and priority and expiry stay, when the pair has a grant already.
    /// Without a priority it is [`Grantee::default_priority`].
    ///
    /// # Errors
    /// [`StoreError::Missing`] for the grantee, then for the secret; [`StoreError::Invalid`] with the rule
    /// [`SAME_NAMESPACE`].
    pub async fn create_grant(
        &mut self,
        grantee: Grantee,
        secret: SecretId,
        priority: Option<i64>,
        expires_at: Option<Micros>,
    ) -> Result<Upserted<Grant>, StoreError> {
        let (principal, role) = match grantee {
            Grantee::Principal(id) => {
                self.principal(id).await?.ok_or(StoreError::Missing { what: "principal" })?;
                (Some(id.row()), None)
            }
            Grantee::Role(id) => {
                (None, Some(self.role(id).await?.ok_or(StoreError::Missing { what: "role" })?))
            }
        };
        let stored = self.secret(secret).await?.ok_or(StoreError::Missing { what: secret.kind.as_str() })?;
        if role.as_ref().is_some_and(|role| role.namespace != stored.namespace) {
            return Err(StoreError::Invalid { rule: SAME_NAMESPACE.to_owned() });
        }
        if let Some(known) = self.grant_between(grantee, secret).await? {
            return Ok(Upserted::updated(known));
        }
        let id = self.next_id("grants").await?;
        let row = args![
            id,
            principal,
            role.as_ref().map(|role| role.id.row()),
            role.as_ref().map(|role| role.namespace.as_str()),
            secret.row,
            priority.unwrap_or(grantee.default_priority()),
            expires_at,
            self.actor.created_by(),
            self.now(),
        ];
        self.execute(INSERT, row).await?;
        self.announce("grant", grantee.reach()).await?;
        let made = self.grant_between(grantee, secret).await?;
        let made = made.ok_or(StoreError::inconsistent("grants", "a row that was just written is gone"))?;
        self.record_grant("create", None, Some(&made)).await?;
        Ok(Upserted::created(made))
    }

    /// Sets priority or expiry of a grant; `None` keeps, `Some(None)` takes the expiry away.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Stale`] when `if_revision` is not the row's.
    pub async fn update_grant(
        &mut self,
        id: GrantId,
        priority: Option<i64>,
        expires_at: Option<Option<Micros>>,
        if_revision: Option<i64>,
    ) -> Result<Grant, StoreError> {
        let before = self.grant(id).await?.ok_or(StoreError::Missing { what: "grant" })?;
        crate::name::expect_revision(before.revision, if_revision)?;
        let mut after = before.clone();
        after.priority = priority.unwrap_or(after.priority);
        after.expires_at = expires_at.unwrap_or(after.expires_at);
        if after == before {
            return Ok(before);
        }
        after.revision += 1;
        after.updated_at = self.now();
        let row = args![id.row(), after.priority, after.expires_at, after.revision, after.updated_at];
        let sql =
            "UPDATE grants SET priority = $2, expires_at = $3, revision = $4, updated_at = $5 WHERE id = $1";
        self.execute(sql, row).await?;
        self.announce("grant", after.grantee.reach()).await?;
        self.record_grant("update", Some(&before), Some(&after)).await?;
        Ok(after)
    }

    /// Takes a grant away.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub async fn delete_grant(&mut self, id: GrantId) -> Result<(), StoreError> {
        let before = self.grant(id).await?.ok_or(StoreError::Missing { what: "grant" })?;
        self.execute("DELETE FROM grants WHERE id = $1", args![id.row()]).await?;
        self.decline_what_was_granted(&before).await?;
        self.announce("grant", before.grantee.reach()).await?;
        self.record_grant("delete", Some(&before), None).await
    }

    async fn record_grant(
        &mut self,
        action: &'static str,
        before: Option<&Grant>,
        after: Option<&Grant>,
    ) -> Result<(), StoreError> {
        let Some(subject) = after.or(before) else { return Ok(()) };
        let id = subject.id.row();
        let namespace = self.namespace_of(subject.grantee).await?;
        let namespace = namespace.as_deref();
        self.record(Entry { action, kind: "grant", id, namespace, before, after }).await
    }
}

fn read(mut row: Row) -> Result<Grant, StoreError> {
    let wrong = |detail| StoreError::inconsistent("grants", detail);
    let id = GrantId::new(row.next()?).ok_or(wrong("id below one"))?;
    let principal = row.next::<Option<i64>>()?.and_then(PrincipalId::new);
    let role = row.next::<Option<i64>>()?.and_then(RoleId::new);
    let grantee = principal.map(Grantee::Principal).or(role.map(Grantee::Role)).ok_or(wrong("no grantee"))?;
    let secret: i64 = row.next()?;
    let kind = SecretKind::parse(&row.next::<String>()?).ok_or(wrong("kind"))?;
    Ok(Grant {
        id,
        grantee,
        secret: SecretId { kind, row: secret },
        priority: row.next()?,
        expires_at: row.next::<Option<i64>>()?.map(Micros),
        created_by: row.next::<Option<i64>>()?.and_then(UserId::new),
        revision: row.next()?,
        created_at: Micros(row.next()?),
        updated_at: Micros(row.next()?),
    })
}

const INSERT: &str = "INSERT INTO grants (id, principal_id, role_id, role_namespace, secret_id, priority, expires_at, \
     created_by, revision, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9)";
