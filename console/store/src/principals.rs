//! Principals and their Slack rows.

use centaur_base::oid::{Oid, PrincipalId, UserId};
use serde::Serialize;
use serde_json::Value;

use crate::audit::Entry;
use crate::changes::Reach;
use crate::db::{Arg, Row, args};
use crate::error::StoreError;
use crate::list::{Filter, Labels, Listed, Page, Query, filled, json_object, json_text, search_text};
use crate::name::{Name, Upserted, expect_revision};
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

/// An identity that may use secrets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Principal {
    /// Its id.
    pub id: PrincipalId,
    /// Its namespace.
    pub namespace: String,
    /// Its name for programs, unique in the namespace.
    pub foreign_id: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// Labels; `centaur.sandbox_repo_cache` always shows `repo_cache`.
    pub labels: Labels,
    /// Which repositories its sandboxes may see from the cache.
    pub repo_cache: RepoCache,
    /// Whether its sandboxes may use observability.
    pub observability_enabled: bool,
    /// Whether its sandboxes get a token of the API server.
    pub api_server_enabled: bool,
    /// Its Slack rows, by channel.
    pub slack: Vec<SlackPermission>,
    /// The number of the last change that may have altered what it gets.
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

/// Which repositories of the cache a sandbox may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RepoCache {
    /// None.
    None,
    /// Those that everybody may read.
    Public,
    /// All.
    All,
}

impl RepoCache {
    /// As the API and the table write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Public => "public",
            Self::All => "all",
        }
    }

    /// The inverse of [`RepoCache::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::Public, Self::All].into_iter().find(|known| known.as_str() == text)
    }
}

/// What a principal may do in a Slack channel; at least one of the three, else the schema refuses the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlackPermission {
    /// `C…`, `D…` or `G…`, upper case.
    pub channel_id: String,
    /// For display.
    pub channel_name: Option<String>,
    /// May upload.
    pub upload_enabled: bool,
    /// May download.
    pub download_enabled: bool,
    /// May read the history.
    pub history_enabled: bool,
}

/// What to write into a principal; `None` keeps what is there, or takes the default at creation.
#[derive(Debug, Clone, Default)]
pub struct PrincipalPatch {
    /// The name; `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    /// All labels.
    pub labels: Option<Labels>,
    /// The default is that of the settings.
    pub repo_cache: Option<RepoCache>,
    /// The default is that of the settings.
    pub observability_enabled: Option<bool>,
    /// The default is that of the settings.
    pub api_server_enabled: Option<bool>,
    /// All Slack rows.
    pub slack: Option<Vec<SlackPermission>>,
}

const COLUMNS: &str = "id, namespace, foreign_id, name, labels, repo_cache, observability_enabled, \
                       api_server_enabled, config_version, created_by, revision, created_at, updated_at";

