//! Taking an idle connection out of a pool and putting it back: `pingora-pool`, the pool of hyper-util's legacy
//! client, and the plain shelf that the proxy has (`proxy/src/upstream/pool.rs`), each under two threads.
//!
//! All three keep the same stand-in for a connection under the same destinations. Contenders take turns in short
//! rounds; medians are shown. The outcome is written up in `docs/decisions/0003-connection-pool.md`.

use std::collections::HashMap;
use std::future::Future;
use std::hash::BuildHasher as _;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper_util::client::legacy::pool::{Config, Pool, Poolable, Pooled, Reservation, Ver};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pingora_pool::{ConnectionMeta, ConnectionPool};

/// Idle connections per destination.
const RESTING: usize = 16;
/// Destinations of the second table line.
const MANY: usize = 64;
/// Threads, each with its own loop.
const THREADS: usize = 2;
/// Times each thread takes one out and puts it back in a round.
const TURNS: u32 = 100_000;
/// Rounds per contender.
const ROUNDS: usize = 9;
/// How long a connection may rest.
const IDLE: Duration = Duration::from_secs(45);

/// What connections are kept under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Destination {
    host: String,
    port: u16,
}

/// Stands in for a connection.
struct Conn {
    id: i32,
    open: Arc<AtomicBool>,
}

impl Conn {
    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }
}

impl Poolable for Conn {
    fn is_open(&self) -> bool {
        Self::is_open(self)
    }

    fn reserve(self) -> Reservation<Self> {
        Reservation::Unique(self)
    }

    fn can_share(&self) -> bool {
        false
    }
}

/// A pool that a loop can use.
trait Contender: Clone + Send + Sync + 'static {
    /// Takes one out and puts it back.
    fn turn(&self, to: &Destination) -> impl Future<Output = ()> + Send;
}

/// `pingora-pool`; with `watched`, each resting connection has the task that ends it when it rests too long, as the
/// crate means it to be used.
#[derive(Clone)]
struct Pingora {
    pool: Arc<ConnectionPool<Conn>>,
    hasher: std::hash::RandomState,
    watched: bool,
    shutdown: tokio::sync::watch::Sender<bool>,
}

impl Pingora {
    fn new(watched: bool, conns: impl Iterator<Item = (Destination, Conn)>) -> Self {
        let pool = Arc::new(ConnectionPool::new(8_192));
        let this = Self {
            pool,
            hasher: std::hash::RandomState::new(),
            watched,
            shutdown: tokio::sync::watch::Sender::new(false),
        };
        for (to, conn) in conns {
            this.put(this.hasher.hash_one(&to), conn);
        }
        this
    }

    fn put(&self, key: u64, conn: Conn) {
        let meta = ConnectionMeta::new(key, conn.id);
        let (evicted, used) = self.pool.put(&meta, conn);
        if self.watched {
            let pool = Arc::clone(&self.pool);
            let shutdown = self.shutdown.subscribe();
            tokio::spawn(async move { pool.idle_timeout(&meta, Some(IDLE), evicted, shutdown, used).await });
        }
    }
}

impl Contender for Pingora {
    async fn turn(&self, to: &Destination) {
        let key = self.hasher.hash_one(to);
        let conn = self.pool.get(&key).filter(Conn::is_open).expect("one is at rest");
        self.put(key, conn);
    }
}

/// hyper-util's pool, as its legacy client uses it.
#[derive(Clone)]
struct Hyper(Pool<Conn, Destination>);

impl Hyper {
    fn new(conns: impl Iterator<Item = (Destination, Conn)>) -> Self {
        let config = Config { idle_timeout: Some(IDLE), max_idle_per_host: 256 };
        let pool = Pool::new(config, TokioExecutor::new(), Some(TokioTimer::new()));
        for (to, conn) in conns {
            let connecting = pool.connecting(&to, Ver::Auto).expect("only HTTP/2 waits for its turn");
            drop(pool.pooled(connecting, conn));
        }
        Self(pool)
    }
}

