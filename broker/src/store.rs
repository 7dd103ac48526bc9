//! Where credentials are kept, as the engine needs it.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use centaur_oauth::Credential;
use tokio::sync::watch;

use crate::attempt::Facts;
use crate::row::{Claim, Minted, Outcome};
use crate::time::Moment;

/// A store. Its writes are atomic and durable when they return, and its clock is the same for all who share it.
pub trait Store: Send + Sync + 'static {
    /// Why it did not do something; without material.
    type Error: Display + Send;

    /// Credentials that are due, the longest waiting first, at most `limit`, without those whose endpoint is in `busy`.
    fn due(&self, limit: u32, busy: &[String]) -> impl Future<Output = Result<Due, Self::Error>> + Send;

    /// Claims a due credential. `None` when it is not due by now, gone, or another's. An interruption is noted in the
    /// same write. An error leaves it unclaimed.
    fn claim(
        &self,
        key: &str,
        attempt: &str,
    ) -> impl Future<Output = Result<Option<Claimed>, Self::Error>> + Send;

    /// Makes tokens durable, by the shortest way there is and before anything that follows from them is written: the
    /// attempt goes on to own the credential, without a lease, until it is concluded. True when they are. A store that
    /// has no way shorter than [`Store::conclude`] does nothing.
    fn save_tokens(
        &self,
        claimed: &Claimed,
        minted: &Minted,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send {
        let _ = (claimed, minted);
        std::future::ready(Ok(false))
    }

    /// Writes how an attempt ended, all of it or nothing; of one whose tokens are saved, what is left. False when the attempt has lost the credential. It may be
    /// asked again after an error, also when the write was done in spite of it.
    fn conclude(
        &self,
        claim: &Claim,
        outcome: &Outcome,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// The store's time.
    fn now(&self) -> impl Future<Output = Result<Moment, Self::Error>> + Send;

    /// Moves whenever something may have become due earlier.
    fn changes(&self) -> watch::Receiver<i64>;
}

/// What is due, and when the rest is.
#[derive(Debug, Default)]
pub struct Due {
    /// Due now.
    pub ready: Vec<Ready>,
    /// How long until something else is.
    pub next: Option<Duration>,
}

/// A credential that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Its name in the store.
    pub key: String,
    /// Where it is refreshed.
    pub endpoint: String,
}

/// A claimed credential.
#[derive(Debug)]
pub struct Claimed {
    /// The claim.
    pub claim: Claim,
    /// Where the credential is, for a store that seals what it saves to that place; otherwise empty.
    pub namespace: String,
    /// For how long it holds, from the moment the claim was asked for.
    pub lease: Duration,
    /// What the attempt must know.
    pub facts: Facts,
    /// What calls are made from.
    pub credential: Credential,
}
