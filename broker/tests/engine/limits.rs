//! How much at a time, and where.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::world::{Mood, Rows, Strict, soon, start};

#[tokio::test(start_paused = true)]
async fn four_calls_at_a_host_and_sixteen_in_all() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.delay(Duration::from_secs(2));
    for host in 0..8 {
        for number in 0..12 {
            let endpoint = format!("https://h{host}.example/token");
            rows.seed_at(&format!("c{host}-{number}"), &format!("f{host}x{number}.0"), &endpoint);
        }
    }
    let engine = start(&rows, &provider, None);
    for host in 0..8 {
        for number in 0..12 {
            soon(rows.until(&format!("c{host}-{number}"), |row| row.access_token.is_some())).await;
        }
    }
    assert_eq!((provider.most("h0.example"), provider.most("")), (4, 16));
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_never_answers_keeps_nobody_else_waiting() {
    let (rows, provider) = (Rows::new(), Strict::default());
    provider.mood(Mood::Deaf);
    for number in 0..600 {
        rows.seed_at(&format!("a{number}"), &format!("a{number}.0"), "https://deaf.example/token");
    }
    let engine = start(&rows, &provider, None);
    while provider.most("deaf.example") < 4 {
        sleep(Duration::from_millis(10)).await;
    }
    provider.mood(Mood::Well);
    let seeded = Instant::now();
    rows.seed_at("z", "z.0", "https://well.example/token");
    soon(rows.until("z", |row| row.access_token.is_some())).await;
    assert!(seeded.elapsed() < Duration::from_secs(1), "{:?}", seeded.elapsed());
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn however_long_the_provider_takes_a_thousand_askers_of_two_replicas_are_one_call() {
    for delay in [Duration::from_millis(50), Duration::from_secs(2), Duration::from_secs(29)] {
        let (rows, provider) = (Rows::new(), Strict::default());
        let engines = [start(&rows, &provider, None), start(&rows, &provider, None)];
        provider.delay(delay);
        rows.seed("c", "c.0");
        for _ in 0..1_000 {
            sleep(delay / 1_100).await;
            rows.poke();
        }
        soon(rows.until("c", |row| row.access_token.is_some())).await;
        assert_eq!(provider.log(), ["c.0"], "{delay:?}");
        for engine in engines {
            engine.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_answers_is_asked_again_after_its_time_and_not_before() {
    let (rows, provider) = (Rows::new(), Strict::default());
    let engines = [start(&rows, &provider, None), start(&rows, &provider, None)];
    provider.mood(Mood::Deaf);
    rows.seed("c", "c.0");
    for _ in 0..290 {
        sleep(Duration::from_millis(100)).await;
        rows.poke();
        assert!(provider.most("") <= 1 && rows.row("c", |row| row.failure_count) == 0);
    }
    soon(rows.until("c", |row| row.failure_count > 0)).await;
    provider.mood(Mood::Well);
    soon(rows.until("c", |row| row.access_token.is_some())).await;
    // It had not used the token up.
    assert_eq!((provider.log(), provider.reuses()), (vec!["c.0".to_owned()], 0));
    for engine in engines {
        engine.stop().await;
    }
}
