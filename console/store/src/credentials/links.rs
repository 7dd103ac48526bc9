//! What stands around credentials: the client of a linked app, and the secret that a consent made.

use std::collections::BTreeMap;

use centaur_base::oid::{BrokerCredentialId, Oid as _};

use crate::db::Arg;
use crate::error::StoreError;
use crate::list::places;
use crate::secrets::{SecretId, SecretKind};
use crate::tx::ReadTx;

/// What is shown with a credential and stands in other tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialLinks {
    /// The client id of the linked app.
    pub app_client_id: Option<String>,
    /// The static secret that a consent made for the credential.
    pub wrapper: Option<SecretId>,
}

impl ReadTx {
    /// The links of credentials, in one query.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn credential_links(
        &mut self,
        ids: &[BrokerCredentialId],
    ) -> Result<BTreeMap<BrokerCredentialId, CredentialLinks>, StoreError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = format!(
            "SELECT c.id, a.client_id, \
                    (SELECT MIN(s.id) FROM secrets s WHERE s.broker_credential_id = c.id AND s.kind = 'static_secret') \
             FROM broker_credentials c LEFT JOIN oauth_apps a ON a.id = c.oauth_app_id WHERE c.id IN ({})",
            places(ids.len())
        );
        let args = ids.iter().map(|id| Arg::from(id.row())).collect();
        let mut links = BTreeMap::new();
        for mut row in self.rows(sqlx::AssertSqlSafe(sql), args).await? {
            let id = BrokerCredentialId::new(row.next()?);
            let app_client_id = row.next()?;
            let wrapper = row.next::<Option<i64>>()?;
            let wrapper = wrapper.map(|row| SecretId { kind: SecretKind::Static, row });
            if let Some(id) = id {
                links.insert(id, CredentialLinks { app_client_id, wrapper });
            }
        }
        Ok(links)
    }
}
