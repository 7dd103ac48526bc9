//! Rows that replicas share, a provider that detects reuse, and engines between them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use centaur_base::Secret;
use centaur_broker::{
    Chance, Claim, Claimable, Claimed, Due, Engine, Event, Facts, Minted, Moment, Options, Outcome, Provider,
    Ready, Row, Seal, Spool, Store, Timing,
};
use centaur_oauth::{Answer, Ask, ClientAuth, Credential, Grant, Material, Retryable, Tokens};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

/// Rows in memory. Clones share them, as replicas share a database.
#[derive(Clone)]
pub(crate) struct Rows(Arc<Shared>);

struct Shared {
    rows: Mutex<BTreeMap<String, Row>>,
    endpoints: Mutex<BTreeMap<String, String>>,
    changed: watch::Sender<i64>,
    /// Nothing is answered while it is true.
    away: watch::Sender<bool>,
    /// It stops answering as soon as it has saved tokens.
    goes_after_saving: AtomicBool,
    began: Instant,
}

pub(crate) fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

impl Rows {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            rows: Mutex::default(),
            endpoints: Mutex::default(),
            changed: watch::channel(0).0,
            away: watch::channel(false).0,
            goes_after_saving: AtomicBool::new(false),
            began: Instant::now(),
        }))
    }

    pub(crate) fn clock(&self) -> Moment {
        Moment(1).after(self.0.began.elapsed())
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, Row>> {
        self.0.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings a refresh token, as an operator does.
    pub(crate) fn seed(&self, key: &str, token: &str) {
        self.seed_at(key, token, "https://idp.example/token");
    }

    pub(crate) fn seed_at(&self, key: &str, token: &str, endpoint: &str) {
        self.0.endpoints.lock().expect("endpoints").insert(key.to_owned(), endpoint.to_owned());
        let now = self.clock();
        self.rows().entry(key.to_owned()).or_default().seed(Some(secret(token)), now);
        self.0.changed.send_modify(|seq| *seq += 1);
    }

    /// Something was written, as a refresh that is asked for.
    pub(crate) fn poke(&self) {
        self.0.changed.send_modify(|seq| *seq += 1);
    }

    /// The database stops answering, or answers again.
    pub(crate) fn set_away(&self, away: bool) {
        self.0.away.send_replace(away);
    }

    /// The database stops answering as soon as it has saved the tokens of an attempt.
    pub(crate) fn go_away_after_saving(&self) {
        self.0.goes_after_saving.store(true, Relaxed);
    }

    pub(crate) fn row<T>(&self, key: &str, look: impl FnOnce(&Row) -> T) -> T {
        look(&self.rows()[key])
    }

    /// Waits until the row is as wanted.
    pub(crate) async fn until(&self, key: &str, want: impl Fn(&Row) -> bool) {
        while !self.row(key, &want) {
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn answers(&self) -> Result<(), &'static str> {
        if *self.0.away.borrow() {
            sleep(Duration::from_millis(100)).await;
            return Err("the database is away");
        }
        Ok(())
    }
}

pub(crate) fn timing() -> Timing {
    Timing::default()
}

impl Store for Rows {
    type Error = &'static str;

    async fn due(&self, limit: u32, busy: &[String]) -> Result<Due, Self::Error> {
        self.answers().await?;
        let (now, endpoints) = (self.clock(), self.0.endpoints.lock().expect("endpoints").clone());
        let mut due = Due::default();
        for (key, row) in self.rows().iter().filter(|(key, _)| !busy.contains(&endpoints[*key])) {
            match row.claimable(now) {
                Claimable::Now if due.ready.len() < limit as usize => {
                    due.ready.push(Ready { key: key.clone(), endpoint: endpoints[key].clone() });
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

    async fn claim(&self, key: &str, attempt: &str) -> Result<Option<Claimed>, Self::Error> {
        self.answers().await?;
        let (timing, endpoint) = (timing(), self.0.endpoints.lock().expect("endpoints")[key].clone());
        let mut rows = self.rows();
        let row = rows.get_mut(key).expect("a row");
        let Some(claim) = row.claim(key, attempt, self.clock(), timing.lease()) else { return Ok(None) };
        let refresh_token = row.refresh_token.as_ref().map(|token| secret(token.expose()));
        let facts = Facts {
            grant: Grant::RefreshToken,
            has_refresh_token: refresh_token.is_some(),
            has_initial: false,
            has_client: true,
            timing,
            failure_count: row.failure_count,
        };
        let credential = Credential {
            grant: Grant::RefreshToken,
            endpoint,
            client_id: Some("client".to_owned()),
            client_secret: None,
            client_auth: ClientAuth::Post,
            scopes: Vec::new(),
            headers: Vec::new(),
            material: Material { refresh_token, ..Material::default() },
            subject: None,
            timeout: timing.timeout,
        };
        Ok(Some(Claimed { claim, namespace: String::new(), lease: timing.lease(), facts, credential }))
    }

    async fn save_tokens(&self, claimed: &Claimed, minted: &Minted) -> Result<bool, Self::Error> {
        self.answers().await?;
        let claim = &claimed.claim;
        let saved = self.rows().get_mut(&claim.key).expect("a row").save_tokens(claim, minted.duplicate());
        if self.0.goes_after_saving.load(Relaxed) {
            self.set_away(true);
        }
        Ok(saved)
    }

    async fn conclude(&self, claim: &Claim, outcome: &Outcome) -> Result<bool, Self::Error> {
        self.answers().await?;
        let stored = self.rows().get_mut(&claim.key).expect("a row").conclude(claim, outcome.duplicate());
        self.0.changed.send_modify(|seq| *seq += 1);
        Ok(stored)
    }

    async fn now(&self) -> Result<Moment, Self::Error> {
        self.answers().await?;
        Ok(self.clock())
    }

    fn changes(&self) -> watch::Receiver<i64> {
        self.0.changed.subscribe()
    }
}

/// A provider that rotates at each use and revokes the family when a token comes twice. Tokens are `family.number`.
#[derive(Clone, Default)]
pub(crate) struct Strict(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    families: BTreeMap<String, (u32, bool)>,
    log: Vec<String>,
    reuses: u32,
    under_way: BTreeMap<String, usize>,
    most: BTreeMap<String, usize>,
    delay: Duration,
    lifetime: Duration,
    mood: Mood,
}

/// What the provider does besides its work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// It does nothing and says so.
    Down,
    /// It does its work, and the answer is lost.
    Mute,
    /// It does nothing, and never answers.
    Deaf,
    /// The call panics.
    Broken,
}

impl Strict {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn delay(&self, delay: Duration) {
        self.book().delay = delay;
    }

    pub(crate) fn lifetime(&self, lifetime: Duration) {
        self.book().lifetime = lifetime;
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.book().mood = mood;
    }

    /// The tokens that were presented, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.book().log.clone()
    }

    pub(crate) fn reuses(&self) -> u32 {
        self.book().reuses
    }

    /// The most calls at a time, by host; under the empty name, in all.
    pub(crate) fn most(&self, host: &str) -> usize {
        self.book().most.get(host).copied().unwrap_or_default()
    }

    fn enter(&self, host: &str) {
        let mut book = self.book();
        for name in [host, ""] {
            let count = book.under_way.entry(name.to_owned()).or_default();
            *count += 1;
            let count = *count;
            let most = book.most.entry(name.to_owned()).or_default();
            *most = count.max(*most);
        }
    }

    fn leave(&self, host: &str) {
        let mut book = self.book();
        for name in [host, ""] {
            *book.under_way.entry(name.to_owned()).or_default() -= 1;
        }
    }

    fn present(&self, token: &str) -> Answer {
        let mut book = self.book();
        book.log.push(token.to_owned());
        let (family, number) = token.split_once('.').expect("a token of ours");
        let number: u32 = number.parse().expect("a number");
        let lifetime = if book.lifetime.is_zero() { Duration::from_hours(1) } else { book.lifetime };
        let (current, revoked) = book.families.entry(family.to_owned()).or_default();
        if *revoked || *current != number {
            *revoked = true;
            book.reuses += 1;
            return Answer::Refused("invalid_grant".to_owned());
        }
        *current += 1;
        Answer::Minted(Tokens {
            access_token: secret(&format!("at-{family}.{current}")),
            refresh_token: Some(secret(&format!("{family}.{current}"))),
            lifetime,
            is_assumed: false,
        })
    }
}

impl Provider for Strict {
    async fn ask(&self, credential: &Credential, _: Ask) -> Answer {
        let (delay, mood) = {
            let book = self.book();
            (book.delay, book.mood.clone())
        };
        let lost = |maybe_spent| {
            Answer::Retryable(Retryable { code: "network".to_owned(), retry_after: None, maybe_spent })
        };
        let token = credential.material.refresh_token.as_ref().expect("a token").expose().clone();
        let work = async {
            self.enter(credential.host());
            // The provider does its work at once and takes its time to answer.
            let answer = match mood {
                Mood::Well => self.present(&token),
                Mood::Down => lost(false),
                Mood::Mute => {
                    self.present(&token);
                    lost(true)
                }
                Mood::Deaf => std::future::pending().await,
                Mood::Broken => panic!("as the test wants it"),
            };
            sleep(delay).await;
            answer
        };
        let answer = tokio::time::timeout(credential.timeout, work).await.unwrap_or_else(|_| lost(true));
        self.leave(credential.host());
        answer
    }
}

/// An engine in a task.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    pub(crate) events: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn start(rows: &Rows, provider: &Strict, spool: Option<Spool>) -> Running {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = events.clone();
    let options = Options {
        spool,
        chance: Chance::seeded(7),
        observer: Box::new(move |event: &Event<'_>| {
            heard.lock().expect("events").push(format!("{event:?}"));
        }),
        ..Options::default()
    };
    let (stop, stopped) = oneshot::channel();
    let engine = Engine::new(rows.clone(), provider.clone(), options);
    let task = tokio::spawn(engine.run(async move { drop(stopped.await) }));
    Running { stop, task, events }
}

impl Running {
    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.expect("an end in good order");
    }

    /// Ends it wherever it is.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }

    pub(crate) fn heard(&self, word: &str) -> usize {
        self.events.lock().expect("events").iter().filter(|event| event.contains(word)).count()
    }

    /// Waits for an event.
    pub(crate) async fn hears(&self, word: &str) {
        while self.heard(word) == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Turns bytes around; enough to see that nothing stands in clear.
pub(crate) struct Flip;

impl Seal for Flip {
    fn seal(&self, attempt: &str, plain: &[u8]) -> Option<Vec<u8>> {
        Some(attempt.bytes().chain(plain.iter().map(|byte| !byte)).collect())
    }

    fn open(&self, attempt: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let sealed = sealed.strip_prefix(attempt.as_bytes())?;
        Some(Zeroizing::new(sealed.iter().map(|byte| !byte).collect()))
    }
}

pub(crate) fn spool(directory: &std::path::Path) -> Spool {
    Spool::open(directory, Box::new(Flip)).expect("a spool")
}

/// The refresh token that is stored.
pub(crate) fn stored(row: &Row) -> Option<String> {
    row.refresh_token.as_ref().map(|token| token.expose().clone())
}

/// Fails a test that would wait for ever.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_hours(48), work).await.expect("it comes about")
}
