//! One source: a value, its age, and at most one fetch in flight.
//!
//! | State | On use |
//! |---|---|
//! | nothing yet, or a failure older than `failure_ttl` | fetch, and wait for it |
//! | failed within `failure_ttl` | the remembered error |
//! | good | the value; in the last part of its life a fetch starts in the background |
//! | expired | fetch, and wait for it a little; then, or if it fails, the old value, unless it has ended |
//!
//! A fetch belongs to the source and not to the request that caused it: a client that goes away does not stop it.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use centaur_base::Secret;
use centaur_fetch::extract;
use centaur_policies::spec::SourceSpec;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use super::origin::{Fetched, Origin};
use super::{SecretValue, Unavailable};

/// A secret's source. See the module for what it does on use.
pub struct Source {
    name: Arc<str>,
    origin: Option<Origin>,
    json_key: Option<String>,
    ttl: Option<Duration>,
    failure_ttl: Duration,
    state: ArcSwap<State>,
    flight: Mutex<Flight>,
}

#[derive(Debug)]
enum State {
    /// Not fetched since the start or the last reload; with the value from before that, to see whether it changed.
    Unread {
        former: Option<Arc<SecretValue>>,
    },
    Failed {
        error: Unavailable,
        until: Instant,
    },
    Good {
        value: Arc<SecretValue>,
        life: Option<Life>,
    },
}

/// When a good value should be, and when it must be, fetched again.
#[derive(Debug, Clone, Copy)]
struct Life {
    refresh: Instant,
    expiry: Instant,
    /// It is no use to anybody from then on, whether there is another or not.
    ends: Option<Instant>,
}

impl Life {
    fn has_ended(self) -> bool {
        self.ends.is_some_and(|ends| ends <= Instant::now())
    }
}

#[derive(Default)]
struct Flight {
    /// The fetch under way.
    ticket: Option<Ticket>,
    /// Counts reloads; a fetch from before one is not what was asked for.
    generation: u64,
    /// The last fetch failed, and the log says so.
    failing: bool,
}

/// Right to the result of a fetch.
#[derive(Clone)]
struct Ticket {
    landing: watch::Receiver<Option<Outcome>>,
    departed: Instant,
}

type Outcome = Result<Arc<SecretValue>, Unavailable>;

/// A fetch may take this long.
const FETCH_LIMIT: Duration = Duration::from_secs(30);

/// From the start of a fetch, requests wait this long for a newer value while there is an old one.
const STALE_WAIT: Duration = Duration::from_secs(2);

/// Far enough away never to be reached.
const NEVER: Duration = Duration::from_hours(24 * 365 * 30);

/// The version of the next new value of any source.
static NEXT_VERSION: AtomicU64 = AtomicU64::new(1);

impl Source {
    pub(super) fn fetching(spec: &SourceSpec, origin: Origin, ttl: Option<Duration>) -> Self {
        Self::with_state(spec, Some(origin), ttl, State::Unread { former: None })
    }

    /// A value that came with its definition: good for ever.
    pub(super) fn inline(spec: &SourceSpec, value: &Secret<String>) -> Self {
        let source = Self::with_state(spec, None, None, State::Unread { former: None });
        let bytes = Zeroizing::new(value.expose().clone().into_bytes());
        let state = match extract(bytes, spec.json_key.as_deref()) {
            Ok(text) => State::Good { value: Arc::new(numbered(text)), life: None },
            Err(reason) => {
                let until = Instant::now() + NEVER;
                State::Failed { error: source.unavailable(&reason), until }
            }
        };
        source.state.store(Arc::new(state));
        source
    }

    fn with_state(spec: &SourceSpec, origin: Option<Origin>, ttl: Option<Duration>, state: State) -> Self {
        Self {
            name: spec.display_name().into(),
            origin,
            json_key: spec.json_key.clone(),
            ttl,
            failure_ttl: spec.failure_ttl,
            state: ArcSwap::from_pointee(state),
            flight: Mutex::default(),
        }
    }

    /// The display name, for audit lines and errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, if there is a good one right now. Takes no lock and waits for nothing; a value in the last part of
    /// its life is fetched again in the background.
    pub fn peek(self: &Arc<Self>) -> Option<Arc<SecretValue>> {
        let state = self.state.load();
        let State::Good { value, life } = &**state else { return None };
        let Some(life) = life else { return Some(Arc::clone(value)) };
        let now = Instant::now();
        if now >= life.expiry {
            return None;
        }
        if now >= life.refresh && Handle::try_current().is_ok() {
            drop(self.fly());
        }
        Some(Arc::clone(value))
    }

    /// The value; fetches it if need be. Dropping the future stops the waiting and nothing else.
    ///
    /// # Errors
    /// There is no value, not even an old one.
    pub async fn current(self: &Arc<Self>) -> Result<Arc<SecretValue>, Unavailable> {
        if let Some(value) = self.peek() {
            return Ok(value);
        }
        let former = match &**self.state.load() {
            State::Failed { error, until } if Instant::now() < *until => return Err(error.clone()),
            State::Good { life: Some(life), .. } if life.has_ended() => None,
            State::Good { value, .. } => Some(Arc::clone(value)),
            _ => None,
        };
        let ticket = self.fly();
        let patience = ticket.departed + STALE_WAIT;
        let landed = self.land(ticket);
        match former {
            None => landed.await,
            Some(former) => timeout_at(patience, landed).await.unwrap_or(Ok(former)),
        }
    }

    /// Takes a value as if it had just been fetched.
    pub(super) fn adopt(&self, value: Secret<String>) {
        if self.origin.is_some() {
            let generation = self.flight().generation;
            // A value is never refused.
            let _ = self.settle(generation, Ok(Fetched { text: value, ends: None }));
        }
    }

