//! How often an address may fail to authenticate.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures per address and window (console-api.md, decision 14).
const MOST: u32 = 30;
const WINDOW: Duration = Duration::from_mins(1);
/// Addresses that are remembered; one that failed is forgotten after its window.
const ADDRESSES: usize = 65_536;

/// Counts failures of API keys and proxy tokens together. A good credential is never asked whether it may.
#[derive(Debug, Default)]
pub(crate) struct FailedAuth(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl FailedAuth {
    /// Notes a failure. The seconds until the next attempt counts again, when there were too many.
    pub(super) fn note(&self, address: IpAddr) -> Option<u64> {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES && !all.contains_key(&address) {
            all.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
            if all.len() >= ADDRESSES {
                // So many sources at once are one attacker: all are new to us and all are over the limit.
                return Some(WINDOW.as_secs());
            }
        }
        let (since, count) = all.entry(address).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        let left = (WINDOW.saturating_sub(now.duration_since(*since))).as_secs().max(1);
        (*count > MOST).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_thirty_first_failure_of_an_address_in_a_minute_is_one_too_many() {
        let (failed, one, other) =
            (FailedAuth::default(), IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..MOST {
            assert_eq!(failed.note(one), None);
        }
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(failed.note(one), Some(40));
        assert_eq!(failed.note(other), None);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(failed.note(one), None);
    }
}
