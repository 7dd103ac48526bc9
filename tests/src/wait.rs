//! Deadlines. A test that would hang fails instead, naming what it waited for; no assertion depends on speed.

use std::time::Duration;

/// How long any single step may take before the test gives up. Far above what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `work`, or fails the test with `what`.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(PATIENCE, work).await else {
        panic!("waited {PATIENCE:?} for {what}");
    };
    value
}

/// Asks until the answer is yes, or fails the test with `what`.
pub async fn eventually(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !probe().await {
            // Whoever is waited for needs the processor.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
