use std::collections::VecDeque;
use std::sync::Mutex;

use centaur_policies::host::CanonicalHost;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::managed::keep::Keeper;
use crate::managed::settings::AllowHosts;
use crate::pipeline::{Reach, Used};

/// What a scripted console does with one sync.
enum Say {
    /// 200 with this body.
    Body(Value),
    /// 200 from a console that waits, after so many seconds.
    Waited(u64, Value),
    /// 200 with a limit on the age.
    Aged(u64, Value),
    Status(u16, &'static str),
    RetryAfter(u16, u64),
    Unreachable,
    /// Nothing, for ever.
    Hang,
}

struct Script {
    said: Mutex<VecDeque<Say>>,
    asked: mpsc::UnboundedSender<(Ask, Instant)>,
}

impl Console for Script {
    async fn sync(&self, ask: &Ask) -> Result<Reply, SyncError> {
        let _ = self.asked.send((ask.clone(), Instant::now()));
        let say = self.said.lock().unwrap().pop_front().unwrap_or(Say::Hang);
        let reply = |body: &Value, waits, max_age| Reply {
            payload: Payload::parse(body.to_string().as_bytes()).unwrap(),
            waits,
            max_age,
        };
        let refused = |status: u16, code: &str, retry_after| SyncError::Refused {
            status,
            code: code.to_owned(),
            detail: String::new(),
            retry_after,
        };
        match say {
            Say::Body(body) => Ok(reply(&body, false, None)),
            Say::Aged(seconds, body) => Ok(reply(&body, false, Some(Duration::from_secs(seconds)))),
            Say::Waited(seconds, body) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(reply(&body, true, None))
            }
            Say::Status(status, code) => Err(refused(status, code, None)),
            Say::RetryAfter(status, seconds) => Err(refused(status, "x", Some(Duration::from_secs(seconds)))),
            Say::Unreachable => Err(SyncError::Unreachable("refused".to_owned())),
            Say::Hang => std::future::pending().await,
        }
    }
}

/// What was put in force.
#[derive(Default)]
struct Seen {
    pipelines: Vec<Pipeline>,
    withdrawn_at: Vec<Instant>,
    results: Vec<&'static str>,
}

struct Recorder(Arc<Mutex<Seen>>);

impl Traffic for Recorder {
    fn decide_by(&self, pipeline: Pipeline) -> usize {
        self.0.lock().unwrap().pipelines.push(pipeline);
        0
    }

    fn withdraw(&self) -> usize {
        let mut seen = self.0.lock().unwrap();
        if let Some(last) = seen.pipelines.last() {
            last.withdraw();
        }
        seen.withdrawn_at.push(Instant::now());
        0
    }

    fn synced(&self, result: &'static str) {
        self.0.lock().unwrap().results.push(result);
    }
}

struct Bench {
    seen: Arc<Mutex<Seen>>,
    managed: Arc<Managed>,
    asked: mpsc::UnboundedReceiver<(Ask, Instant)>,
    task: JoinHandle<Ended>,
    phase: watch::Sender<Phase>,
    last: Instant,
}

impl Bench {
    fn start(said: Vec<Say>) -> Self {
        Self::with(said, None)
    }

    fn with(said: Vec<Say>, keeper: Option<Keeper>) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let (phase, drain) = watch::channel(Phase::Running);
        let (seen, managed) = (Arc::<Mutex<Seen>>::default(), Arc::<Managed>::default());
        let sources = Arc::<SourcePool>::default();
        let run = Loop {
            console: Script { said: Mutex::new(said.into()), asked: sender },
            traffic: Recorder(seen.clone()),
            timing: Timing::new(Duration::from_secs(10), Box::new(|| 0.5)),
            managed: managed.clone(),
            local: Policy::local(Vec::new(), AllowHosts::default(), &sources),
            sources,
            keeper,
            drain,
        };
        let task = tokio::spawn(run.run());
        Self { seen, managed, asked, task, phase, last: Instant::now() }
    }

    /// The next sync, and how long after the one before it began. What it was answered with, if that did not take
    /// time, has been dealt with.
    async fn next(&mut self) -> (Ask, Duration) {
        let (ask, at) = tokio::time::timeout(Duration::from_mins(30), self.asked.recv())
            .await
            .expect("another sync")
            .expect("the loop runs");
        let after = at - self.last;
        self.last = at;
        (ask, after)
    }

    async fn pauses(&mut self, count: usize) -> Vec<u128> {
        let mut pauses = Vec::new();
        for _ in 0..count {
            pauses.push(self.next().await.1.as_millis());
        }
        pauses
    }

    fn allows(&self, host: &str) -> bool {
        let used = Used::of_host(&CanonicalHost::parse(host).unwrap(), 443, Reach::Tunnel);
        self.seen.lock().unwrap().pipelines.last().is_some_and(|pipeline| pipeline.still_grants(&used))
    }

    fn built(&self) -> usize {
        self.seen.lock().unwrap().pipelines.len()
    }
}

