//! All that can happen to one credential between two replicas, a provider that detects reuse, and an operator: every
//! order of every step, with crashes and lost answers in between. The rows and the attempts are the engine's own; what is
//! simulated is who does what when.
//!
//! What must hold in every state that can be reached:
//! * a refresh token that was used is sent only by an attempt that is marked as following an interruption;
//! * a credential dies with the plain code of the provider never, with `interrupted_…` only after an interruption;
//! * what the operator seeded last is what is stored, or what came from it.

use std::collections::{HashSet, VecDeque};

use centaur_broker::{Attempt, Chance, Claim, Facts, Lease, Moment, Outcome, Row, Step, Timing};
use centaur_oauth::{Answer, Grant, Retryable, Tokens};

/// A token: the family, and how often it was rotated.
type Token = (u8, u8);

const FACTS: Facts = Facts {
    grant: Grant::RefreshToken,
    has_refresh_token: true,
    has_initial: false,
    has_client: true,
    timing: Timing {
        slack: std::time::Duration::from_mins(5),
        fraction_ppm: 0,
        longest: std::time::Duration::from_hours(24),
        timeout: std::time::Duration::from_secs(30),
    },
    failure_count: 0,
};

/// Where a replica is. Whatever lies between two of these is one await that it can die in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Replica {
    Idle,
    /// It claimed, and has sent nothing.
    Claimed(Claim, Token),
    /// It sent; the provider has not seen it yet.
    Sent(Claim, Token),
    /// The provider has seen it; the answer is on its way.
    Answering(Claim, Result<Token, ()>),
    /// It has the answer, and has not stored it.
    Holding(Claim, Outcome<Token>),
    /// It has stored the tokens, and not that the attempt has ended.
    Saved(Claim, Outcome<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    row: Row<Token>,
    replicas: [Replica; 2],
    /// What survives the death of each process.
    spools: [Option<(Claim, Outcome<Token>)>; 2],
    /// Per family: how often it was rotated, and whether it is revoked.
    families: Vec<(u8, bool)>,
    now: i64,
    attempts: u8,
    left: Budget,
}

/// What may still happen: each of these makes the world larger, so they are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Budget {
    crashes: u8,
    losses: u8,
    delays: u8,
    seeds: u8,
    rotations: u8,
}

impl World {
    fn new(left: Budget) -> Self {
        let mut row = Row::default();
        row.seed(Some((0, 0)), Moment(0));
        Self {
            row,
            replicas: [Replica::Idle, Replica::Idle],
            spools: [None, None],
            families: vec![(0, false)],
            now: 0,
            attempts: 0,
            left,
        }
    }

    fn lease() -> std::time::Duration {
        FACTS.timing.lease()
    }

    /// All that can happen next.
    fn next(&self, seen: &mut Seen) -> Vec<Self> {
        let mut next = Vec::new();
        for at in 0..2 {
            self.step(at, seen, &mut next);
            self.crash(at, &mut next);
        }
        self.operator(&mut next);
        self.wait(&mut next);
        next
    }

