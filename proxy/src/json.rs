//! Writing JSON lines without building values first: the audit line is on the path of every request.

use std::fmt::Write as _;

/// Appends `text` as a JSON string. Control characters are escaped, HTML characters are not (as the reference).
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f | 0x7f => {
                out.push_str(&text[from..at]);
                let _ = write!(out, "\\u{byte:04x}");
                from = at + 1;
                continue;
            }
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(escape);
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// Appends `"key":` with a comma before it unless it is the first member of its object.
pub fn key(out: &mut String, key: &str) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
    string(out, key);
    out.push(':');
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
    let _ = write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        now.year(),
        now.month() as u8,
        now.day(),
        now.hour(),
        now.minute(),
        now.second(),
        now.nanosecond()
    );
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
    fn milliseconds_keep_microseconds_and_drop_zeros() {
        for (micros, want) in [(0, "0"), (61, "0.061"), (1000, "1"), (1500, "1.5"), (2_000_010, "2000.01")] {
            let mut out = String::new();
            millis(&mut out, Duration::from_micros(micros));
            assert_eq!(out, want);
        }
    }
}
