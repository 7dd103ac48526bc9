//! What tunnels cost: open ones, and ones that are gone.

use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::client::{Http1, Route};
use crate::pki::HOST;
use crate::rss;
use crate::wire::Outcome;

/// Rest before memory is read.
const SETTLE: Duration = Duration::from_secs(3);
/// Tunnels opened at a time.
const WORKERS: usize = 16;

/// Reads the memory of a fresh `proxy` idle, with 1,000 and with 3,000 tunnels that each saw one verified answer
/// and stay open; then closes them all.
///
/// # Errors
///
/// When a tunnel cannot be opened or an answer is wrong.
pub(crate) async fn hold(route: &Route, proxy: u32) -> anyhow::Result<Outcome> {
    tokio::time::sleep(SETTLE).await;
    let idle_kib = rss::rss_kib(proxy);
    let mut open = Vec::new();
    widen(route, &mut open, 1).await?;
    tokio::time::sleep(SETTLE).await;
    let served_kib = rss::rss_kib(proxy);
    widen(route, &mut open, 1_000).await?;
    tokio::time::sleep(SETTLE).await;
    let thousand_kib = rss::rss_kib(proxy);
    widen(route, &mut open, 3_000).await?;
    tokio::time::sleep(SETTLE).await;
    let three_thousand_kib = rss::rss_kib(proxy);
    drop(open);
    Ok(Outcome::Held { idle_kib, served_kib, thousand_kib, three_thousand_kib })
}

async fn widen(route: &Route, open: &mut Vec<Http1>, total: usize) -> anyhow::Result<()> {
    let missing = total - open.len();
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS.min(missing) {
        let share = missing / WORKERS + usize::from(worker < missing % WORKERS);
        let route = route.clone();
        workers.spawn(async move {
            let mut own = Vec::with_capacity(share);
            for at in 0..share {
                let mut tunnel = route.http1(HOST).await?;
                tunnel.small(format!("/n/tunnel/{worker}/{at}")).await?;
                own.push(tunnel);
            }
            anyhow::Ok(own)
        });
    }
    while let Some(own) = workers.join_next().await {
        open.extend(own?.with_context(|| format!("on the way to {total} tunnels"))?);
    }
    Ok(())
}
