//! `centaur-console rewrap`: seals what is stored with the first key, while consoles serve.

use centaur_store::{Resealed, Store};

use super::{StartError, open};
use crate::config::Config;

/// Walks all sealed values, `batch` at a time, each batch in a transaction of its own. It can be stopped and started
/// again at any time. All consoles of the database need both keys before it begins; when it has ended, the older one
/// can go.
///
/// # Errors
/// [`StartError`]; what was sealed before stays.
pub async fn rewrap(config: &Config, batch: u32) -> Result<Resealed, StartError> {
    let store: Store = open(config).await?;
    let done = store.reseal_all(batch).await;
    store.close().await;
    Ok(done?)
}
