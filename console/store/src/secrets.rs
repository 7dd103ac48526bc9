//! Grantable secrets of all seven kinds: one table, one shape, the kind's own attributes in a document.
//!
//! A write replaces the document: what it does not carry is reset (console-api.md, section 6.3). Values of
//! `control_plane` sources are sealed, and read only by [`ReadTx::source_values`].

mod repoint;
mod write;

use std::collections::BTreeMap;

use centaur_base::Secret;
use centaur_base::oid::{BrokerCredentialId, Oid, UserId};
use serde::Serialize;
use serde_json::{Map, Value};

pub use centaur_base::SourceType;
pub use centaur_base::oid::{SecretId, SecretKind};
pub use write::KEEP_SECRET;

use crate::db::{Arg, Row, args};
use crate::error::StoreError;
use crate::list::{Filter, Labels, Listed, Page, Query, json_object};
use crate::name::Name;
use crate::seal::Place;
use crate::time::Micros;
use crate::tx::ReadTx;

/// A secret as it is stored, without any value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredSecret {
    /// Kind and row.
    pub id: SecretId,
    /// Its namespace.
    pub namespace: String,
    /// Its name for programs, unique per kind in the namespace.
    pub foreign_id: Option<String>,
    /// What it says.
    #[serde(flatten)]
    pub document: Document,
    /// Its sources, in the order they were sent.
    pub sources: Vec<StoredSource>,
    /// The credential it was made for, when a consent made it.
    pub broker_credential: Option<BrokerCredentialId>,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// Raised by every write.
    pub revision: i64,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last written.
    pub updated_at: Micros,
}

/// What a write of a secret replaces as a whole, besides the sources.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Document {
    /// Its name for people.
    pub name: Option<String>,
    /// A description.
    pub description: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// The attributes of the kind, as the API names them (`inject_config`, `scopes`, `settings`, …). No secret.
    pub definition: Map<String, Value>,
    /// Request rules, in order; the index is the position.
    pub rules: Vec<Value>,
}

/// A source as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredSource {
    /// Which of the secret's values it gives: `source`, `keyfile`, `dsn`, `credentials.<name>`,
    /// `token_endpoint_headers.<name>`.
    pub slot: String,
    /// Where the value comes from.
    pub source_type: SourceType,
    /// Its configuration, as sent.
    pub config: Map<String, Value>,
    /// The credential that a `token_broker` source takes its value from.
    pub broker_credential: Option<BrokerCredentialId>,
    /// Row of the source; part of the place a value is sealed for.
    #[serde(skip)]
    pub(crate) row: i64,
}

/// A source to write.
#[derive(Debug)]
pub struct NewSource {
    /// As [`StoredSource::slot`]; once per secret.
    pub slot: String,
    /// Where the value comes from.
    pub source_type: SourceType,
    /// Its configuration, echoed as sent.
    pub config: Map<String, Value>,
    /// The value of a `control_plane` source.
    pub value: SourceValue,
    /// What `credential_id` of a `token_broker` source names.
    pub broker_credential: Option<BrokerCredentialId>,
}

/// The value of a source that is written.
#[derive(Debug)]
pub enum SourceValue {
    /// The source has none here: it is not `control_plane`.
    Elsewhere,
    /// This value.
    Given(Secret<String>),
    /// The one that is stored in the same slot (`keep_secret`); refused when there is none.
    Kept,
}

pub(crate) const COLUMNS: &str = "id, kind, namespace, foreign_id, name, description, labels, definition, rules, \
                                  broker_credential_id, created_by, revision, created_at, updated_at";
/// [`COLUMNS`] of `s`, beside a table that has some of these names too.
pub(crate) const OWNED_COLUMNS: &str = "s.id, s.kind, s.namespace, s.foreign_id, s.name, s.description, s.labels, s.definition, s.rules, \
     s.broker_credential_id, s.created_by, s.revision, s.created_at, s.updated_at";

