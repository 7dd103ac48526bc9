//! When to ask the control plane again. Pure: no clock, no chance of its own.

use std::time::Duration;

/// Longest time that a console is asked to wait for a change.
const WAIT: Duration = Duration::from_secs(55);
/// The shortest: a console behind something that ends waiting requests earlier is polled.
const LEAST_WAIT: Duration = Duration::from_secs(1);
/// Between two syncs in the long run, whatever the answers are.
const GAP: Duration = Duration::from_millis(250);
/// What may be saved up for syncs without a pause: four changes in a row are obeyed as they come.
const MOST_CREDIT: Duration = Duration::from_secs(1);
/// Longest pause between tries, before chance.
const MOST_BACK_OFF: u64 = 30;
/// How long a console may ask to be left alone.
const MOST_RETRY_AFTER: Duration = Duration::from_mins(2);
/// For how long credentials are used without an answer, unless the console says.
pub const MAX_AGE: Duration = Duration::from_mins(15);
/// A request that was ended after so long was waiting, not failing.
const PATIENT: Duration = Duration::from_secs(5);

/// Gives numbers from 0 to 1, evenly.
pub type Chance = Box<dyn FnMut() -> f64 + Send>;

/// The state between two syncs.
pub struct Timing {
    interval: Duration,
    max_age: Duration,
    most_wait: Duration,
    failures: u32,
    /// Whether the console waits when it is asked to; `None` before it was.
    waits: Option<bool>,
    /// Time that passed and was not used for a sync, up to [`MOST_CREDIT`].
    credit: Duration,
    chance: Chance,
}

/// An answer with status 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The console says that it waits when asked to.
    pub waits: bool,
    /// For how long it was asked to wait.
    pub asked: Duration,
    /// How long it took.
    pub took: Duration,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to do.
    Unchanged,
    /// In force.
    Applied,
    /// Refused, now or earlier.
    Rejected,
}

impl Timing {
    /// `interval` is the pause between two syncs with a console that does not wait.
    pub fn new(interval: Duration, chance: Chance) -> Self {
        Self {
            interval,
            max_age: MAX_AGE,
            most_wait: WAIT,
            failures: 0,
            waits: None,
            credit: MOST_CREDIT,
            chance,
        }
    }

    /// For how long credentials may be used without an answer.
    pub fn max_age(&self) -> Duration {
        self.max_age
    }

    /// The console says for how long.
    pub fn set_max_age(&mut self, max_age: Option<Duration>) {
        self.max_age = max_age.unwrap_or(MAX_AGE);
    }

    /// How long to let the console wait in the next sync: well within the time that credentials last.
    pub fn wait(&self) -> Duration {
        let wait = self.most_wait.min(self.max_age / 2);
        if wait < LEAST_WAIT { Duration::ZERO } else { Duration::from_secs(wait.as_secs()) }
    }

    /// The pause after an answer.
    pub fn after_answer(&mut self, answer: Answer) -> Duration {
        self.failures = 0;
        self.credit = (self.credit + answer.took).min(MOST_CREDIT);
        if !answer.asked.is_zero() {
            self.waits = Some(answer.waits);
        }
        let early =
            !answer.asked.is_zero() && answer.took < answer.asked / 2 && answer.outcome == Outcome::Unchanged;
        // One that was not asked to wait cannot say that it does; a pause here would be a time without news.
        if self.waits != Some(false) && !early && answer.outcome != Outcome::Rejected {
            return self.between_waits();
        }
        // Several tries fit into the time that credentials last.
        let interval = self.interval.min(self.max_age / 3);
        self.about(interval)
    }

    /// None, so that a change that follows another is heard of as fast as the first, unless there were many just now.
    fn between_waits(&mut self) -> Duration {
        match self.credit.checked_sub(GAP) {
            Some(left) => {
                self.credit = left;
                Duration::ZERO
            }
            None => GAP,
        }
    }

    /// The pause after a failure that may pass: 1, 2, 4, 8, 16, 30, 30 … seconds, or what the console asks for. `took`
    /// is how long a waiting request lasted, if it was one.
    pub fn after_failure(&mut self, retry_after: Option<Duration>, took: Option<Duration>) -> Duration {
        if let Some(took) = took.filter(|took| *took >= PATIENT) {
            // Something on the way ends what waits for so long.
            self.most_wait = Duration::from_secs((took / 2).as_secs());
        }
        let doubled = 1_u64 << self.failures.min(5);
        self.failures = self.failures.saturating_add(1);
        let pause = self.about(Duration::from_secs(doubled.min(MOST_BACK_OFF)));
        pause.max(retry_after.unwrap_or_default().min(MOST_RETRY_AFTER))
    }

    /// The pause after an answer that says no: the same question has the same answer for a while.
    pub fn after_refusal(&mut self, retry_after: Option<Duration>) -> Duration {
        self.failures = 0;
        self.about(self.interval).max(retry_after.unwrap_or_default().min(MOST_RETRY_AFTER))
    }

    /// Within a tenth, so that proxies that started together do not ask together.
    fn about(&mut self, pause: Duration) -> Duration {
        pause.mul_f64(0.9 + 0.2 * (self.chance)().clamp(0.0, 1.0)).max(GAP)
    }
}

