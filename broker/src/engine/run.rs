//! One attempt: claim, ask, store what came of it (broker.md, section 7.2).

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::{Event, Shared};
use crate::attempt::{Attempt, Step};
use crate::provider::Provider;
use crate::row::{Claim, Outcome};
use crate::store::{Claimed, Store};

/// How long the store has for an outcome before it goes to the spool as well.
const SPOOL_AFTER: Duration = Duration::from_millis(20);
/// Between two tries to store an outcome: doubled from the first to the last.
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_LAST: Duration = Duration::from_secs(5);

impl<S: Store, P: Provider> Shared<S, P> {
    fn tell(&self, event: &Event<'_>) {
        (self.options.observer)(event);
    }

    /// Runs one attempt. True when the store failed before anything was sent.
    pub(super) async fn attempt(&self, key: &str) -> bool {
        // The lease counts from before the claim was asked for: it never ends later than is believed here.
        let started = Instant::now();
        let Ok(attempt) = name() else {
            self.tell(&Event::Store("the system has no randomness"));
            return true;
        };
        let claimed = match self.store.claim(key, &attempt).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return false,
            Err(error) => {
                self.tell(&Event::Store(&error.to_string()));
                return true;
            }
        };
        if claimed.claim.after_interruption {
            self.tell(&Event::Interrupted { key });
        }
        let timeout = claimed.credential.timeout;
        self.longest.send_if_modified(|longest| {
            *longest = timeout.max(*longest);
            false
        });
        let outcome = self.ask(&claimed, started).await;
        let answered = Instant::now();
        self.persist(&claimed, &outcome, started, answered).await;
        false
    }

    /// Asks until the attempt is over. Nothing is sent unless the answer must come before the lease ends: later, another
    /// may be at it.
    async fn ask(&self, claimed: &Claimed, started: Instant) -> Outcome {
        let lease_ends = started + claimed.lease;
        // The store's time without asking it: nothing stands between an answer and its being stored.
        let now = || claimed.claim.started_at.after(started.elapsed());
        let (mut attempt, mut step) = Attempt::begin(claimed.facts, &claimed.claim);
        loop {
            let ask = match step {
                Step::End(outcome) => return outcome,
                Step::Ask(ask) => ask,
            };
            if Instant::now() + claimed.credential.timeout > lease_ends {
                return attempt.too_late(now());
            }
            let answer = self.provider.ask(&claimed.credential, ask).await;
            step = attempt.answered(answer, now(), &self.options.chance);
        }
    }

    /// Stores an outcome, for as long as it takes. The provider is not asked again in the meantime: what it gave is
    /// here, and what was sent may be used up.
    async fn persist(&self, claimed: &Claimed, outcome: &Outcome, started: Instant, answered: Instant) {
        let (claim, key) = (&claimed.claim, &claimed.claim.key);
        // How long it took until its tokens were durable.
        let saved = OnceLock::new();
        let mut spooled = None;
        let mut delay = AGAIN_FIRST;
        loop {
            let mut write = std::pin::pin!(async {
                self.save(claimed, outcome, answered, &saved).await;
                self.store.conclude(claim, outcome).await
            });
            let result = tokio::select! {
                biased;
                result = &mut write => result,
                () = sleep(SPOOL_AFTER), if spooled.is_none() => {
                    if saved.get().is_none() {
                        spooled = Some(self.spool(claim, outcome));
                    }
                    write.await
                }
            };
            match result {
                Ok(true) => {
                    let (result, code) = shown(outcome);
                    let (took, all) = (started.elapsed(), answered.elapsed());
                    let unsaved = saved.get().copied().unwrap_or(all);
                    self.tell(&Event::Concluded { key, result, code, took, unsaved });
                    break;
                }
                Ok(false) => {
                    self.tell(&Event::Superseded { key });
                    break;
                }
                Err(error) => {
                    let is_saved = saved.get().is_some();
                    if spooled.is_none() && !is_saved {
                        spooled = Some(self.spool(claim, outcome));
                    }
                    let is_safe = is_saved || spooled == Some(true);
                    self.tell(&Event::Waiting { key, error: &error.to_string(), is_safe });
                    sleep(delay).await;
                    delay = (delay * 2).min(AGAIN_LAST);
                }
            }
        }
        if let (Some(true), Some(spool)) = (spooled, &self.options.spool)
            && let Err(error) = spool.remove(&claim.attempt)
        {
            self.tell(&Event::Spool(&error));
        }
    }

    /// Has new tokens stored before all the rest is. What fails here is tried again with the rest.
    async fn save(
        &self,
        claimed: &Claimed,
        outcome: &Outcome,
        answered: Instant,
        saved: &OnceLock<Duration>,
    ) {
        let Outcome::Minted(minted) = outcome else { return };
        // Without another refresh token there is nothing that cannot be had again.
        if minted.refresh_token.is_none() || saved.get().is_some() {
            return;
        }
        if let Ok(true) = self.store.save_tokens(claimed, minted).await {
            let _ = saved.set(answered.elapsed());
        }
    }

    /// Writes an outcome into the spool. True when it is there.
    fn spool(&self, claim: &Claim, outcome: &Outcome) -> bool {
        let Some(spool) = &self.options.spool else { return false };
        match spool.put(claim, outcome) {
            Ok(put) => put,
            Err(error) => {
                self.tell(&Event::Spool(&error));
                false
            }
        }
    }

    /// Stores what is in the spool. What cannot be read stays there and is told of.
    pub(super) async fn replay(&self) {
        let Some(spool) = &self.options.spool else { return };
        let found = match spool.list() {
            Ok(found) => found,
            Err(error) => return self.tell(&Event::Spool(&error)),
        };
        for attempt in found {
            let (claim, outcome) = match spool.get(&attempt) {
                Ok(entry) => entry,
                Err(error) => {
                    self.tell(&Event::Spool(&error));
                    continue;
                }
            };
            let mut delay = AGAIN_FIRST;
            let stored = loop {
                match self.store.conclude(&claim, &outcome).await {
                    Ok(stored) => break stored,
                    Err(error) => {
                        let error = error.to_string();
                        self.tell(&Event::Waiting { key: &claim.key, error: &error, is_safe: true });
                        sleep(delay).await;
                        delay = (delay * 2).min(AGAIN_LAST);
                    }
                }
            };
            self.tell(&Event::Replayed { key: &claim.key, stored });
            if let Err(error) = spool.remove(&attempt) {
                self.tell(&Event::Spool(&error));
            }
        }
    }
}

fn shown(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Minted(_) => ("success", None),
        Outcome::Failed { code, .. } => ("retryable", Some(code)),
        Outcome::Dead { reason, .. } => ("dead", Some(reason)),
    }
}

/// A name that no other attempt has.
fn name() -> Result<String, getrandom::Error> {
    let mut random = Zeroizing::new([0_u8; 16]);
    getrandom::fill(random.as_mut_slice())?;
    Ok(u128::from_le_bytes(*random)).map(|number| format!("{number:032x}"))
}
