//! The shelf with a store in memory and paused time.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use centaur_base::Secret;
use centaur_broker::{Claimed, Minted, Outcome, Store as _, Timing};
use centaur_policies::spec::{SourceKind, SourceSpec};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::config::StoreConfig;
use crate::stores::{Pending, Stored, Version};

/// A document in memory. Clones share it, as processes share a store.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    text: Option<String>,
    version: u64,
    is_exclusive: bool,
    /// Nothing works.
    away: bool,
    /// The next write is done, and said to have failed.
    lose_answer: bool,
    /// How long a write takes.
    takes: Duration,
}

impl Memory {
    fn new(text: &str) -> Self {
        let memory = Self::default();
        memory.put(text);
        memory
    }

    fn put(&self, text: &str) {
        let mut kept = self.kept();
        kept.text = Some(text.to_owned());
        kept.version += 1;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap()
    }

    fn blob(&self) -> Blob {
        Blob::parse(self.kept().text.as_ref().unwrap()).unwrap().unwrap()
    }
}

impl BlobStore for Memory {
    fn load(&self) -> Pending<'_, Option<Stored>> {
        let kept = self.kept();
        let version = Version(kept.version.to_string());
        let stored = kept.text.clone().map(|text| Stored { text: Secret::new(text), version });
        let result = if kept.away { Err(StoreError::failed("away")) } else { Ok(stored) };
        Box::pin(async move { result })
    }

    fn store<'a>(&'a self, text: &'a str, seen: Option<&'a Version>) -> Pending<'a, Version> {
        let mut kept = self.kept();
        let is_seen = seen == Some(&Version(kept.version.to_string()));
        let result = if kept.away {
            Err(StoreError::failed("away"))
        } else if is_seen {
            kept.text = Some(text.to_owned());
            kept.version += 1;
            let lost = std::mem::take(&mut kept.lose_answer);
            if lost { Err(StoreError::failed("no answer")) } else { Ok(Version(kept.version.to_string())) }
        } else {
            Err(StoreError::Conflict)
        };
        let takes = kept.takes;
        Box::pin(async move {
            sleep(takes).await;
            result
        })
    }

    fn is_exclusive(&self) -> bool {
        self.kept().is_exclusive
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}

/// The paused clock of the runtime.
fn clock() -> Moment {
    thread_local!(static BEGAN: OnceCell<Instant> = const { OnceCell::new() });
    let elapsed = BEGAN.with(|began| began.get_or_init(Instant::now).elapsed());
    Moment(1_800_000_000_000_000).after(elapsed)
}

fn config() -> CredentialConfig {
    let kind = SourceKind::ControlPlane { value: Secret::new("fake-client".to_owned()) };
    CredentialConfig {
        id: "a".to_owned(),
        token_endpoint: "https://idp.example/t".to_owned(),
        client_id: SourceSpec { kind, json_key: None, ttl: None, failure_ttl: Duration::ZERO },
        client_secret: None,
        scopes: Vec::new(),
        headers: Vec::new(),
        store: StoreConfig::File { path: "/unused".into() },
        timing: Timing::default(),
    }
}

/// A process on a store, which reads as one does.
fn process(memory: &Memory) -> Shelf {
    let store: Arc<dyn BlobStore> = Arc::new(memory.clone());
    let shelf = Shelf::with_stores([(config(), store)], clock).unwrap();
    let keeping = shelf.clone();
    tokio::spawn(async move { keeping.keep().await });
    shelf
}

async fn claim(shelf: &Shelf) -> Result<Option<Claimed>, Fault> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    shelf.claim("a", &format!("attempt-{}", NEXT.fetch_add(1, Ordering::Relaxed))).await
}

fn sent(claimed: &Claimed) -> &str {
    claimed.credential.material.refresh_token.as_ref().unwrap().expose()
}

fn minted(number: u32) -> Outcome {
    let token = |kind: &str| Secret::new(format!("{kind}-fake-{number}"));
    Outcome::Minted(Minted {
        access_token: token("at"),
        refresh_token: Some(token("rt")),
        forget_refresh_token: false,
        expires_at: clock().after(Duration::from_hours(1)),
        last_refresh: clock(),
        next_attempt_at: clock().after(Duration::from_mins(48)),
    })
}

