//! Lengths of time and points in time, as operators type them.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Reads a length of time: digits and a unit, several in a row (`90s`, `1h30m`, `7d`).
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
        let seconds = match &rest[digits..digits + unit] {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        total = total.checked_add(Duration::from_secs(number.checked_mul(seconds)?))?;
        rest = &rest[digits + unit..];
    }
    Some(total)
}

/// Reads a point in time: RFC 3339, or a length of time before or after `now`.
pub fn instant(text: &str, now: OffsetDateTime, direction: Direction) -> Option<OffsetDateTime> {
    if let Some(span) = duration(text) {
        let span = time::Duration::try_from(span).ok()?;
        return match direction {
            Direction::Ahead => now.checked_add(span),
            Direction::Back => now.checked_sub(span),
        };
    }
    OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(time::UtcOffset::UTC)
}

/// Where a length of time leads from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the future.
    Ahead,
    /// Into the past.
    Back,
}

/// RFC 3339, UTC, whole seconds.
pub fn shown(at: OffsetDateTime) -> String {
    let at = at.checked_to_offset(time::UtcOffset::UTC).unwrap_or(at);
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_units() {
        for (text, seconds) in [("90s", 90), ("1h30m", 5_400), ("7d", 604_800), ("2w", 1_209_600), ("0s", 0)]
        {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "10", "m", "1y", "-1d", "1.5h", "1d ", "99999999999999999999s", "9999999999999999999w"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_point_in_time_is_absolute_or_counts_from_now() {
        let now = OffsetDateTime::from_unix_timestamp(1_000_000).unwrap();
        let at = |text: &str, direction| instant(text, now, direction).map(OffsetDateTime::unix_timestamp);
        assert_eq!(at("1h", Direction::Ahead), Some(1_003_600));
        assert_eq!(at("1h", Direction::Back), Some(996_400));
        assert_eq!(at("1970-01-01T01:00:00+01:00", Direction::Back), Some(0));
        assert_eq!(at("tomorrow", Direction::Ahead), None);
        assert_eq!(at("9999-12-31T23:59:59-23:59", Direction::Ahead), None, "the year 10000 in UTC");
        assert_eq!(shown(now), "1970-01-12T13:46:40Z");
    }
}
