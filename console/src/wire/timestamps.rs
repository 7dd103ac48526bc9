//! Times: stored as microseconds since 1970 UTC, shown as ISO 8601 with milliseconds.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `2031-05-04T09:08:07.123Z`: exactly three fractional digits, cut off rather than rounded, so that no time is
/// shown that has not come yet. A time that has no calendar form is the nearest that has.
pub fn timestamp(micros: i64) -> String {
    let nanos = i128::from(micros) * 1_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(if micros < 0 {
        OffsetDateTime::UNIX_EPOCH.replace_year(0).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    } else {
        OffsetDateTime::new_utc(time::Date::MAX, time::Time::MIDNIGHT)
    });
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

/// Any RFC 3339 time as microseconds; what is finer is cut off.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    // Not taken to UTC first: an hour before the year 10000 may be one in it there, which has no calendar form.
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000)).ok()
}
