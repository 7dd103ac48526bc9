//! Writing JSON lines without building values first: the audit line is on the path of every request.

use std::fmt::Write as _;

/// Appends `text` as a JSON string. Control characters are escaped, HTML characters are not (as the reference).
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    if text.bytes().any(is_escaped) {
        escaped(out, text);
    } else {
        out.push_str(text);
    }
    out.push('"');
}

fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f)
}

fn escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '\x7f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
}

/// Appends `"key":` with a comma before it unless it is the first member of its object. Keys are ours and plain.
pub fn key(out: &mut String, key: &str) {
    debug_assert!(!key.bytes().any(is_escaped));
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
    out.push('"');
    out.push_str(key);
    out.push_str("\":");
}

/// Appends `"key":"text"`.
pub fn member(out: &mut String, name: &str, text: &str) {
    key(out, name);
    string(out, text);
}

/// Appends a duration as milliseconds with microsecond resolution; integral values have no fraction.
pub fn millis(out: &mut String, duration: std::time::Duration) {
    let micros = duration.as_micros();
    let (whole, fraction) = (micros / 1000, micros % 1000);
    if fraction == 0 {
        let _ = write!(out, "{whole}");
        return;
    }
    let digits = format!("{fraction:03}");
    let _ = write!(out, "{whole}.{}", digits.trim_end_matches('0'));
}

/// Appends the current time as RFC 3339 with nanoseconds, in UTC.
pub fn now(out: &mut String) {
    let now = time::OffsetDateTime::now_utc();
    let (hour, minute, second) = now.to_hms();
    for (value, digits, after) in [
        (now.year().unsigned_abs(), 4, '-'),
        (u32::from(now.month() as u8), 2, '-'),
        (u32::from(now.day()), 2, 'T'),
        (u32::from(hour), 2, ':'),
        (u32::from(minute), 2, ':'),
        (u32::from(second), 2, '.'),
        (now.nanosecond(), 9, 'Z'),
    ] {
        padded(out, value, digits);
        out.push(after);
    }
}

fn padded(out: &mut String, value: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = value / 10_u32.pow(place) % 10;
        out.push(char::from(b'0' + digit as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn strings_round_trip_through_a_json_reader() {
        for text in ["", "plain", "q\"b\\s", "nl\n\r\t", "\u{0}\u{1f}\u{7f}", "<&>é\u{2028}"] {
            let mut out = String::new();
            string(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn the_time_is_what_other_readers_of_rfc_3339_make_of_it() {
        let mut out = String::new();
        now(&mut out);
        let read = time::OffsetDateTime::parse(&out, &time::format_description::well_known::Rfc3339).unwrap();
        assert_eq!(out.len(), "2026-01-02T03:04:05.678901234Z".len());
        assert!((time::OffsetDateTime::now_utc() - read).whole_seconds().abs() < 60);
    }

    #[test]
    fn milliseconds_keep_microseconds_and_drop_zeros() {
        for (micros, want) in [(0, "0"), (61, "0.061"), (1000, "1"), (1500, "1.5"), (2_000_010, "2000.01")] {
            let mut out = String::new();
            millis(&mut out, Duration::from_micros(micros));
            assert_eq!(out, want);
        }
    }
}
