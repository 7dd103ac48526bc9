//! A credential as the protocol sees it, and the writes that the protocol allows (broker.md, sections 6 and 7.2).
//!
//! `T` is a token: a secret in a store, a number in the model that is explored. A store over SQL does the same with
//! conditional updates; its tests compare it with this.

use std::time::Duration;

use centaur_base::Secret;

use crate::time::Moment;

/// What of a credential decides who may spend its refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row<T = Secret<String>> {
    /// The refresh token that the next attempt sends.
    pub refresh_token: Option<T>,
    /// The one before it, until the first refresh with its successor succeeds.
    pub previous: Option<T>,
    /// The access token that is delivered.
    pub access_token: Option<T>,
    /// When that ends.
    pub expires_at: Option<Moment>,
    /// When it was asked for.
    pub last_refresh: Option<Moment>,
    /// When the next attempt is due; `None` is at once.
    pub next_attempt_at: Option<Moment>,
    /// Failures in a row that may heal.
    pub failure_count: u32,
    /// It is not tried again until it is seeded: why.
    pub dead: Option<String>,
    /// An attempt was begun, and nobody knows whether it spent the refresh token.
    pub interrupted: bool,
    /// Raised by every seed.
    pub seed_version: i64,
    /// Who is at it.
    pub lease: Option<Lease>,
    /// The attempt whose tokens are stored and whose end is not written yet.
    pub saved: Option<String>,
}

/// Who is at a credential, and until when nobody else may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The attempt.
    pub attempt: String,
    /// Its end.
    pub until: Moment,
}

/// A claimed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The store's name of the credential; no secret, it stands in logs.
    pub key: String,
    /// The attempt's name, unique.
    pub attempt: String,
    /// The seed whose tokens it uses.
    pub seed_version: i64,
    /// When it began, by the store's clock.
    pub started_at: Moment,
    /// It may send a refresh token that was used: an earlier attempt ended without anybody knowing how.
    pub after_interruption: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome<T = Secret<String>> {
    /// There is a token.
    Minted(Minted<T>),
    /// It may be tried again.
    Failed {
        /// When.
        next_attempt_at: Moment,
        /// Until when the provider asked to be left alone, if it did.
        not_before: Option<Moment>,
        /// Why it failed, as a code.
        code: String,
        /// The refresh token may have been used up.
        uncertain: bool,
    },
    /// It may not.
    Dead {
        /// Why, as a code.
        reason: String,
        /// The provider refused the client, not the credential.
        client_rejected: bool,
    },
}

impl Outcome {
    /// The same once more: secrets are copied where somebody says so.
    pub fn duplicate(&self) -> Self {
        match self {
            Self::Minted(minted) => Self::Minted(minted.duplicate()),
            Self::Failed { next_attempt_at, not_before, code, uncertain } => Self::Failed {
                next_attempt_at: *next_attempt_at,
                not_before: *not_before,
                code: code.clone(),
                uncertain: *uncertain,
            },
            Self::Dead { reason, client_rejected } => {
                Self::Dead { reason: reason.clone(), client_rejected: *client_rejected }
            }
        }
    }
}

/// What a provider gave, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Minted<T = Secret<String>> {
    /// The access token.
    pub access_token: T,
    /// The refresh token that replaces the stored one.
    pub refresh_token: Option<T>,
    /// The stored refresh token was refused: without a replacement it goes.
    pub forget_refresh_token: bool,
    /// When the access token ends.
    pub expires_at: Moment,
    /// When it was asked for.
    pub last_refresh: Moment,
    /// When it is refreshed.
    pub next_attempt_at: Moment,
}

impl Minted {
    /// The same once more, as [`Outcome::duplicate`].
    pub fn duplicate(&self) -> Self {
        let copy = |secret: &Secret<String>| Secret::new(secret.expose().clone());
        Self {
            access_token: copy(&self.access_token),
            refresh_token: self.refresh_token.as_ref().map(copy),
            ..*self
        }
    }
}

/// Whether a credential may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimable {
    /// Now.
    Now,
    /// At this moment.
    At(Moment),
    /// Not before it is seeded.
    Never,
}

impl<T> Default for Row<T> {
    fn default() -> Self {
        Self {
            refresh_token: None,
            previous: None,
            access_token: None,
            expires_at: None,
            last_refresh: None,
            next_attempt_at: None,
            failure_count: 0,
            dead: None,
            interrupted: false,
            seed_version: 0,
            lease: None,
            saved: None,
        }
    }
}

