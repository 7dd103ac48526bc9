//! Durations in the syntax of Go's `time.ParseDuration`, which is what existing files hold, with its error texts.

use std::fmt;
use std::time::Duration;

/// A signed duration in nanoseconds, at most about 292 years. `Display` writes it as Go does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(i64);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No number where one has to be, or out of range.
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    /// A number without unit.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit that there is not.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

impl GoDuration {
    /// Reads an optional sign and one or more decimal numbers, each with a unit of `ns`, `us`, `µs`, `ms`, `s`,
    /// `m`, `h`; or a bare `0`.
    ///
    /// # Errors
    /// See [`DurationError`].
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(text.to_owned());
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let negative = text.starts_with('-');
        if unsigned == "0" {
            return Ok(Self(0));
        }
        if unsigned.is_empty() {
            return Err(invalid());
        }
        let mut total: i128 = 0;
        let mut rest = unsigned;
        while !rest.is_empty() {
            let (number, after) = rest.split_at(rest.find(|c: char| !is_numeric(c)).unwrap_or(rest.len()));
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
                return Err(invalid());
            }
            let (unit, next) = after.split_at(after.find(is_numeric).unwrap_or(after.len()));
            if unit.is_empty() {
                return Err(DurationError::MissingUnit(text.to_owned()));
            }
            let scale = nanoseconds(unit)
                .ok_or_else(|| DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?;
            let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
            total += i128::from(whole) * i128::from(scale) + fraction_of(fraction, scale);
            rest = next;
        }
        let signed = if negative { -total } else { total };
        i64::try_from(signed).map(Self).map_err(|_| invalid())
    }

    /// Nanoseconds.
    pub fn nanoseconds(self) -> i64 {
        self.0
    }

    /// As an unsigned duration, unless it is negative.
    pub fn to_std(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }
}

fn is_numeric(c: char) -> bool {
    c == '.' || c.is_ascii_digit()
}

fn nanoseconds(unit: &str) -> Option<i64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Digits behind the point; more than eighteen cannot make a nanosecond's difference.
fn fraction_of(digits: &str, scale: i64) -> i128 {
    let digits = &digits[..digits.len().min(18)];
    let value: i128 = digits.parse().unwrap_or(0);
    value * i128::from(scale) / 10_i128.pow(digits.len() as u32)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let nanos = self.0.unsigned_abs();
        let (unit, scale) = match nanos {
            0..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            1_000_000..1_000_000_000 => ("ms", 1_000_000),
            _ => ("s", 1_000_000_000),
        };
        let mut whole = nanos / scale;
        if unit == "s" && whole >= 60 {
            if whole >= 3_600 {
                write!(f, "{}h", whole / 3_600)?;
            }
            write!(f, "{}m", whole / 60 % 60)?;
            whole %= 60;
        }
        write!(f, "{whole}")?;
        if !nanos.is_multiple_of(scale) {
            let width = scale.ilog10() as usize;
            let fraction = format!("{:0width$}", nanos % scale);
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        f.write_str(unit)
    }
}