fn full(hash: &str, host: &str) -> Value {
    json!({
        "config_hash": hash, "status": "assigned", "principal_id": "prn_a", "rules": [{"host": host}],
        "secrets": [], "transforms": [], "postgres": [],
    })
}

fn same(hash: &str) -> Say {
    Say::Body(json!({"config_hash": hash}))
}

#[tokio::test(start_paused = true)]
async fn the_first_sync_has_no_hash_and_the_next_echoes_what_is_in_force() {
    let mut bench =
        Bench::start(vec![Say::Body(full("h1", "a.test")), same("h1"), Say::Body(full("h2", "b.test"))]);
    let (ask, _) = bench.next().await;
    assert_eq!((ask.config_hash.as_str(), ask.generation, ask.wait), ("", 0, Duration::from_secs(55)));
    let (ask, after) = bench.next().await;
    assert_eq!((ask.config_hash.as_str(), ask.generation, after), ("h1", 1, Duration::from_secs(10)));
    assert!(bench.allows("a.test"));
    let (ask, _) = bench.next().await;
    assert_eq!((ask.config_hash.as_str(), ask.generation), ("h1", 1));
    let (ask, _) = bench.next().await;
    assert_eq!((ask.config_hash.as_str(), ask.generation), ("h2", 2));
    assert!(bench.allows("b.test") && !bench.allows("a.test"));
    assert_eq!(bench.built(), 2);
}

