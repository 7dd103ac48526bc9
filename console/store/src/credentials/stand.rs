//! How credentials stand, for who watches over many.

use centaur_base::oid::{BrokerCredentialId, Oid as _};

use crate::db::args;
use crate::error::StoreError;
use crate::time::Micros;
use crate::tx::ReadTx;

/// How a credential stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialStand {
    /// Which.
    pub id: BrokerCredentialId,
    /// Why it is dead, when it is.
    pub dead: Option<String>,
    /// When its access token was asked for.
    pub last_refresh: Option<Micros>,
    /// When that ends.
    pub expires_at: Option<Micros>,
}

impl ReadTx {
    /// At most so many dead credentials, and at most so many of those whose access tokens end first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn credentials_standing(&mut self, most: u32) -> Result<Vec<CredentialStand>, StoreError> {
        let mut standing = Vec::new();
        for sql in [DEAD, ENDING] {
            for mut row in self.rows(sql, args![i64::from(most)]).await? {
                let wrong = StoreError::inconsistent("broker_credentials", "id below one");
                standing.push(CredentialStand {
                    id: BrokerCredentialId::new(row.next()?).ok_or(wrong)?,
                    dead: row.next()?,
                    last_refresh: row.next::<Option<i64>>()?.map(Micros),
                    expires_at: row.next::<Option<i64>>()?.map(Micros),
                });
            }
        }
        Ok(standing)
    }
}

const DEAD: &str = "SELECT id, COALESCE(dead_reason, ''), last_refresh, expires_at FROM broker_credentials \
     WHERE dead = 1 ORDER BY id LIMIT $1";

const ENDING: &str = "SELECT id, CAST(NULL AS TEXT), last_refresh, expires_at FROM broker_credentials \
     WHERE dead = 0 AND expires_at IS NOT NULL ORDER BY expires_at, id LIMIT $1";