impl ReadTx {
    /// The principal of this id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn principal(&mut self, id: PrincipalId) -> Result<Option<Principal>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM principals WHERE id = $1");
        self.one_principal(sql, args![id.row()]).await
    }

    /// The principal of this name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn principal_named(&mut self, name: &Name) -> Result<Option<Principal>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM principals WHERE namespace = $1 AND foreign_id = $2");
        self.one_principal(sql, args![&name.namespace, &name.foreign_id]).await
    }

    /// A page of principals.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn principals(&mut self, filter: &Filter, page: Page) -> Result<Listed<Principal>, StoreError> {
        let mut query = Query::new("");
        query.filter(&self.narrowed(filter)?, KIND, "foreign_id = ?");
        self.principals_where(query, page).await
    }

    pub(crate) async fn principals_where(
        &mut self,
        query: Query,
        page: Page,
    ) -> Result<Listed<Principal>, StoreError> {
        let listed = self.page(COLUMNS, "principals", query, page).await?;
        let mut rows = listed.rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        self.fill_slack(&mut rows).await?;
        Ok(Listed { rows, total: listed.total })
    }

    /// The principals of these ids, in no order, and the number of the last change, in one query. Slack rows are read of
    /// those who may call the API server.
    pub(crate) async fn principals_of(
        &mut self,
        ids: &[PrincipalId],
    ) -> Result<(i64, Vec<Principal>), StoreError> {
        let (places, ids) = filled(1, ids.iter().map(|id| Arg::from(id.row())).collect());
        let columns = COLUMNS.replacen("id, ", "p.id, ", 1);
        let sql = format!(
            "SELECT l.change_seq, p.id, {columns} FROM ledger l LEFT JOIN principals p ON p.id IN ({places}) \
             WHERE l.id = 1"
        );
        let (mut change, mut found) = (0, Vec::new());
        for mut row in self.rows(sqlx::AssertSqlSafe(sql), ids).await? {
            change = row.next()?;
            if row.next::<Option<i64>>()?.is_some() {
                found.push(read(row)?);
            }
        }
        found.iter().try_for_each(|principal: &Principal| self.within(&principal.namespace))?;
        let (mut may_call, mut others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|principal| principal.api_server_enabled);
        self.fill_slack(&mut may_call).await?;
        others.append(&mut may_call);
        Ok((change, others))
    }

    /// The version of what a principal gets, for comparing with what was derived from it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn config_version(&mut self, id: PrincipalId) -> Result<Option<i64>, StoreError> {
        let row = self.row("SELECT config_version FROM principals WHERE id = $1", args![id.row()]).await?;
        row.map(|mut row| row.next()).transpose()
    }

    async fn one_principal(&mut self, sql: String, args: Vec<Arg>) -> Result<Option<Principal>, StoreError> {
        let Some(row) = self.row(sqlx::AssertSqlSafe(sql), args).await? else { return Ok(None) };
        let mut found = [read(row)?];
        self.within(&found[0].namespace)?;
        self.fill_slack(&mut found).await?;
        let [found] = found;
        Ok(Some(found))
    }

    /// Adds the Slack rows to principals, in one query.
    async fn fill_slack(&mut self, principals: &mut [Principal]) -> Result<(), StoreError> {
        if principals.is_empty() {
            return Ok(());
        }
        let mut query = Query::new("");
        let places: Vec<_> = principals.iter().map(|principal| query.arg(principal.id.row())).collect();
        let sql = format!(
            "SELECT principal_id, channel_id, channel_name, upload, download, history FROM slack_permissions \
             WHERE principal_id IN ({})",
            places.join(", ")
        );
        for mut row in self.rows(sqlx::AssertSqlSafe(sql), query.args()).await? {
            let owner: i64 = row.next()?;
            let permission = SlackPermission {
                channel_id: row.next()?,
                channel_name: row.next()?,
                upload_enabled: row.flag()?,
                download_enabled: row.flag()?,
                history_enabled: row.flag()?,
            };
            if let Some(principal) = principals.iter_mut().find(|principal| principal.id.row() == owner) {
                principal.slack.push(permission);
            }
        }
        for principal in principals {
            // Here and not in the query: the database's order of texts depends on its locale.
            principal.slack.sort_by(|one, other| one.channel_id.cmp(&other.channel_id));
        }
        Ok(())
    }
}

