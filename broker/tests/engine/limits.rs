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
