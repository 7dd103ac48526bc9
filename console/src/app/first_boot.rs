//! The first user, in a database that has none (broker.md, section 16).

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, SaltString};
use centaur_base::Secret;
use centaur_store::{Actor, NewApiKey, NewUser, Store, StoreError, TokenHash, UserStatus};

use crate::api::new_token;
use crate::config::FirstUser;

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
    let token = first.api_key.as_ref().or(made_up.as_ref()).ok_or(FirstBootError::NoKey)?;
    let file = first.api_key_file.as_deref().filter(|_| made_up.is_some());
    if made_up.is_some() && file.is_none() && !io::stdout().is_terminal() {
        return Err(FirstBootError::NoKey);
    }
    // Before the user, so that a key that cannot be kept is never the only one.
    if let Some(file) = file {
        write_key(file, token).map_err(FirstBootError::KeyFile)?;
    }
    let made = create(store, first, token).await;
    match (&made, file, &made_up) {
        (Ok(true), None, Some(token)) => {
            writeln!(io::stdout(), "{}", token.expose()).map_err(FirstBootError::KeyFile)?;
        }
        (Ok(true), _, _) | (_, None, _) => {}
        // Somebody else was first: the key in the file is nobody's.
        (_, Some(file), _) => std::fs::remove_file(file).map_err(FirstBootError::KeyFile)?,
    }
    made.map(drop)
}

async fn create(store: &Store, first: &FirstUser, token: &Secret<String>) -> Result<bool, FirstBootError> {
    let user = NewUser {
        email: first.email.clone(),
        name: None,
        status: UserStatus::Active,
        admin: true,
        password_hash: Some(hash(&first.password)?),
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

fn hash(password: &Secret<String>) -> Result<Secret<String>, FirstBootError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| FirstBootError::Hash)?;
    let salt = SaltString::encode_b64(&salt).map_err(|_| FirstBootError::Hash)?;
    let hash = Argon2::default().hash_password(password.expose().as_bytes(), &salt);
    hash.map(|hash| Secret::new(hash.to_string())).map_err(|_| FirstBootError::Hash)
}

fn write_key(path: &Path, token: &Secret<String>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", token.expose())?;
    file.sync_all()
}
