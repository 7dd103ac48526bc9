//! What a client gets that asks for an access token (broker.md, section 21.4).

use std::time::Duration;

use centaur_base::Secret;
use centaur_broker::{Claimable, Moment};
use tokio::time::{Instant, timeout_at};

use super::state::State;
use super::{Shelf, Slot};

/// What a client gets.
#[derive(Debug)]
pub enum Asked {
    /// An access token and its end.
    Token(Secret<String>, Moment),
    /// There is no such credential.
    Unknown,
    /// It cannot be refreshed any more: the code.
    Dead(String),
    /// The document is not read yet.
    Bootstrapping,
    /// The provider has given none yet; again after this much.
    Pending(Duration),
    /// It is not the provider that fails.
    Broken,
}

/// How long a client waits for a token that has to be fetched first: a proxy gives up after 30 seconds.
const BUDGET: Duration = Duration::from_secs(28);
/// When to come again, where nothing better is known.
const AGAIN: Duration = Duration::from_secs(5);
/// Between a failure and the next attempt that somebody asks for.
const PAUSE: Duration = Duration::from_secs(5);

impl Shelf {
    /// An access token that has not expired: the one that is here, or else a new one, for which all who ask wait
    /// together, 28 seconds at most. A client that goes away stops nothing.
    pub async fn ask(&self, id: &str) -> Asked {
        let Some(slot) = self.slot(id) else { return Asked::Unknown };
        let mut news = slot.news.subscribe();
        let deadline = Instant::now() + BUDGET;
        loop {
            news.mark_unchanged();
            if let Some(asked) = slot.look(deadline.saturating_duration_since(Instant::now())) {
                return asked;
            }
            match timeout_at(deadline, news.changed()).await {
                Ok(Ok(())) => {}
                _ => return slot.given_up(),
            }
        }
    }
}

impl Slot {
    /// What can be said now; `None` when something comes within `left`.
    fn look(&self, left: Duration) -> Option<Asked> {
        let mut state = self.state();
        let now = self.now();
        if let Some(reason) = state.dead() {
            return Some(Asked::Dead(reason.to_owned()));
        }
        if !state.is_loaded {
            return Some(Asked::Bootstrapping);
        }
        if let Some((token, end)) = state.token(now) {
            return Some(Asked::Token(Secret::new(token.expose().clone()), end));
        }
        if state.is_trying() {
            return None;
        }
        if *self.context.stopping.borrow() {
            return Some(Asked::Pending(AGAIN));
        }
        if state.hurry(now) {
            self.wake();
        }
        match state.row.claimable(now) {
            // What another gets is found in the document before its lease ends.
            _ if state.is_others() => None,
            // Nothing will be tried in time.
            Claimable::At(at) if at.since(now) > left && state.fault.is_some() => Some(Asked::Broken),
            Claimable::At(at) if at.since(now) > left => Some(Asked::Pending(at.since(now).max(AGAIN))),
            _ => None,
        }
    }

    /// The time is up.
    fn given_up(&self) -> Asked {
        if self.state().fault.is_some() { Asked::Broken } else { Asked::Pending(AGAIN) }
    }
}

impl State {
    /// Brings the next attempt forward, because somebody waits for it: to now, or to a pause after the last failure, or
    /// to the moment until which the provider asked to be left alone. True when it did.
    fn hurry(&mut self, now: Moment) -> bool {
        let Some(next) = self.row.next_attempt_at.filter(|next| *next > now) else { return false };
        let paused = self.failed_at.filter(|_| self.row.failure_count > 0).map(|failed| failed.after(PAUSE));
        let wanted = now.max(paused.unwrap_or(now)).max(self.not_before.unwrap_or(now));
        if wanted >= next {
            return false;
        }
        self.row.next_attempt_at = Some(wanted);
        true
    }
}
