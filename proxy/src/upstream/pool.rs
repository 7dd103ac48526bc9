//! Idle HTTP/1 connections, most recently used first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Destination;
use super::h1::Conn;

/// How long a connection may rest.
const IDLE_FOR: Duration = Duration::from_secs(45);
/// Connections at rest per destination. Above it the one that comes back is closed.
const MOST_PER_DESTINATION: usize = 256;

/// Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<HashMap<Destination, Vec<Idle>>>>);

struct Idle {
    conn: Box<Conn>,
    since: Instant,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, HashMap<Destination, Vec<Idle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is still open, as far as can be seen.
    pub(super) fn take(&self, to: &Destination) -> Option<Box<Conn>> {
        loop {
            let mut idle = self.lock().get_mut(to)?.pop()?;
            if idle.since.elapsed() < IDLE_FOR && idle.conn.is_open() {
                return Some(idle.conn);
            }
        }
    }

    pub(super) fn put(&self, to: &Destination, conn: Box<Conn>) {
        let idle = Idle { conn, since: Instant::now() };
        let mut pool = self.lock();
        if let Some(list) = pool.get_mut(to) {
            if list.len() < MOST_PER_DESTINATION {
                list.push(idle);
            }
            return;
        }
        pool.insert(to.clone(), vec![idle]);
    }

    /// Closes what has rested too long. Connections are dropped outside the lock.
    pub(super) fn sweep(&self) {
        let mut old = Vec::new();
        self.lock().retain(|_, list| {
            let split = list.iter().take_while(|idle| idle.since.elapsed() >= IDLE_FOR).count();
            old.extend(list.drain(..split));
            if list.is_empty() {
                return false;
            }
            list.shrink_to_fit();
            true
        });
    }

    pub(super) fn idle(&self) -> usize {
        self.lock().values().map(Vec::len).sum()
    }
}