#[tokio::test(start_paused = true)]
async fn failures_that_may_pass_are_retried_with_growing_pauses() {
    let mut bench = Bench::start(vec![
        Say::Unreachable,
        Say::Status(429, "x"),
        Say::Status(500, "proxy_revoked"),
        Say::Status(502, "x"),
        Say::Status(503, "x"),
        Say::Unreachable,
        Say::Unreachable,
        Say::Body(full("h1", "a.test")),
    ]);
    assert_eq!(bench.pauses(7).await, [0, 1000, 2000, 4000, 8000, 16000, 30000]);
    let facts = bench.managed.status.snapshot();
    assert_eq!((facts.failures, facts.last_error.unwrap().code), (7, "unreachable".to_owned()));
    assert_eq!(bench.next().await.1, Duration::from_secs(30));
    let facts = bench.managed.status.snapshot();
    assert!(facts.failures == 0 && facts.last_error.is_none() && bench.managed.status.is_ready());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_no_is_asked_again_after_the_interval() {
    let mut bench = Bench::start(vec![
        Say::Status(401, "invalid_token"),
        Say::Status(403, "http_403"),
        Say::Status(404, "http_404"),
        Say::Status(422, "validation_failed"),
        Say::Status(302, "http_302"),
        Say::Body(full("h1", "a.test")),
    ]);
    assert_eq!(bench.pauses(5).await, [0, 10_000, 10_000, 10_000, 10_000]);
    assert!(!bench.allows("a.test"));
    assert_eq!(bench.next().await.1, Duration::from_secs(10));
    assert!(bench.allows("a.test"));
}

#[tokio::test(start_paused = true)]
async fn a_console_may_ask_to_be_left_alone() {
    let mut bench = Bench::start(vec![Say::RetryAfter(503, 20), Say::RetryAfter(401, 40)]);
    assert_eq!(bench.pauses(3).await, [0, 20_000, 40_000]);
}

#[tokio::test(start_paused = true)]
async fn revocation_ends_the_loop_and_closes_everything() {
    for before in [vec![], vec![Say::Body(full("h1", "a.test"))]] {
        let mut said = before;
        said.push(Say::Status(401, "proxy_revoked"));
        let bench = Bench::start(said);
        assert_eq!(bench.task.await.unwrap(), Ended::Revoked);
        assert!(!bench.managed.status.is_ready() && bench.managed.status.snapshot().revoked);
        let seen = bench.seen.lock().unwrap();
        assert_eq!(seen.pipelines.last().unwrap().names(), "revoked");
        assert_eq!(seen.results.last(), Some(&"revoked"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_configuration_is_built_once_and_the_hash_stays() {
    let bad = json!({"config_hash": "bad", "principal_id": "prn_b", "rules": [{"host": "*"}], "transforms": [{"name": "nope"}]});
    let mut bench = Bench::start(vec![
        Say::Body(full("h1", "a.test")),
        Say::Body(bad.clone()),
        Say::Body(bad.clone()),
        Say::Body(bad),
        Say::Body(full("h2", "b.test")),
    ]);
    bench.next().await;
    assert!(bench.next().await.0.rejected.is_none());
    for _ in 0..2 {
        let (ask, after) = bench.next().await;
        assert_eq!((ask.config_hash.as_str(), ask.rejected.as_deref()), ("h1", Some("bad")));
        assert_eq!((ask.wait, after), (Duration::ZERO, Duration::from_secs(10)));
        assert!(bench.allows("a.test") && !bench.allows("b.test"));
        let facts = bench.managed.status.snapshot();
        assert_eq!((facts.principal_id.as_str(), facts.failures), ("prn_a", 1), "tried once");
        assert_eq!(facts.rejected.as_deref(), Some("bad"));
    }
    let (ask, _) = bench.next().await;
    assert_eq!((ask.config_hash.as_str(), ask.rejected.as_deref()), ("h1", Some("bad")));
    assert!(bench.allows("b.test") && bench.managed.status.snapshot().rejected.is_none());
    assert_eq!(bench.built(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_first_configuration_that_is_refused_leaves_the_gate_closed_until_a_good_one_comes() {
    let mut bench = Bench::start(vec![
        Say::Body(json!({"config_hash": "bad", "rules": 5})),
        Say::Body(full("h1", "a.test")),
    ]);
    bench.next().await;
    assert!(bench.built() == 0 && !bench.managed.status.is_ready());
    let (ask, _) = bench.next().await;
    assert_eq!((ask.config_hash.as_str(), ask.rejected.as_deref()), ("", Some("bad")));
    assert!(bench.managed.status.is_ready());
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_nothing_to_apply_opens_the_gate_for_what_is_allowed_locally() {
    let mut bench =
        Bench::start(vec![Say::Body(json!({"config_hash": "h", "rules": null, "secrets": null}))]);
    bench.next().await;
    bench.next().await;
    assert!(bench.managed.status.is_ready());
    assert_eq!(bench.seen.lock().unwrap().pipelines.last().unwrap().names(), "allowlist");
    assert!(!bench.allows("a.test"), "nothing is allowed locally");
}

#[tokio::test(start_paused = true)]
async fn a_console_without_hashes_is_applied_once_per_content() {
    let mut bench = Bench::start(vec![
        Say::Body(full("", "a.test")),
        Say::Body(full("", "a.test")),
        Say::Body(full("", "a.test")),
        Say::Body(full("", "b.test")),
    ]);
    bench.pauses(3).await;
    assert_eq!(bench.built(), 1);
    bench.next().await;
    assert_eq!(bench.built(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_poke_ends_a_wait_a_back_off_and_a_waiting_request() {
    // The wait.
    let mut bench = Bench::start(vec![same("h"), same("h"), same("h")]);
    bench.next().await;
    bench.managed.poke();
    let (ask, after) = bench.next().await;
    assert!(after < Duration::from_secs(1) && ask.wait.is_zero(), "{after:?}");
    // Without one it is the interval again.
    assert_eq!(bench.next().await.1, Duration::from_secs(10));

    // The back-off.
    let mut bench = Bench::start((0..8).map(|_| Say::Unreachable).collect());
    bench.pauses(6).await;
    bench.managed.poke();
    assert!(bench.next().await.1 < Duration::from_secs(1));

    // A request that waits for a change.
    let unchanged = json!({"config_hash": "h1"});
    let mut bench = Bench::start(vec![
        Say::Waited(0, full("h1", "a.test")),
        Say::Waited(55, unchanged),
        Say::Body(full("h2", "b.test")),
    ]);
    bench.next().await;
    let (ask, _) = bench.next().await;
    assert_eq!(ask.wait, Duration::from_secs(55));
    tokio::time::sleep(Duration::from_secs(5)).await;
    bench.managed.poke();
    let (ask, after) = bench.next().await;
    assert_eq!((ask.wait, after), (Duration::ZERO, Duration::from_secs(5)));
    bench.next().await;
    assert!(bench.allows("b.test"));
}

#[tokio::test(start_paused = true)]
async fn many_pokes_are_one_sync_more() {
    let mut bench = Bench::start(vec![same("h"), same("h"), same("h"), same("h")]);
    bench.next().await;
    for _ in 0..5 {
        bench.managed.poke();
    }
    assert!(bench.next().await.1 < Duration::from_secs(1));
    assert_eq!(bench.next().await.1, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_console_that_waits_is_asked_again_at_once() {
    let unchanged = json!({"config_hash": "h1"});
    let mut bench = Bench::start(vec![
        Say::Waited(0, full("h1", "a.test")),
        Say::Waited(55, unchanged.clone()),
        Say::Waited(3, full("h2", "b.test")),
        Say::Waited(55, unchanged),
    ]);
    assert_eq!(bench.pauses(4).await, [0, 0, 55_000, 3000]);
    assert!(bench.allows("b.test") && bench.managed.status.snapshot().long_poll);
}

#[tokio::test(start_paused = true)]
async fn credentials_are_withdrawn_when_nobody_vouches_for_them_and_come_back_whole() {
    let mut bench = Bench::start(vec![Say::Aged(30, full("h1", "a.test")), Say::Hang]);
    bench.next().await;
    let answered = bench.last;
    bench.next().await;
    tokio::time::sleep_until(answered + Duration::from_millis(29_900)).await;
    assert!(bench.seen.lock().unwrap().withdrawn_at.is_empty());
    tokio::time::sleep_until(answered + Duration::from_millis(30_100)).await;
    assert_eq!(bench.seen.lock().unwrap().withdrawn_at.len(), 1);
    let facts = bench.managed.status.snapshot();
    assert!(facts.stale && bench.managed.status.is_ready(), "plain traffic goes on");
    assert!(bench.allows("a.test"));
    // The next sync asks for everything.
    bench.managed.poke();
    let (ask, _) = bench.next().await;
    assert_eq!((ask.config_hash.as_str(), ask.generation), ("", 1));
}

#[tokio::test(start_paused = true)]
async fn refusals_and_refused_configurations_do_not_prolong_credentials() {
    for no in [Say::Status(401, "invalid_token"), Say::Body(json!({"config_hash": "bad", "rules": 5}))] {
        let again = match &no {
            Say::Status(status, code) => Say::Status(*status, code),
            _ => Say::Body(json!({"config_hash": "bad", "rules": 5})),
        };
        let mut bench = Bench::start(vec![Say::Aged(25, full("h1", "a.test")), no, again]);
        bench.pauses(2).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(bench.managed.status.snapshot().stale);
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_age_is_fifteen_minutes() {
    let mut bench = Bench::start(vec![Say::Body(full("h1", "a.test"))]);
    bench.pauses(2).await;
    tokio::time::sleep(Duration::from_secs(14 * 60 + 45)).await;
    assert!(!bench.managed.status.snapshot().stale);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(bench.managed.status.snapshot().stale);
}

#[tokio::test(start_paused = true)]
async fn the_status_follows_what_is_in_force() {
    let unassigned = json!({
        "config_hash": "h2", "status": "unassigned", "principal_id": null, "secrets": [], "transforms": [],
        "postgres": [],
    });
    let mut bench = Bench::start(vec![
        Say::Body(full("h1", "a.test")),
        Say::Body(json!({"config_hash": "h1", "principal_id": "", "status": ""})),
        Say::Body(unassigned),
    ]);
    bench.pauses(2).await;
    let facts = bench.managed.status.snapshot();
    assert_eq!((facts.config_hash.as_str(), facts.principal_id.as_str()), ("h1", "prn_a"));
    assert_eq!(facts.principal_status, "assigned");
    let first = facts.last_sync_at.unwrap();
    bench.next().await;
    let facts = bench.managed.status.snapshot();
    assert!(facts.last_sync_at.unwrap() >= first);
    bench.next().await;
    let facts = bench.managed.status.snapshot();
    assert_eq!((facts.config_hash.as_str(), facts.principal_id.as_str()), ("h2", ""));
    assert_eq!((facts.principal_status.as_str(), bench.allows("a.test")), ("unassigned", false));
}

#[tokio::test(start_paused = true)]
async fn the_loop_ends_with_the_process_even_inside_a_request() {
    let mut bench = Bench::start(vec![Say::Hang]);
    bench.next().await;
    bench.phase.send(Phase::Draining).unwrap();
    assert_eq!(bench.task.await.unwrap(), Ended::Draining);
}

const TOKEN: &str = "iprx_fake000000000000000000000000000000000000";

/// The keeper of a proxy whose wall clock stands `seconds` after its first start.
fn keeper(path: &std::path::Path, seconds: u64) -> Keeper {
    use centaur_client::base::BaseUrl;
    use centaur_client::token::TokenSource;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
    let token = TokenSource::Value(centaur_base::Secret::new(TOKEN.to_owned()));
    let console = BaseUrl::parse("https://console.test").unwrap();
    Keeper::new(path.to_owned(), console, token, Box::new(move || now))
}

fn kept(bench: &Bench) -> (Value, Value) {
    let mut shown = bench.managed.status.to_json()["last_known_good"].take();
    (shown["state"].take(), shown["detail"].take())
}

#[tokio::test(start_paused = true)]
async fn a_start_without_a_console_goes_on_with_what_was_kept_for_the_rest_of_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    let mut before = Bench::with(vec![Say::Aged(60, full("h1", "a.test"))], Some(keeper(&path, 0)));
    before.pauses(2).await;
    assert_eq!(kept(&before).0, "written");
    before.phase.send(Phase::Draining).unwrap();
    before.task.await.unwrap();

    // A console that is away, and one that hangs.
    for first in [Say::Unreachable, Say::Status(503, "x"), Say::Hang] {
        let mut bench = Bench::with(vec![first, Say::Hang], Some(keeper(&path, 20)));
        assert_eq!(bench.next().await.0.config_hash, "");
        // The next one says what is in force, so that a console that is back has nothing to send.
        let (ask, after) = bench.next().await;
        assert!(after <= FIRST_ANSWER, "{after:?}");
        assert_eq!((ask.config_hash.as_str(), ask.generation, ask.wait), ("h1", 1, Duration::ZERO));
        assert!(bench.allows("a.test") && bench.managed.status.is_ready());
        let facts = bench.managed.status.snapshot();
        assert_eq!((facts.principal_id.as_str(), facts.last_sync_at), ("prn_a", None));
        assert_eq!(kept(&bench).0, "in_force");
        // 40 s are left.
        tokio::time::sleep(Duration::from_secs(38)).await;
        assert!(!bench.managed.status.snapshot().stale && path.exists());
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(bench.managed.status.snapshot().stale && bench.managed.status.is_ready());
        bench.phase.send(Phase::Draining).unwrap();
        bench.task.await.unwrap();
        // What follows needs the file again.
        if !path.exists() {
            let mut again = Bench::with(vec![Say::Aged(60, full("h1", "a.test"))], Some(keeper(&path, 0)));
            again.pauses(2).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_too_long_ago_is_not_used_and_the_gate_stays_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    let mut before = Bench::with(vec![Say::Aged(60, full("h1", "a.test"))], Some(keeper(&path, 0)));
    before.pauses(2).await;
    let mut bench = Bench::with(vec![Say::Unreachable, Say::Unreachable], Some(keeper(&path, 60)));
    assert_eq!(bench.next().await.0.config_hash, "");
    assert_eq!(bench.next().await.0.config_hash, "");
    assert!(!bench.managed.status.is_ready() && bench.built() == 0);
    let (state, detail) = kept(&bench);
    assert_eq!(state, "ignored");
    assert_eq!(detail, "its last sync was 60 s ago, and credentials last 60 s without one");
}

#[tokio::test(start_paused = true)]
async fn a_console_that_answers_is_believed_and_one_that_says_no_is_not_outvoted_by_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    let mut before = Bench::with(vec![Say::Body(full("h1", "a.test"))], Some(keeper(&path, 0)));
    before.pauses(2).await;
    let mut answers = Bench::with(vec![Say::Body(full("h2", "b.test"))], Some(keeper(&path, 1)));
    answers.pauses(2).await;
    assert!(answers.allows("b.test") && answers.built() == 1);
    let mut refused =
        Bench::with(vec![Say::Status(401, "invalid_token"), Say::Unreachable], Some(keeper(&path, 2)));
    refused.pauses(3).await;
    assert!(!refused.managed.status.is_ready() && path.exists());
    // Revocation leaves nothing for the next start.
    let revoked = Bench::with(vec![Say::Status(401, "proxy_revoked")], Some(keeper(&path, 3)));
    assert_eq!(revoked.task.await.unwrap(), Ended::Revoked);
    assert!(!path.exists());
}

#[tokio::test(start_paused = true)]
async fn a_console_that_was_away_says_at_once_that_nothing_changed_so_that_credentials_stay() {
    let mut bench = Bench::start(vec![
        Say::Aged(60, full("h1", "a.test")),
        Say::Unreachable,
        Say::Aged(60, json!({"config_hash": "h1"})),
        Say::Hang,
    ]);
    bench.pauses(2).await;
    assert_eq!(bench.next().await.0.wait, Duration::ZERO);
    assert_eq!(bench.next().await.0.wait, Duration::from_secs(30));
    assert_eq!(bench.managed.status.snapshot().failures, 0);
}
