//! How many events strangers may put into the audit log: anybody may follow a link that is wrong.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many at once, and then one per [`REFILL`].
const MOST: u32 = 60;
const REFILL: Duration = Duration::from_secs(1);

/// Counts them. What is beyond is in the metrics and in the log alone.
#[derive(Debug)]
pub(super) struct Budget(Mutex<(u32, Instant)>);

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new((MOST, Instant::now())))
    }
}

impl Budget {
    /// Whether there may be another.
    pub(super) fn spend(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *state;
        let now = Instant::now();
        let earned = u32::try_from(now.duration_since(since).as_secs() / REFILL.as_secs()).unwrap_or(MOST);
        let left = left.saturating_add(earned).min(MOST);
        let since = if earned > 0 { now } else { since };
        *state = (left.saturating_sub(1), since);
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sixty_at_once_and_one_a_second() {
        let budget = Budget::default();
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 60);
        tokio::time::advance(Duration::from_millis(2_500)).await;
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 2);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 60);
    }
}