    fn step(&self, at: usize, seen: &mut Seen, next: &mut Vec<Self>) {
        let mut after = self.clone();
        match &self.replicas[at] {
            // A process that starts stores what its spool has before anything else.
            Replica::Idle => {
                if let Some((claim, outcome)) = after.spools[at].take() {
                    after.row.conclude(&claim, outcome);
                    return next.push(after);
                }
                if self.left.rotations == 0 {
                    return;
                }
                let name = format!("{}", self.attempts);
                let claim = after.row.claim("c", &name, Moment(self.now), Self::lease());
                let Some(claim) = claim else { return };
                after.attempts += 1;
                after.left.rotations -= 1;
                let token = after.row.refresh_token.expect("a token");
                after.replicas[at] = Replica::Claimed(claim, token);
                next.push(after);
            }
            Replica::Claimed(claim, token) => {
                let (attempt, step) = Attempt::begin::<Token>(FACTS, claim);
                assert!(matches!(step, Step::Ask(_)));
                let ends = claim.started_at.after(Self::lease());
                if Moment(self.now).after(FACTS.timing.timeout) > ends {
                    let outcome = attempt.too_late(Moment(self.now));
                    after.replicas[at] = Replica::Holding(claim.clone(), outcome);
                } else {
                    after.replicas[at] = Replica::Sent(claim.clone(), *token);
                }
                next.push(after);
            }
            Replica::Sent(claim, token) => {
                let (family, number) = *token;
                let (current, revoked) = self.families[usize::from(family)];
                let is_good = number == current && !revoked;
                if !is_good {
                    seen.reuses += 1;
                    assert!(claim.after_interruption, "a spent token, and nobody was told: {self:#?}");
                }
                let answer = if is_good {
                    after.families[usize::from(family)].0 += 1;
                    Ok((family, number + 1))
                } else {
                    after.families[usize::from(family)].1 = true;
                    Err(())
                };
                after.replicas[at] = Replica::Answering(claim.clone(), answer);
                next.push(after);
                // It may also never arrive, or be refused for now.
                if self.left.losses > 0 {
                    self.lose(at, claim, true, next);
                    self.lose(at, claim, false, next);
                }
            }
            Replica::Answering(claim, answer) => {
                let (mut attempt, _) = Attempt::begin::<Token>(FACTS, claim);
                let answer = match answer {
                    Ok(token) => Answer::Minted(Tokens {
                        access_token: *token,
                        refresh_token: Some(*token),
                        lifetime: std::time::Duration::from_hours(1),
                        is_assumed: false,
                    }),
                    Err(()) => Answer::Refused("invalid_grant".to_owned()),
                };
                let step = attempt.answered(answer, Moment(self.now), &Chance::seeded(1));
                let Step::End(outcome) = step else { panic!("an end") };
                after.replicas[at] = Replica::Holding(claim.clone(), outcome);
                next.push(after);
                if self.left.losses > 0 {
                    self.lose(at, claim, true, next);
                }
            }
            Replica::Holding(claim, outcome) => {
                let before = self.row.refresh_token;
                let mut saved = self.clone();
                if let Outcome::Minted(minted) = outcome
                    && saved.row.save_tokens(claim, minted.clone())
                {
                    saved.replicas[at] = Replica::Saved(claim.clone(), outcome.clone());
                    next.push(saved);
                }
                let stored = after.row.conclude(claim, outcome.clone());
                if let (true, Some(reason)) = (stored, &after.row.dead) {
                    assert_eq!(reason, "interrupted_invalid_grant", "{self:#?}");
                    seen.deaths += 1;
                }
                if let (true, Some(old), Some(new)) = (stored, before, after.row.refresh_token) {
                    assert_eq!(old.0, new.0, "what was seeded is not replaced by another family: {self:#?}");
                    assert!(new.1 >= old.1, "a token does not go back: {self:#?}");
                }
                after.replicas[at] = Replica::Idle;
                after.spools[at] = None;
                next.push(after);
                // The store does not answer: it goes to the spool, and waits in memory.
                if matches!(outcome, Outcome::Minted(_)) && self.spools[at].is_none() {
                    let mut after = self.clone();
                    after.spools[at] = Some((claim.clone(), outcome.clone()));
                    next.push(after);
                }
            }
            Replica::Saved(claim, outcome) => {
                let before = self.row.refresh_token;
                after.row.conclude(claim, outcome.clone());
                assert_eq!(after.row.refresh_token, before, "what is saved is not written twice");
                after.replicas[at] = Replica::Idle;
                after.spools[at] = None;
                next.push(after);
            }
        }
    }

