//! How often it may be tried to sign in with a password.
//!
//! An attempt is written down before the password is looked at, and taken back when it was right: so a hundred attempts
//! at once are counted like a hundred one after the other, whichever replica they reach. Sessions that are open never
//! ask here.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::db::args;
use crate::error::StoreError;
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

/// How many attempts may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginLimits {
    /// For one account.
    pub per_account: u32,
    /// From one network.
    pub per_network: u32,
    /// Within which time.
    pub window: Duration,
}

impl Default for LoginLimits {
    /// Broker.md, section 14.1.
    fn default() -> Self {
        Self { per_account: 5, per_network: 20, window: Duration::from_mins(15) }
    }
}

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginTurn {
    /// It may, and counts as failed until [`WriteTx::login_succeeded`] or [`WriteTx::return_login_turn`].
    Yours(i64),
    /// Not before so long.
    Wait(Duration),
}

/// Who tries: digests alone, because people type their passwords into the wrong field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSource {
    account: Option<Vec<u8>>,
    network: Vec<u8>,
}

impl LoginSource {
    /// `email` as it was typed; `network` is where the attempt comes from.
    pub fn new(email: &str, network: &str) -> Self {
        let email = email.trim().to_lowercase();
        let digest = |text: &str| Sha256::digest(text).to_vec();
        Self { account: email.contains('@').then(|| digest(&email)), network: digest(network) }
    }
}

impl ReadTx {
    /// How long the next attempt has to wait; `None` when it may be made. Only [`WriteTx::take_login_turn`] decides:
    /// this spares it the attempts that are hopeless.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn login_wait(
        &mut self,
        source: &LoginSource,
        limits: LoginLimits,
    ) -> Result<Option<Duration>, StoreError> {
        let now = self.now();
        let window = i64::try_from(limits.window.as_micros()).unwrap_or(i64::MAX);
        let since = Micros(now.0.saturating_sub(window));
        let account =
            "SELECT at FROM login_attempts WHERE account = $1 AND at > $2 ORDER BY at DESC LIMIT 1 OFFSET $3";
        let network =
            "SELECT at FROM login_attempts WHERE network = $1 AND at > $2 ORDER BY at DESC LIMIT 1 OFFSET $3";
        let mut latest = None;
        let keys = [
            (account, source.account.as_deref(), limits.per_account),
            (network, Some(source.network.as_slice()), limits.per_network),
        ];
        for (sql, key, most) in keys {
            let (Some(key), Some(offset)) = (key, most.checked_sub(1)) else { continue };
            let row = self.row(sql, args![key, since, i64::from(offset)]).await?;
            let at: Option<i64> = row.map(|mut row| row.next()).transpose()?;
            latest = latest.max(at);
        }
        let left = |at: i64| u64::try_from(at.saturating_add(window) - now.0).unwrap_or(0).max(1);
        Ok(latest.map(|at| Duration::from_micros(left(at))))
    }
}

impl WriteTx<'_> {
    /// Writes an attempt down, unless too many failed; forgets those that are too old to count.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn take_login_turn(
        &mut self,
        source: &LoginSource,
        limits: LoginLimits,
    ) -> Result<LoginTurn, StoreError> {
        if let Some(wait) = self.login_wait(source, limits).await? {
            return Ok(LoginTurn::Wait(wait));
        }
        let now = self.now();
        let window = i64::try_from(limits.window.as_micros()).unwrap_or(i64::MAX);
        self.prune_login_attempts(Micros(now.0.saturating_sub(window))).await?;
        let id = self.next_id("login_attempts").await?;
        let row = args![id, source.account.clone(), source.network.clone(), now];
        self.execute("INSERT INTO login_attempts (id, account, network, at) VALUES ($1, $2, $3, $4)", row)
            .await?;
        Ok(LoginTurn::Yours(id))
    }

    /// Forgets attempts that are as old as this, or older.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn prune_login_attempts(&mut self, before: Micros) -> Result<u64, StoreError> {
        self.execute("DELETE FROM login_attempts WHERE at <= $1", args![before]).await
    }

    /// Takes an attempt back whose password nobody could look at.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn return_login_turn(&mut self, turn: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM login_attempts WHERE id = $1", args![turn]).await.map(drop)
    }

    /// Takes an attempt back, and lets the account begin anew. What failed for the account still counts for the networks
    /// it came from.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn login_succeeded(&mut self, source: &LoginSource, turn: i64) -> Result<(), StoreError> {
        self.return_login_turn(turn).await?;
        if let Some(account) = source.account.clone() {
            let sql = "UPDATE login_attempts SET account = NULL WHERE account = $1";
            self.execute(sql, args![account]).await?;
        }
        Ok(())
    }
}
