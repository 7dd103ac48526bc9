use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{advance, sleep, timeout};

use super::*;

mod broker;
mod log;

const MINUTE: Duration = Duration::from_mins(1);

/// Plays its steps, one a fetch.
#[derive(Debug, Clone)]
pub(super) struct Script(Arc<Played>);

#[derive(Debug)]
struct Played {
    steps: Mutex<VecDeque<(Duration, Result<&'static str, &'static str>)>>,
    fetches: AtomicUsize,
    /// How long a value can be used.
    lasts: Option<Duration>,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Result<&'static str, &'static str>>) -> Self {
        Self::timed(steps.into_iter().map(|answer| (Duration::from_secs(1), answer)))
    }

    fn timed(steps: impl IntoIterator<Item = (Duration, Result<&'static str, &'static str>)>) -> Self {
        Self::lasting(None, steps)
    }

    fn lasting(
        lasts: Option<Duration>,
        steps: impl IntoIterator<Item = (Duration, Result<&'static str, &'static str>)>,
    ) -> Self {
        let steps = Mutex::new(steps.into_iter().collect());
        Self(Arc::new(Played { steps, fetches: AtomicUsize::new(0), lasts }))
    }

    fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::SeqCst)
    }

    pub(super) async fn play(&self) -> Result<origin::Fetched, String> {
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        let step = self.0.steps.lock().unwrap().pop_front();
        let (takes, answer) = step.unwrap_or((Duration::ZERO, Err("no more steps")));
        sleep(takes).await;
        let ends = self.0.lasts.map(|lasts| tokio::time::Instant::now() + lasts);
        let fetched = |text: &str| origin::Fetched { text: Secret::new(text.to_owned()), ends };
        answer.map(fetched).map_err(str::to_owned)
    }
}

impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Script {}

