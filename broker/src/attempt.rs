//! One refresh, as a sequence of steps without any waiting (broker.md, sections 3 to 6).

use centaur_base::Secret;
use centaur_oauth::{Answer, Ask, Grant, Tokens, blames_token};

use crate::chance::Chance;
use crate::row::{Claim, Minted, Outcome};
use crate::schedule::{LONGEST_WISH, Timing, backoff, next_of_assumed, next_refresh};
use crate::time::Moment;

/// What an attempt must know of its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Facts {
    /// How it is refreshed.
    pub grant: Grant,
    /// There is a refresh token.
    pub has_refresh_token: bool,
    /// There is what it began with: user name and password, or API key.
    pub has_initial: bool,
    /// The client has an id; Preqin needs none.
    pub has_client: bool,
    /// When it is refreshed.
    pub timing: Timing,
    /// Failures in a row before this attempt.
    pub failure_count: u32,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq, Hash, Clone)]
pub enum Step<T = Secret<String>> {
    /// The provider is to be asked with this, and its answer handed to [`Attempt::answered`].
    Ask(Ask),
    /// It is over.
    End(Outcome<T>),
}

/// An attempt that was claimed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    facts: Facts,
    started_at: Moment,
    after_interruption: bool,
    /// The refresh token was refused with this code, and the first values are asked with.
    refused: Option<String>,
}

impl Attempt {
    /// Begins, with the first step.
    pub fn begin<T>(facts: Facts, claim: &Claim) -> (Self, Step<T>) {
        let attempt = Self {
            facts,
            started_at: claim.started_at,
            after_interruption: claim.after_interruption,
            refused: None,
        };
        let step = match facts.grant {
            _ if !facts.has_client && facts.grant != Grant::Preqin => dead("missing_client_id"),
            _ if facts.has_refresh_token => Step::Ask(Ask::Stored),
            Grant::RefreshToken => dead("missing_initial_refresh_token"),
            _ if facts.has_initial => Step::Ask(Ask::Initial),
            Grant::Password => dead("password_grant_missing_initial_values"),
            Grant::Preqin => dead("preqin_missing_initial_values"),
        };
        (attempt, step)
    }

    /// The step after an answer. `now` is the store's time.
    pub fn answered<T>(&mut self, answer: Answer<T>, now: Moment, chance: &Chance) -> Step<T> {
        match answer {
            Answer::Minted(tokens) => Step::End(Outcome::Minted(self.minted(tokens, chance))),
            Answer::Retryable(again) => {
                let failures = self.facts.failure_count.saturating_add(1);
                let delay = backoff(failures, again.retry_after, chance.unit());
                Step::End(Outcome::Failed {
                    next_attempt_at: now.after(delay),
                    not_before: again.retry_after.map(|wish| now.after(wish.min(LONGEST_WISH))),
                    code: again.code,
                    uncertain: again.maybe_spent,
                })
            }
            Answer::Refused(code) => self.refused(code),
        }
    }

    /// How it ends when there is no time left to send anything in.
    pub fn too_late<T>(self, now: Moment) -> Outcome<T> {
        let delay = backoff(self.facts.failure_count.saturating_add(1), None, 0.5);
        let code = "lease_ran_out".to_owned();
        Outcome::Failed { next_attempt_at: now.after(delay), not_before: None, code, uncertain: false }
    }

    fn refused<T>(&mut self, code: String) -> Step<T> {
        if self.refused.is_none() && self.facts.has_refresh_token && self.facts.has_initial {
            self.refused = Some(code);
            return Step::Ask(Ask::Initial);
        }
        let client_rejected = code == "invalid_client";
        let reason = if self.after_interruption && self.facts.has_refresh_token && blames_token(&code) {
            format!("interrupted_{code}")
        } else {
            code
        };
        Step::End(Outcome::Dead { reason, client_rejected })
    }

    fn minted<T>(&self, tokens: Tokens<T>, chance: &Chance) -> Minted<T> {
        let Tokens { access_token, refresh_token, lifetime, is_assumed } = tokens;
        let started = self.started_at;
        let next_attempt_at = if is_assumed {
            next_of_assumed(started, lifetime)
        } else {
            next_refresh(&self.facts.timing, started, lifetime, chance.unit())
        };
        Minted {
            access_token,
            refresh_token,
            forget_refresh_token: self.refused.is_some(),
            expires_at: started.after(lifetime),
            last_refresh: started,
            next_attempt_at,
        }
    }
}

