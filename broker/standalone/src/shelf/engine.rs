//! What the refresh engine needs of the shelf: what is due, the claim, and the outcome.

use std::time::Duration;

use centaur_base::Secret;
use centaur_broker::{Claim, Claimable, Claimed, Due, Facts, Minted, Moment, Outcome, Ready, Store};
use centaur_fetch::Origin;
use centaur_oauth::{ClientAuth, Credential, Grant, Material, blames_token};
use centaur_policies::spec::{SourceKind, SourceSpec};
use tokio::sync::watch;
use tokio::time::timeout;

use super::state::{Holder, State, same};
use super::{Fault, Shelf, Slot};
use crate::blob::{Blob, Note, Sending};
use crate::stores::{StoreError, Version};

/// How often a write is tried on top of what somebody else wrote meanwhile.
const TRIES: usize = 4;
/// After an attempt that could not even begin.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a source may take.
const SOURCE_WITHIN: Duration = Duration::from_secs(30);

impl Store for Shelf {
    type Error = Fault;

    async fn due(&self, limit: u32, busy: &[String]) -> Result<Due, Fault> {
        let mut due = Due::default();
        for (id, slot) in &self.0.slots {
            let endpoint = &slot.config.token_endpoint;
            if busy.contains(endpoint) {
                continue;
            }
            let state = slot.state();
            if !state.is_loaded || state.dead().is_some() {
                continue;
            }
            let now = slot.now();
            match state.row.claimable(now) {
                Claimable::Now if due.ready.len() < limit as usize => {
                    due.ready.push(Ready { key: id.clone(), endpoint: endpoint.clone() });
                }
                Claimable::At(at) => {
                    let span = at.since(now);
                    due.next = Some(due.next.map_or(span, |next| next.min(span)));
                }
                Claimable::Now | Claimable::Never => {}
            }
        }
        Ok(due)
    }

    async fn claim(&self, key: &str, attempt: &str) -> Result<Option<Claimed>, Fault> {
        let slot = self.slot(key).ok_or(Fault::Unknown)?;
        let _gate = slot.gate.lock().await;
        slot.claim(attempt).await.map_err(|fault| {
            slot.state().postpone(slot.now());
            slot.fault(fault)
        })
    }

    async fn conclude(&self, claim: &Claim, outcome: &Outcome) -> Result<bool, Fault> {
        let Some(slot) = self.slot(&claim.key) else { return Ok(false) };
        let _gate = slot.gate.lock().await;
        let concluded = slot.conclude(claim, outcome).await;
        slot.tell();
        slot.wake();
        concluded
    }

    async fn now(&self) -> Result<Moment, Fault> {
        Ok((self.0.context.clock)())
    }

    fn changes(&self) -> watch::Receiver<i64> {
        self.0.context.changes.subscribe()
    }
}

impl Slot {
    /// Reads the document, and notes in it that its refresh token is being sent. Nothing was sent when it fails.
    async fn claim(&self, attempt: &str) -> Result<Option<Claimed>, Fault> {
        for _ in 0..TRIES {
            self.read().await?;
            if self.state().dead().is_some() {
                return Ok(None);
            }
            let mut credential = self.credential().await?;
            let lease = self.config.timing.lease();
            let (claimed, text, seen, before) = {
                let mut state = self.state();
                let (before, holder) = (state.row.lease.clone(), state.holder);
                let interrupted = state.row.interrupted;
                let Some(claim) = state.row.claim(&self.config.id, attempt, self.now(), lease) else {
                    return Ok(None);
                };
                state.holder = Holder::Us;
                credential.material.refresh_token = state.row.refresh_token.as_ref().map(copy);
                let facts = Facts {
                    grant: Grant::RefreshToken,
                    has_refresh_token: credential.material.refresh_token.is_some(),
                    has_initial: false,
                    has_client: credential.client_id.is_some(),
                    timing: self.config.timing,
                    failure_count: state.row.failure_count,
                };
                let sending = Sending {
                    attempt: attempt.to_owned(),
                    writer: self.context.writer.clone(),
                    until: claim.started_at.after(lease),
                };
                let note = Note { attempt: Some(sending), interrupted: claim.after_interruption, dead: None };
                let blob = state.blob(note, &self.context.writer);
                let text = state.written(blob);
                let claimed = Claimed { claim, namespace: String::new(), lease, facts, credential };
                (claimed, text, state.version.clone(), (before, holder, interrupted))
            };
            let result = self.store.store(&text, seen.as_ref()).await;
            let mut state = self.state();
            match result {
                Ok(version) => {
                    state.stored(version);
                    return Ok(Some(claimed));
                }
                Err(error) => {
                    (state.row.lease, state.holder, state.row.interrupted) = before;
                    if error != StoreError::Conflict {
                        return Err(self.store_fault(&error));
                    }
                }
            }
        }
        Err(Fault::Store(format!("{}: others keep writing it", self.store.name())))
    }

