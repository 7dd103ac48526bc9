//! Where values come from: programs (`cmd`). The others are shown wherever a value is placed.

use std::path::Path;

use centaur_e2e::proxy::Audit;
use centaur_e2e::wait::eventually;
use centaur_e2e::world::{Builder, PLACEHOLDER};
use centaur_e2e::{Request, World};

const FIRST: &str = "fake-minted-value-1";
const SECOND: &str = "fake-minted-value-2";

/// A world whose value for `a.test` comes from `/bin/sh -c script`, run in `dir`; `keys` end the source.
fn minted(dir: &Path, script: &str, keys: &str, replace: &str) -> Builder {
    let script = format!("cd '{}' && {script}", dir.display());
    World::builder()
        .allow("a.test")
        .secret(&format!(
            "{{source: {{type: cmd, argv: [/bin/sh, -c, {}]{keys}}}, rules: [{{host: \"a.test\"}}], \
             replace: {{proxy_value: \"{PLACEHOLDER}\", match_headers: [\"Authorization\"]{replace}}}}}",
            serde_json::to_string(&script).expect("a string")
        ))
        // Only to have them searched for in everything that comes out.
        .value("UNUSED_1", FIRST)
        .value("UNUSED_2", SECOND)
}

async fn ask(w: &World) -> centaur_e2e::Reply {
    let request = Request::get(&w.at("a.test"), "/reflect").bearer(PLACEHOLDER);
    request.on(&mut w.https("a.test").await).await
}

fn write(dir: &Path, name: &str, content: &str) {
    std::fs::write(dir.join(name), content).expect("write");
}

fn swapped(line: &Audit) -> bool {
    line.text().contains("\"swapped\"")
}

#[tokio::test]
async fn what_a_program_prints_is_the_value_and_stays_out_of_everything_else() {
    let dir = tempfile::tempdir().expect("directory");
    // It complains as well, and it looks for a shell's tricks in what it was given.
    let script = format!("echo '{FIRST} on standard error' >&2; echo run >> runs; echo {FIRST}");
    let w = minted(dir.path(), &script, "", "").start().await;
    assert!(!dir.path().join("runs").exists(), "nothing is run before a value is needed");
    for _ in 0..3 {
        assert!(ask(&w).await.expect(200).text().contains(PLACEHOLDER));
        assert_eq!(w.origin.last().header("authorization"), Some(&*format!("Bearer {FIRST}")));
    }
    let runs = std::fs::read_to_string(dir.path().join("runs")).expect("it ran");
    assert_eq!(runs, "run\n", "without a ttl once is enough");
    let audit = w.finish(3).await;
    assert!(audit.iter().all(swapped), "{audit:#?}");
}

#[tokio::test]
async fn a_new_value_is_fetched_behind_requests_that_go_on_with_the_old_one() {
    let dir = tempfile::tempdir().expect("directory");
    write(dir.path(), "value", FIRST);
    // The second run says that it has begun, and then takes as long as the test wants.
    let script = "if [ -e first-done ]; then touch second; until [ -e go ]; do sleep 0.02; done; fi; \
                  touch first-done; cat value";
    let w = minted(dir.path(), script, ", ttl: 1s", "").start().await;
    ask(&w).await.expect(200);
    write(dir.path(), "value", SECOND);
    let mut asked = 1;
    eventually("the second run", async || {
        ask(&w).await.expect(200);
        asked += 1;
        dir.path().join("second").exists()
    })
    .await;
    // It is under way and will not end by itself: these are served with what there is.
    for _ in 0..3 {
        ask(&w).await.expect(200);
        asked += 1;
    }
    let old = format!("Bearer {FIRST}");
    assert!(w.origin.seen().iter().all(|seen| seen.header("authorization") == Some(&*old)));
    write(dir.path(), "go", "");
    eventually("the new value", async || {
        ask(&w).await.expect(200);
        asked += 1;
        w.origin.last().header("authorization") == Some(&*format!("Bearer {SECOND}"))
    })
    .await;
    w.finish(asked).await;
}

#[tokio::test]
async fn a_program_that_fails_once_it_has_worked_leaves_the_old_value() {
    let dir = tempfile::tempdir().expect("directory");
    let script = format!("echo run >> runs; [ ! -e broken ] && echo {FIRST}");
    let w = minted(dir.path(), &script, ", ttl: 200ms", "").start().await;
    ask(&w).await.expect(200);
    write(dir.path(), "broken", "");
    let mut asked = 1;
    eventually("a run that fails", async || {
        ask(&w).await.expect(200);
        asked += 1;
        w.proxy.stderr().contains("secret fetch failed")
    })
    .await;
    ask(&w).await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(&*format!("Bearer {FIRST}")));
    w.finish(asked + 1).await;
}

#[tokio::test]
async fn a_program_that_fails_is_reported_and_no_placeholder_becomes_a_value() {
    let dir = tempfile::tempdir().expect("directory");
    // What it printed before it failed is no value.
    for (script, why) in [
        (format!("echo {FIRST}; exit 7"), "exited with status 7"),
        (format!("echo {FIRST}; kill -9 $$"), "killed by signal 9"),
        ("true".to_owned(), "empty"),
    ] {
        let w = minted(dir.path(), &script, ", failure_ttl: 1h", "").start().await;
        for _ in 0..2 {
            ask(&w).await.expect(200);
            assert_eq!(w.origin.last().header("authorization"), Some(&*format!("Bearer {PLACEHOLDER}")));
        }
        // Waits for the line, which another process writes.
        let logged = w.proxy.logged("secret fetch failed").await.to_string();
        assert!(logged.contains(why), "{logged}");
        let warnings = w.proxy.stderr().matches("secret fetch failed").count();
        assert_eq!(warnings, 1, "a failure is remembered");
        let audit = w.finish(2).await;
        assert!(audit.iter().all(|line| line.text().contains("secret_unavailable")), "{audit:#?}");
    }
}

#[tokio::test]
async fn where_the_value_is_required_a_failure_refuses_and_success_does_not() {
    let dir = tempfile::tempdir().expect("directory");
    let script = format!("[ -e ready ] && echo {FIRST}");
    let w = minted(dir.path(), &script, ", failure_ttl: 1ms", ", require: true").start().await;
    let reply = ask(&w).await;
    assert_eq!(reply.refused(403).code(), Some("secret-unavailable"));
    assert_eq!(w.origin.connections(), 0);
    write(dir.path(), "ready", "");
    let mut asked = 1;
    eventually("the value", async || {
        asked += 1;
        ask(&w).await.status == 200
    })
    .await;
    assert_eq!(w.origin.last().header("authorization"), Some(&*format!("Bearer {FIRST}")));
    let audit = w.finish(asked).await;
    assert_eq!((audit[0].action(), audit[0].reason()), ("reject", "secret-unavailable"));
}

#[tokio::test]
async fn a_program_that_is_not_there_does_not_keep_the_proxy_from_starting() {
    let w = World::builder()
        .allow("a.test")
        .allow("b.test")
        .secret(
            "{source: {type: cmd, argv: [/no/such/program]}, rules: [{host: \"a.test\"}], \
             inject: {header: X-Api-Key, require: true}}",
        )
        .start()
        .await;
    Request::get(&w.at("b.test"), "/ok").on(&mut w.https("b.test").await).await.expect(200);
    let reply = Request::get(&w.at("a.test"), "/ok").on(&mut w.https("a.test").await).await;
    assert_eq!(reply.refused(403).code(), Some("secret-unavailable"));
    w.finish(2).await;
}