    /// No answer comes: with a connection that broke after sending (`unknown`), or with a refusal for now.
    fn lose(&self, at: usize, claim: &Claim, unknown: bool, next: &mut Vec<Self>) {
        let mut after = self.clone();
        after.left.losses -= 1;
        let (mut attempt, _) = Attempt::begin::<Token>(FACTS, claim);
        let failed = Retryable { code: "network".to_owned(), retry_after: None, maybe_spent: unknown };
        let step = attempt.answered(Answer::Retryable(failed), Moment(self.now), &Chance::seeded(1));
        let Step::End(outcome) = step else { panic!("an end") };
        after.replicas[at] = Replica::Holding(claim.clone(), outcome);
        next.push(after);
    }

    /// The process dies, wherever it is, and another starts.
    fn crash(&self, at: usize, next: &mut Vec<Self>) {
        if self.left.crashes == 0 || self.replicas[at] == Replica::Idle {
            return;
        }
        // A request that was sent before the death still arrives.
        if let Replica::Sent(_, (family, number)) = self.replicas[at] {
            let mut after = self.clone();
            after.left.crashes -= 1;
            let known = &mut after.families[usize::from(family)];
            *known = if known.0 == number { (number + 1, known.1) } else { (known.0, true) };
            after.replicas[at] = Replica::Idle;
            next.push(after);
        }
        let mut after = self.clone();
        after.left.crashes -= 1;
        after.replicas[at] = Replica::Idle;
        next.push(after);
    }

    /// The operator brings a token of a new family.
    fn operator(&self, next: &mut Vec<Self>) {
        if self.left.seeds == 0 {
            return;
        }
        let mut after = self.clone();
        after.left.seeds -= 1;
        let family = u8::try_from(self.families.len()).expect("few");
        after.families.push((0, false));
        after.row.seed(Some((family, 0)), Moment(self.now));
        next.push(after);
    }