    /// Writes how an attempt ended. What was got is served once it is stored; where it cannot be stored, it is served
    /// all the same, and the write is tried again.
    async fn conclude(&self, claim: &Claim, outcome: &Outcome) -> Result<bool, Fault> {
        let concluded = self.write(claim, outcome).await;
        if let (Err(_), Outcome::Minted(minted)) = (&concluded, outcome) {
            let mut state = self.state();
            if state.owns(claim) {
                state.row.access_token = Some(copy(&minted.access_token));
                state.row.expires_at = Some(minted.expires_at);
                state.row.last_refresh = Some(minted.last_refresh);
                state.unsaved = true;
            }
        }
        concluded
    }

    async fn write(&self, claim: &Claim, outcome: &Outcome) -> Result<bool, Fault> {
        for _ in 0..TRIES {
            let (text, seen) = {
                let mut state = self.state();
                if !state.owns(claim) {
                    return Ok(false);
                }
                let note = note_after(state.row.interrupted, outcome);
                let mut blob = state.blob(note, &self.context.writer);
                if let Outcome::Minted(minted) = outcome {
                    blob.access_token = Some(copy(&minted.access_token));
                    blob.expires_at = Some(minted.expires_at);
                    blob.last_refresh = Some(minted.last_refresh);
                    if let Some(token) = &minted.refresh_token {
                        blob.refresh_token = Some(copy(token));
                    }
                }
                (state.written(blob), state.version.clone())
            };
            match self.store.store(&text, seen.as_ref()).await {
                Ok(version) => {
                    self.settle(claim, outcome, version);
                    return Ok(true);
                }
                Err(StoreError::Conflict) => {
                    if let Some(done) = self.reconcile(claim, outcome).await? {
                        return Ok(done);
                    }
                }
                Err(error) => return Err(self.store_fault(&error)),
            }
        }
        Err(Fault::Store(format!("{}: others keep writing it", self.store.name())))
    }

    /// The document is another than was seen. `None`: it is still about the token that was sent, and is written on top
    /// of.
    async fn reconcile(&self, claim: &Claim, outcome: &Outcome) -> Result<Option<bool>, Fault> {
        let stored = self.store.load().await.map_err(|error| self.store_fault(&error))?;
        let parsed = stored.as_ref().map(|stored| Blob::parse(stored.text.expose()));
        let version = stored.as_ref().map(|stored| stored.version.clone());
        let blob = match parsed {
            // What cannot be read holds no token that could be newer than ours.
            None | Some(Err(_) | Ok(None)) => {
                let mut state = self.state();
                state.version = version;
                return Ok(None);
            }
            Some(Ok(Some(blob))) => blob,
        };
        let stored_token = blob.refresh_token.as_ref();
        if let Outcome::Minted(Minted { refresh_token: Some(token), .. }) = outcome
            && same(Some(token), stored_token)
            && let Some(version) = version
        {
            // An earlier try was done after all.
            self.state().rest = blob.rest;
            self.settle(claim, outcome, version);
            return Ok(Some(true));
        }
        let mut state = self.state();
        let is_ours = blob.note.attempt.as_ref().is_none_or(|sending| sending.attempt == claim.attempt);
        if same(state.row.refresh_token.as_ref(), stored_token) && is_ours {
            state.version = version;
            state.number = blob.version;
            state.rest = blob.rest;
            return Ok(None);
        }
        // Somebody brought another token, or is at this one because our time was up: that counts.
        state.forget();
        state.take(Some(blob), version, self.now(), self);
        Ok(Some(false))
    }

