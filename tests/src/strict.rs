//! An authorization server that rotates refresh tokens, and ends the login when one comes twice.
//!
//! It has a thread and a runtime of its own, so that whatever is killed or blocked beside it changes nothing about what
//! it saw. Refresh tokens are `fake-rt-FAMILY.NUMBER`, access tokens `fake-at-FAMILY.NUMBER`: refresh token `N` is what
//! came with access token `N`, and a family begins with 0.

mod answer;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use answer::serve;

/// A running server; it ends when it is dropped.
pub struct Provider {
    address: SocketAddr,
    book: Shared,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

type Shared = Arc<Mutex<Book>>;

/// What it does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Its work.
    Well,
    /// It takes the request and never answers; the token stays as it is.
    Deaf,
    /// 503, and the token stays as it is.
    Out,
}

/// A refresh token that was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Whose.
    pub family: String,
    /// Which.
    pub number: u32,
    /// It had been used, or the login had ended.
    pub refused: bool,
    /// When it came.
    pub at: Instant,
}

#[derive(Debug)]
struct Book {
    families: BTreeMap<String, Family>,
    log: Vec<Presented>,
    calls: usize,
    mood: Mood,
    /// Half of it before the token is used up, half after.
    delay: Duration,
    lifetime: Duration,
}

#[derive(Debug, Default)]
struct Family {
    current: u32,
    ended: bool,
}

/// The refresh token that a family begins with.
pub fn first_token(family: &str) -> String {
    format!("fake-rt-{family}.0")
}

/// Family and number of a token of either kind.
pub fn parse(token: &str) -> Option<(&str, u32)> {
    let rest = token.strip_prefix("fake-rt-").or_else(|| token.strip_prefix("fake-at-"))?;
    let (family, number) = rest.rsplit_once('.')?;
    Some((family, number.parse().ok()?))
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Provider {
    /// Starts one on a free port of the loopback interface. Its tokens live for an hour.
    pub fn start() -> Self {
        let book = Arc::new(Mutex::new(Book {
            families: BTreeMap::new(),
            log: Vec::new(),
            calls: 0,
            mood: Mood::Well,
            delay: Duration::ZERO,
            lifetime: Duration::from_hours(1),
        }));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = book.clone();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = serve(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, book, stop: Some(stop), thread: Some(thread) }
    }

    /// Its token endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// What it does from now on.
    pub fn mood(&self, mood: Mood) {
        lock(&self.book).mood = mood;
    }

    /// How long an answer takes from now on.
    pub fn delay(&self, delay: Duration) {
        lock(&self.book).delay = delay;
    }

    /// How long tokens live that it gives from now on.
    pub fn lifetime(&self, lifetime: Duration) {
        lock(&self.book).lifetime = lifetime;
    }

    /// Ends a login, as an account's owner does.
    pub fn end(&self, family: &str) {
        lock(&self.book).families.entry(family.to_owned()).or_default().ended = true;
    }

    /// Requests so far.
    pub fn calls(&self) -> usize {
        lock(&self.book).calls
    }

    /// The refresh tokens that were presented, in their order.
    pub fn log(&self) -> Vec<Presented> {
        lock(&self.book).log.clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
