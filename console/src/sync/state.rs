//! What is kept of the database, and the change up to which it is known to hold.
//!
//! `last` is the number of the last change that was looked at. Rows and versions hold as of it: what a later change
//! names is taken out when that change is looked at. Hence a row may only be put in when it was read at `last` or
//! after; one that was read before may lack a change that was looked at already.

use std::collections::HashMap;
use std::sync::Arc;

use centaur_base::oid::{PrincipalId, ProxyId};
use centaur_store::{Micros, Moved, Proxy, TokenHash};

use super::built::{Built, Key, Shelf, Versions};
use super::wake::{Wake, Wakers, Whom};
use crate::effective::Assignment;

/// Tokens that are kept; past that, some are forgotten, which costs each one query.
const MOST: usize = 262_144;

/// A proxy, as far as a sync asks for it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: ProxyId,
    /// The id as text: it is said in the log of every request, and costs more to make than to keep.
    pub(crate) oid: String,
    pub(super) key: Key,
    /// Its principal and since when; `None` while it is unassigned.
    pub(crate) assignment: Option<Assignment>,
    /// Raised by every change of principals and mode.
    pub(crate) counter: i64,
    generation: i64,
}

impl Known {
    pub(super) fn of(proxy: &Proxy) -> Self {
        let assignment = proxy.principal_id.map(|id| Assignment {
            principal_oid: id.to_string(),
            assigned_at: proxy.principal_assigned_at.map_or(0, |at| at.0),
            counter: proxy.assignment,
        });
        Self {
            id: proxy.id,
            oid: proxy.id.to_string(),
            key: Key::of(proxy),
            assignment,
            counter: proxy.assignment,
            generation: proxy.generation,
        }
    }

    /// The number of the change that made its configuration what it is at these versions.
    pub(super) fn generation(&self, versions: Versions) -> i64 {
        versions.0.into_iter().flatten().fold(self.generation, i64::max)
    }
}

#[derive(Debug)]
struct Row {
    proxy: Arc<Known>,
    until: Option<Micros>,
}

/// What a proxy gets, found in memory.
pub(super) struct Hit {
    pub(super) proxy: Arc<Known>,
    pub(super) generation: i64,
    pub(super) built: Built,
    pub(super) wake: Option<Wake>,
}

/// What is there for a token.
pub(super) enum Look {
    Hit(Box<Hit>),
    /// The proxy is known, its configuration is not.
    Build(Arc<Known>),
    /// Nothing that can be used.
    Nothing,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) last: i64,
    rows: HashMap<TokenHash, Row>,
    tokens: HashMap<ProxyId, Vec<TokenHash>>,
    versions: HashMap<PrincipalId, i64>,
    shelf: Shelf,
    wakers: Wakers,
}

impl State {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            last: -1,
            rows: HashMap::new(),
            tokens: HashMap::new(),
            versions: HashMap::new(),
            shelf: Shelf::new(most_bytes),
            wakers: Wakers::default(),
        }
    }

    /// What is there for a token at `now`; with a wake for the next change, when that is wanted.
    pub(super) fn look(&mut self, token: &TokenHash, now: Micros, wake: bool) -> Look {
        let Some(row) = self.rows.get(token) else { return Look::Nothing };
        if row.until.is_some_and(|until| until <= now) {
            return Look::Nothing;
        }
        let (proxy, key) = (row.proxy.clone(), row.proxy.key);
        let Some(versions) = self.versions_of(key) else { return Look::Nothing };
        let Some(built) = self.shelf.get(&key, versions, now) else { return Look::Build(proxy) };
        let principals = [key.principal, key.fallback].into_iter().flatten().map(Whom::Principal);
        let whom = principals.chain([Whom::Proxy(proxy.id)]);
        let wake = wake.then(|| self.wakers.wake(whom));
        Look::Hit(Box::new(Hit { generation: proxy.generation(versions), proxy, built, wake }))
    }

    /// The configuration with its lists, if it is kept and stands at `now`.
    pub(super) fn standing(&self, key: &Key, now: Micros) -> Option<Built> {
        let built = self.shelf.get(key, self.versions_of(*key)?, now)?;
        built.lists.is_some().then_some(built)
    }

    fn versions_of(&self, key: Key) -> Option<Versions> {
        let mut versions = [None, None];
        for (version, principal) in versions.iter_mut().zip([key.principal, key.fallback]) {
            if let Some(principal) = principal {
                *version = Some(*self.versions.get(&principal)?);
            }
        }
        Some(Versions(versions))
    }

    /// Puts in what was read at the change `seq`.
    pub(super) fn put_row(
        &mut self,
        seq: i64,
        token: TokenHash,
        proxy: Arc<Known>,
        until: Option<Micros>,
        versions: Versions,
    ) {
        if seq < self.last {
            return;
        }
        self.make_room();
        self.raise_both(proxy.key, versions);
        let tokens = self.tokens.entry(proxy.id).or_default();
        if !tokens.contains(&token) {
            tokens.push(token);
        }
        self.rows.insert(token, Row { proxy, until });
    }

    /// Puts in what was built of what was read at the change `seq`.
    pub(super) fn put_built(&mut self, seq: i64, key: Key, built: Built) {
        if seq >= self.last {
            self.raise_both(key, built.versions);
        }
        // What was built of older rows must not take the place of what was built since.
        if self.versions_of(key) == Some(built.versions) {
            self.shelf.put(key, built);
        }
    }

    fn raise_both(&mut self, key: Key, versions: Versions) {
        for (principal, version) in [key.principal, key.fallback].into_iter().zip(versions.0) {
            if let (Some(principal), Some(version)) = (principal, version) {
                self.raise(principal, version);
            }
        }
    }

    fn raise(&mut self, principal: PrincipalId, version: i64) {
        let known = self.versions.entry(principal).or_insert(version);
        *known = version.max(*known);
    }

    fn make_room(&mut self) {
        if self.versions.len() >= 2 * MOST {
            self.versions.clear();
        }
        if self.rows.len() >= MOST {
            let some: Vec<ProxyId> = self.tokens.keys().copied().take(MOST / 8).collect();
            for proxy in some {
                self.forget(proxy);
            }
        }
    }

    fn forget(&mut self, proxy: ProxyId) {
        for token in self.tokens.remove(&proxy).unwrap_or_default() {
            self.rows.remove(&token);
        }
    }

    /// Takes out what the changes since `last` name, and wakes who waits for that.
    pub(super) fn apply(&mut self, moved: &Moved) {
        // Reads end in the order in which they began.
        self.last = moved.seq;
        if moved.everything {
            self.rows.clear();
            self.tokens.clear();
            self.versions.clear();
            self.shelf.clear();
            self.wakers.all_changed();
            return;
        }
        for proxy in &moved.proxies {
            self.forget(*proxy);
            self.wakers.changed(Whom::Proxy(*proxy));
        }
        for (principal, version) in &moved.principals {
            // Only of those who are known: all others are read when they are asked for.
            if self.versions.contains_key(principal) {
                self.raise(*principal, *version);
            }
            self.shelf.drop_of(*principal);
            self.wakers.changed(Whom::Principal(*principal));
        }
    }
}

