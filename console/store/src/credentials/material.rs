//! The sealed columns of a credential.

use std::collections::BTreeMap;

use centaur_base::Secret;
use centaur_base::oid::{BrokerCredentialId, Oid};

use crate::db::{Arg, args};
use crate::error::StoreError;
use crate::list::{filled, some_at_a_time};
use crate::seal::Place;
use crate::time::Micros;
use crate::tx::ReadTx;

/// What a refresh needs. `Debug` shows which parts there are, not what they are.
#[derive(Debug, Default)]
pub struct Material {
    /// The client's own secret.
    pub client_secret: Option<Secret<String>>,
    /// Extra headers as a JSON object, names to values.
    pub token_endpoint_headers: Option<Secret<String>>,
    /// The refresh token.
    pub refresh_token: Option<Secret<String>>,
    /// The one before it, until the first refresh with its successor succeeds.
    pub previous_refresh_token: Option<Secret<String>>,
    /// The user name.
    pub username: Option<Secret<String>>,
    /// The password.
    pub password: Option<Secret<String>>,
    /// The API key.
    pub api_key: Option<Secret<String>>,
}

/// The access token of a credential, with all that decides whether it may be delivered (broker.md, section 8).
#[derive(Debug)]
pub struct AccessToken {
    /// The token; `None` before the first refresh.
    pub token: Option<Secret<String>>,
    /// The credential is dead.
    pub dead: bool,
    /// When the token ends.
    pub expires_at: Option<Micros>,
}

impl AccessToken {
    /// The token, when it may be delivered: the credential is not dead and the token's end is ahead.
    pub fn usable(&self, now: Micros) -> Option<&Secret<String>> {
        self.token.as_ref().filter(|_| !self.dead && self.expires_at.is_some_and(|end| end > now))
    }
}

impl ReadTx {
    /// What a refresh of a credential needs; `None` when there is no such credential.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when a value does not open.
    pub async fn credential_material(
        &mut self,
        id: BrokerCredentialId,
    ) -> Result<Option<Material>, StoreError> {
        let sql = "SELECT namespace, client_secret, token_endpoint_headers, refresh_token, previous_refresh_token, \
                   username, password, api_key FROM broker_credentials WHERE id = $1";
        let Some(mut row) = self.row(sql, args![id.row()]).await? else { return Ok(None) };
        let namespace: String = row.next()?;
        let keys = self.keys();
        let mut open = |column| {
            let sealed = row.next::<Option<Vec<u8>>>()?;
            let opened = sealed.map(|sealed| keys.open_text(place(column, id.row(), &namespace), &sealed));
            opened.transpose().map_err(StoreError::from)
        };
        Ok(Some(Material {
            client_secret: open("client_secret")?,
            token_endpoint_headers: open("token_endpoint_headers")?,
            refresh_token: open("refresh_token")?,
            previous_refresh_token: open("previous_refresh_token")?,
            username: open("username")?,
            password: open("password")?,
            api_key: open("api_key")?,
        }))
    }

    /// The access token of a credential; `None` when there is no such credential.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when it does not open.
    pub async fn access_token(&mut self, id: BrokerCredentialId) -> Result<Option<AccessToken>, StoreError> {
        Ok(self.access_tokens(&[id]).await?.remove(&id))
    }

    /// The access tokens of these credentials; those that are gone are left out.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when one does not open.
    pub async fn access_tokens(
        &mut self,
        ids: &[BrokerCredentialId],
    ) -> Result<BTreeMap<BrokerCredentialId, AccessToken>, StoreError> {
        let mut all = BTreeMap::new();
        for some in some_at_a_time(ids) {
            let (places, ids) = filled(1, some.iter().map(|id| Arg::from(id.row())).collect());
            let sql = format!(
                "SELECT id, namespace, access_token, dead, expires_at FROM broker_credentials WHERE id IN ({places})"
            );
            all.append(&mut self.tokens(sql, ids).await?);
        }
        Ok(all)
    }

    async fn tokens(
        &mut self,
        sql: String,
        args: Vec<Arg>,
    ) -> Result<BTreeMap<BrokerCredentialId, AccessToken>, StoreError> {
        let keys = self.keys();
        let mut tokens = BTreeMap::new();
        for mut row in self.rows(sqlx::AssertSqlSafe(sql), args).await? {
            let (row_id, namespace): (i64, String) = (row.next()?, row.next()?);
            let sealed = row.next::<Option<Vec<u8>>>()?;
            let opened =
                sealed.map(|sealed| keys.open_text(place("access_token", row_id, &namespace), &sealed));
            let token = AccessToken {
                token: opened.transpose()?,
                dead: row.flag()?,
                expires_at: row.next::<Option<i64>>()?.map(Micros),
            };
            if let Some(id) = BrokerCredentialId::new(row_id) {
                tokens.insert(id, token);
            }
        }
        Ok(tokens)
    }
}

/// Where a column of a credential is sealed for.
pub(super) fn place<'a>(column: &'static str, row: i64, namespace: &'a str) -> Place<'a> {
    Place { table: "broker_credentials", column, row, namespace }
}
