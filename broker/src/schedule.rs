//! When a credential is refreshed (broker.md, section 5).

use std::time::Duration;

use crate::time::Moment;

/// What an operator sets about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timing {
    /// How long before the token's end, at least.
    pub slack: Duration,
    /// Which part of the token's life before its end, in millionths, below a million.
    pub fraction_ppm: u32,
    /// The longest time between two refreshes.
    pub longest: Duration,
    /// How long one call may take.
    pub timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            slack: Duration::from_mins(5),
            fraction_ppm: 200_000,
            longest: Duration::from_hours(24),
            timeout: Duration::from_secs(30),
        }
    }
}

impl Timing {
    /// How long a claim holds: two calls, and room for a process that is slow.
    pub fn lease(&self) -> Duration {
        self.timeout * 2 + Duration::from_secs(30)
    }
}

/// For how long a provider may ask to be left alone.
pub(crate) const LONGEST_WISH: Duration = Duration::from_hours(1);
/// The least distance from a token's end.
const SLACK_FLOOR: Duration = Duration::from_mins(1);
/// The largest random part.
const JITTER: Duration = Duration::from_mins(5);

/// When a token that was asked for at `refreshed` and lives for `lifetime` is refreshed. `unit`, from 0 to 1, spreads
/// credentials that were minted together: up to a tenth of the interval earlier, five minutes at most.
///
/// Never sooner than half of the lifetime, within 10 to 60 seconds: a token that lives shorter than its slack would be
/// due at once, for ever.
pub fn next_refresh(timing: &Timing, refreshed: Moment, lifetime: Duration, unit: f64) -> Moment {
    let part = lifetime.mul_f64(f64::from(timing.fraction_ppm) / 1e6);
    let slack = timing.slack.max(part).max(SLACK_FLOOR);
    let least = (lifetime / 2).clamp(Duration::from_secs(10), Duration::from_mins(1));
    let interval = lifetime.saturating_sub(slack).min(timing.longest).max(least);
    let earlier = (interval / 10).min(JITTER).mul_f64(unit.clamp(0.0, 1.0));
    refreshed.after(interval.saturating_sub(earlier).max(least))
}

/// The lifetime that is assumed where a provider names none is refreshed at two thirds.
pub fn next_of_assumed(refreshed: Moment, lifetime: Duration) -> Moment {
    refreshed.after(lifetime * 2 / 3)
}

/// How long after the `failures`-th failure in a row the next attempt is: 5 s, doubled each time, 300 s at most, times
/// 0.7 to 1.3. A provider's wish is honoured up to an hour.
pub fn backoff(failures: u32, wish: Option<Duration>, unit: f64) -> Duration {
    let doubled = 5_u64 << failures.saturating_sub(1).min(6);
    let computed = Duration::from_secs(doubled.min(300)).mul_f64(0.7 + 0.6 * unit.clamp(0.0, 1.0));
    let wish = wish.unwrap_or_default().min(LONGEST_WISH);
    computed.max(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(timing: &Timing, lifetime: u64, unit: f64) -> f64 {
        next_refresh(timing, Moment(0), Duration::from_secs(lifetime), unit).0 as f64 / 1e6
    }

    #[test]
    fn the_schedule_is_the_table() {
        let timing = Timing::default();
        for (lifetime, want) in [
            (3_600, 2_880.0),
            (900, 600.0),
            (43_200, 34_560.0),
            (864_000, 86_400.0),
            // Shorter than the slack: the least interval.
            (300, 60.0),
            (120, 60.0),
            (60, 30.0),
            (5, 10.0),
        ] {
            assert!((next(&timing, lifetime, 0.0) - want).abs() < 1e-6, "{lifetime}");
        }
        let fractions = |fraction_ppm| Timing { fraction_ppm, slack: Duration::from_secs(1), ..timing };
        assert!((next(&fractions(0), 3_600, 0.0) - 3_540.0).abs() < 1e-6, "the floor of the slack");
        assert!((next(&fractions(990_000), 36_000, 0.0) - 360.0).abs() < 1e-6);
        assert!((next(&fractions(990_000), 3_600, 0.0) - 60.0).abs() < 1e-6, "the least interval");
    }

    #[test]
    fn jitter_takes_a_tenth_and_five_minutes_at_most_and_keeps_the_least_interval() {
        let timing = Timing::default();
        assert!((next(&timing, 3_600, 1.0) - 2_592.0).abs() < 1e-6);
        assert!((next(&timing, 864_000, 1.0) - 86_100.0).abs() < 1e-6);
        assert!((next(&timing, 300, 1.0) - 60.0).abs() < 1e-6);
    }

    #[test]
    fn backoff_doubles_to_five_minutes_and_honours_a_wish() {
        let delays: Vec<_> = (1..=9).map(|n| backoff(n, None, 0.5).as_secs_f64().round()).collect();
        assert_eq!(delays, [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]);
        assert_eq!(backoff(1, None, 0.0).as_millis(), 3_500);
        assert_eq!(backoff(1, None, 1.0).as_millis(), 6_500);
        let wish = |seconds| backoff(1, Some(Duration::from_secs(seconds)), 0.5).as_secs();
        assert_eq!((wish(1), wish(60), wish(999_999)), (5, 60, 3_600));
        assert_eq!(backoff(u32::MAX, None, 0.5).as_secs(), 300);
    }
}