#[cfg(test)]
mod tests {
    use centaur_base::oid::Oid as _;
    use futures_util::FutureExt as _;
    use zeroize::Zeroizing;

    use super::*;
    use crate::effective::Digest;

    const NOW: Micros = Micros(1_000);

    struct World {
        state: State,
        token: TokenHash,
    }

    fn principal() -> PrincipalId {
        PrincipalId::new(1).expect("an id")
    }

    fn known() -> Arc<Known> {
        let key = Key { principal: Some(principal()), fallback: None, mode: None };
        let id = ProxyId::new(7).expect("an id");
        Arc::new(Known { id, oid: id.to_string(), key, assignment: None, counter: 1, generation: 3 })
    }

    /// A proxy whose configuration was built at the change 10.
    fn world() -> World {
        let mut world = World { state: State::new(1_000), token: TokenHash::of("iprx_fake") };
        world.state.apply(&Moved { seq: 10, everything: true, ..Moved::default() });
        world.put(10, 5);
        world
    }

    impl World {
        fn put(&mut self, seq: i64, version: i64) {
            let versions = Versions([Some(version), None]);
            self.state.put_row(seq, self.token, known(), Some(Micros(2_000)), versions);
            let lists = Some(Arc::new(Zeroizing::new(String::new())));
            let built = Built::test(versions, Digest::default(), lists);
            self.state.put_built(seq, known().key, built);
        }

        fn look(&mut self) -> Look {
            self.state.look(&self.token, NOW, true)
        }
    }

    #[test]
    fn a_change_takes_out_what_it_names_and_nothing_else() {
        let mut w = world();
        let Look::Hit(hit) = w.look() else { panic!("nothing there") };
        assert_eq!(hit.generation, 5);
        let other = PrincipalId::new(2).expect("an id");
        w.state.apply(&Moved { seq: 11, principals: vec![(other, 11)], ..Moved::default() });
        assert!(hit.wake.expect("a wake").woken().now_or_never().is_none());
        let Look::Hit(hit) = w.look() else { panic!("nothing there") };
        w.state.apply(&Moved { seq: 12, principals: vec![(principal(), 12)], ..Moved::default() });
        assert!(hit.wake.expect("a wake").woken().now_or_never().is_some());
        assert!(matches!(w.look(), Look::Build(_)));
        w.state.apply(&Moved { seq: 13, proxies: vec![known().id], ..Moved::default() });
        assert!(matches!(w.look(), Look::Nothing));
    }

    #[test]
    fn what_was_read_before_a_change_that_was_looked_at_is_not_put_in() {
        let mut w = world();
        w.state.apply(&Moved { seq: 12, proxies: vec![known().id], ..Moved::default() });
        w.put(11, 5);
        assert!(matches!(w.look(), Look::Nothing));
        w.put(12, 5);
        assert!(matches!(w.look(), Look::Hit(_)));
    }

    #[test]
    fn a_configuration_of_older_versions_is_not_given() {
        let mut w = world();
        w.state.apply(&Moved { seq: 12, principals: vec![(principal(), 12)], ..Moved::default() });
        // Built from what was read before.
        w.put(11, 5);
        assert!(matches!(w.look(), Look::Build(_)));
        w.put(12, 12);
        let Look::Hit(hit) = w.look() else { panic!("nothing there") };
        assert_eq!(hit.generation, 12);
        // Who read before is late, and changes nothing.
        w.put(11, 5);
        let Look::Hit(hit) = w.look() else { panic!("the newer one is gone") };
        assert_eq!(hit.generation, 12);
    }

    #[test]
    fn when_not_all_changes_are_known_everything_goes_and_everybody_wakes() {
        let mut w = world();
        let Look::Hit(hit) = w.look() else { panic!("nothing there") };
        w.state.apply(&Moved { seq: 99, everything: true, ..Moved::default() });
        assert!(hit.wake.expect("a wake").woken().now_or_never().is_some());
        assert!(matches!(w.look(), Look::Nothing));
    }

    #[test]
    fn a_token_whose_grace_is_over_is_asked_for_anew() {
        let mut w = world();
        let late = Micros(2_000);
        assert!(matches!(w.state.look(&w.token, late, false), Look::Nothing));
    }
}
