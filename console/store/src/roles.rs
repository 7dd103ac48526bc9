//! Roles, and which principal holds which.

use centaur_base::oid::{Oid, PrincipalId, RoleId, UserId};
use serde::Serialize;
use serde_json::json;

use crate::audit::Entry;
use crate::changes::Reach;
use crate::db::{Arg, Row, args};
use crate::error::StoreError;
use crate::list::{Filter, Labels, Listed, Page, Query, json_object, json_text, search_text};
use crate::name::{Name, Upserted, expect_revision};
use crate::principals::Principal;
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

/// A reusable bundle of grants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its namespace.
    pub namespace: String,
    /// Its name for programs, unique in the namespace.
    pub foreign_id: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// The number of the last change of what it gives.
    #[serde(skip)]
    pub config_version: i64,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// Raised by every write.
    pub revision: i64,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last written.
    pub updated_at: Micros,
}

/// What to write into a role; `None` keeps what is there.
#[derive(Debug, Clone, Default)]
pub struct RolePatch {
    /// The name; `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    /// All labels.
    pub labels: Option<Labels>,
}

const COLUMNS: &str =
    "id, namespace, foreign_id, name, labels, config_version, created_by, revision, created_at, updated_at";

impl ReadTx {
    /// The role of this id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn role(&mut self, id: RoleId) -> Result<Option<Role>, StoreError> {
        self.one_role(format!("SELECT {COLUMNS} FROM roles WHERE id = $1"), args![id.row()]).await
    }

    /// The role of this name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn role_named(&mut self, name: &Name) -> Result<Option<Role>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM roles WHERE namespace = $1 AND foreign_id = $2");
        self.one_role(sql, args![&name.namespace, &name.foreign_id]).await
    }

    /// A page of roles.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn roles(&mut self, filter: &Filter, page: Page) -> Result<Listed<Role>, StoreError> {
        let mut query = Query::new("");
        query.filter(&self.narrowed(filter)?, KIND, "foreign_id = ?");
        let listed = self.page(COLUMNS, "roles", query, page).await?;
        let rows = listed.rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Listed { rows, total: listed.total })
    }

    /// All roles a principal holds, by role id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn roles_of(&mut self, id: PrincipalId) -> Result<Vec<Role>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM roles \
             WHERE id IN (SELECT role_id FROM role_assignments WHERE principal_id = $1) ORDER BY id"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![id.row()]).await?;
        rows.into_iter().map(read).collect()
    }

    /// A page of the principals that hold a role.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn holders_of(&mut self, id: RoleId, page: Page) -> Result<Listed<Principal>, StoreError> {
        let mut query = Query::new("");
        query.and("id IN (SELECT principal_id FROM role_assignments WHERE role_id = ?)", id.row());
        self.principals_where(query, page).await
    }

    async fn one_role(&mut self, sql: String, args: Vec<Arg>) -> Result<Option<Role>, StoreError> {
        let found = self.row(sqlx::AssertSqlSafe(sql), args).await?.map(read).transpose()?;
        found.iter().try_for_each(|role| self.within(&role.namespace))?;
        Ok(found)
    }
}

