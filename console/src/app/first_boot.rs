//! The first user, in a database that has none (broker.md, section 16).

use std::io::{self, IsTerminal as _, Write as _};

use centaur_base::Secret;
use centaur_store::{Actor, NewApiKey, NewUser, Store, StoreError, TokenHash, UserStatus};

use super::key_file;
use crate::api::new_token;
use crate::config::FirstUser;
use crate::sign_in::password;

/// Why the first user could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FirstBootError {
    /// The database.
    #[error("the first user: {0}")]
    Store(#[from] StoreError),
    /// There is no random number or no memory for the password's hash.
    #[error("the first user: the password cannot be hashed")]
    Hash,
    /// No place for a key that is made up.
    #[error(
        "CENTAUR_CONSOLE_INITIAL_API_KEY or CENTAUR_CONSOLE_INITIAL_API_KEY_FILE is required for the first user"
    )]
    NoKey,
    /// The file for the key.
    #[error("CENTAUR_CONSOLE_INITIAL_API_KEY_FILE: {0}")]
    KeyFile(#[source] io::Error),
}

/// Makes the user and its key `bootstrap`; does nothing when there is any user. The check is repeated in the
/// transaction, so that replicas may start together.
pub(super) async fn run(store: &Store, first: &FirstUser) -> Result<(), FirstBootError> {
    if store.read().await?.has_users().await? {
        return Ok(());
    }
    let made_up = if first.api_key.is_none() {
        Some(new_token("iak_").map_err(|_| FirstBootError::Hash)?)
    } else {
        None
    };
    // Kept or shown before the user is made: a key that is lost in between would be the only one.
    let (token, file) = match (&first.api_key, &first.api_key_file, made_up) {
        (Some(given), _, _) => (Secret::new(given.expose().clone()), None),
        (None, Some(file), Some(made_up)) => {
            (key_file::keep(file, made_up).map_err(FirstBootError::KeyFile)?, Some(file.as_path()))
        }
        (None, None, Some(made_up)) if io::stdout().is_terminal() => {
            writeln!(io::stdout(), "{}", made_up.expose()).map_err(FirstBootError::KeyFile)?;
            (made_up, None)
        }
        _ => return Err(FirstBootError::NoKey),
    };
    let made = create(store, first, &token).await?;
    let Some(file) = file else { return Ok(()) };
    let is_registered =
        made || store.read().await?.api_key_by_token(&TokenHash::of(token.expose())).await?.is_some();
    // Somebody else was first, with another key: the one in the file is nobody's.
    let done = if is_registered { key_file::confirm(file, &token) } else { key_file::remove(file, &token) };
    done.map_err(FirstBootError::KeyFile)
}

async fn create(store: &Store, first: &FirstUser, token: &Secret<String>) -> Result<bool, FirstBootError> {
    let user = NewUser {
        email: first.email.clone(),
        name: None,
        status: UserStatus::Active,
        admin: true,
        password_hash: Some(password::hash(&first.password).map_err(|_| FirstBootError::Hash)?),
        email_verified: true,
    };
    let (user, token) = (&user, TokenHash::of(token.expose()));
    let actor = Actor::system();
    let work = store.write(&actor, |tx| {
        Box::pin(async move {
            if tx.has_users().await? {
                return Ok(false);
            }
            let user = tx.create_user(user).await?;
            tx.create_api_key(user.id, &NewApiKey::unlimited("bootstrap"), &token).await?;
            Ok::<_, StoreError>(true)
        })
    });
    Ok(work.await?)
}
