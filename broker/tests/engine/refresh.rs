//! What happens when all goes well.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::world::{Mood, Rows, Strict, soon, start, stored};

#[tokio::test(start_paused = true)]
async fn a_seed_is_tried_at_once_and_kept_fresh() {
    let (rows, provider) = (Rows::new(), Strict::default());
    let engine = start(&rows, &provider, None);
    sleep(Duration::from_secs(7)).await;
    let seeded = Instant::now();
    rows.seed("c", "f.0");
    soon(rows.until("c", |row| row.access_token.is_some())).await;
    assert!(seeded.elapsed() < Duration::from_secs(1), "{:?}", seeded.elapsed());
    sleep(Duration::from_hours(24)).await;
    // 3,600 s tokens, refreshed after 2,592 to 2,880 s.
    let count = provider.log().len();
    assert!((30..=34).contains(&count), "{count}");
    assert_eq!(provider.reuses(), 0);
    assert!(rows.row("c", |row| row.expires_at > Some(rows.clock())), "at every moment there is a token");
    engine.stop().await;
    let log = provider.log();
    sleep(Duration::from_hours(4)).await;
    assert_eq!(provider.log(), log, "stopped is stopped");
}

#[tokio::test(start_paused = true)]
async fn short_tokens_are_not_refreshed_all_the_time() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.lifetime(Duration::from_mins(2));
    rows.seed("c", "f.0");
    let engine = start(&rows, &provider, None);
    sleep(Duration::from_hours(1)).await;
    let count = provider.log().len();
    assert!((58..=62).contains(&count), "{count}");
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn replicas_share_the_work_and_never_a_token() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.delay(Duration::from_secs(2));
    let engines =
        [start(&rows, &provider, None), start(&rows, &provider, None), start(&rows, &provider, None)];
    for number in 0..40 {
        rows.seed(&format!("c{number}"), &format!("f{number}.0"));
    }
    sleep(Duration::from_hours(12)).await;
    assert_eq!(provider.reuses(), 0);
    let mut log = provider.log();
    let count = log.len();
    log.sort_unstable();
    log.dedup();
    assert_eq!(log.len(), count, "each token once");
    assert!(engines.iter().all(|engine| engine.heard("success") > 0), "all of them work");
    for engine in engines {
        engine.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_wishes_are_one_call() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.delay(Duration::from_secs(5));
    let engines = [start(&rows, &provider, None), start(&rows, &provider, None)];
    rows.seed("c", "f.0");
    sleep(Duration::from_secs(1)).await;
    for number in 0..100 {
        rows.seed(&format!("other{number}"), &format!("o{number}.0"));
    }
    soon(rows.until("c", |row| row.access_token.is_some())).await;
    assert_eq!(provider.log().iter().filter(|token| *token == "f.0").count(), 1);
    for engine in engines {
        engine.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_credential_rests_until_it_is_seeded() {
    let (rows, provider) = (Rows::new(), Strict::default());
    let engine = start(&rows, &provider, None);
    rows.seed("c", "f.9");
    soon(rows.until("c", |row| row.dead.is_some())).await;
    assert_eq!(rows.row("c", |row| row.dead.clone()).as_deref(), Some("invalid_grant"));
    sleep(Duration::from_hours(48)).await;
    assert_eq!(provider.log().len(), 1);
    rows.seed("c", "g.0");
    soon(rows.until("c", |row| row.access_token.is_some() && row.dead.is_none())).await;
    assert_eq!(rows.row("c", stored).as_deref(), Some("g.1"));
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_seed_during_an_attempt_wins() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.delay(Duration::from_secs(10));
    let engine = start(&rows, &provider, None);
    rows.seed("c", "f.0");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(provider.log(), ["f.0"]);
    rows.seed("c", "g.0");
    soon(rows.until("c", |row| row.access_token.is_some())).await;
    assert_eq!(rows.row("c", stored).as_deref(), Some("g.1"), "what the old seed brought is dropped");
    assert_eq!(engine.heard("Superseded"), 1);
    assert!(!rows.row("c", |row| row.interrupted));
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_out() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.mood(Mood::Down);
    let engine = start(&rows, &provider, None);
    rows.seed("c", "f.0");
    sleep(Duration::from_mins(30)).await;
    let failures = rows.row("c", |row| row.failure_count);
    assert!((8..=16).contains(&failures), "{failures}");
    provider.mood(Mood::Well);
    soon(rows.until("c", |row| row.access_token.is_some())).await;
    assert_eq!(rows.row("c", |row| (row.failure_count, row.interrupted)), (0, false));
    assert_eq!(provider.reuses(), 0);
    engine.stop().await;
}
