//! Writing secrets.

use centaur_base::oid::{BrokerCredentialId, Oid};

use super::{Document, KIND, NewSource, SecretId, SecretKind, SourceValue, StoredSecret, value_place};
use crate::audit::Entry;
use crate::changes::Reach;
use crate::db::{Arg, args};
use crate::error::StoreError;
use crate::list::{Labels, json_text, search_text};
use crate::name::{Name, Upserted, expect_revision};
use crate::tx::WriteTx;

impl WriteTx<'_> {
    /// Makes a secret.
    ///
    /// # Errors
    /// [`StoreError::Taken`] on `foreign_id`, or on `sources` for a slot that comes twice; [`StoreError::Missing`]
    /// for a credential that is not there; [`StoreError::Invalid`] with the name of a broken constraint, or
    /// [`KEEP_SECRET`] when a source wants to keep a value that is not stored.
    pub async fn create_secret(
        &mut self,
        kind: SecretKind,
        namespace: &str,
        foreign_id: Option<&str>,
        document: &Document,
        sources: &[NewSource],
    ) -> Result<StoredSecret, StoreError> {
        self.within(namespace)?;
        let row = self.next_id("secrets").await?;
        let values = args![
            row,
            kind.as_str(),
            namespace,
            foreign_id,
            &document.name,
            &document.description,
            json_text(&document.labels)?,
            search_text(foreign_id, document.name.as_deref()),
            json_text(&document.definition)?,
            json_text(&document.rules)?,
            self.actor.created_by(),
            self.now(),
        ];
        self.execute(INSERT, values).await?;
        self.index_labels(KIND, row, &document.labels).await?;
        self.insert_sources(row, namespace, sources, Vec::new()).await?;
        let made = self.written(SecretId { kind, row }).await?;
        self.record_secret("create", None, Some(&made)).await?;
        Ok(made)
    }

    /// Replaces a secret's document and sources.
    ///
    /// # Errors
    /// As [`WriteTx::create_secret`], but for `foreign_id`; [`StoreError::Missing`] when the secret is not there;
    /// [`StoreError::Stale`] when `if_revision` is not the row's.
    pub async fn update_secret(
        &mut self,
        id: SecretId,
        document: &Document,
        sources: &[NewSource],
        if_revision: Option<i64>,
    ) -> Result<StoredSecret, StoreError> {
        let before = self.secret(id).await?.ok_or(StoreError::Missing { what: id.kind.as_str() })?;
        expect_revision(before.revision, if_revision)?;
        if before.document == *document && same_sources(&before, sources) {
            return Ok(before);
        }
        let values = args![
            id.row,
            &document.name,
            &document.description,
            json_text(&document.labels)?,
            search_text(before.foreign_id.as_deref(), document.name.as_deref()),
            json_text(&document.definition)?,
            json_text(&document.rules)?,
            before.revision + 1,
            self.now(),
        ];
        self.execute(UPDATE, values).await?;
        self.index_labels(KIND, id.row, &document.labels).await?;
        let kept = self.kept_values(&before).await?;
        self.execute("DELETE FROM secret_sources WHERE secret_id = $1", args![id.row]).await?;
        self.insert_sources(id.row, &before.namespace, sources, kept).await?;
        self.announce("secret", Reach::Secret(id.row)).await?;
        let after = self.written(id).await?;
        self.record_secret("update", Some(&before), Some(&after)).await?;
        Ok(after)
    }

    /// Writes the secret of this kind and name, or makes it.
    ///
    /// # Errors
    /// As [`WriteTx::create_secret`] and [`WriteTx::update_secret`].
    pub async fn upsert_secret(
        &mut self,
        kind: SecretKind,
        name: &Name,
        document: &Document,
        sources: &[NewSource],
        if_revision: Option<i64>,
    ) -> Result<Upserted<StoredSecret>, StoreError> {
        if let Some(found) = self.secret_named(kind, name).await? {
            let written = self.update_secret(found.id, document, sources, if_revision).await;
            written.map(Upserted::updated)
        } else {
            let (namespace, foreign_id) = (&name.namespace, Some(name.foreign_id.as_str()));
            let made = self.create_secret(kind, namespace, foreign_id, document, sources).await;
            made.map(Upserted::created)
        }
    }

    /// Says for which credential a consent made this secret.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when one of them is not there.
    pub async fn link_secret(
        &mut self,
        id: SecretId,
        credential: Option<BrokerCredentialId>,
    ) -> Result<(), StoreError> {
        let credential = credential.map(Oid::row);
        self.expect_credential(credential).await?;
        let sql = "UPDATE secrets SET broker_credential_id = $3 WHERE kind = $1 AND id = $2";
        match self.execute(sql, args![id.kind.as_str(), id.row, credential]).await? {
            0 => Err(StoreError::Missing { what: id.kind.as_str() }),
            _ => Ok(()),
        }
    }

    /// Deletes a secret with its sources and grants.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub async fn delete_secret(&mut self, id: SecretId) -> Result<(), StoreError> {
        let before = self.secret(id).await?.ok_or(StoreError::Missing { what: id.kind.as_str() })?;
        self.announce("secret", Reach::Secret(id.row)).await?;
        self.index_labels(KIND, id.row, &Labels::new()).await?;
        self.execute("DELETE FROM secrets WHERE id = $1", args![id.row]).await?;
        self.record_secret("delete", Some(&before), None).await
    }

    async fn written(&mut self, id: SecretId) -> Result<StoredSecret, StoreError> {
        self.secret(id)
            .await?
            .ok_or(StoreError::inconsistent("secrets", "a row that was just written is gone"))
    }

    /// The values now stored, by slot, still sealed.
    async fn kept_values(&mut self, secret: &StoredSecret) -> Result<Vec<Kept>, StoreError> {
        let sql = "SELECT slot, id, value FROM secret_sources WHERE secret_id = $1 AND value IS NOT NULL";
        let rows = self.rows(sql, args![secret.id.row]).await?;
        rows.into_iter()
            .map(|mut row| Ok(Kept { slot: row.next()?, row: row.next()?, sealed: row.next()? }))
            .collect()
    }

    async fn insert_sources(
        &mut self,
        secret: i64,
        namespace: &str,
        sources: &[NewSource],
        kept: Vec<Kept>,
    ) -> Result<(), StoreError> {
        for (position, source) in (0_i64..).zip(sources) {
            let row = self.next_id("secret_sources").await?;
            let credential = source.broker_credential.map(Oid::row);
            self.expect_credential(credential).await?;
            let value = self.sealed_value(row, namespace, source, &kept)?;
            let values: Vec<Arg> = args![
                row,
                secret,
                &source.slot,
                position,
                source.source_type.as_str(),
                json_text(&source.config)?,
                value,
                credential,
            ];
            self.execute(INSERT_SOURCE, values).await?;
        }
        Ok(())
    }

    fn sealed_value(
        &self,
        row: i64,
        namespace: &str,
        source: &NewSource,
        kept: &[Kept],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let keys = self.keys();
        let place = value_place(row, namespace);
        match &source.value {
            SourceValue::Elsewhere => Ok(None),
            SourceValue::Given(value) => Ok(Some(keys.seal(place, value.expose().as_bytes())?)),
            SourceValue::Kept => {
                // Sealed for another row, so it is opened and sealed anew.
                let missing = || StoreError::Invalid { rule: KEEP_SECRET.to_owned() };
                let stored = kept.iter().find(|kept| kept.slot == source.slot).ok_or_else(missing)?;
                let value = keys.open(value_place(stored.row, namespace), &stored.sealed)?;
                Ok(Some(keys.seal(place, value.expose())?))
            }
        }
    }

    async fn expect_credential(&mut self, credential: Option<i64>) -> Result<(), StoreError> {
        let Some(credential) = credential else { return Ok(()) };
        if self.exists("SELECT 1 FROM broker_credentials WHERE id = $1", args![credential]).await? {
            return Ok(());
        }
        Err(StoreError::Missing { what: "broker credential" })
    }

    async fn record_secret(
        &mut self,
        action: &'static str,
        before: Option<&StoredSecret>,
        after: Option<&StoredSecret>,
    ) -> Result<(), StoreError> {
        let Some(subject) = after.or(before) else { return Ok(()) };
        let (kind, id) = (subject.id.kind.as_str(), subject.id.row);
        let namespace = Some(subject.namespace.as_str());
        self.record(Entry { action, kind, id, namespace, before, after }).await
    }
}