impl WriteTx<'_> {
    /// Makes a principal.
    ///
    /// # Errors
    /// [`StoreError::Taken`] on `foreign_id`; [`StoreError::Invalid`] for a Slack row without a permission.
    pub async fn create_principal(
        &mut self,
        namespace: &str,
        foreign_id: Option<&str>,
        patch: &PrincipalPatch,
    ) -> Result<Principal, StoreError> {
        let defaults = self.principal_defaults().await?;
        self.within(namespace)?;
        let id = self.next_id("principals").await?;
        let mut principal = Principal {
            id: PrincipalId::new(id).ok_or(StoreError::inconsistent("id_counters", "below one"))?,
            namespace: namespace.to_owned(),
            foreign_id: foreign_id.map(str::to_owned),
            name: None,
            labels: Labels::new(),
            repo_cache: defaults.repo_cache,
            observability_enabled: defaults.observability_enabled,
            api_server_enabled: defaults.api_server_enabled,
            slack: Vec::new(),
            config_version: 0,
            created_by: self.actor.user(),
            revision: 1,
            created_at: self.now(),
            updated_at: self.now(),
        };
        apply(&mut principal, patch);
        let row = args![
            id,
            namespace,
            foreign_id,
            &principal.name,
            json_text(&principal.labels)?,
            search_text(foreign_id, principal.name.as_deref()),
            principal.repo_cache.as_str(),
            principal.observability_enabled,
            principal.api_server_enabled,
            self.actor.created_by(),
            self.now(),
        ];
        self.execute(INSERT, row).await?;
        self.index_labels(KIND, id, &principal.labels).await?;
        self.replace_slack(id, &principal.slack).await?;
        principal.config_version = self.announce("principal", Reach::Principal(id)).await?;
        self.record_principal("create", None, Some(&principal)).await?;
        Ok(principal)
    }

    /// Writes the principal of this id. A patch that changes nothing writes nothing.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Stale`] when `if_revision` is not the row's;
    /// [`StoreError::Invalid`] for a Slack row without a permission.
    pub async fn update_principal(
        &mut self,
        id: PrincipalId,
        patch: &PrincipalPatch,
        if_revision: Option<i64>,
    ) -> Result<Principal, StoreError> {
        let before = self.principal(id).await?.ok_or(StoreError::Missing { what: "principal" })?;
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
            after.repo_cache.as_str(),
            after.observability_enabled,
            after.api_server_enabled,
            after.revision,
            after.updated_at,
        ];
        self.execute(UPDATE, row).await?;
        self.index_labels(KIND, id.row(), &after.labels).await?;
        if after.slack != before.slack {
            self.replace_slack(id.row(), &after.slack).await?;
        }
        after.config_version = self.announce("principal", Reach::Principal(id.row())).await?;
        self.record_principal("update", Some(&before), Some(&after)).await?;
        Ok(after)
    }

    /// Writes the principal of this name, or makes it.
    ///
    /// # Errors
    /// As [`WriteTx::create_principal`] and [`WriteTx::update_principal`].
    pub async fn upsert_principal(
        &mut self,
        name: &Name,
        patch: &PrincipalPatch,
        if_revision: Option<i64>,
    ) -> Result<Upserted<Principal>, StoreError> {
        if let Some(found) = self.principal_named(name).await? {
            self.update_principal(found.id, patch, if_revision).await.map(Upserted::updated)
        } else {
            let made = self.create_principal(&name.namespace, Some(&name.foreign_id), patch).await;
            made.map(Upserted::created)
        }
    }

    /// Writes one Slack row of a principal; `created` says whether the channel had none.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Invalid`] for a row without a permission.
    pub async fn upsert_slack_permission(
        &mut self,
        id: PrincipalId,
        row: SlackPermission,
    ) -> Result<Upserted<SlackPermission>, StoreError> {
        let principal = self.principal(id).await?.ok_or(StoreError::Missing { what: "principal" })?;
        let mut rows = principal.slack;
        let existing = rows.iter_mut().find(|known| known.channel_id == row.channel_id);
        let created = existing.is_none();
        match existing {
            Some(known) => *known = row.clone(),
            None => rows.push(row.clone()),
        }
        rows.sort_by(|one, other| one.channel_id.cmp(&other.channel_id));
        self.update_principal(id, &PrincipalPatch { slack: Some(rows), ..PrincipalPatch::default() }, None)
            .await?;
        Ok(Upserted { row, created })
    }

    /// Deletes a principal with its grants, assignments and Slack rows. Its proxies become unassigned and keep their
    /// tokens.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub async fn delete_principal(&mut self, id: PrincipalId) -> Result<(), StoreError> {
        let before = self.principal(id).await?.ok_or(StoreError::Missing { what: "principal" })?;
        self.announce("principal", Reach::Principal(id.row())).await?;
        self.unassign_proxies_of(id).await?;
        self.index_labels(KIND, id.row(), &Labels::new()).await?;
        self.execute("DELETE FROM principals WHERE id = $1", args![id.row()]).await?;
        self.record_principal("delete", Some(&before), None).await
    }

    async fn replace_slack(&mut self, id: i64, rows: &[SlackPermission]) -> Result<(), StoreError> {
        self.execute("DELETE FROM slack_permissions WHERE principal_id = $1", args![id]).await?;
        for row in rows {
            let values = args![
                id,
                &row.channel_id,
                &row.channel_name,
                row.upload_enabled,
                row.download_enabled,
                row.history_enabled,
            ];
            let sql = "INSERT INTO slack_permissions (principal_id, channel_id, channel_name, upload, download, \
                       history) VALUES ($1, $2, $3, $4, $5, $6)";
            self.execute(sql, values).await?;
        }
        Ok(())
    }

    async fn record_principal(
        &mut self,
        action: &'static str,
        before: Option<&Principal>,
        after: Option<&Principal>,
    ) -> Result<(), StoreError> {
        let Some(subject) = after.or(before) else { return Ok(()) };
        let (id, namespace) = (subject.id.row(), Some(subject.namespace.as_str()));
        self.record(Entry { action, kind: KIND, id, namespace, before, after }).await
    }
}