    /// Time passes: to the next due time, or past the end of a lease, as for processes that stand still meanwhile. What
    /// was sent arrives before the lease ends, or never: it was sent with a whole timeout to spare.
    fn wait(&self, next: &mut Vec<Self>) {
        if let Some(Lease { until, attempt }) = &self.row.lease {
            let is_owner = |claim: &Claim| claim.attempt == *attempt;
            let on_the_way =
                self.replicas.iter().any(|at| matches!(at, Replica::Sent(claim, _) if is_owner(claim)));
            if self.left.delays > 0 && !on_the_way {
                let mut after = self.clone();
                after.left.delays -= 1;
                after.now = until.0 + 1;
                next.push(after);
            }
        } else if let Some(due) = self.row.next_attempt_at.filter(|due| due.0 > self.now) {
            let mut after = self.clone();
            after.now = due.0;
            next.push(after);
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    reuses: usize,
    deaths: usize,
}

fn explore(budget: Budget) -> (HashSet<World>, Seen) {
    let start = World::new(budget);
    let mut seen = Seen::default();
    let mut known = HashSet::from([start.clone()]);
    let mut queue = VecDeque::from([start]);
    while let Some(world) = queue.pop_front() {
        for next in world.next(&mut seen) {
            if known.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    (known, seen)
}

/// Nothing goes wrong: every token is used once, and nothing dies.
#[test]
fn two_replicas_never_reuse_a_token_while_nothing_fails() {
    let budget = Budget { crashes: 0, losses: 0, delays: 0, seeds: 2, rotations: 5 };
    let (worlds, seen) = explore(budget);
    assert!(worlds.len() > 100, "{}", worlds.len());
    assert_eq!((seen.reuses, seen.deaths), (0, 0));
    assert!(worlds.iter().all(|world| !world.row.interrupted && world.row.dead.is_none()));
    assert!(worlds.iter().any(|world| world.families[0].0 == 5), "all rotations took place");
}

/// Everything goes wrong, in every order: the assertions stand at the steps.
#[test]
fn a_spent_token_is_sent_only_by_an_attempt_that_is_marked() {
    for budget in [
        Budget { crashes: 1, losses: 1, delays: 1, seeds: 1, rotations: 3 },
        Budget { crashes: 2, losses: 0, delays: 2, seeds: 0, rotations: 3 },
        Budget { crashes: 0, losses: 0, delays: 2, seeds: 1, rotations: 4 },
    ] {
        let (worlds, seen) = explore(budget);
        assert!(worlds.len() > 1_000, "{}", worlds.len());
        assert!(seen.reuses > 0 && seen.deaths > 0, "the marked case can be reached: {seen:?}");
    }
}

/// A store that does not answer costs nothing as long as the spool does, and nobody else claims.
#[test]
fn an_answer_in_the_spool_survives_its_process() {
    let budget = Budget { crashes: 2, losses: 0, delays: 0, seeds: 0, rotations: 3 };
    let (worlds, _) = explore(budget);
    let saved = |world: &&World| {
        world.spools == [None, None]
            && world.row.refresh_token == Some((0, 1))
            && world.left.crashes < 2
            && world.left.rotations == 2
    };
    assert!(worlds.iter().filter(saved).count() > 0);
}

/// Tokens that are stored are not lost with their process, and what comes next fears nothing.
#[test]
fn a_death_after_the_tokens_are_saved_costs_nothing() {
    let mut row = Row::default();
    row.seed(Some((0, 0)), Moment(0));
    let claim = row.claim("c", "0", Moment(0), World::lease()).expect("claimed");
    let (mut attempt, _) = Attempt::begin::<Token>(FACTS, &claim);
    let tokens = Tokens {
        access_token: (0, 1),
        refresh_token: Some((0, 1)),
        lifetime: std::time::Duration::from_hours(1),
        is_assumed: false,
    };
    let step = attempt.answered(Answer::Minted(tokens), Moment(1), &Chance::seeded(1));
    let Step::End(Outcome::Minted(minted)) = step else { panic!("an end") };
    assert!(row.save_tokens(&claim, minted.clone()));
    assert!(!row.save_tokens(&claim, minted.clone()), "once");
    assert_eq!((row.refresh_token, row.previous), (Some((0, 1)), Some((0, 0))));
    let due = row.next_attempt_at.expect("a time");
    let mut living = row.clone();
    assert!(row.claim("c", "1", Moment(due.0 - 1), World::lease()).is_none(), "not before it is due");
    let next = row.claim("c", "1", due, World::lease()).expect("claimed");
    assert!(!next.after_interruption, "nothing was interrupted");
    assert!(!row.conclude(&claim, Outcome::Minted(minted.clone())), "it is another's by now");
    assert!(living.conclude(&claim, Outcome::Minted(minted.clone())));
    assert_eq!((living.previous, living.last_refresh), (Some((0, 0)), Some(minted.last_refresh)));
}

/// The property is no tautology: without the mark on a lease that ran out, the model finds the reuse.
#[test]
fn the_model_finds_an_unmarked_reuse() {
    let mut row = Row::default();
    row.seed(Some((0, 0)), Moment(0));
    let lease = World::lease();
    let first = row.claim("c", "0", Moment(0), lease).expect("claimed");
    assert!(!first.after_interruption);
    assert!(row.claim("c", "1", Moment(0).after(lease), lease).is_none(), "until its last moment");
    let second = row.claim("c", "1", Moment(1).after(lease), lease).expect("claimed");
    assert!(second.after_interruption);
    let unmarked = World {
        replicas: [Replica::Sent(Claim { after_interruption: false, ..second }, (0, 0)), Replica::Idle],
        families: vec![(1, false)],
        row,
        ..World::new(Budget { crashes: 0, losses: 0, delays: 0, seeds: 0, rotations: 0 })
    };
    let found = std::panic::catch_unwind(|| unmarked.next(&mut Seen::default()));
    assert!(found.is_err());
}