impl Hash for Script {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

fn spec(kind: SourceKind, ttl: Option<Duration>) -> SourceSpec {
    SourceSpec { kind, json_key: None, ttl, failure_ttl: MINUTE }
}

fn env(var: &str) -> SourceSpec {
    spec(SourceKind::Env { var: var.to_owned() }, None)
}

fn file(path: &Path) -> SourceSpec {
    spec(SourceKind::File { path: path.to_owned() }, None)
}

fn cmd(argv: &[&str]) -> SourceSpec {
    spec(SourceKind::Cmd { argv: argv.iter().map(|arg| (*arg).to_owned()).collect() }, None)
}

/// A source that plays a script, and the pool it belongs to.
fn scripted(script: &Script, ttl: Option<Duration>) -> (SourcePool, Arc<Source>) {
    let pool = SourcePool::default();
    let source = pool
        .shared(&spec(SourceKind::Env { var: "FAKE_KEY".to_owned() }, ttl), Origin::Script(script.clone()));
    (pool, source)
}

async fn text(source: &Arc<Source>) -> Result<String, String> {
    source.current().await.map(|value| value.text().expose().clone()).map_err(|e| e.reason().to_owned())
}

async fn fetched(spec: SourceSpec) -> Result<String, String> {
    text(&SourcePool::default().source(&spec)).await
}

#[expect(clippy::unnecessary_wraps, reason = "what results are compared with")]
fn ok(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_before_first_use_and_a_value_without_ttl_is_kept() {
    let script = Script::new([Ok("fake-1"), Ok("fake-2")]);
    let (_pool, source) = scripted(&script, None);
    assert!(source.peek().is_none());
    sleep(MINUTE).await;
    assert_eq!(script.fetches(), 0);
    assert_eq!(text(&source).await, ok("fake-1"));
    advance(MINUTE * 60 * 24 * 365).await;
    assert_eq!(text(&source).await, ok("fake-1"));
    assert!(source.peek().is_some());
    assert_eq!(script.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn fifty_callers_cause_one_fetch() {
    let script = Script::new([Ok("fake-1"), Ok("fake-2")]);
    let (_pool, source) = scripted(&script, Some(MINUTE));
    for (at, want) in [(Duration::ZERO, "fake-1"), (MINUTE * 2, "fake-2")] {
        advance(at).await;
        let callers: Vec<_> = (0..50)
            .map(|_| {
                let source = Arc::clone(&source);
                tokio::spawn(async move { text(&source).await })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), ok(want));
        }
    }
    assert_eq!(script.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_value_near_its_end_is_fetched_again_without_anyone_waiting() {
    let script = Script::new([Ok("fake-1"), Ok("fake-2")]);
    let (_pool, source) = scripted(&script, Some(MINUTE));
    let first = source.current().await.unwrap();
    sleep(MINUTE * 7 / 10).await;
    assert_eq!(text(&source).await, ok("fake-1"));
    sleep(Duration::ZERO).await;
    assert_eq!(script.fetches(), 1, "too early");
    sleep(MINUTE / 4).await;
    assert_eq!(source.peek().unwrap().text().expose(), "fake-1");
    sleep(Duration::from_secs(2)).await;
    let second = source.peek().unwrap();
    assert_eq!(second.text().expose(), "fake-2");
    assert!(second.version() > first.version());
    assert_eq!(script.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_expired_value_is_not_used_when_a_new_one_can_be_had() {
    let script = Script::new([Ok("fake-1"), Ok("fake-2")]);
    let (_pool, source) = scripted(&script, Some(MINUTE));
    assert_eq!(text(&source).await, ok("fake-1"));
    advance(MINUTE * 2).await;
    assert!(source.peek().is_none());
    assert_eq!(text(&source).await, ok("fake-2"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_leaves_the_old_value_and_is_tried_again_after_half_the_ttl() {
    let script = Script::new([Ok("fake-1"), Err("down"), Err("down"), Ok("fake-2")]);
    let (_pool, source) = scripted(&script, Some(MINUTE));
    assert_eq!(text(&source).await, ok("fake-1"));
    advance(MINUTE * 2).await;
    assert_eq!(text(&source).await, ok("fake-1"));
    assert_eq!(script.fetches(), 2);
    sleep(Duration::from_secs(29)).await;
    assert_eq!(text(&source).await, ok("fake-1"));
    assert_eq!(script.fetches(), 2, "before half of the ttl");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(text(&source).await, ok("fake-1"));
    assert_eq!(script.fetches(), 3);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(text(&source).await, ok("fake-2"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_first_fetch_is_remembered_for_its_own_time() {
    let script = Script::new([Err("down"), Ok("fake-1")]);
    let (_pool, source) = scripted(&script, Some(MINUTE * 60));
    for _ in 0..3 {
        assert_eq!(text(&source).await, Err("down".to_owned()));
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(script.fetches(), 1);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(text(&source).await, ok("fake-1"));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_does_not_stop_the_fetch() {
    let script = Script::timed([(Duration::from_secs(5), Ok("fake-1"))]);
    let (_pool, source) = scripted(&script, None);
    assert!(timeout(Duration::from_secs(1), source.current()).await.is_err());
    sleep(Duration::from_secs(5)).await;
    assert_eq!(source.peek().unwrap().text().expose(), "fake-1");
    assert_eq!(script.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_hangs_ends_at_its_deadline() {
    let script = Script::timed([(MINUTE * 60, Ok("fake-1")), (Duration::ZERO, Ok("fake-2"))]);
    let (_pool, source) = scripted(&script, None);
    let begun = tokio::time::Instant::now();
    assert_eq!(text(&source).await, Err("no value within 30 seconds".to_owned()));
    assert_eq!(begun.elapsed().as_secs(), 30);
    sleep(MINUTE).await;
    assert_eq!(text(&source).await, ok("fake-2"));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_refresh_while_there_is_an_old_value() {
    let script = Script::timed([(Duration::ZERO, Ok("fake-1")), (Duration::from_secs(20), Ok("fake-2"))]);
    let (_pool, source) = scripted(&script, Some(MINUTE));
    assert_eq!(text(&source).await, ok("fake-1"));
    advance(MINUTE * 2).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(text(&source).await, ok("fake-1"));
    assert_eq!(begun.elapsed().as_secs(), 2);
    // The second caller does not wait at all.
    assert_eq!(text(&source).await, ok("fake-1"));
    assert_eq!(begun.elapsed().as_secs(), 2);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(text(&source).await, ok("fake-2"));
    assert_eq!(script.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reload_reads_again_and_keeps_the_version_of_a_value_that_did_not_change() {
    let script = Script::new([Ok("fake-1"), Ok("fake-1"), Ok("fake-2"), Err("gone")]);
    let (pool, source) = scripted(&script, None);
    let first = source.current().await.unwrap();
    pool.reload();
    assert!(source.peek().is_none());
    assert_eq!(source.current().await.unwrap().version(), first.version());
    pool.reload();
    assert!(source.current().await.unwrap().version() > first.version());
    pool.reload();
    assert_eq!(text(&source).await, Err("gone".to_owned()), "a value that is gone must not outlive a reload");
    assert_eq!(first.text().expose(), "fake-1", "who holds a value keeps it");
}

#[tokio::test(start_paused = true)]
async fn a_fetch_from_before_a_reload_does_not_count_after_it() {
    let script =
        Script::timed([(Duration::from_secs(5), Ok("fake-old")), (Duration::from_secs(1), Ok("fake-new"))]);
    let (pool, source) = scripted(&script, None);
    assert!(timeout(Duration::from_secs(1), source.current()).await.is_err());
    pool.reload();
    assert_eq!(text(&source).await, ok("fake-new"));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(text(&source).await, ok("fake-new"));
}

#[tokio::test(start_paused = true)]
async fn the_first_of_a_row_of_failures_is_a_warning_without_the_value() {
    let script = Script::new([Err("down"), Err("down"), Ok("fake-1"), Err("down")]);
    let (_pool, source) = scripted(&script, Some(MINUTE));
    let log = log::capture();
    for _ in 0..4 {
        drop(source.current().await);
        sleep(MINUTE * 2).await;
    }
    drop(source.current().await);
    assert_eq!(
        log.lines(),
        [
            r#"WARN secret fetch failed secret="FAKE_KEY" error="down" retry_in=60s"#,
            r#"DEBUG secret fetch failed secret="FAKE_KEY" error="down" retry_in=60s"#,
            r#"WARN secret fetch failed secret="FAKE_KEY" error="down" retry_in=30s"#,
            r#"DEBUG secret fetch failed secret="FAKE_KEY" error="no more steps" retry_in=30s"#,
        ]
    );
}

#[test]
fn sources_are_shared_by_definition_and_let_go_when_unused() {
    let pool = SourcePool::default();
    let first = pool.source(&env("FAKE_KEY"));
    assert!(Arc::ptr_eq(&first, &pool.source(&env("FAKE_KEY"))));
    assert!(!Arc::ptr_eq(&first, &pool.source(&env("OTHER_KEY"))));
    let keyed = SourceSpec { json_key: Some("k".to_owned()), ..env("FAKE_KEY") };
    assert!(!Arc::ptr_eq(&first, &pool.source(&keyed)));
    // An environment does not age, so a ttl makes no difference.
    let aging = SourceSpec { ttl: Some(MINUTE), ..env("FAKE_KEY") };
    assert!(Arc::ptr_eq(&first, &pool.source(&aging)));
    drop(first);
    drop(pool.source(&env("THIRD_KEY")));
    assert_eq!(pool.sources.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn env_reads_the_variable_and_tells_one_that_is_not_set() {
    // Set by cargo when it runs tests, and the same wherever the checkout is.
    assert_eq!(fetched(env("CARGO_PKG_NAME")).await, ok("iron-proxy"));
    assert_eq!(fetched(env("CENTAUR_TEST_NEVER_SET")).await, Err("the variable is not set".to_owned()));
    let source = SourcePool::default().source(&env("CENTAUR_TEST_NEVER_SET"));
    let error = source.current().await.unwrap_err();
    assert_eq!(error.to_string(), "secret CENTAUR_TEST_NEVER_SET is unavailable: the variable is not set");
}

#[tokio::test]
async fn file_reads_every_byte_and_tells_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    for (content, want) in [
        (&b"fake-key\n"[..], ok("fake-key\n")),
        (b" \r\n", ok(" \r\n")),
        (b"", Err("the value is empty".to_owned())),
        (b"\xff\xfe", Err("the value is not UTF-8 text".to_owned())),
        (&vec![b'a'; 1024 * 1024 + 1], Err("the file is larger than 1048576 bytes".to_owned())),
    ] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(fetched(file(&path)).await, want);
    }
    std::fs::write(&path, vec![b'a'; 1024 * 1024]).unwrap();
    assert_eq!(fetched(file(&path)).await.unwrap().len(), 1024 * 1024);
    assert_eq!(fetched(file(&dir.path().join("none"))).await, Err("no such file".to_owned()));
    assert!(fetched(file(dir.path())).await.unwrap_err().starts_with("reading the file failed"));
}

#[tokio::test(start_paused = true)]
async fn a_file_renamed_into_place_is_seen_after_the_ttl() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "fake-1").unwrap();
    let source = SourcePool::default().source(&SourceSpec { ttl: Some(MINUTE), ..file(&path) });
    assert_eq!(text(&source).await, ok("fake-1"));
    std::fs::write(dir.path().join("next"), "fake-2").unwrap();
    std::fs::rename(dir.path().join("next"), &path).unwrap();
    assert_eq!(text(&source).await, ok("fake-1"));
    advance(MINUTE * 2).await;
    assert_eq!(text(&source).await, ok("fake-2"));
}

#[tokio::test]
async fn cmd_takes_what_the_program_prints_without_one_line_end() {
    for (argv, want) in [
        (&["printf", "fake-key"][..], ok("fake-key")),
        (&["printf", "fake-key\n"], ok("fake-key")),
        (&["printf", "fake-key\r\n"], ok("fake-key")),
        (&["printf", "fake\n\n"], ok("fake\n")),
        // No shell: nothing is expanded.
        (&["printf", "%s", "$HOME `id` *"], ok("$HOME `id` *")),
        (&["printf", "\n"], Err("the value is empty".to_owned())),
        (&["true"], Err("the value is empty".to_owned())),
        (
            &["sh", "-c", "echo fake-out; echo fake-err >&2; exit 3"],
            Err("the program exited with status 3".to_owned()),
        ),
        (&["sh", "-c", "kill -9 $$"], Err("the program was killed by signal 9".to_owned())),
        (
            &["head", "-c", "1048577", "/dev/zero"],
            Err("the program printed more than 1048576 bytes".to_owned()),
        ),
        (&["cat"], Err("the value is empty".to_owned())),
        (&[], Err("no program is named".to_owned())),
        (&["/nonexistent/program"], Err("the program cannot be run: entity not found".to_owned())),
    ] {
        assert_eq!(fetched(cmd(argv)).await, want, "{argv:?}");
    }
}

#[tokio::test]
async fn a_program_that_is_given_up_dies_with_what_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let script = format!("sleep 1000 & echo $$ $! > {}; wait", pids.display());
    let argv: Vec<_> = ["sh", "-c", &script].map(str::to_owned).into();
    let origin = Plain::Cmd(argv);
    let run = origin.fetch(None);
    let started = async {
        loop {
            match std::fs::read_to_string(&pids) {
                Ok(text) if text.ends_with('\n') => return text,
                _ => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let text = tokio::select! {
        _ = run => panic!("the program must not end"),
        text = started => text,
    };
    // `run` is dropped here, as the deadline drops it.
    let gone = |pid: &str| match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z')),
        Err(_) => true,
    };
    for pid in text.split_whitespace() {
        for _ in 0..12_000 {
            if gone(pid) {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        assert!(gone(pid), "{pid} is still running");
    }
}

#[tokio::test]
async fn json_key_takes_a_top_level_string_and_tells_what_is_wrong_without_quoting_it() {
    let not_object = "json_key: the value is not a JSON object";
    let not_string = "json_key: the value at \"k\" is not a string";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    for (content, want) in [
        (r#"{"a":[1,{"k":"no"}],"k":"fake\n\u00e9","z":null}"#, ok("fake\né")),
        (r#"{"k":""}"#, ok("")),
        (r#"{"k":"first","k":"last"}"#, ok("last")),
        (r#"{"K":"x"}"#, Err("json_key: there is no key \"k\"".to_owned())),
        ("{}", Err("json_key: there is no key \"k\"".to_owned())),
        (r#"{"k":1}"#, Err(not_string.to_owned())),
        (r#"{"k":-1.5}"#, Err(not_string.to_owned())),
        (r#"{"k":true}"#, Err(not_string.to_owned())),
        (r#"{"k":null}"#, Err(not_string.to_owned())),
        (r#"{"k":{"k":"x"}}"#, Err(not_string.to_owned())),
        (r#"{"k":["x"]}"#, Err(not_string.to_owned())),
        ("fake-plain-secret", Err(not_object.to_owned())),
        (r#"["k"]"#, Err(not_object.to_owned())),
        (r#""k""#, Err(not_object.to_owned())),
        (r#"{"k":"x"} trailing"#, Err(not_object.to_owned())),
        (r#"{"k":"x""#, Err(not_object.to_owned())),
    ] {
        std::fs::write(&path, content).unwrap();
        let spec = SourceSpec { json_key: Some("k".to_owned()), ..file(&path) };
        assert_eq!(fetched(spec).await, want, "{content}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inline_value_is_there_at_once_and_survives_reloads() {
    let inline = |json_key: Option<&str>, value: &str| SourceSpec {
        json_key: json_key.map(str::to_owned),
        ..spec(SourceKind::ControlPlane { value: Secret::new(value.to_owned()) }, Some(MINUTE))
    };
    let pool = SourcePool::default();
    let source = pool.source(&inline(None, "fake-inline"));
    assert_eq!(source.name(), "control_plane");
    assert_eq!(source.peek().unwrap().text().expose(), "fake-inline");
    pool.reload();
    advance(MINUTE * 10).await;
    assert_eq!(text(&source).await, ok("fake-inline"));
    assert_eq!(text(&pool.source(&inline(Some("k"), r#"{"k":"fake-k"}"#))).await, ok("fake-k"));
    let broken = pool.source(&inline(Some("k"), "fake-inline"));
    advance(MINUTE * 60 * 24).await;
    assert_eq!(text(&broken).await, Err("json_key: the value is not a JSON object".to_owned()));
}

#[test]
fn a_value_that_no_header_can_hold_is_flagged() {
    let safe = |text: &str| SecretValue::new(Secret::new(text.to_owned()), 1).is_header_safe();
    for text in ["fake-key", "with space", "tab\there", "é"] {
        assert!(safe(text), "{text:?}");
    }
    for text in ["fake\n", "fake\r", "a\0b", "\u{1b}", "\u{7f}"] {
        assert!(!safe(text), "{text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn debug_never_shows_a_value() {
    let script = Script::new([Ok("fake-1")]);
    let (pool, source) = scripted(&script, None);
    let value = source.current().await.unwrap();
    let shown = format!("{value:?} {source:?} {:?}", source.current().await);
    assert!(!shown.contains("fake-1"), "{shown}");
    drop(pool);
}

/// A program that does not exist: whoever runs it finds out.
#[tokio::test(start_paused = true)]
async fn a_value_that_was_fetched_elsewhere_is_not_fetched_again_until_its_life_ends() {
    let argv = vec!["/nonexistent/must-not-run".to_owned()];
    let spec = |ttl| SourceSpec {
        kind: SourceKind::Cmd { argv: argv.clone() },
        json_key: None,
        ttl,
        failure_ttl: MINUTE,
    };
    let pool = SourcePool::default();
    let preset = pool.preset(&spec(None), Secret::new("fake-preset".to_owned()));
    let used = pool.source(&spec(None));
    assert!(Arc::ptr_eq(&preset, &used));
    advance(MINUTE * 60 * 24).await;
    assert_eq!(used.current().await.unwrap().text().expose(), "fake-preset");
    pool.reload();
    assert!(used.current().await.is_err(), "a reload reads it again");

    let short = pool.preset(&spec(Some(MINUTE)), Secret::new("fake-short".to_owned()));
    assert!(short.peek().is_some());
    advance(MINUTE * 2).await;
    assert!(short.peek().is_none(), "its life is over");

    let inline = SourceSpec {
        kind: SourceKind::ControlPlane { value: Secret::new("fake-inline".to_owned()) },
        ..spec(None)
    };
    let inline = pool.preset(&inline, Secret::new("fake-other".to_owned()));
    assert_eq!(inline.current().await.unwrap().text().expose(), "fake-inline");
}