impl ReadTx {
    /// The secret of this id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn secret(&mut self, id: SecretId) -> Result<Option<StoredSecret>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM secrets WHERE kind = $1 AND id = $2");
        self.one_secret(sql, args![id.kind.as_str(), id.row]).await
    }

    /// The secret of this kind and name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn secret_named(
        &mut self,
        kind: SecretKind,
        name: &Name,
    ) -> Result<Option<StoredSecret>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM secrets WHERE kind = $1 AND namespace = $2 AND foreign_id = $3");
        self.one_secret(sql, args![kind.as_str(), &name.namespace, &name.foreign_id]).await
    }

    /// A page of the secrets of a kind, or of all kinds.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn secrets(
        &mut self,
        kind: Option<SecretKind>,
        filter: &Filter,
        page: Page,
    ) -> Result<Listed<StoredSecret>, StoreError> {
        let mut query = Query::new("");
        if let Some(kind) = kind {
            query.and("kind = ?", kind.as_str());
        }
        query.filter(&self.narrowed(filter)?, KIND, "foreign_id = ?");
        let listed = self.page(COLUMNS, "secrets", query, page).await?;
        let mut rows = listed.rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        self.fill_sources(&mut rows).await?;
        Ok(Listed { rows, total: listed.total })
    }

    /// The secrets with a source that takes its value from a credential.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn secrets_using(
        &mut self,
        credential: BrokerCredentialId,
    ) -> Result<Vec<StoredSecret>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM secrets \
             WHERE id IN (SELECT secret_id FROM secret_sources WHERE broker_credential_id = $1) ORDER BY id"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![credential.row()]).await?;
        let mut rows = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        rows.retain(|row| self.within(&row.namespace).is_ok());
        self.fill_sources(&mut rows).await?;
        Ok(rows)
    }

    /// The values that the store itself holds for a secret, by slot.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when one does not open.
    pub async fn source_values(
        &mut self,
        secret: &StoredSecret,
    ) -> Result<BTreeMap<String, Secret<String>>, StoreError> {
        let sql = "SELECT id, slot, value FROM secret_sources WHERE secret_id = $1 AND value IS NOT NULL";
        let rows = self.rows(sql, args![secret.id.row]).await?;
        let keys = self.keys();
        rows.into_iter()
            .map(|mut row| {
                let (id, slot, sealed): (i64, String, Vec<u8>) = (row.next()?, row.next()?, row.next()?);
                Ok((slot, keys.open_text(value_place(id, &secret.namespace), &sealed)?))
            })
            .collect()
    }

    async fn one_secret(&mut self, sql: String, args: Vec<Arg>) -> Result<Option<StoredSecret>, StoreError> {
        let Some(row) = self.row(sqlx::AssertSqlSafe(sql), args).await? else { return Ok(None) };
        let mut found = [read(row)?];
        self.within(&found[0].namespace)?;
        self.fill_sources(&mut found).await?;
        let [found] = found;
        Ok(Some(found))
    }

    /// Adds the sources to secrets, in one query.
    pub(crate) async fn fill_sources(&mut self, secrets: &mut [StoredSecret]) -> Result<(), StoreError> {
        if secrets.is_empty() {
            return Ok(());
        }
        let mut query = Query::new("");
        let places: Vec<_> = secrets.iter().map(|secret| query.arg(secret.id.row)).collect();
        let sql = format!(
            "SELECT secret_id, id, slot, source_type, config, broker_credential_id FROM secret_sources \
             WHERE secret_id IN ({}) ORDER BY secret_id, position, id",
            places.join(", ")
        );
        let index: BTreeMap<_, _> =
            secrets.iter().enumerate().map(|(index, secret)| (secret.id.row, index)).collect();
        for mut row in self.rows(sqlx::AssertSqlSafe(sql), query.args()).await? {
            let owner: i64 = row.next()?;
            let source = read_source(&mut row)?;
            if let Some(secret) = index.get(&owner).and_then(|index| secrets.get_mut(*index)) {
                secret.sources.extend(source);
            }
        }
        Ok(())
    }
}

/// Where the value of a source is sealed for.
pub(crate) fn value_place(row: i64, namespace: &str) -> Place<'_> {
    Place { table: "secret_sources", column: "value", row, namespace }
}

pub(crate) fn read(mut row: Row) -> Result<StoredSecret, StoreError> {
    read_cells(&mut row)
}

/// The columns of [`COLUMNS`], of which the first may not be the first of the row.
pub(crate) fn read_cells(row: &mut Row) -> Result<StoredSecret, StoreError> {
    let (id, kind): (i64, String) = (row.next()?, row.next()?);
    let kind = SecretKind::parse(&kind).ok_or(StoreError::inconsistent("secrets", "kind"))?;
    Ok(StoredSecret {
        id: SecretId { kind, row: id },
        namespace: row.next()?,
        foreign_id: row.next()?,
        document: Document {
            name: row.next()?,
            description: row.next()?,
            labels: json_object("secrets", &row.next::<String>()?)?,
            definition: json_object("secrets", &row.next::<String>()?)?,
            rules: serde_json::from_str(&row.next::<String>()?)
                .map_err(|_| StoreError::inconsistent("secrets", "rules"))?,
        },
        sources: Vec::new(),
        broker_credential: row.next::<Option<i64>>()?.and_then(BrokerCredentialId::new),
        created_by: row.next::<Option<i64>>()?.and_then(UserId::new),
        revision: row.next()?,
        created_at: Micros(row.next()?),
        updated_at: Micros(row.next()?),
    })
}

/// The cells of a source; `None` where a join found none.
pub(crate) fn read_source(row: &mut Row) -> Result<Option<StoredSource>, StoreError> {
    let Some(id) = row.next()? else { return Ok(None) };
    Ok(Some(StoredSource {
        row: id,
        slot: row.next()?,
        source_type: SourceType::parse(&row.next::<String>()?)
            .ok_or(StoreError::inconsistent("secret_sources", "source_type"))?,
        config: json_object("secret_sources", &row.next::<String>()?)?,
        broker_credential: row.next::<Option<i64>>()?.and_then(BrokerCredentialId::new),
    }))
}

pub(crate) const KIND: &str = "secret";