    /// Forgets a value that came with its definition; it is wiped when the last request that uses it ends. What is
    /// fetched can be fetched again, and stays.
    pub fn withdraw(&self) {
        if self.origin.is_none() {
            let until = Instant::now() + NEVER;
            self.state.store(Arc::new(State::Failed { error: self.unavailable("it was withdrawn"), until }));
        }
    }

    /// Forgets what was fetched, and the fetch under way.
    pub(super) fn restart(&self) {
        if self.origin.is_none() {
            return;
        }
        let mut flight = self.flight();
        let former = match &**self.state.load() {
            State::Good { value, .. } => Some(Arc::clone(value)),
            State::Unread { former } => former.clone(),
            State::Failed { .. } => None,
        };
        *flight = Flight { generation: flight.generation + 1, ..Flight::default() };
        self.state.store(Arc::new(State::Unread { former }));
    }

    async fn land(&self, mut ticket: Ticket) -> Outcome {
        match ticket.landing.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // The task is gone: the runtime is shutting down.
            _ => Err(self.unavailable("the fetch was abandoned")),
        }
    }

    /// Joins the fetch under way, or starts one.
    fn fly(self: &Arc<Self>) -> Ticket {
        let mut flight = self.flight();
        // A sender that is gone without a word has died.
        if let Some(ticket) = flight.ticket.as_ref().filter(|ticket| ticket.landing.has_changed().is_ok()) {
            return ticket.clone();
        }
        let (arrived, landing) = watch::channel(None);
        let ticket = Ticket { landing, departed: Instant::now() };
        flight.ticket = Some(ticket.clone());
        let (source, generation) = (Arc::clone(self), flight.generation);
        tokio::spawn(async move {
            let fetched = source.fetch().await;
            arrived.send_replace(Some(source.settle(generation, fetched)));
        });
        ticket
    }

    async fn fetch(&self) -> Result<Fetched, String> {
        let Some(origin) = &self.origin else { return Err("it has no source".to_owned()) };
        timeout(FETCH_LIMIT, origin.fetch(self.json_key.as_deref()))
            .await
            .unwrap_or_else(|_| Err(format!("no value within {} seconds", FETCH_LIMIT.as_secs())))
    }

    /// Turns a fetch into the next state, and into what those who wait for it get.
    fn settle(&self, generation: u64, fetched: Result<Fetched, String>) -> Outcome {
        let mut flight = self.flight();
        if flight.generation != generation {
            return fetched
                .map(|fetched| Arc::new(numbered(fetched.text)))
                .map_err(|reason| self.unavailable(&reason));
        }
        flight.ticket = None;
        let (former, had_life) = match &**self.state.load() {
            State::Good { value, life } => (Some(Arc::clone(value)), *life),
            State::Unread { former } => (former.clone(), None),
            State::Failed { .. } => (None, None),
        };
        match fetched {
            Ok(Fetched { text, ends }) => {
                flight.failing = false;
                let value = match former {
                    Some(former) if former.text.expose() == text.expose() => former,
                    _ => Arc::new(numbered(text)),
                };
                let life = self.ttl.map(|ttl| self.life(ttl, value.version, ends));
                self.state.store(Arc::new(State::Good { value: Arc::clone(&value), life }));
                Ok(value)
            }
            Err(reason) => {
                let error = self.unavailable(&reason);
                let first = !std::mem::replace(&mut flight.failing, true);
                // Only a value with a life is fetched again while it is there.
                let had_life = had_life.filter(|life| !life.has_ended());
                let (Some(former), Some(life), Some(ttl)) = (former, had_life, self.ttl) else {
                    self.report(first, &error, self.failure_ttl);
                    let until = Instant::now() + self.failure_ttl;
                    self.state.store(Arc::new(State::Failed { error: error.clone(), until }));
                    return Err(error);
                };
                let retry_in = ttl / 2;
                self.report(first, &error, retry_in);
                let retry = life.expiry.max(Instant::now() + retry_in);
                let retry = life.ends.map_or(retry, |ends| retry.min(ends));
                let life = Some(Life { refresh: retry, expiry: retry, ends: life.ends });
                self.state.store(Arc::new(State::Good { value: Arc::clone(&former), life }));
                Ok(former)
            }
        }
    }

    /// The first of a row of failures is worth a warning, the others are not.
    fn report(&self, first: bool, error: &Unavailable, retry_in: Duration) {
        let (secret, error) = (&*self.name, error.reason());
        if first {
            tracing::warn!(secret, error, ?retry_in, "secret fetch failed");
        } else {
            tracing::debug!(secret, error, ?retry_in, "secret fetch failed");
        }
    }

    /// The refresh starts somewhere in the last quarter of the life, so that sources that were first used together
    /// are not fetched together for ever. Which moment is chance enough when it depends on name and version.
    fn life(&self, ttl: Duration, version: u64, ends: Option<Instant>) -> Life {
        let mut hasher = DefaultHasher::new();
        (&*self.name, version).hash(&mut hasher);
        let permille = 750 + (hasher.finish() % 150) as u32;
        let now = Instant::now();
        Life { refresh: now + ttl / 1000 * permille, expiry: now + ttl, ends }
    }

    fn unavailable(&self, reason: &str) -> Unavailable {
        Unavailable { name: Arc::clone(&self.name), reason: reason.into() }
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("state", &self.state).finish_non_exhaustive()
    }
}

fn numbered(text: Secret<String>) -> SecretValue {
    SecretValue::new(text, NEXT_VERSION.fetch_add(1, Ordering::Relaxed))
}