impl WriteTx<'_> {
    /// Makes a role.
    ///
    /// # Errors
    /// [`StoreError::Taken`] on `foreign_id`.
    pub async fn create_role(
        &mut self,
        namespace: &str,
        foreign_id: Option<&str>,
        patch: &RolePatch,
    ) -> Result<Role, StoreError> {
        self.within(namespace)?;
        let id = self.next_id("roles").await?;
        let mut role = Role {
            id: RoleId::new(id).ok_or(StoreError::inconsistent("id_counters", "below one"))?,
            namespace: namespace.to_owned(),
            foreign_id: foreign_id.map(str::to_owned),
            name: None,
            labels: Labels::new(),
            config_version: 0,
            created_by: self.actor.user(),
            revision: 1,
            created_at: self.now(),
            updated_at: self.now(),
        };
        apply(&mut role, patch);
        let row = args![
            id,
            namespace,
            foreign_id,
            &role.name,
            json_text(&role.labels)?,
            search_text(foreign_id, role.name.as_deref()),
            self.actor.created_by(),
            self.now(),
        ];
        self.execute(INSERT, row).await?;
        self.index_labels(KIND, id, &role.labels).await?;
        self.record_role("create", None, Some(&role)).await?;
        Ok(role)
    }

    /// Writes the role of this id. A patch that changes nothing writes nothing.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Stale`] when `if_revision` is not the row's.
    pub async fn update_role(
        &mut self,
        id: RoleId,
        patch: &RolePatch,
        if_revision: Option<i64>,
    ) -> Result<Role, StoreError> {
        let before = self.role(id).await?.ok_or(StoreError::Missing { what: "role" })?;
        expect_revision(before.revision, if_revision)?;
        let mut after = before.clone();
        apply(&mut after, patch);
        if after == before {
            return Ok(before);
        }
        after.revision += 1;
        after.updated_at = self.now();
        let row = args![
            id.row(),
            &after.name,
            json_text(&after.labels)?,
            search_text(after.foreign_id.as_deref(), after.name.as_deref()),
            after.revision,
            after.updated_at,
        ];
        self.execute(UPDATE, row).await?;
        self.index_labels(KIND, id.row(), &after.labels).await?;
        self.record_role("update", Some(&before), Some(&after)).await?;
        Ok(after)
    }

    /// Writes the role of this name, or makes it.
    ///
    /// # Errors
    /// As [`WriteTx::create_role`] and [`WriteTx::update_role`].
    pub async fn upsert_role(
        &mut self,
        name: &Name,
        patch: &RolePatch,
        if_revision: Option<i64>,
    ) -> Result<Upserted<Role>, StoreError> {
        if let Some(found) = self.role_named(name).await? {
            self.update_role(found.id, patch, if_revision).await.map(Upserted::updated)
        } else {
            let made = self.create_role(&name.namespace, Some(&name.foreign_id), patch).await;
            made.map(Upserted::created)
        }
    }

    /// Deletes a role with its grants and assignments.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub async fn delete_role(&mut self, id: RoleId) -> Result<(), StoreError> {
        let before = self.role(id).await?.ok_or(StoreError::Missing { what: "role" })?;
        self.announce("role", Reach::Role(id.row())).await?;
        self.index_labels(KIND, id.row(), &Labels::new()).await?;
        self.execute("DELETE FROM roles WHERE id = $1", args![id.row()]).await?;
        self.record_role("delete", Some(&before), None).await
    }

    /// Gives a role to a principal; `created` is false when it holds it already.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Invalid`] with the rule [`SAME_NAMESPACE`].
    pub async fn assign_role(
        &mut self,
        principal: PrincipalId,
        role: RoleId,
    ) -> Result<Upserted<Role>, StoreError> {
        let holder = self.principal(principal).await?.ok_or(StoreError::Missing { what: "principal" })?;
        let given = self.role(role).await?.ok_or(StoreError::Missing { what: "role" })?;
        if holder.namespace != given.namespace {
            return Err(StoreError::Invalid { rule: SAME_NAMESPACE.to_owned() });
        }
        let held = "SELECT 1 FROM role_assignments WHERE principal_id = $1 AND role_id = $2";
        if self.exists(held, args![principal.row(), role.row()]).await? {
            return Ok(Upserted::updated(given));
        }
        let row = args![principal.row(), role.row(), &given.namespace, self.actor.created_by(), self.now(),];
        let sql = "INSERT INTO role_assignments (principal_id, role_id, namespace, created_by, created_at) \
                   VALUES ($1, $2, $3, $4, $5)";
        self.execute(sql, row).await?;
        self.announce("assignment", Reach::Principal(principal.row())).await?;
        self.record_assignment("assign", &holder, role).await?;
        Ok(Upserted::created(given))
    }

    /// Takes a role from a principal.
    ///
    /// # Errors
    /// [`StoreError::Missing`], also when the principal does not hold it.
    pub async fn unassign_role(&mut self, principal: PrincipalId, role: RoleId) -> Result<(), StoreError> {
        let holder = self.principal(principal).await?.ok_or(StoreError::Missing { what: "principal" })?;
        let sql = "DELETE FROM role_assignments WHERE principal_id = $1 AND role_id = $2";
        if self.execute(sql, args![principal.row(), role.row()]).await? == 0 {
            return Err(StoreError::Missing { what: "role assignment" });
        }
        self.announce("assignment", Reach::Principal(principal.row())).await?;
        self.record_assignment("unassign", &holder, role).await
    }

    async fn record_assignment(
        &mut self,
        action: &'static str,
        holder: &Principal,
        role: RoleId,
    ) -> Result<(), StoreError> {
        let edge = json!({ "principal_id": holder.id, "role_id": role });
        let (id, namespace) = (holder.id.row(), Some(holder.namespace.as_str()));
        let (before, after) = if action == "assign" { (None, Some(&edge)) } else { (Some(&edge), None) };
        self.record(Entry { action, kind: "principal", id, namespace, before, after }).await
    }

    async fn record_role(
        &mut self,
        action: &'static str,
        before: Option<&Role>,
        after: Option<&Role>,
    ) -> Result<(), StoreError> {
        let Some(subject) = after.or(before) else { return Ok(()) };
        let (id, namespace) = (subject.id.row(), Some(subject.namespace.as_str()));
        self.record(Entry { action, kind: KIND, id, namespace, before, after }).await
    }
}

fn apply(role: &mut Role, patch: &RolePatch) {
    if let Some(name) = &patch.name {
        role.name.clone_from(name);
    }
    if let Some(labels) = &patch.labels {
        role.labels.clone_from(labels);
    }
}

fn read(mut row: Row) -> Result<Role, StoreError> {
    let id = row.next()?;
    Ok(Role {
        id: RoleId::new(id).ok_or(StoreError::inconsistent("roles", "id below one"))?,
        namespace: row.next()?,
        foreign_id: row.next()?,
        name: row.next()?,
        labels: json_object("roles", &row.next::<String>()?)?,
        config_version: row.next()?,
        created_by: row.next::<Option<i64>>()?.and_then(UserId::new),
        revision: row.next()?,
        created_at: Micros(row.next()?),
        updated_at: Micros(row.next()?),
    })
}

/// The rule of [`StoreError::Invalid`] when a role meets a principal or a secret of another namespace.
pub const SAME_NAMESPACE: &str = "same_namespace";

const KIND: &str = "role";

const INSERT: &str = "INSERT INTO roles (id, namespace, foreign_id, name, labels, search, config_version, created_by, \
     revision, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 1, $8, $8)";

const UPDATE: &str = "UPDATE roles SET name = $2, labels = $3, search = $4, revision = $5, updated_at = $6 \
     WHERE id = $1";
