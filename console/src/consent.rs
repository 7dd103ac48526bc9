//! The consent flow: a person follows a link, agrees at the provider, and a credential is there (broker.md, section 11).
//!
//! `start.rs` sends the browser away, `callback.rs` takes it back. In between, the signed state says what for, and a
//! sealed cookie that it is the same browser. `tokens.rs` and `identity.rs` read what the provider answered, `profile.rs`
//! asks it who that is, `mint.rs` writes it down in one transaction. Whatever goes wrong is a `Refusal`, and ends in a
//! page, an event and a count (`end.rs`). `enrich.rs` finds out later who an account is that could not be asked at once.

mod account;
mod budget;
mod callback;
mod end;
mod enrich;
mod foreign_id;
mod identity;
mod mint;
mod profile;
mod refusal;
mod scopes;
mod start;
mod tokens;
mod visit;

use axum::Router;
use axum::routing::get;
use centaur_broker::Chance;
use centaur_identity::{Discovery, FlowCookies, IdTokens, Jwks, Keys, NoRandomness, Purpose, States};
use centaur_oauth::Client;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use self::budget::Budget;
use crate::app::App;

pub(crate) use self::enrich::resume;

/// What all consents of a process share.
#[derive(Debug)]
pub(crate) struct Consents {
    states: States,
    cookies: FlowCookies,
    id_tokens: IdTokens,
    discovery: Discovery,
    chance: Chance,
    events: Budget,
    redeeming: Semaphore,
}

/// How many codes are redeemed at once: anybody may send one, and each has half a minute.
const REDEEMED_AT_ONCE: usize = 16;

impl Consents {
    /// With keys of its own, and the client that calls providers.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub(crate) fn new(keys: &Keys, client: &Client) -> Result<Self, NoRandomness> {
        Ok(Self {
            states: States::new(keys, Purpose::CONSENT),
            cookies: FlowCookies::new(keys, Purpose::CONSENT, "oauth_flow")?,
            id_tokens: IdTokens::new(Jwks::new(client.clone())),
            discovery: Discovery::new(client.clone()),
            chance: Chance::new(),
            events: Budget::default(),
            redeeming: Semaphore::new(REDEEMED_AT_ONCE),
        })
    }
}

/// What the state of a flow says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// The id of the app.
    app: String,
    /// What was asked for.
    scopes: Vec<String>,
    /// What also stands in the cookie.
    nonce: String,
}

/// Its routes. They are within no time limit: each call to a provider has its own, and a code that was redeemed has to be
/// written down.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/oauth/{slug}/start", get(start::start))
        .route("/oauth/{slug}/callback", get(callback::callback))
}
