//! Having secrets take their value from another credential.

use centaur_base::oid::{BrokerCredentialId, Oid};
use serde_json::{Map, Value, json};

use super::{SecretId, StoredSecret};
use crate::audit::Entry;
use crate::changes::Reach;
use crate::credentials::BrokerCredential;
use crate::db::args;
use crate::error::StoreError;
use crate::list::json_text;
use crate::tx::{ReadTx, WriteTx};

impl ReadTx {
    /// Whether anybody was granted it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn is_granted(&mut self, id: SecretId) -> Result<bool, StoreError> {
        self.exists("SELECT 1 FROM grants WHERE secret_id = $1", args![id.row]).await
    }
}

impl WriteTx<'_> {
    /// Has every secret that takes a value from one credential take it from another.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn repoint_secrets(
        &mut self,
        from: &BrokerCredential,
        to: BrokerCredentialId,
    ) -> Result<(), StoreError> {
        let config = Map::from_iter([("credential_id".to_owned(), json!(to))]);
        for before in self.secrets_using(from.id).await? {
            let mut after = before.clone();
            after.document.definition.values_mut().for_each(|value| replace(value, from, &config));
            let sql = "UPDATE secret_sources SET config = $3, broker_credential_id = $4 \
                       WHERE secret_id = $1 AND broker_credential_id = $2";
            let row = args![before.id.row, from.id.row(), json_text(&config)?, to.row()];
            self.execute(sql, row).await?;
            let sql =
                "UPDATE secrets SET definition = $2, revision = revision + 1, updated_at = $3 WHERE id = $1";
            let row = args![before.id.row, json_text(&after.document.definition)?, self.now()];
            self.execute(sql, row).await?;
            self.announce("secret", Reach::Secret(before.id.row)).await?;
            self.record_repointed(&before).await?;
        }
        Ok(())
    }

    async fn record_repointed(&mut self, before: &StoredSecret) -> Result<(), StoreError> {
        let after = self.secret(before.id).await?;
        let (kind, id) = (before.id.kind.as_str(), before.id.row);
        let namespace = Some(before.namespace.as_str());
        let entry =
            Entry { action: "update", kind, id, namespace, before: Some(before), after: after.as_ref() };
        self.record(entry).await
    }
}

/// Replaces the `config` of every source that names the credential.
fn replace(value: &mut Value, credential: &BrokerCredential, config: &Map<String, Value>) {
    match value {
        Value::Object(members) if names(members, credential) => members.clone_from(config),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, credential, config)),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, credential, config)),
        _ => {}
    }
}

fn names(config: &Map<String, Value>, credential: &BrokerCredential) -> bool {
    let text = |key: &str| config.get(key).and_then(Value::as_str);
    let Some(id) = text("credential_id") else { return false };
    match text("credential_namespace") {
        Some(namespace) => namespace == credential.namespace && Some(id) == credential.foreign_id.as_deref(),
        None => id == credential.id.to_string(),
    }
}
