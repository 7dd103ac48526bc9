//! Values of the whole installation.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::audit::Entry;
use crate::db::args;
use crate::error::StoreError;
use crate::principals::RepoCache;
use crate::seal::{Place, SealError};
use crate::tx::{ReadTx, WriteTx};

/// What a new principal gets unless it is said otherwise. Initially `all`, on, on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrincipalDefaults {
    /// The repository cache.
    pub repo_cache: RepoCache,
    /// Observability.
    pub observability_enabled: bool,
    /// The API server.
    pub api_server_enabled: bool,
}

/// The document in the table.
#[derive(Debug, Serialize, Deserialize)]
struct DefaultsRow {
    repo_cache: String,
    observability_enabled: bool,
    api_server_enabled: bool,
}

impl ReadTx {
    /// What a new principal gets.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn principal_defaults(&mut self) -> Result<PrincipalDefaults, StoreError> {
        let row: Option<DefaultsRow> = self.setting(DEFAULTS).await?;
        let initial = PrincipalDefaults {
            repo_cache: RepoCache::All,
            observability_enabled: true,
            api_server_enabled: true,
        };
        Ok(row.map_or(initial, |row| PrincipalDefaults {
            repo_cache: RepoCache::parse(&row.repo_cache).unwrap_or(RepoCache::All),
            observability_enabled: row.observability_enabled,
            api_server_enabled: row.api_server_enabled,
        }))
    }

    /// A setting by its name.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] when it is stored in another shape.
    pub async fn setting<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let Some(mut row) = self.row("SELECT value FROM settings WHERE name = $1", args![name]).await? else {
            return Ok(None);
        };
        let parsed = serde_json::from_str(&row.next::<String>()?);
        parsed.map(Some).map_err(|_| StoreError::inconsistent("settings", name))
    }
}

impl WriteTx<'_> {
    /// Sets what principals get that are made from now on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_principal_defaults(&mut self, defaults: PrincipalDefaults) -> Result<(), StoreError> {
        let row = DefaultsRow {
            repo_cache: defaults.repo_cache.as_str().to_owned(),
            observability_enabled: defaults.observability_enabled,
            api_server_enabled: defaults.api_server_enabled,
        };
        let before: Option<DefaultsRow> = self.setting(DEFAULTS).await?;
        self.set(DEFAULTS, &row).await?;
        let (before, after) = (before.as_ref(), Some(&row));
        self.record(Entry { action: "update", kind: "setting", id: 1, namespace: None, before, after }).await
    }

    /// Opens the canary, or makes it in an empty database: a value sealed for this one purpose, so that a start with
    /// the wrong keys fails at once and not at the first secret.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when the keys are not those of this database.
    pub async fn check_canary(&mut self) -> Result<(), StoreError> {
        let keys = self.keys();
        let Some(sealed) = self.setting::<Vec<u8>>(CANARY).await? else {
            return self.set(CANARY, &keys.seal(CANARY_PLACE, CANARY_TEXT)?).await;
        };
        let opened = keys.open(CANARY_PLACE, &sealed)?;
        if opened.expose() != CANARY_TEXT {
            return Err(SealError::Broken("settings").into());
        }
        if let Some(anew) = keys.reseal(CANARY_PLACE, &sealed)? {
            self.set(CANARY, &anew).await?;
        }
        Ok(())
    }

    async fn set(&mut self, name: &'static str, value: &impl Serialize) -> Result<(), StoreError> {
        let row = args![name, crate::list::json_text(value)?, self.now()];
        let sql = "INSERT INTO settings (name, value, updated_at) VALUES ($1, $2, $3) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";
        self.execute(sql, row).await.map(drop)
    }
}

const DEFAULTS: &str = "principal_defaults";
const CANARY: &str = "canary";
const CANARY_PLACE: Place<'static> = Place { table: "settings", column: "value", row: 1, namespace: "" };
const CANARY_TEXT: &[u8] = b"canary";
