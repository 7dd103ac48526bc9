//! Principals that may be those whose account a credential is of (broker.md, section 13). Nothing here grants: a person
//! does, and what a person took back is not suggested again.

use centaur_base::oid::{BrokerCredentialId, Oid as _, PrincipalId};
use serde::Serialize;

use super::KIND;
use crate::audit::Entry;
use crate::db::args;
use crate::error::StoreError;
use crate::grants::{Grant, Grantee};
use crate::list::{Page, Query};
use crate::principals::Principal;
use crate::secrets::SecretId;
use crate::tx::{ReadTx, WriteTx};

/// What the audit log has of it.
#[derive(Serialize)]
struct Declined {
    principal_id: PrincipalId,
}

/// Principals that are looked at, at most.
const MOST: i64 = 200;

impl ReadTx {
    /// The principals of a namespace that have one of these labels, and that neither hold the secret that a consent made
    /// for the credential by a grant of their own nor were declined for it. At most 200, the oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn principals_to_suggest(
        &mut self,
        namespace: &str,
        (credential, wrapper): (BrokerCredentialId, SecretId),
        labels: &[(&str, &str)],
    ) -> Result<Vec<Principal>, StoreError> {
        self.within(namespace)?;
        if labels.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = Query::new("");
        query.and("namespace = ?", namespace);
        query.and_any_label("principal", labels);
        query.and(
            "NOT EXISTS (SELECT 1 FROM grants g WHERE g.principal_id = principals.id AND g.secret_id = ?)",
            wrapper.row,
        );
        query.and(
            "NOT EXISTS (SELECT 1 FROM declined_suggestions d WHERE d.principal_id = principals.id \
             AND d.credential_id = ?)",
            credential.row(),
        );
        Ok(self.principals_where(query, Page::new(1, MOST)).await?.rows)
    }
}

impl WriteTx<'_> {
    /// Has a principal not be suggested for a credential any more.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when one of them is not there.
    pub async fn decline_suggestion(
        &mut self,
        credential: BrokerCredentialId,
        principal: PrincipalId,
    ) -> Result<(), StoreError> {
        let found = self.credential(credential).await?;
        let found = found.ok_or(StoreError::Missing { what: "broker credential" })?;
        self.principal(principal).await?.ok_or(StoreError::Missing { what: "principal" })?;
        if self.note_declined(credential.row(), principal).await? {
            self.record(Entry {
                action: "decline_suggestion",
                kind: KIND,
                id: credential.row(),
                namespace: Some(&found.namespace),
                before: None::<&()>,
                after: Some(&Declined { principal_id: principal }),
            })
            .await?;
        }
        Ok(())
    }

    /// What was granted and is taken away is not suggested again.
    pub(crate) async fn decline_what_was_granted(&mut self, grant: &Grant) -> Result<(), StoreError> {
        let Grantee::Principal(principal) = grant.grantee else { return Ok(()) };
        let sql =
            "SELECT broker_credential_id FROM secrets WHERE id = $1 AND broker_credential_id IS NOT NULL";
        let Some(mut row) = self.row(sql, args![grant.secret.row]).await? else { return Ok(()) };
        self.note_declined(row.next()?, principal).await.map(drop)
    }

    /// Whether it was not noted before.
    async fn note_declined(&mut self, credential: i64, principal: PrincipalId) -> Result<bool, StoreError> {
        let sql = "INSERT INTO declined_suggestions (credential_id, principal_id, declined_at) VALUES ($1, $2, $3) \
                   ON CONFLICT (credential_id, principal_id) DO NOTHING";
        let now = self.now();
        Ok(self.execute(sql, args![credential, principal.row(), now]).await? > 0)
    }
}
