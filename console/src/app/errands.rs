//! Work that has to end even when whoever asked for it is gone: a code that was redeemed is written down.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::log;

/// The errands of a process.
#[derive(Debug, Clone)]
pub(crate) struct Errands(Arc<Semaphore>);

/// How many there are at once; more wait.
const AT_ONCE: u32 = 1_024;

impl Default for Errands {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE as usize)))
    }
}

impl Errands {
    /// Begins one once it is waited for. It goes on when nobody waits any more; `None` when it panicked.
    pub(crate) async fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let turn = self.0.clone().acquire_owned().await.ok()?;
        let errand = tokio::spawn(async move {
            let done = work.await;
            drop(turn);
            done
        });
        errand
            .await
            .inspect_err(|error| {
                log("error", "an errand broke off", &[("panicked", &error.is_panic().to_string())]);
            })
            .ok()
    }

    /// Waits until all have ended, for as long as this at most. True when they did; none begins afterwards.
    pub(crate) async fn end(&self, within: Duration) -> bool {
        let ended = timeout(within, self.0.acquire_many(AT_ONCE)).await.is_ok();
        self.0.close();
        ended
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_errand_ends_without_anybody_and_is_waited_for() {
        let (errands, done) = (Errands::default(), Arc::new(AtomicBool::new(false)));
        let errand = errands.begin({
            let done = done.clone();
            async move {
                sleep(Duration::from_secs(20)).await;
                done.store(true, Ordering::Relaxed);
            }
        });
        assert!(timeout(Duration::from_secs(1), errand).await.is_err(), "nobody waits any more");
        assert!(!errands.end(Duration::from_secs(5)).await, "it is under way");
        sleep(Duration::from_secs(15)).await;
        assert!(done.load(Ordering::Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn with_all_done_nothing_is_waited_for_and_a_panic_is_nothing() {
        let errands = Errands::default();
        assert_eq!(errands.begin(async { 1 }).await, Some(1));
        let broken: Option<()> = errands.begin(async { panic!("as it may happen") }).await;
        assert_eq!(broken, None);
        assert!(errands.end(Duration::from_secs(1)).await);
        assert_eq!(errands.begin(async { 1 }).await, None, "none begins afterwards");
    }
}