impl Contender for Hyper {
    async fn turn(&self, to: &Destination) {
        let conn: Pooled<Conn, Destination> = self.0.checkout(to.clone()).await.expect("one is at rest");
        drop(conn);
    }
}

/// One lock around one list per destination, most recently used first; old ones are swept now and then.
#[derive(Clone)]
struct Shelf(Arc<Mutex<Lists>>);

/// Each connection with the time it came back.
type Lists = HashMap<Destination, Vec<(Conn, Instant)>>;

impl Shelf {
    fn new(conns: impl Iterator<Item = (Destination, Conn)>) -> Self {
        let mut lists = Lists::new();
        for (to, conn) in conns {
            lists.entry(to).or_default().push((conn, Instant::now()));
        }
        Self(Arc::new(Mutex::new(lists)))
    }

    fn take(&self, to: &Destination) -> Option<Conn> {
        loop {
            let (conn, since) = self.0.lock().ok()?.get_mut(to)?.pop()?;
            if since.elapsed() < IDLE && conn.is_open() {
                return Some(conn);
            }
        }
    }

    fn put(&self, to: &Destination, conn: Conn) {
        let now = Instant::now();
        let Ok(mut lists) = self.0.lock() else { return };
        match lists.get_mut(to) {
            Some(list) => list.push((conn, now)),
            None => drop(lists.insert(to.clone(), vec![(conn, now)])),
        }
    }
}

impl Contender for Shelf {
    async fn turn(&self, to: &Destination) {
        let conn = self.take(to).expect("one is at rest");
        self.put(to, conn);
    }
}

fn destinations(count: usize) -> Arc<Vec<Destination>> {
    Arc::new((0..count).map(|at| Destination { host: format!("api{at}.example.test"), port: 443 }).collect())
}

fn conns(to: &[Destination]) -> impl Iterator<Item = (Destination, Conn)> {
    let all = to.iter().flat_map(|to| std::iter::repeat_n(to, RESTING));
    all.enumerate().map(|(id, to)| {
        (
            to.clone(),
            Conn { id: i32::try_from(id).unwrap_or(i32::MAX), open: Arc::new(AtomicBool::new(true)) },
        )
    })
}

/// Nanoseconds per turn.
async fn round<C: Contender>(contender: C, to: Arc<Vec<Destination>>) -> f64 {
    let begin = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (contender, to) = (contender.clone(), Arc::clone(&to));
            tokio::spawn(async move {
                for turn in 0..TURNS {
                    contender.turn(&to[(turn as usize + thread) % to.len()]).await;
                    // Lets the watchers run, where there are any; the same for all.
                    if turn % 32 == 31 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.await.expect("a loop panicked");
    }
    begin.elapsed().as_nanos() as f64 / f64::from(TURNS) / THREADS as f64
}

#[expect(clippy::print_stdout, reason = "the table is this program's output")]
fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    println!("take and put back, nanoseconds, {THREADS} threads on {cores} cores, {RESTING} at rest each\n");
    println!("| Destinations | shelf | hyper-util | pingora-pool | pingora-pool, watched |");
    println!("|---|---|---|---|---|");
    runtime.block_on(async {
        for count in [1, MANY] {
            let to = destinations(count);
            let shelf = Shelf::new(conns(&to));
            let hyper = Hyper::new(conns(&to));
            let bare = Pingora::new(false, conns(&to));
            let watched = Pingora::new(true, conns(&to));
            let mut times: [Vec<f64>; 4] = Default::default();
            for _ in 0..ROUNDS {
                times[0].push(round(shelf.clone(), Arc::clone(&to)).await);
                times[1].push(round(hyper.clone(), Arc::clone(&to)).await);
                times[2].push(round(bare.clone(), Arc::clone(&to)).await);
                times[3].push(round(watched.clone(), Arc::clone(&to)).await);
            }
            let cells: Vec<String> = times
                .iter_mut()
                .map(|times| {
                    times.sort_by(f64::total_cmp);
                    format!("{:.0}", times[ROUNDS / 2])
                })
                .collect();
            println!("| {count} | {} |", cells.join(" | "));
        }
    });
}
