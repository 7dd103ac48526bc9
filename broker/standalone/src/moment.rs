//! Points in time as texts (RFC 3339), and the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use centaur_broker::Moment;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The system's time.
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// As text, in whole seconds: a token's end is never shown later than it is.
pub fn seconds(moment: Moment) -> String {
    let at = OffsetDateTime::from_unix_timestamp(moment.0.div_euclid(1_000_000)).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| "9999-12-31T23:59:59Z".to_owned())
}

/// As text, in microseconds.
pub fn precise(moment: Moment) -> String {
    let (seconds, rest) = (seconds(moment), moment.0.rem_euclid(1_000_000));
    format!("{}.{rest:06}Z", seconds.trim_end_matches('Z'))
}

/// Reads a text, whatever its offset.
pub fn parse(text: &str) -> Option<Moment> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000).ok().map(Moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_to_seconds_and_read_with_any_offset() {
        assert_eq!(seconds(Moment(1_935_738_487_999_999)), "2031-05-05T09:08:07Z");
        assert_eq!(parse("2031-05-05T09:08:07.5Z"), Some(Moment(1_935_738_487_500_000)));
        assert_eq!(parse("2031-05-05T11:08:07+02:00"), Some(Moment(1_935_738_487_000_000)));
        for text in ["", "soon", "2031-05-05", "2031-02-30T00:00:00Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(precise(Moment(1_935_738_487_000_042)), "2031-05-05T09:08:07.000042Z");
        assert_eq!(seconds(Moment(i64::MAX)), "9999-12-31T23:59:59Z");
    }
}
