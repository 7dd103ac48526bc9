//! The keys of issuers: kept for an hour, read again when a token names one that is not there, and not more often than
//! a few times in a row (broker.md, section 11.3).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use centaur_oauth::Client;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use tokio::time::Instant;

/// The keys of all issuers that were asked for. Clones share them.
#[derive(Debug, Clone)]
pub struct Jwks {
    client: Client,
    sets: Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Set>>>>>,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// The issuer has no such key, or none that fits the algorithm.
    #[error("the issuer has no key of this id")]
    Unknown,
    /// Its keys cannot be read.
    #[error("the keys of the issuer cannot be read")]
    Unavailable,
}

#[derive(Debug)]
struct Set {
    keys: Vec<Jwk>,
    read_at: Option<Instant>,
    budget: Budget,
}

/// How often keys may be read: a few times in a row, then once in ten seconds.
#[derive(Debug)]
struct Budget {
    left: u32,
    since: Instant,
}

/// How long keys are taken as they were read.
const FRESH: Duration = Duration::from_hours(1);
/// How long they are still taken when the issuer does not answer.
const STALE: Duration = Duration::from_hours(24);
const IN_A_ROW: u32 = 4;
const REFILL: Duration = Duration::from_secs(10);
const WITHIN: Duration = Duration::from_secs(5);
/// Issuers are few; a list that grows without end is a mistake somewhere.
const MOST_SETS: usize = 256;

impl Jwks {
    /// None yet.
    pub fn new(client: Client) -> Self {
        Self { client, sets: Arc::default() }
    }

    /// The key `kid` of the set at `uri`, for `algorithm`. Without `kid` it is the one key that fits, when there is just
    /// one.
    ///
    /// # Errors
    /// [`JwksError`]
    pub async fn key(
        &self,
        uri: &str,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, JwksError> {
        let set = self.set(uri);
        // Whoever waits here gets what the one before has read.
        let mut set = set.lock().await;
        let now = Instant::now();
        let is_fresh = set.is_younger(FRESH, now);
        if is_fresh && let Some(key) = set.find(kid, algorithm) {
            return decoding(key);
        }
        if set.budget.spend(now) {
            match self.read(uri).await {
                Some(keys) => (set.keys, set.read_at) = (keys, Some(now)),
                None if !set.is_younger(STALE, now) => return Err(JwksError::Unavailable),
                None => {}
            }
        } else if !set.is_younger(STALE, now) {
            return Err(JwksError::Unavailable);
        }
        set.find(kid, algorithm).map_or(Err(JwksError::Unknown), decoding)
    }

    fn set(&self, uri: &str) -> Arc<tokio::sync::Mutex<Set>> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.len() >= MOST_SETS && !sets.contains_key(uri) {
            sets.clear();
        }
        sets.entry(uri.to_owned()).or_insert_with(|| Arc::new(tokio::sync::Mutex::new(Set::new()))).clone()
    }

    /// The keys that can be read; others are as if they were not there.
    async fn read(&self, uri: &str) -> Option<Vec<Jwk>> {
        let body = self.client.fetch(uri, None, WITHIN).await.ok()?;
        let document: Value = serde_json::from_slice(&body).ok()?;
        let keys = document.get("keys")?.as_array()?;
        Some(keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect())
    }
}

impl Set {
    fn new() -> Self {
        Self { keys: Vec::new(), read_at: None, budget: Budget { left: IN_A_ROW, since: Instant::now() } }
    }

    fn is_younger(&self, age: Duration, now: Instant) -> bool {
        self.read_at.is_some_and(|at| now.duration_since(at) < age)
    }

    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Jwk> {
        let mut fitting = self.keys.iter().filter(|key| fits(key, algorithm));
        match kid {
            Some(kid) => fitting.find(|key| key.common.key_id.as_deref() == Some(kid)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }
}

impl Budget {
    fn spend(&mut self, now: Instant) -> bool {
        let earned = now.duration_since(self.since).as_secs() / REFILL.as_secs();
        if earned > 0 {
            self.left = self.left.saturating_add(u32::try_from(earned).unwrap_or(IN_A_ROW)).min(IN_A_ROW);
            self.since = now;
        }
        let spent = self.left > 0;
        self.left = self.left.saturating_sub(1);
        spent
    }
}

/// A key for signatures, of the family of the algorithm. A key that names its own algorithm is for that one alone.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let family = match algorithm {
        Algorithm::RS256 => matches!(key.algorithm, AlgorithmParameters::RSA(_)),
        Algorithm::ES256 => matches!(&key.algorithm, AlgorithmParameters::EllipticCurve(curve)
            if curve.curve == jsonwebtoken::jwk::EllipticCurve::P256),
        _ => false,
    };
    let named = match key.common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::RS256) => algorithm == Algorithm::RS256,
        Some(KeyAlgorithm::ES256) => algorithm == Algorithm::ES256,
        Some(_) => false,
    };
    family && named && matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature))
}

fn decoding(key: &Jwk) -> Result<DecodingKey, JwksError> {
    DecodingKey::from_jwk(key).map_err(|_| JwksError::Unknown)
}

#[cfg(test)]
mod tests {
    use centaur_oauth::ClientOptions;

    use super::*;

    #[tokio::test]
    async fn keys_that_are_too_old_are_none_also_while_they_may_not_be_read_again() {
        let client = Client::new(ClientOptions::default()).expect("a client");
        let jwks = Jwks::new(client);
        let ask = async |age: Duration| {
            let set = jwks.set("https://idp.example/keys");
            let now = Instant::now();
            let budget = Budget { left: 0, since: now };
            *set.lock().await = Set { keys: Vec::new(), read_at: now.checked_sub(age), budget };
            jwks.key("https://idp.example/keys", None, Algorithm::RS256).await.err()
        };
        assert_eq!(ask(Duration::from_hours(25)).await, Some(JwksError::Unavailable));
        assert_eq!(
            ask(Duration::from_hours(2)).await,
            Some(JwksError::Unknown),
            "they are there, and it is not"
        );
    }
}
