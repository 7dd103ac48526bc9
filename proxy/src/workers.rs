//! The threads that serve connections.
//!
//! A connection, its exchanges and the upstream connections they use live on one thread from accept to close. Nothing
//! of a request is handed from one thread to another, so no thread is woken for what another one has read: under load
//! that was a seventh of the processor time of an answer. Each thread is an event loop of its own; a new connection
//! goes to the one with the fewest.
//!
//! Listeners, DNS, the management endpoint and what refreshes sources stay on the runtime that started the proxy.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::memory;

/// Most threads, whatever the machine has: the traffic of one sandbox needs no more, and each costs memory.
const MOST: usize = 4;
/// Stack of a thread, in bytes. Tasks live on the heap; only what a poll needs is here.
const STACK: usize = 512 * 1024;
/// How often a thread gives up what it keeps for its next allocations.
const TRIM_EVERY: Duration = Duration::from_secs(5);
/// How long work that blocks (minting a certificate) may hold up the end of a thread.
const LAST_WORK: Duration = Duration::from_millis(100);

thread_local! {
    static INDEX: Cell<usize> = const { Cell::new(0) };
}

/// The threads; they end, with all that runs on them, when this is dropped.
pub struct Workers {
    dispatch: Dispatch,
    threads: Vec<Thread>,
}

/// Gives connections to threads. Cheap to clone.
#[derive(Clone)]
pub struct Dispatch(Arc<[Loop]>);

struct Loop {
    handle: Handle,
    connections: Arc<AtomicUsize>,
}

struct Thread {
    stop: Option<oneshot::Sender<()>>,
    join: Option<JoinHandle<()>>,
}

/// One for each thread, so that what is reused is reused by the thread that made it.
pub struct PerWorker<T>(Box<[T]>);

impl Workers {
    /// One thread per processor, but not more than four.
    ///
    /// # Errors
    /// The system refuses a thread or its event loop.
    pub fn start() -> io::Result<Self> {
        let mut loops = Vec::new();
        let mut threads = Vec::new();
        for index in 0..count() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let (stop, stopped) = oneshot::channel();
            let join = std::thread::Builder::new().name(format!("worker-{index}")).stack_size(STACK).spawn(
                move || {
                    INDEX.set(index);
                    runtime.block_on(until(stopped));
                    runtime.shutdown_timeout(LAST_WORK);
                },
            )?;
            loops.push(Loop { handle, connections: Arc::default() });
            threads.push(Thread { stop: Some(stop), join: Some(join) });
        }
        Ok(Self { dispatch: Dispatch(loops.into()), threads })
    }

    /// A handle for those who accept connections.
    pub fn dispatch(&self) -> Dispatch {
        self.dispatch.clone()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for thread in &mut self.threads {
            drop(thread.stop.take());
        }
        for thread in &mut self.threads {
            if let Some(join) = thread.join.take() {
                // A panic of the loop itself has been printed; there is nothing left to stop.
                let _ = join.join();
            }
        }
    }
}

impl Dispatch {
    /// Runs `connection` on the thread with the fewest connections.
    pub fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let fewest = self.0.iter().min_by_key(|each| each.connections.load(Ordering::Relaxed));
        let Some(chosen) = fewest else { return };
        let counted = Counted::new(chosen.connections.clone());
        chosen.handle.spawn(async move {
            let _counted = counted;
            connection.await;
        });
    }
}

/// Waits for the end, and now and then gives memory back.
async fn until(mut stopped: oneshot::Receiver<()>) {
    while tokio::time::timeout(TRIM_EVERY, &mut stopped).await.is_err() {
        memory::trim_thread();
    }
}

/// A connection of a thread, until dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T: Default> Default for PerWorker<T> {
    fn default() -> Self {
        Self((0..count()).map(|_| T::default()).collect())
    }
}

impl<T> PerWorker<T> {
    /// That of the thread this runs on. Threads that serve no connections share the first.
    pub fn here(&self) -> &T {
        &self.0[INDEX.get()]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

fn count() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).min(MOST)
}
