//! The loads. Connections are opened and used once before the clock starts, except where opening them is the load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use http_body_util::BodyExt as _;
use tokio::task::JoinSet;

use crate::client::Route;
use crate::origin::pattern;
use crate::pki::{HOST, ZONE};
use crate::rss;
use crate::wire::{Load, Names, Outcome};

/// How long the load runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(300);
/// How often the proxy's memory is looked at during a long answer.
const SAMPLE: Duration = Duration::from_millis(20);

/// Puts `load` on `route`; `proxy` is the process whose time and memory are told.
///
/// # Errors
///
/// When one single answer is missing or wrong.
pub(crate) async fn run(load: Load, route: &Route, proxy: Option<u32>) -> anyhow::Result<Outcome> {
    match load {
        Load::KeepAlive { connections, millis } => keep_alive(route, connections, millis, proxy).await,
        Load::Multiplex { connections, streams, millis } => {
            multiplex(route, connections, streams, millis, proxy).await
        }
        Load::Serial { millis } => serial(route, millis).await,
        Load::NewTls { workers, millis, names } => new_tls(route, workers, millis, names, proxy).await,
        Load::Bulk { bytes } => bulk(route, bytes, proxy).await,
    }
}

/// The measured stretch of time.
#[derive(Clone, Copy)]
struct Window {
    begin: Instant,
    end: Instant,
}

impl Window {
    fn after_warm_up(millis: u64) -> Self {
        let begin = Instant::now() + WARM_UP;
        Self { begin, end: begin + Duration::from_millis(millis) }
    }

    fn seconds(self) -> f64 {
        (self.end - self.begin).as_secs_f64()
    }
}

/// Counts the answers that end inside the window; `None` once it is over.
struct Counter {
    window: Window,
    count: u64,
}

impl Counter {
    fn tick(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.window.end {
            return false;
        }
        self.count += u64::from(now >= self.window.begin);
        true
    }
}

/// Waits for all workers, and for the processor time that the proxy used inside the window.
async fn rate(
    mut workers: JoinSet<anyhow::Result<u64>>,
    window: Window,
    proxy: Option<u32>,
) -> anyhow::Result<Outcome> {
    let used = tokio::spawn(async move {
        tokio::time::sleep_until(window.begin.into()).await;
        let before = proxy.map_or(0, rss::cpu_us);
        tokio::time::sleep_until(window.end.into()).await;
        proxy.map_or(0, rss::cpu_us).saturating_sub(before)
    });
    let mut count = 0;
    while let Some(done) = workers.join_next().await {
        count += done??;
    }
    ensure!(count > 0, "no answer inside the window");
    let per_second = count as f64 / window.seconds();
    Ok(Outcome::Rate { per_second, cpu_us: used.await? as f64 / count as f64 })
}

async fn keep_alive(
    route: &Route,
    connections: usize,
    millis: u64,
    proxy: Option<u32>,
) -> anyhow::Result<Outcome> {
    let mut open = Vec::with_capacity(connections);
    for at in 0..connections {
        let mut connection = route.http1(HOST).await?;
        connection.small(format!("/n/{at}/first")).await?;
        open.push(connection);
    }
    let window = Window::after_warm_up(millis);
    let mut workers = JoinSet::new();
    for (at, mut connection) in open.into_iter().enumerate() {
        workers.spawn(async move {
            let mut counter = Counter { window, count: 0 };
            let mut turn = 0_u64;
            loop {
                connection.small(format!("/n/{at}/{turn}")).await?;
                turn += 1;
                if !counter.tick() {
                    return Ok(counter.count);
                }
            }
        });
    }
    rate(workers, window, proxy).await
}