/// Numbers from the system's randomness.
pub fn chance() -> Chance {
    Box::new(|| {
        let mut bytes = [0; 4];
        // Without randomness proxies may ask together; that is all.
        let _ = rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(chance: f64) -> Timing {
        Timing::new(Duration::from_secs(10), Box::new(move || chance))
    }

    fn answer(outcome: Outcome) -> Answer {
        Answer { waits: false, asked: Duration::from_secs(55), took: Duration::ZERO, outcome }
    }

    #[test]
    fn failures_double_the_pause_up_to_thirty_seconds() {
        let mut middle = timing(0.5);
        let pauses: Vec<u64> = (0..8).map(|_| middle.after_failure(None, None).as_millis() as u64).collect();
        assert_eq!(pauses, [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
        middle.after_answer(answer(Outcome::Unchanged));
        assert_eq!(middle.after_failure(None, None), Duration::from_secs(1));
    }

    #[test]
    fn chance_moves_every_pause_by_a_tenth_at_most() {
        for (chance, factor) in [(0.0, 0.9), (0.5, 1.0), (1.0, 1.1)] {
            let mut timing = timing(chance);
            assert_eq!(
                timing.after_answer(answer(Outcome::Unchanged)),
                Duration::from_secs(10).mul_f64(factor)
            );
            assert_eq!(timing.after_failure(None, None), Duration::from_secs(1).mul_f64(factor));
            assert_eq!(timing.after_refusal(None), Duration::from_secs(10).mul_f64(factor));
        }
    }

    #[test]
    fn retry_after_lengthens_a_pause_within_reason_and_never_shortens_it() {
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(timing(0.5).after_failure(seconds(7), None), Duration::from_secs(7));
        assert_eq!(timing(0.5).after_failure(seconds(0), None), Duration::from_secs(1));
        assert_eq!(timing(0.5).after_failure(seconds(86_400), None), MOST_RETRY_AFTER);
        assert_eq!(timing(0.5).after_refusal(seconds(60)), Duration::from_mins(1));
    }

    #[test]
    fn a_console_that_waits_is_asked_again_at_once_and_one_that_does_not_after_the_interval() {
        let waited = Answer { waits: true, took: Duration::from_secs(55), ..answer(Outcome::Unchanged) };
        assert_eq!(timing(0.5).after_answer(waited), Duration::ZERO);
        let changed = Answer { waits: true, ..answer(Outcome::Applied) };
        assert_eq!(timing(0.5).after_answer(changed), Duration::ZERO);
        assert_eq!(timing(0.5).after_answer(answer(Outcome::Applied)), Duration::from_secs(10));
        assert_eq!(timing(0.5).after_answer(answer(Outcome::Unchanged)), Duration::from_secs(10));
    }

    #[test]
    fn an_answer_that_nothing_was_waited_for_is_followed_by_a_wait_unless_the_console_does_not_know_how() {
        let poked = Answer { asked: Duration::ZERO, ..answer(Outcome::Unchanged) };
        let mut new = timing(0.5);
        assert_eq!(new.after_answer(poked), Duration::ZERO);
        for (waits, pause) in [(true, Duration::ZERO), (false, Duration::from_secs(10))] {
            let mut timing = timing(0.5);
            timing.after_answer(Answer {
                waits,
                took: Duration::from_secs(55),
                ..answer(Outcome::Unchanged)
            });
            assert_eq!(timing.after_answer(poked), pause);
        }
    }

    #[test]
    fn a_few_changes_in_a_row_are_heard_of_at_once_and_a_flood_four_times_a_second() {
        let changed = Answer { waits: true, ..answer(Outcome::Applied) };
        let mut timing = timing(0.5);
        let pauses: Vec<Duration> = (0..6).map(|_| timing.after_answer(changed)).collect();
        assert_eq!(pauses, [Duration::ZERO, Duration::ZERO, Duration::ZERO, Duration::ZERO, GAP, GAP]);
        let quiet = Answer { took: Duration::from_millis(600), ..changed };
        let pauses = [timing.after_answer(quiet), timing.after_answer(changed), timing.after_answer(changed)];
        assert_eq!(pauses, [Duration::ZERO, Duration::ZERO, GAP]);
    }

    #[test]
    fn one_that_says_it_waits_and_does_not_is_not_asked_in_a_loop() {
        let early = Answer { waits: true, ..answer(Outcome::Unchanged) };
        assert_eq!(timing(0.5).after_answer(early), Duration::from_secs(10));
        let rejected = Answer { waits: true, ..answer(Outcome::Rejected) };
        assert_eq!(timing(0.5).after_answer(rejected), Duration::from_secs(10));
    }

    #[test]
    fn syncs_are_frequent_enough_for_the_time_that_credentials_last() {
        let mut timing = timing(0.5);
        assert_eq!(timing.wait(), Duration::from_secs(55));
        timing.set_max_age(Some(Duration::from_secs(30)));
        assert_eq!(timing.wait(), Duration::from_secs(15));
        timing.set_max_age(Some(Duration::from_secs(3)));
        assert_eq!(timing.wait(), Duration::from_secs(1));
        assert_eq!(timing.after_answer(answer(Outcome::Unchanged)), Duration::from_secs(1));
        timing.set_max_age(Some(Duration::from_secs(1)));
        assert_eq!(timing.wait(), Duration::ZERO);
        timing.set_max_age(None);
        assert_eq!((timing.wait(), timing.max_age()), (Duration::from_secs(55), MAX_AGE));
    }

    #[test]
    fn a_wait_that_something_on_the_way_cuts_off_gets_shorter() {
        let mut timing = timing(0.5);
        timing.after_failure(None, Some(Duration::from_secs(30)));
        assert_eq!(timing.wait(), Duration::from_secs(15));
        timing.after_failure(None, Some(Duration::from_millis(10)));
        assert_eq!(timing.wait(), Duration::from_secs(15));
    }

    #[test]
    fn chance_is_between_zero_and_one() {
        let mut chance = chance();
        assert!((0..100).all(|_| (0.0..=1.0).contains(&chance())));
    }
}