async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

fn is_dead(asked: &Asked, reason: &str) -> bool {
    matches!(asked, Asked::Dead(found) if found == reason)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_tried_for_a_quarter_of_an_hour_and_every_minute_after_that() {
    let memory = Memory::new("rt-fake-1");
    memory.kept().away = true;
    let shelf = process(&memory);
    sleep(Duration::from_mins(14)).await;
    assert!(matches!(shelf.ask("a").await, Asked::Bootstrapping));
    sleep(Duration::from_mins(3)).await;
    assert!(is_dead(&shelf.ask("a").await, "blob_load_failed"));
    memory.kept().away = false;
    sleep(Duration::from_secs(61)).await;
    assert!(claim(&shelf).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_dead_credential_is_looked_at_every_minute() {
    let memory = Memory::new("rt-fake-1");
    let shelf = process(&memory);
    settle().await;
    let claimed = claim(&shelf).await.unwrap().unwrap();
    let dead = Outcome::Dead { reason: "invalid_grant".to_owned(), client_rejected: false };
    assert!(shelf.conclude(&claimed.claim, &dead).await.unwrap());
    assert!(is_dead(&shelf.ask("a").await, "invalid_grant"));
    assert!(claim(&shelf).await.unwrap().is_none());
    memory.put("rt-fake-2");
    assert!(is_dead(&shelf.ask("a").await, "invalid_grant"), "not noticed yet");
    sleep(Duration::from_secs(61)).await;
    assert_eq!(sent(&claim(&shelf).await.unwrap().unwrap()), "rt-fake-2");
}

#[tokio::test(start_paused = true)]
async fn what_another_process_is_sending_is_not_sent_and_its_token_is_found() {
    let memory = Memory::new("rt-fake-1");
    let (first, second) = (process(&memory), process(&memory));
    settle().await;
    let claimed = claim(&first).await.unwrap().unwrap();
    assert!(claim(&second).await.unwrap().is_none(), "the note stands");
    let asking = tokio::spawn({
        let second = second.clone();
        async move { second.ask("a").await }
    });
    sleep(Duration::from_secs(8)).await;
    assert!(first.conclude(&claimed.claim, &minted(2)).await.unwrap());
    let Asked::Token(token, _) = asking.await.unwrap() else { panic!("a token") };
    assert_eq!(token.expose(), "at-fake-2");
    assert!(claim(&second).await.unwrap().is_none(), "nothing is due");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_another_left_behind_runs_out_and_marks_the_next() {
    let memory = Memory::new("rt-fake-1");
    let first = process(&memory);
    settle().await;
    let left = claim(&first).await.unwrap().unwrap();
    let second = process(&memory);
    sleep(left.lease.saturating_sub(Duration::from_secs(2))).await;
    assert!(claim(&second).await.unwrap().is_none(), "it may still be under way");
    sleep(Duration::from_secs(3)).await;
    let claimed = claim(&second).await.unwrap().unwrap();
    assert!(claimed.claim.after_interruption);
    assert!(memory.blob().note.interrupted, "to be found by a third");
    assert!(!first.conclude(&left.claim, &minted(2)).await.unwrap_or(false), "too late");
    assert!(second.conclude(&claimed.claim, &minted(3)).await.unwrap());
    assert_eq!(memory.blob().refresh_token.unwrap().expose(), "rt-fake-3");
}

#[tokio::test(start_paused = true)]
async fn where_the_store_is_ours_alone_an_attempt_of_another_is_over() {
    let memory = Memory::new("rt-fake-1");
    let first = process(&memory);
    settle().await;
    claim(&first).await.unwrap().unwrap();
    memory.kept().is_exclusive = true;
    let second = process(&memory);
    settle().await;
    assert!(claim(&second).await.unwrap().unwrap().claim.after_interruption);
}

#[tokio::test(start_paused = true)]
async fn a_note_whose_write_was_not_confirmed_is_ours_and_no_interruption() {
    let memory = Memory::new("rt-fake-1");
    let shelf = process(&memory);
    settle().await;
    memory.kept().lose_answer = true;
    assert_eq!(claim(&shelf).await.err(), Some(Fault::Store("memory: no answer".to_owned())));
    assert!(memory.blob().note.attempt.is_some(), "it is there all the same");
    sleep(Duration::from_secs(5)).await;
    assert!(!claim(&shelf).await.unwrap().unwrap().claim.after_interruption);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_whose_write_was_not_confirmed_is_found_to_be_stored() {
    let memory = Memory::new("rt-fake-1");
    let shelf = process(&memory);
    settle().await;
    let claimed = claim(&shelf).await.unwrap().unwrap();
    memory.kept().lose_answer = true;
    assert!(shelf.conclude(&claimed.claim, &minted(2)).await.is_err());
    let before = memory.kept().version;
    assert!(shelf.conclude(&claimed.claim, &minted(2)).await.unwrap());
    assert_eq!(memory.kept().version, before, "nothing is written twice");
    assert_eq!(shelf.health()[0].1.status, "live");
}

#[tokio::test(start_paused = true)]
async fn an_uncertain_failure_is_remembered_by_the_next_process() {
    let memory = Memory::new("rt-fake-1");
    let shelf = process(&memory);
    settle().await;
    let claimed = claim(&shelf).await.unwrap().unwrap();
    let code = "network".to_owned();
    let failed = Outcome::Failed { next_attempt_at: clock(), not_before: None, code, uncertain: true };
    assert!(shelf.conclude(&claimed.claim, &failed).await.unwrap());
    let next = process(&memory);
    settle().await;
    assert!(claim(&next).await.unwrap().unwrap().claim.after_interruption);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_vanished_meanwhile_is_written_anew() {
    let memory = Memory::new(r#"{"refresh_token":"rt-fake-1","note":"kept"}"#);
    let shelf = process(&memory);
    settle().await;
    let claimed = claim(&shelf).await.unwrap().unwrap();
    memory.put("");
    assert!(shelf.conclude(&claimed.claim, &minted(2)).await.unwrap());
    assert_eq!(memory.blob().refresh_token.unwrap().expose(), "rt-fake-2");
    assert!(memory.kept().text.as_ref().unwrap().contains("\"note\":\"kept\""));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_nothing_is_told_before_a_proxy_gives_up() {
    let memory = Memory::new("rt-fake-1");
    let shelf = process(&memory);
    settle().await;
    let claimed = claim(&shelf).await.unwrap().unwrap();
    let began = Instant::now();
    assert!(matches!(shelf.ask("a").await, Asked::Pending(_)));
    assert_eq!(began.elapsed().as_secs(), 28);
    assert!(shelf.conclude(&claimed.claim, &minted(2)).await.unwrap());
    assert!(matches!(shelf.ask("a").await, Asked::Token(..)));
    assert!(matches!(shelf.ask("b").await, Asked::Unknown));
}

#[tokio::test(start_paused = true)]
async fn once_stopped_nobody_waits_for_what_will_not_begin() {
    let shelf = process(&Memory::new("rt-fake-1"));
    settle().await;
    shelf.stop();
    let began = Instant::now();
    assert!(matches!(shelf.ask("a").await, Asked::Pending(_)));
    assert!(began.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_token_is_given_once_it_is_stored_and_not_before() {
    let memory = Memory::new("rt-fake-1");
    let shelf = process(&memory);
    settle().await;
    let claimed = claim(&shelf).await.unwrap().unwrap();
    memory.kept().takes = Duration::from_secs(2);
    let concluding = tokio::spawn({
        let shelf = shelf.clone();
        async move { shelf.conclude(&claimed.claim, &minted(2)).await }
    });
    assert!(timeout(Duration::from_secs(1), shelf.ask("a")).await.is_err(), "it is being stored");
    assert!(matches!(shelf.ask("a").await, Asked::Token(..)));
    assert!(concluding.await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_stored_is_given_all_the_same() {
    let memory = Memory::new("rt-fake-1");
    let shelf = process(&memory);
    settle().await;
    let claimed = claim(&shelf).await.unwrap().unwrap();
    memory.kept().away = true;
    assert!(shelf.conclude(&claimed.claim, &minted(2)).await.is_err());
    let Asked::Token(token, _) = shelf.ask("a").await else { panic!("a token") };
    assert_eq!(token.expose(), "at-fake-2");
    assert!(shelf.health()[0].1.is_unsaved);
    memory.kept().away = false;
    assert!(shelf.conclude(&claimed.claim, &minted(2)).await.unwrap());
    assert!(!shelf.health()[0].1.is_unsaved);
    assert_eq!(memory.blob().refresh_token.unwrap().expose(), "rt-fake-2");
}

#[tokio::test(start_paused = true)]
async fn reading_a_document_that_vanished_loses_no_attempt() {
    let memory = Memory::new("rt-fake-1");
    let shelf = process(&memory);
    settle().await;
    let claimed = claim(&shelf).await.unwrap().unwrap();
    memory.put("");
    shelf.reread();
    settle().await;
    assert!(shelf.conclude(&claimed.claim, &minted(2)).await.unwrap());
    assert_eq!(memory.blob().refresh_token.unwrap().expose(), "rt-fake-2");
    // Where none is under way, what vanished is gone.
    memory.put("");
    shelf.reread();
    settle().await;
    assert!(is_dead(&shelf.ask("a").await, "blob_not_bootstrapped"));
}

#[tokio::test(start_paused = true)]
async fn who_asks_hurries_an_attempt_but_not_a_provider_that_asked_for_rest() {
    for (wish, patience) in [(None, 5), (Some(Duration::from_secs(20)), 20)] {
        let memory = Memory::new("rt-fake-1");
        let shelf = process(&memory);
        settle().await;
        let claimed = claim(&shelf).await.unwrap().unwrap();
        let failed = Outcome::Failed {
            next_attempt_at: clock().after(Duration::from_mins(5)),
            not_before: wish.map(|wish| clock().after(wish)),
            code: "http".to_owned(),
            uncertain: false,
        };
        assert!(shelf.conclude(&claimed.claim, &failed).await.unwrap());
        let asking = tokio::spawn({
            let shelf = shelf.clone();
            async move { shelf.ask("a").await }
        });
        sleep(Duration::from_secs(patience - 1)).await;
        assert!(claim(&shelf).await.unwrap().is_none(), "{patience}");
        sleep(Duration::from_secs(1)).await;
        assert!(claim(&shelf).await.unwrap().is_some(), "{patience}");
        asking.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_counter_at_its_end_stays_there() {
    let memory = Memory::new(&format!(r#"{{"refresh_token":"rt-fake-1","version":{}}}"#, u64::MAX));
    let shelf = process(&memory);
    settle().await;
    let claimed = claim(&shelf).await.unwrap().unwrap();
    assert!(shelf.conclude(&claimed.claim, &minted(2)).await.unwrap());
    assert_eq!(memory.blob().version, u64::MAX);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_claimed_lets_others_have_their_turn() {
    let (broken, whole) = (Memory::new("rt-fake-1"), Memory::new("rt-fake-2"));
    let stores: [(CredentialConfig, Arc<dyn BlobStore>); 2] = [
        (config(), Arc::new(broken.clone())),
        (CredentialConfig { id: "b".to_owned(), ..config() }, Arc::new(whole)),
    ];
    let shelf = Shelf::with_stores(stores, clock).unwrap();
    let keeping = shelf.clone();
    tokio::spawn(async move { keeping.keep().await });
    settle().await;
    broken.kept().away = true;
    let first = async || shelf.due(1, &[]).await.unwrap().ready.first().map(|ready| ready.key.clone());
    assert_eq!(first().await.as_deref(), Some("a"));
    assert!(claim(&shelf).await.is_err());
    assert_eq!(first().await.as_deref(), Some("b"), "the one that works");
    sleep(Duration::from_secs(5)).await;
    broken.kept().away = false;
    assert!(claim(&shelf).await.unwrap().is_some(), "and then it again");
}