fn dead<T>(reason: &str) -> Step<T> {
    Step::End(Outcome::Dead { reason: reason.to_owned(), client_rejected: false })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use centaur_oauth::Retryable;

    use super::*;

    const FACTS: Facts = Facts {
        grant: Grant::RefreshToken,
        has_refresh_token: true,
        has_initial: false,
        has_client: true,
        timing: Timing {
            slack: Duration::from_mins(5),
            fraction_ppm: 200_000,
            longest: Duration::from_hours(24),
            timeout: Duration::from_secs(30),
        },
        failure_count: 0,
    };

    fn claim(after_interruption: bool) -> Claim {
        Claim {
            key: "c".to_owned(),
            attempt: "a".to_owned(),
            seed_version: 1,
            started_at: Moment(1_000_000),
            after_interruption,
        }
    }

    fn begin(facts: Facts) -> (Attempt, Step<u8>) {
        Attempt::begin(facts, &claim(false))
    }

    fn tokens(refresh_token: Option<u8>) -> Answer<u8> {
        let lifetime = Duration::from_hours(1);
        Answer::Minted(Tokens { access_token: 1, refresh_token, lifetime, is_assumed: false })
    }

    fn refused(code: &str) -> Answer<u8> {
        Answer::Refused(code.to_owned())
    }

    #[test]
    fn what_is_missing_is_fatal_and_named() {
        let none = Facts { has_refresh_token: false, ..FACTS };
        for (facts, want) in [
            (none, "missing_initial_refresh_token"),
            (Facts { grant: Grant::Password, ..none }, "password_grant_missing_initial_values"),
            (Facts { grant: Grant::Preqin, has_client: false, ..none }, "preqin_missing_initial_values"),
            (Facts { has_client: false, ..FACTS }, "missing_client_id"),
        ] {
            assert_eq!(begin(facts).1, dead(want));
        }
        assert_eq!(begin(FACTS).1, Step::Ask(Ask::Stored));
        let initial = Facts { grant: Grant::Password, has_initial: true, ..none };
        assert_eq!(begin(initial).1, Step::Ask(Ask::Initial));
    }

    #[test]
    fn a_refused_refresh_token_falls_back_once_and_goes() {
        let facts = Facts { grant: Grant::Password, has_initial: true, ..FACTS };
        let chance = Chance::seeded(1);
        let (mut attempt, step) = begin(facts);
        assert_eq!(step, Step::Ask(Ask::Stored));
        assert_eq!(attempt.answered(refused("invalid_grant"), Moment(0), &chance), Step::Ask(Ask::Initial));
        let Step::End(Outcome::Minted(minted)) = attempt.answered(tokens(None), Moment(0), &chance) else {
            panic!("minted")
        };
        assert!(minted.forget_refresh_token && minted.refresh_token.is_none());

        let (mut attempt, _) = begin(facts);
        attempt.answered(refused("invalid_grant"), Moment(0), &chance);
        let end = attempt.answered(refused("invalid_grant"), Moment(0), &chance);
        assert_eq!(end, dead("invalid_grant"), "once");
        // A failure that may heal is no refusal.
        let (mut attempt, _) = begin(facts);
        let again = Retryable { code: "http".to_owned(), retry_after: None, maybe_spent: true };
        let end: Step<u8> = attempt.answered(Answer::Retryable(again), Moment(0), &chance);
        assert!(matches!(end, Step::End(Outcome::Failed { uncertain: true, .. })), "{end:?}");
    }

    #[test]
    fn an_interruption_names_itself_where_it_may_be_the_cause() {
        let reason = |interrupted, code: &str| {
            let (mut attempt, _) = Attempt::begin::<u8>(FACTS, &claim(interrupted));
            match attempt.answered(refused(code), Moment(0), &Chance::seeded(1)) {
                Step::End(Outcome::Dead { reason, client_rejected }) => (reason, client_rejected),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(reason(true, "invalid_grant"), ("interrupted_invalid_grant".to_owned(), false));
        assert_eq!(reason(false, "invalid_grant"), ("invalid_grant".to_owned(), false));
        assert_eq!(reason(true, "invalid_client"), ("invalid_client".to_owned(), true));
    }

    #[test]
    fn times_count_from_before_the_call() {
        let (mut attempt, _) = begin(FACTS);
        let end = attempt.answered(tokens(Some(2)), Moment(9_000_000), &Chance::seeded(1));
        let Step::End(Outcome::Minted(minted)) = end else { panic!("minted") };
        assert_eq!(minted.last_refresh, Moment(1_000_000));
        assert_eq!(minted.expires_at, Moment(3_601_000_000));
        assert!(minted.next_attempt_at <= Moment(2_881_000_000));
        let (mut attempt, _) = begin(FACTS);
        let lifetime = Duration::from_mins(5);
        let assumed = Tokens { access_token: 1_u8, refresh_token: None, lifetime, is_assumed: true };
        let end = attempt.answered(Answer::Minted(assumed), Moment(9), &Chance::seeded(1));
        let Step::End(Outcome::Minted(minted)) = end else { panic!("minted") };
        assert_eq!(minted.next_attempt_at, Moment(201_000_000), "two thirds of what is assumed");
    }
}
