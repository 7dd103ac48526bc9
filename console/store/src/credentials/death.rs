//! What is still to be told of credentials that died. One per death: a conditional write decides which replica tells
//! it, and when it is tried again.

use centaur_base::oid::{BrokerCredentialId, Oid as _};

use crate::db::args;
use crate::error::StoreError;
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

/// A death that nobody was told of yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeathNotice {
    /// The credential.
    pub credential: BrokerCredentialId,
    /// The attempt that it died in; no other death has the same.
    pub attempt_id: String,
    /// Why it died.
    pub reason: String,
    /// When.
    pub died_at: Micros,
    /// How often it was tried to tell it.
    pub tries: i64,
}

impl ReadTx {
    /// The notice that is due next by `now`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn due_notice(&mut self, now: Micros) -> Result<Option<DeathNotice>, StoreError> {
        let sql = "SELECT credential_id, attempt_id, reason, died_at, tries FROM broker_notices \
                   WHERE next_try_at <= $1 ORDER BY next_try_at, credential_id LIMIT 1";
        let Some(mut row) = self.row(sql, args![now]).await? else { return Ok(None) };
        let wrong = StoreError::inconsistent("broker_notices", "credential_id");
        Ok(Some(DeathNotice {
            credential: BrokerCredentialId::new(row.next()?).ok_or(wrong)?,
            attempt_id: row.next()?,
            reason: row.next()?,
            died_at: Micros(row.next()?),
            tries: row.next()?,
        }))
    }

    /// When the first notice is due that is not due by `now`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next_notice(&mut self, now: Micros) -> Result<Option<Micros>, StoreError> {
        let sql =
            "SELECT next_try_at FROM broker_notices WHERE next_try_at > $1 ORDER BY next_try_at LIMIT 1";
        let row = self.row(sql, args![now]).await?;
        row.map(|mut row| Ok(Micros(row.next()?))).transpose()
    }
}

impl WriteTx<'_> {
    /// Takes the turn to tell a notice that is due by `now`; whoever comes next may at `again_at`. False when another
    /// has it, or there is nothing to be told any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn claim_notice(
        &mut self,
        notice: &DeathNotice,
        now: Micros,
        again_at: Micros,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE broker_notices SET tries = tries + 1, next_try_at = $4 \
                   WHERE credential_id = $1 AND attempt_id = $2 AND next_try_at <= $3";
        let args = args![notice.credential.row(), &notice.attempt_id, now, again_at];
        Ok(self.execute(sql, args).await? == 1)
    }

    /// Nothing is to be told of this death any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_notice(&mut self, notice: &DeathNotice) -> Result<(), StoreError> {
        let sql = "DELETE FROM broker_notices WHERE credential_id = $1 AND attempt_id = $2";
        self.execute(sql, args![notice.credential.row(), &notice.attempt_id]).await.map(drop)
    }

    pub(super) async fn leave_notice(
        &mut self,
        credential: i64,
        attempt_id: &str,
        reason: &str,
        died_at: Micros,
    ) -> Result<(), StoreError> {
        self.forget_notice(credential).await?;
        let sql = "INSERT INTO broker_notices (credential_id, attempt_id, reason, died_at, next_try_at, tries) \
                   VALUES ($1, $2, $3, $4, $4, 0)";
        self.execute(sql, args![credential, attempt_id, reason, died_at]).await.map(drop)
    }

    pub(super) async fn forget_notice(&mut self, credential: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM broker_notices WHERE credential_id = $1", args![credential]).await.map(drop)
    }
}