async fn multiplex(
    route: &Route,
    connections: usize,
    streams: usize,
    millis: u64,
    proxy: Option<u32>,
) -> anyhow::Result<Outcome> {
    let mut open = Vec::with_capacity(connections);
    for at in 0..connections {
        let Some(mut connection) = route.http2(HOST).await? else {
            return Ok(Outcome::Unsupported("no HTTP/2".to_owned()));
        };
        connection.small(format!("/n/{at}/first")).await?;
        open.push(connection);
    }
    let window = Window::after_warm_up(millis);
    let mut workers = JoinSet::new();
    for (at, connection) in open.iter().enumerate() {
        for stream in 0..streams {
            let mut connection = connection.clone();
            workers.spawn(async move {
                let mut counter = Counter { window, count: 0 };
                let mut turn = 0_u64;
                loop {
                    connection.small(format!("/n/{at}/{stream}/{turn}")).await?;
                    turn += 1;
                    if !counter.tick() {
                        return Ok(counter.count);
                    }
                }
            });
        }
    }
    drop(open);
    rate(workers, window, proxy).await
}

async fn serial(route: &Route, millis: u64) -> anyhow::Result<Outcome> {
    let mut connection = route.http1(HOST).await?;
    let window = Window::after_warm_up(millis);
    let mut times = Vec::with_capacity(100_000);
    let mut turn = 0_u64;
    loop {
        let begin = Instant::now();
        connection.small(format!("/n/serial/{turn}")).await?;
        let end = Instant::now();
        turn += 1;
        if end >= window.end {
            break;
        }
        if begin >= window.begin {
            times.push(end - begin);
        }
    }
    ensure!(!times.is_empty(), "no answer inside the window");
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    Ok(Outcome::Latency { p50_us: at(0.5), p99_us: at(0.99) })
}

async fn new_tls(
    route: &Route,
    workers: usize,
    millis: u64,
    names: Names,
    proxy: Option<u32>,
) -> anyhow::Result<Outcome> {
    // Names stay fresh across the rounds of one world.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    if names != Names::Fresh {
        route.http1(HOST).await?.small("/n/tls/first".to_owned()).await?;
    }
    let route = Arc::new(route.clone());
    let window = Window::after_warm_up(millis);
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let route = Arc::clone(&route);
        tasks.spawn(async move {
            let mut counter = Counter { window, count: 0 };
            loop {
                let turn = NEXT.fetch_add(1, Ordering::Relaxed);
                let host = match names {
                    Names::Fresh => format!("n{turn}.{ZONE}"),
                    Names::Same | Names::SameClosing => HOST.to_owned(),
                };
                route.http1(&host).await?.small(format!("/n/tls/{turn}")).await?;
                if !counter.tick() {
                    return Ok(counter.count);
                }
            }
        });
    }
    rate(tasks, window, proxy).await
}

async fn bulk(route: &Route, bytes: u64, proxy: Option<u32>) -> anyhow::Result<Outcome> {
    let mut connection = route.http1(HOST).await?;
    connection.small("/n/bulk/first".to_owned()).await?;
    let before_kib = proxy.map_or(0, rss::rss_kib);
    let peak = Arc::new(AtomicU64::new(before_kib));
    let sampler = tokio::spawn({
        let peak = Arc::clone(&peak);
        async move {
            let Some(proxy) = proxy else { return };
            loop {
                tokio::time::sleep(SAMPLE).await;
                peak.fetch_max(rss::rss_kib(proxy), Ordering::Relaxed);
            }
        }
    });
    let begin = Instant::now();
    let mut body = connection.send(&format!("/big/{bytes}")).await?.into_body();
    let pattern = pattern();
    let mut seen = 0_u64;
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame?.into_data() else { continue };
        while !data.is_empty() {
            let at = (seen % pattern.len() as u64) as usize;
            let length = data.len().min(pattern.len() - at);
            if data[..length] != pattern[at..at + length] {
                bail!("the long answer was changed after {seen} bytes");
            }
            seen += length as u64;
            let _ = data.split_to(length);
        }
    }
    ensure!(seen == bytes, "the long answer ended after {seen} of {bytes} bytes");
    let seconds = begin.elapsed().as_secs_f64();
    sampler.abort();
    let mib_per_second = bytes as f64 / f64::from(1 << 20) / seconds;
    Ok(Outcome::Bulk { mib_per_second, before_kib, peak_kib: peak.load(Ordering::Relaxed) })
}