struct Kept {
    slot: String,
    row: i64,
    sealed: Vec<u8>,
}

/// Whether a write would leave the sources as they are. A value that is given counts as another one: it is not opened
/// to be compared.
fn same_sources(stored: &StoredSecret, sources: &[NewSource]) -> bool {
    let same = |(old, new): (&super::StoredSource, &NewSource)| {
        old.slot == new.slot
            && old.source_type == new.source_type
            && old.config == new.config
            && old.broker_credential == new.broker_credential
            && !matches!(new.value, SourceValue::Given(_))
    };
    stored.sources.len() == sources.len() && stored.sources.iter().zip(sources).all(same)
}

/// The rule of [`StoreError::Invalid`] when a source wants to keep a value that is not stored.
pub const KEEP_SECRET: &str = "keep_secret";

const INSERT: &str = "INSERT INTO secrets (id, kind, namespace, foreign_id, name, description, labels, search, \
     definition, rules, broker_credential_id, created_by, revision, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, $11, 1, $12, $12)";

const UPDATE: &str = "UPDATE secrets SET name = $2, description = $3, labels = $4, search = $5, definition = $6, \
     rules = $7, revision = $8, updated_at = $9 WHERE id = $1";

const INSERT_SOURCE: &str = "INSERT INTO secret_sources (id, secret_id, slot, position, source_type, config, value, \
     broker_credential_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
