//! The program, killed.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::process::Process;
use crate::world::{BEARER, World, eventually};

/// Kills it at moments spread over a rotation that never stops. Every refresh token that is presented twice must have
/// been announced as possibly used up before; a login that is lost is one of those.
#[tokio::test]
async fn killed_at_any_moment_it_sends_no_token_twice_but_after_a_marked_interruption() {
    const KILLS: u32 = 100;
    const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let world = World::new().await;
    world.provider.set_takes(Duration::from_millis(4));
    for id in IDS {
        world.bootstrap(id);
    }
    let mut said = String::new();
    let mut lost = 0;
    // How long it all takes here: the moments are spread over that.
    let mut whole = Duration::ZERO;
    for kill in 0..KILLS {
        let mut process = Process::start(&world, &IDS).await;
        if kill % 25 == 0 {
            let began = Instant::now();
            let is_done = |id| {
                let document = world.document(id);
                document["access_token"].is_string() || document["broker"]["dead"].is_string()
            };
            eventually("six rotations", || IDS.into_iter().all(is_done)).await;
            whole = began.elapsed();
        }
        sleep(whole * (kill % 25) / 20).await;
        process.child.start_kill().expect("killed");
        said.push_str(&process.ended().await.1);
        for id in IDS {
            let mut document = world.document(id);
            if let Some(reason) = document["broker"]["dead"].as_str() {
                assert_eq!(reason, "interrupted_invalid_grant", "a loss that was not announced");
                lost += 1;
                world.bootstrap(id);
                continue;
            }
            // As if the access token had ended: the next process refreshes at once.
            let members = document.as_object_mut().expect("an object");
            members.remove("access_token");
            world.put(id, &document.to_string());
        }
    }
    let presented = world.provider.presented();
    let mut seen = HashSet::new();
    let twice = presented.iter().filter(|token| !seen.insert(*token)).count();
    let announced = said.matches("an earlier attempt was interrupted").count();
    let calls = presented.len();
    println!("kills {KILLS}, calls {calls}, tokens twice {twice}, announced {announced}, logins lost {lost}");
    let (median, longest) = unsaved(&said);
    println!("between an answer and its being stored: {median} us at the median, {longest} us at most");
    assert!(twice <= announced && lost <= announced, "{twice} twice, {announced} announced, {lost} lost");
    assert!(calls > KILLS as usize, "it rotated: {calls}");
    assert!(!said.contains("at-fake") && !said.contains("rt-fake") && !said.contains(BEARER));
}

/// For how long tokens were only in memory, in microseconds, as the log says: the median and the most.
fn unsaved(said: &str) -> (u64, u64) {
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut spans: Vec<u64> = lines
        .filter(|line| line["result"] == "success")
        .filter_map(|line| line["unsaved_us"].as_u64())
        .collect();
    spans.sort_unstable();
    (spans.get(spans.len() / 2).copied().unwrap_or(0), spans.last().copied().unwrap_or(0))
}
