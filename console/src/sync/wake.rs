//! Who waits for a change of what: each is woken by changes that name its proxy or one of its principals, and by no
//! other.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use centaur_base::oid::{PrincipalId, ProxyId};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Whom a change names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Whom {
    Proxy(ProxyId),
    Principal(PrincipalId),
}

/// Those who are waited for.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    by: HashMap<Whom, Arc<Notify>>,
    /// At so many, those for whom nobody waits any more are taken out.
    sweep_at: usize,
}

/// The next change that names one of those it was made for, from the moment it was made.
pub(crate) struct Wake(Vec<Pin<Box<OwnedNotified>>>);

impl Wake {
    /// Done after the change.
    pub(crate) async fn woken(&mut self) {
        poll_fn(|cx| {
            let is_woken = self.0.iter_mut().any(|one| one.as_mut().poll(cx).is_ready());
            if is_woken { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

const LEAST: usize = 1_024;

impl Wakers {
    /// To be called under the lock under which the state was found that changes are waited for.
    pub(super) fn wake(&mut self, whom: impl IntoIterator<Item = Whom>) -> Wake {
        if self.by.len() >= self.sweep_at.max(LEAST) {
            self.by.retain(|_, notify| Arc::strong_count(notify) > 1);
            self.sweep_at = 2 * self.by.len();
        }
        let one = |whom| Box::pin(self.by.entry(whom).or_default().clone().notified_owned());
        Wake(whom.into_iter().map(one).collect())
    }

    /// Wakes those who wait for one of these.
    pub(super) fn changed(&mut self, whom: Whom) {
        // Who goes on waiting makes a new entry.
        if let Some(notify) = self.by.remove(&whom) {
            notify.notify_waiters();
        }
    }

    /// Wakes all.
    pub(super) fn all_changed(&mut self) {
        for (_, notify) in self.by.drain() {
            notify.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use centaur_base::oid::Oid as _;
    use futures_util::FutureExt as _;

    use super::*;

    fn proxy(row: i64) -> Whom {
        Whom::Proxy(ProxyId::new(row).expect("an id"))
    }

    fn principal(row: i64) -> Whom {
        Whom::Principal(PrincipalId::new(row).expect("an id"))
    }

    #[test]
    fn a_change_wakes_those_it_names_from_the_moment_they_were_entered() {
        let mut wakers = Wakers::default();
        wakers.changed(principal(1));
        let mut first = wakers.wake([proxy(1), principal(1)]);
        let mut second = wakers.wake([proxy(2), principal(1)]);
        let mut third = wakers.wake([proxy(3), principal(3)]);
        let is_woken = |wake: &mut Wake| wake.woken().now_or_never().is_some();
        assert!(!is_woken(&mut first));
        wakers.changed(proxy(1));
        assert!(is_woken(&mut first) && !is_woken(&mut second) && !is_woken(&mut third));
        wakers.changed(principal(1));
        assert!(is_woken(&mut second) && !is_woken(&mut third));
        wakers.all_changed();
        assert!(is_woken(&mut third));
    }

    #[test]
    fn who_left_takes_no_room() {
        let mut wakers = Wakers::default();
        let _kept = wakers.wake([proxy(1)]);
        for row in 2..10_000 {
            drop(wakers.wake([proxy(row)]));
        }
        assert!(wakers.by.len() <= LEAST, "{}", wakers.by.len());
        assert!(wakers.by.contains_key(&proxy(1)));
    }
}
