//! Syncs of proxies that have what is current.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use centaur_e2e::bench::text::thousands;
use centaur_e2e::real::Database;
use serde_json::json;
use tokio::task::JoinSet;

use super::PRINCIPALS;
use crate::args::Args;
use crate::program::Console;
use crate::seed;
use crate::stats::Samples;
use crate::table::Cell;
use crate::wire::{self, Wire};

/// How long the load runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);
/// Syncs per second.
const AIM: f64 = 5_000.0;

/// Each connection asks for another proxy every time, so that all of the principals take part.
///
/// # Errors
/// When an answer is missing or wrong.
pub(super) async fn measure(args: &Args, database: &Database, connections: usize) -> anyhow::Result<Cell> {
    let console = Console::start(args, &database.address()).await?;
    let began = Instant::now();
    let requests = Arc::new(learn(&console).await?);
    let first = PRINCIPALS as f64 / began.elapsed().as_secs_f64();
    let begin = Instant::now() + WARM_UP;
    let window = Duration::from_millis(args.millis.max(100));
    let mut workers = JoinSet::new();
    for worker in 0..connections {
        let mut wire = Wire::connect(console.address).await?;
        let requests = requests.clone();
        workers.spawn(async move {
            let (mut samples, mut at) = (Samples::default(), worker);
            loop {
                let (request, hash) = &requests[at % requests.len()];
                at += connections;
                let sent = Instant::now();
                let answer = wire.exchange(request).await?;
                ensure!(answer.status == 200, "status {}", answer.status);
                ensure!(wire::hash(&answer.body)? == hash && answer.body.len() < 400, "not an equal hash");
                let now = Instant::now();
                if now >= begin + window {
                    return anyhow::Ok(samples);
                }
                if now >= begin {
                    samples.add(u64::try_from((now - sent).as_micros())?);
                }
            }
        });
    }
    tokio::time::sleep_until(begin.into()).await;
    let before = console.cpu_us();
    tokio::time::sleep_until((begin + window).into()).await;
    let used = console.cpu_us() - before;
    let mut all = Samples::default();
    while let Some(samples) = workers.join_next().await {
        all.join(samples??);
    }
    let rate = all.len() as f64 / window.as_secs_f64();
    let cpu = used as f64 / (all.len() as f64).max(1.0);
    let (p50, p99) = (all.millis(0.5), all.millis(0.99));
    let rate_text = thousands(rate);
    Ok(Cell {
        text: format!("**{rate_text}/s**, p50 {p50:.1} / p99 {p99:.1} ms, {cpu:.0} µs of processor each"),
        met: rate >= AIM,
        figures: json!({
            "connections": connections, "per_second": rate, "p50_ms": p50, "p99_ms": p99, "console_cpu_us": cpu,
            "first_syncs_per_second": first, "console_rss_mb": console.rss_kib() as f64 * 1_024.0 / 1e6,
        }),
    })
}

/// The first sync of every proxy; each one's next request, and the hash that it says.
async fn learn(console: &Console) -> anyhow::Result<Vec<(Vec<u8>, String)>> {
    const WORKERS: usize = 32;
    let address = console.address;
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(async move {
            let mut wire = Wire::connect(address).await?;
            let mut learned = Vec::new();
            for at in (worker..PRINCIPALS).step_by(WORKERS) {
                let token = seed::token(at);
                let answer = wire.exchange(&wire::sync(address, &token, "", 0, 0)).await?;
                ensure!(answer.status == 200, "status {}", answer.status);
                let hash = wire::hash(&answer.body)?.to_owned();
                learned.push((at, wire::sync(address, &token, &hash, 1, 0), hash));
            }
            anyhow::Ok(learned)
        });
    }
    let mut all = Vec::with_capacity(PRINCIPALS);
    while let Some(learned) = workers.join_next().await {
        all.extend(learned??);
    }
    all.sort_unstable_by_key(|(at, ..)| *at);
    Ok(all.into_iter().map(|(_, request, hash)| (request, hash)).collect())
}