impl<T> Row<T> {
    /// Fresh material: the credential lives, is due, and whoever is at it with the old material has lost it.
    pub fn seed(&mut self, refresh_token: Option<T>, now: Moment) {
        if let Some(token) = refresh_token {
            self.refresh_token = Some(token);
            self.previous = None;
        }
        self.dead = None;
        self.failure_count = 0;
        self.interrupted = false;
        self.next_attempt_at = Some(now);
        self.seed_version += 1;
        self.lease = None;
        self.saved = None;
    }

    /// Whether and when it may be claimed.
    pub fn claimable(&self, now: Moment) -> Claimable {
        if self.dead.is_some() {
            return Claimable::Never;
        }
        let due = self.next_attempt_at.unwrap_or(now);
        let free = self.lease.as_ref().map_or(now, |lease| Moment(lease.until.0 + 1));
        let at = due.max(free);
        if at <= now { Claimable::Now } else { Claimable::At(at) }
    }

    /// Claims it for `lease`. A lease that is still there has ended without an outcome: that is an interruption.
    pub fn claim(&mut self, key: &str, attempt: &str, now: Moment, lease: Duration) -> Option<Claim> {
        if self.claimable(now) != Claimable::Now {
            return None;
        }
        self.interrupted |= self.lease.is_some();
        self.lease = Some(Lease { attempt: attempt.to_owned(), until: now.after(lease) });
        self.saved = None;
        Some(Claim {
            key: key.to_owned(),
            attempt: attempt.to_owned(),
            seed_version: self.seed_version,
            started_at: now,
            after_interruption: self.interrupted,
        })
    }

    /// Stores the tokens of an attempt that got another refresh token, and gives the lease back. False, and nothing
    /// written, when the lease is another's by now or the material is newer.
    pub fn save_tokens(&mut self, claim: &Claim, minted: Minted<T>) -> bool {
        let (true, Some(token)) = (self.is_at_it(claim), minted.refresh_token) else { return false };
        self.lease = None;
        self.saved = Some(claim.attempt.clone());
        self.access_token = Some(minted.access_token);
        self.expires_at = Some(minted.expires_at);
        self.next_attempt_at = Some(minted.next_attempt_at);
        self.interrupted = false;
        self.previous = self.refresh_token.replace(token);
        true
    }

    fn is_at_it(&self, claim: &Claim) -> bool {
        let is_owner = self.lease.as_ref().is_some_and(|lease| lease.attempt == claim.attempt);
        is_owner && self.seed_version == claim.seed_version
    }

    /// Writes how an attempt ended. False, and nothing written, when the lease is another's by now or the material is
    /// newer.
    pub fn conclude(&mut self, claim: &Claim, outcome: Outcome<T>) -> bool {
        let is_saved = self.saved.as_ref() == Some(&claim.attempt) && self.seed_version == claim.seed_version;
        if !is_saved && !self.is_at_it(claim) {
            return false;
        }
        self.lease = None;
        self.saved = None;
        match outcome {
            Outcome::Minted(minted) if is_saved => {
                self.expires_at = Some(minted.expires_at);
                self.last_refresh = Some(minted.last_refresh);
                self.next_attempt_at = Some(minted.next_attempt_at);
                self.failure_count = 0;
                self.interrupted = false;
            }
            Outcome::Minted(minted) => {
                self.access_token = Some(minted.access_token);
                self.expires_at = Some(minted.expires_at);
                self.last_refresh = Some(minted.last_refresh);
                self.next_attempt_at = Some(minted.next_attempt_at);
                self.failure_count = 0;
                self.interrupted = false;
                self.previous = None;
                if let Some(token) = minted.refresh_token {
                    self.previous = self.refresh_token.replace(token);
                } else if minted.forget_refresh_token {
                    self.refresh_token = None;
                }
            }
            Outcome::Failed { next_attempt_at, uncertain, .. } => {
                self.failure_count += 1;
                self.next_attempt_at = Some(next_attempt_at);
                self.interrupted |= uncertain;
            }
            Outcome::Dead { reason, .. } => {
                self.dead.get_or_insert(reason);
            }
        }
        true
    }
}
