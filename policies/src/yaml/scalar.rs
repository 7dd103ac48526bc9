//! What a scalar means to a field of a given type.

use super::node::{Kind, Node, Scalar};

impl Scalar {
    /// `true`, `True`, `TRUE` and their opposites unquoted; the YAML 1.1 words `y`, `Y`, `yes`, `on`, `n`, `N`,
    /// `no`, `off` also quoted.
    pub fn as_bool(&self) -> Option<bool> {
        match &*self.text {
            "y" | "Y" | "yes" | "on" => Some(true),
            "n" | "N" | "no" | "off" => Some(false),
            text if !self.quoted => plain_bool(text),
            _ => None,
        }
    }

    /// An unquoted number; `_` separates digits, `0x`, `0o`, `0b` and a leading zero give the base, and of a
    /// floating-point number the fraction is cut off.
    pub fn as_int(&self) -> Option<i64> {
        if self.quoted {
            return None;
        }
        let text = self.text.replace('_', "");
        if let Some(number) = plain_int(&text) {
            return Some(number);
        }
        let number = plain_float(&text)?.trunc();
        // Comparing as floating point: the bounds themselves are exact powers of two.
        let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
        fits.then_some(number as i64)
    }
}

/// The tag the YAML library would name in an error.
pub(super) fn tag(node: &Node) -> &'static str {
    let scalar = match &node.kind {
        Kind::Sequence(_) => return "!!seq",
        Kind::Mapping(_) => return "!!map",
        Kind::Scalar(scalar) => scalar,
    };
    if node.is_null() {
        return "!!null";
    }
    let text = scalar.text.replace('_', "");
    match () {
        () if scalar.quoted => "!!str",
        () if plain_bool(&scalar.text).is_some() => "!!bool",
        () if plain_int(&text).is_some() => "!!int",
        () if plain_float(&text).is_some() => "!!float",
        () => "!!str",
    }
}

fn plain_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn plain_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, base) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', b'o' | b'O', ..] => (&digits[2..], 8),
        [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    // A second sign would be read by `from_str_radix`.
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let signed = if text.starts_with('-') { format!("-{digits}") } else { digits.to_owned() };
    i64::from_str_radix(&signed, base).ok()
}

/// Only what the YAML library takes for one: no `inf`, no `nan`, no exponent alone.
fn plain_float(text: &str) -> Option<f64> {
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let starts = text.trim_start_matches(['+', '-']).starts_with(|c: char| c == '.' || c.is_ascii_digit());
    text.parse().ok().filter(|number: &f64| numeric && starts && number.is_finite())
}
