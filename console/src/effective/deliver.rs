//! Whether every value of a secret is there. An entry that lacks one is left out as a whole, so that it neither
//! reaches a proxy half nor suppresses another.

use std::collections::BTreeMap;
use std::sync::Arc;

use centaur_base::Secret;
use serde_json::{Map, Value};

use super::entry::entry;
use super::explain::Skip;
use super::input::{Input, SecretKey, StoredSecret};
use super::piece::Piece;
use crate::definition::{Body, CredentialRef, Source, SourceType};

/// Values that are not in the definition.
pub trait SourceValues {
    /// The state of the broker credential that a source refers to; `None` when there is none (any more).
    fn broker(&self, credential: &CredentialRef) -> Option<BrokerState<'_>>;

    /// Who resolves a source of the types `env`, `aws_sm`, `aws_ssm`, `1password` and `1password_connect`.
    fn resolve(&self, secret: SecretKey, path: &str, source: &Source) -> Resolution<'_> {
        let _ = (secret, path, source);
        Resolution::ByProxy
    }
}

/// As much of a broker credential as delivery asks for.
#[derive(Debug, Clone, Copy)]
pub struct BrokerState<'a> {
    /// It cannot refresh any more.
    pub is_dead: bool,
    /// The token as of now.
    pub access_token: Option<&'a Secret<String>>,
    /// When that token stops working, in microseconds since 1970.
    pub expires_at: Option<i64>,
}

/// How a reference becomes a value.
#[derive(Debug)]
pub enum Resolution<'a> {
    /// The reference travels; the proxy resolves it.
    ByProxy,
    /// The console did (`CENTAUR_CONSOLE_RESOLVE_SOURCES`); `json_key` is applied already.
    Value(&'a Secret<String>),
    /// The console should have and could not; the text says why and holds no value.
    Unavailable(String),
}

/// The sources of a secret as a proxy reads them, by path. Holds values; wiped on drop.
#[derive(Default)]
pub(super) struct Sources(BTreeMap<String, Value>);

impl Sources {
    /// The resolved source at a path. All are there: a secret that lacks one is left out before.
    pub(super) fn wire(&self, path: &str) -> Value {
        self.0.get(path).cloned().unwrap_or(Value::Null)
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.0.values_mut().for_each(crate::wire::wipe);
    }
}

/// How far a secret is towards an entry.
pub(super) enum Given {
    /// Its sources are resolved.
    Sources(Sources),
    /// Its entry is made; nothing from outside of the secret is in it.
    Piece(Arc<Piece>),
}

/// Resolves all sources of a secret.
///
/// # Errors
/// Why it cannot be delivered.
pub(super) fn deliver(key: SecretKey, secret: &StoredSecret, input: &Input<'_>) -> Result<Given, Skip> {
    if matches!(&secret.body, Body::Static(secret) if secret.source.is_none()) {
        return Err(Skip::NoSource);
    }
    let of_secret = secret.body.sources();
    let is_own = |(path, source): &(String, &Source)| match source.source_type {
        SourceType::ControlPlane => true,
        SourceType::TokenBroker => false,
        _ => matches!(input.sources.resolve(key, path, source), Resolution::ByProxy),
    };
    let is_own = of_secret.iter().all(is_own);
    if let Some(piece) = secret.derived.piece.get().filter(|_| is_own) {
        return Ok(Given::Piece(piece.clone()));
    }
    let mut sources = Sources::default();
    for (path, source) in of_secret {
        let wire = wire(key, secret, &path, source, input)?;
        sources.0.insert(path, wire);
    }
    match is_own.then(|| entry(&secret.body, &sources)).flatten() {
        Some(entry) => {
            Ok(Given::Piece(secret.derived.piece.get_or_init(|| Arc::new(Piece::new(entry))).clone()))
        }
        None => Ok(Given::Sources(sources)),
    }
}

fn wire(
    key: SecretKey,
    secret: &StoredSecret,
    path: &str,
    source: &Source,
    input: &Input<'_>,
) -> Result<Value, Skip> {
    match source.source_type {
        SourceType::ControlPlane => {
            let value = secret.values.value(path).filter(|value| !value.expose().is_empty());
            let value = value.ok_or(Skip::NoSource)?;
            Ok(inline(value, source.config.clone()))
        }
        SourceType::TokenBroker => {
            let credential = source.credential().ok_or(Skip::NoCredential)?;
            let state = input.sources.broker(&credential).ok_or(Skip::NoCredential)?;
            usable_token(state, input.now).map(|token| inline(token, Map::new()))
        }
        other => match input.sources.resolve(key, path, source) {
            Resolution::ByProxy => {
                let mut wire = Map::new();
                wire.insert("type".to_owned(), other.as_str().into());
                wire.extend(source.config.clone());
                Ok(Value::Object(wire))
            }
            // An empty inline value is one that the proxy refuses, and with it the payload.
            Resolution::Value(value) if value.expose().is_empty() => {
                Err(Skip::Unresolved("the value is empty".to_owned()))
            }
            Resolution::Value(value) => Ok(inline(value, Map::new())),
            Resolution::Unavailable(why) => Err(Skip::Unresolved(why)),
        },
    }
}

/// The token, when it works now: no tolerance, for a proxy has its own delay.
fn usable_token(state: BrokerState<'_>, now: i64) -> Result<&Secret<String>, Skip> {
    if state.is_dead {
        return Err(Skip::CredentialDead);
    }
    let token =
        state.access_token.filter(|token| !token.expose().is_empty()).ok_or(Skip::CredentialBootstrapping)?;
    let expires_at = state.expires_at.ok_or(Skip::CredentialBootstrapping)?;
    if expires_at > now { Ok(token) } else { Err(Skip::CredentialExpired) }
}

/// `{"type":"control_plane", …, "value"}`
fn inline(value: &Secret<String>, config: Map<String, Value>) -> Value {
    let mut wire = Map::new();
    wire.insert("type".to_owned(), SourceType::ControlPlane.as_str().into());
    wire.extend(config);
    wire.insert("value".to_owned(), value.expose().as_str().into());
    Value::Object(wire)
}