    fn settle(&self, claim: &Claim, outcome: &Outcome, version: Version) {
        let mut state = self.state();
        state.stored(version);
        state.row.conclude(claim, outcome.duplicate());
        state.unsaved = false;
        (state.failed_at, state.not_before) = match outcome {
            Outcome::Failed { not_before, .. } => (Some(self.now()), *not_before),
            _ => (None, None),
        };
    }

    /// What a call is made from, but for the refresh token.
    async fn credential(&self) -> Result<Credential, Fault> {
        let config = &self.config;
        let client_secret = match &config.client_secret {
            None => None,
            Some(source) => Some(value("client_secret", source).await?),
        };
        let mut headers = Vec::with_capacity(config.headers.len());
        for (name, source) in &config.headers {
            headers.push((name.clone(), value(&format!("token_endpoint_headers.{name}"), source).await?));
        }
        Ok(Credential {
            grant: Grant::RefreshToken,
            endpoint: config.token_endpoint.clone(),
            client_id: Some(value("client_id", &config.client_id).await?.expose().clone()),
            client_secret,
            client_auth: ClientAuth::Post,
            scopes: config.scopes.clone(),
            headers,
            material: Material::default(),
            subject: None,
            timeout: config.timing.timeout,
        })
    }
}

impl State {
    /// Nothing could be sent. Others that are due get their turn meanwhile.
    fn postpone(&mut self, now: Moment) {
        let later = now.after(PAUSE);
        self.not_before = Some(later);
        self.row.next_attempt_at = self.row.next_attempt_at.max(Some(later));
    }

    /// The text of a document; what was lent to it comes back.
    fn written(&mut self, blob: Blob) -> zeroize::Zeroizing<String> {
        let text = blob.write();
        self.rest = blob.rest;
        text
    }

    /// The document was written.
    fn stored(&mut self, version: Version) {
        self.version = Some(version);
        self.number = self.number.saturating_add(1);
        self.fault = None;
    }

    fn owns(&self, claim: &Claim) -> bool {
        let owned = self.row.lease.as_ref().is_some_and(|lease| lease.attempt == claim.attempt);
        owned && self.row.seed_version == claim.seed_version
    }
}

/// What the document says about its refresh token once an attempt has ended.
fn note_after(was_interrupted: bool, outcome: &Outcome) -> Note {
    match outcome {
        Outcome::Minted(_) => Note::default(),
        Outcome::Failed { uncertain, .. } => {
            Note { interrupted: *uncertain || was_interrupted, ..Note::default() }
        }
        // Anything else may be cured without another token, and is tried again by the next process.
        Outcome::Dead { reason, .. } => {
            let code = reason.strip_prefix("interrupted_").unwrap_or(reason);
            Note {
                interrupted: was_interrupted,
                dead: Some(reason.clone()).filter(|_| blames_token(code)),
                attempt: None,
            }
        }
    }
}

async fn value(key: &str, source: &SourceSpec) -> Result<Secret<String>, Fault> {
    let failed =
        |reason: &str| Fault::Source(format!("{key}: {} is unavailable: {reason}", source.display_name()));
    if let SourceKind::ControlPlane { value } = &source.kind {
        return Ok(copy(value));
    }
    let origin = Origin::of(&source.kind).ok_or_else(|| failed("it has no origin"))?;
    let fetched = timeout(SOURCE_WITHIN, origin.fetch(source.json_key.as_deref())).await;
    fetched.map_err(|_| failed("no value in time"))?.map_err(|reason| failed(&reason))
}

fn copy(secret: &Secret<String>) -> Secret<String> {
    Secret::new(secret.expose().clone())
}
