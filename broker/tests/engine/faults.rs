//! What happens when a process, the store or the provider dies in between.

use std::time::Duration;

use tokio::time::sleep;

use crate::world::{Mood, Rows, Strict, soon, spool, start, stored};

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_loses_nothing_and_nobody_is_asked_again() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.delay(Duration::from_secs(2));
    let engine = start(&rows, &provider, None);
    rows.seed("c", "f.0");
    sleep(Duration::from_secs(1)).await;
    rows.set_away(true);
    sleep(Duration::from_hours(1)).await;
    assert_eq!(provider.log(), ["f.0"]);
    assert!(engine.heard("Waiting") > 0);
    rows.set_away(false);
    soon(rows.until("c", |row| row.access_token.is_some())).await;
    assert_eq!(rows.row("c", stored).as_deref(), Some("f.1"));
    sleep(Duration::from_hours(3)).await;
    assert_eq!(provider.reuses(), 0);
    assert_eq!(engine.heard("Interrupted"), 0);
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_store_did_not_take_survives_the_process_in_the_spool() {
    let directory = tempfile::tempdir().expect("a directory");
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.delay(Duration::from_secs(2));
    let engine = start(&rows, &provider, Some(spool(directory.path())));
    rows.seed("c", "f.0");
    sleep(Duration::from_secs(1)).await;
    rows.set_away(true);
    engine.hears("is_safe: true").await;
    engine.kill().await;
    let files: Vec<_> = std::fs::read_dir(directory.path()).expect("a listing").collect();
    assert_eq!(files.len(), 1);
    let file = files.into_iter().next().expect("one").expect("an entry").path();
    let bytes = std::fs::read(&file).expect("a file");
    assert!(!String::from_utf8_lossy(&bytes).contains("at-f.1"), "nothing in clear");

    // The process is back before the store, and long after its lease ended.
    sleep(Duration::from_hours(5)).await;
    let engine = start(&rows, &provider, Some(spool(directory.path())));
    sleep(Duration::from_mins(2)).await;
    rows.set_away(false);
    soon(rows.until("c", |row| stored(row).as_deref() == Some("f.1"))).await;
    engine.hears("stored: true").await;
    sleep(Duration::from_hours(3)).await;
    assert_eq!((provider.reuses(), engine.heard("Interrupted")), (0, 0));
    assert_eq!(std::fs::read_dir(directory.path()).expect("a listing").count(), 0, "and is gone from there");
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn tokens_that_were_saved_survive_their_process_without_a_spool() {
    let directory = tempfile::tempdir().expect("a directory");
    let (rows, provider) = (Rows::new(), Strict::default());
    rows.go_away_after_saving();
    let engine = start(&rows, &provider, Some(spool(directory.path())));
    rows.seed("c", "f.0");
    engine.hears("is_safe: true").await;
    assert_eq!(
        std::fs::read_dir(directory.path()).expect("a listing").count(),
        0,
        "the spool has nothing to do"
    );
    assert_eq!(rows.row("c", stored).as_deref(), Some("f.1"));
    engine.kill().await;

    let engine = start(&rows, &provider, None);
    rows.set_away(false);
    sleep(Duration::from_hours(3)).await;
    assert!(provider.log().len() > 1, "the next refresh came in its time");
    assert_eq!((provider.reuses(), engine.heard("Interrupted")), (0, 0));
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_spool_file_that_does_not_open_is_told_of_and_left() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("a.sealed"), b"nonsense").expect("a file");
    let (rows, provider) = (Rows::new(), Strict::default());
    rows.seed("c", "f.0");
    let engine = start(&rows, &provider, Some(spool(directory.path())));
    soon(rows.until("c", |row| row.access_token.is_some())).await;
    assert_eq!(engine.heard("Foreign"), 1);
    assert!(directory.path().join("a.sealed").exists());
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn killed_before_the_answer_the_next_attempt_is_marked() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.delay(Duration::from_secs(10));
    let engine = start(&rows, &provider, None);
    rows.seed("c", "f.0");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(provider.log(), ["f.0"], "it has used the token");
    engine.kill().await;
    let engine = start(&rows, &provider, None);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(provider.log().len(), 1, "the lease of the dead one holds");
    soon(rows.until("c", |row| row.dead.is_some())).await;
    assert_eq!(rows.row("c", |row| row.dead.clone()).as_deref(), Some("interrupted_invalid_grant"));
    assert_eq!(engine.heard("Interrupted"), 1);
    assert_eq!(provider.reuses(), 1, "once, and no more");
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn killed_before_sending_nothing_is_lost() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.mood(Mood::Deaf);
    let engine = start(&rows, &provider, None);
    rows.seed("c", "f.0");
    soon(rows.until("c", |row| row.lease.is_some())).await;
    engine.kill().await;
    provider.mood(Mood::Well);
    let engine = start(&rows, &provider, None);
    soon(rows.until("c", |row| row.access_token.is_some())).await;
    assert_eq!(engine.heard("Interrupted"), 1, "nobody could know");
    assert_eq!((provider.reuses(), rows.row("c", |row| row.interrupted)), (0, false));
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_got_lost_marks_the_next_attempt() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.mood(Mood::Mute);
    let engine = start(&rows, &provider, None);
    rows.seed("c", "f.0");
    soon(rows.until("c", |row| row.failure_count == 1)).await;
    provider.mood(Mood::Well);
    soon(rows.until("c", |row| row.dead.is_some())).await;
    assert_eq!(rows.row("c", |row| row.dead.clone()).as_deref(), Some("interrupted_invalid_grant"));
    assert_eq!(provider.log(), ["f.0", "f.0"]);
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_what_is_under_way_and_begins_nothing() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.delay(Duration::from_secs(20));
    let engine = start(&rows, &provider, None);
    rows.seed("c", "f.0");
    sleep(Duration::from_secs(1)).await;
    let other = rows.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(2)).await;
        other.seed("late", "g.0");
    });
    engine.stop().await;
    assert_eq!(rows.row("c", stored).as_deref(), Some("f.1"));
    assert_eq!(provider.log(), ["f.0"]);
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_in_time_when_the_provider_never_answers() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.mood(Mood::Deaf);
    let engine = start(&rows, &provider, None);
    rows.seed("c", "f.0");
    soon(rows.until("c", |row| row.lease.is_some())).await;
    let before = rows.clock();
    engine.stop().await;
    assert!(rows.clock().since(before) <= Duration::from_secs(36));
    assert_eq!(rows.row("c", |row| (row.failure_count, row.interrupted)), (1, true), "and says so");
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_attempt_and_not_the_engine() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.mood(Mood::Broken);
    let engine = start(&rows, &provider, None);
    for number in 0..16 {
        rows.seed_at(
            &format!("c{number}"),
            &format!("f{number}.0"),
            &format!("https://h{number}.example/token"),
        );
    }
    soon(rows.until("c15", |row| row.lease.is_some())).await;
    sleep(Duration::from_secs(1)).await;
    provider.mood(Mood::Well);
    rows.seed("d", "g.0");
    soon(rows.until("d", |row| row.access_token.is_some())).await;
    for number in 0..16 {
        let key = format!("c{number}");
        soon(rows.until(&key, |row| row.access_token.is_some())).await;
    }
    assert_eq!((provider.reuses(), engine.heard("Interrupted")), (0, 16));
    engine.stop().await;
}