/// The patch, and the label that always shows the repository cache.
fn apply(principal: &mut Principal, patch: &PrincipalPatch) {
    if let Some(name) = &patch.name {
        principal.name.clone_from(name);
    }
    if let Some(labels) = &patch.labels {
        principal.labels.clone_from(labels);
    }
    principal.repo_cache = patch.repo_cache.unwrap_or(principal.repo_cache);
    principal.observability_enabled = patch.observability_enabled.unwrap_or(principal.observability_enabled);
    principal.api_server_enabled = patch.api_server_enabled.unwrap_or(principal.api_server_enabled);
    if let Some(slack) = &patch.slack {
        principal.slack.clone_from(slack);
        principal.slack.sort_by(|one, other| one.channel_id.cmp(&other.channel_id));
    }
    let shown = Value::String(principal.repo_cache.as_str().to_owned());
    principal.labels.insert(REPO_CACHE_LABEL.to_owned(), shown);
}

fn read(mut row: Row) -> Result<Principal, StoreError> {
    let id = row.next()?;
    Ok(Principal {
        id: PrincipalId::new(id).ok_or(StoreError::inconsistent("principals", "id below one"))?,
        namespace: row.next()?,
        foreign_id: row.next()?,
        name: row.next()?,
        labels: json_object("principals", &row.next::<String>()?)?,
        repo_cache: RepoCache::parse(&row.next::<String>()?)
            .ok_or(StoreError::inconsistent("principals", "repo_cache"))?,
        observability_enabled: row.flag()?,
        api_server_enabled: row.flag()?,
        slack: Vec::new(),
        config_version: row.next()?,
        created_by: row.next::<Option<i64>>()?.and_then(UserId::new),
        revision: row.next()?,
        created_at: Micros(row.next()?),
        updated_at: Micros(row.next()?),
    })
}

/// The label that shows the repository cache to label filters (console-api.md, section 11).
pub const REPO_CACHE_LABEL: &str = "centaur.sandbox_repo_cache";

const KIND: &str = "principal";

const INSERT: &str = "INSERT INTO principals (id, namespace, foreign_id, name, labels, search, repo_cache, \
     observability_enabled, api_server_enabled, config_version, created_by, revision, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, 1, $11, $11)";

const UPDATE: &str = "UPDATE principals SET name = $2, labels = $3, search = $4, repo_cache = $5, \
     observability_enabled = $6, api_server_enabled = $7, revision = $8, updated_at = $9 WHERE id = $1";
