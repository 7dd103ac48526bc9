//! Where log and audit lines go: one writer per stream, off the request path.
//!
//! A line is appended to a buffer under a short lock; a thread of its own writes what has gathered. Nothing is
//! dropped: when the reader of the stream is slower than we are, the appending thread waits for it.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the writer lets lines gather before one write; the first line after a silence is written at once.
const LINGER: Duration = Duration::from_millis(4);
/// Pauses without a line after which the writer sleeps until it is woken. Until then lines cost nobody a wake-up.
const PATIENCE: u32 = 8;
/// Buffered bytes above which an appending thread waits.
const HIGH_WATER: usize = 1 << 20;

/// A stream of lines. Cheap to clone.
#[derive(Clone)]
pub struct Sink(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    wake_writer: Condvar,
    wake_waiters: Condvar,
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    /// The writer waits to be woken.
    asleep: bool,
    writing: bool,
    closed: bool,
}

impl Sink {
    /// A sink that writes to `out`; its thread starts with the first line.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            wake_writer: Condvar::new(),
            wake_waiters: Condvar::new(),
        });
        let sink = Self(shared.clone());
        let mut out = out;
        let spawned = std::thread::Builder::new()
            .name("log-writer".into())
            .stack_size(64 * 1024)
            .spawn(move || shared.run(&mut out));
        if spawned.is_err() {
            // Without a writer every line would be lost; closing makes `write` fall back to standard error.
            sink.0.lock().closed = true;
        }
        sink
    }

    /// A sink on standard error.
    pub fn stderr() -> Self {
        Self::new(std::io::stderr())
    }

    /// Appends one line, which must end with a newline.
    pub fn write(&self, line: &[u8]) {
        let mut state = self.0.lock();
        while state.buffer.len() > HIGH_WATER && !state.closed {
            state = self.0.wake_waiters.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            drop(state);
            let _ = std::io::stderr().write_all(line);
            return;
        }
        state.buffer.extend_from_slice(line);
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.0.wake_writer.notify_one();
        }
    }

    /// Waits until every line appended so far has been written.
    pub fn flush(&self) {
        let mut state = self.0.lock();
        while (!state.buffer.is_empty() || state.writing) && !state.closed {
            let (next, _) = self
                .0
                .wake_waiters
                .wait_timeout(state, Duration::from_millis(20))
                .unwrap_or_else(PoisonError::into_inner);
            state = next;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, out: &mut dyn Write) {
        let mut batch = Vec::new();
        let mut pauses = PATIENCE;
        loop {
            if pauses >= PATIENCE {
                let mut state = self.lock();
                state.asleep = state.buffer.is_empty();
                while state.asleep {
                    state = self.wake_writer.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            } else {
                std::thread::sleep(LINGER);
            }
            {
                let mut state = self.lock();
                std::mem::swap(&mut state.buffer, &mut batch);
                state.writing = !batch.is_empty();
            }
            if batch.is_empty() {
                pauses += 1;
                continue;
            }
            pauses = 0;
            let wrote = out.write_all(&batch).and_then(|()| out.flush());
            batch.clear();
            batch.shrink_to(64 * 1024);
            let mut state = self.lock();
            state.writing = false;
            // A reader that is gone (closed pipe) must not stop traffic or fill memory.
            if wrote.is_err() {
                state.buffer.clear();
            }
            self.wake_waiters.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Shelf(Arc<Mutex<Vec<u8>>>);

    impl Write for Shelf {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(data);
            Ok(data.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_in_order() {
        let shelf = Shelf::default();
        let sink = Sink::new(shelf.clone());
        for n in 0..1000 {
            sink.write(format!("{n}\n").as_bytes());
        }
        sink.flush();
        let want = (0..1000).map(|n| n.to_string() + "\n").collect::<Vec<_>>().concat();
        assert_eq!(String::from_utf8(shelf.0.lock().unwrap().clone()).unwrap(), want);
    }
}
