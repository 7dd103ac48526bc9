//! How values become text: Go's `fmt`, as far as these types go.

use zeroize::Zeroizing;

use super::eval::Value;

/// `%v`.
pub(super) fn display(value: &Value) -> Zeroizing<String> {
    Zeroizing::new(match value {
        Value::Nil => "<no value>".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Float(n) => float(*n),
        Value::Str(text) => return text.clone(),
        Value::Object(text) => format!("{{{}}}", text.as_str()),
    })
}

/// Shortest digits, with an exponent below 1e-4 and from 1e21 on.
fn float(n: f64) -> String {
    let size = n.abs();
    if n == 0.0 || (1e-4..1e21).contains(&size) {
        return n.to_string();
    }
    let text = format!("{n:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(e) => ('-', e),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// Operands side by side, with a space between two that are both no texts.
pub(super) fn sprint(values: &[Value]) -> Zeroizing<String> {
    let mut parts = Vec::with_capacity(values.len() * 2);
    for (i, value) in values.iter().enumerate() {
        let text = |v: &Value| matches!(v, Value::Str(_));
        if i > 0 && !text(value) && !text(&values[i - 1]) {
            parts.push(Zeroizing::new(" ".to_owned()));
        }
        parts.push(nil_as_go(value));
    }
    join(&parts)
}

/// Operands with spaces between and a line end.
pub(super) fn sprintln(values: &[Value]) -> Zeroizing<String> {
    let mut parts = Vec::with_capacity(values.len() * 2 + 1);
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            parts.push(Zeroizing::new(" ".to_owned()));
        }
        parts.push(nil_as_go(value));
    }
    parts.push(Zeroizing::new("\n".to_owned()));
    join(&parts)
}

/// `fmt` writes `<nil>` where the template itself writes `<no value>`.
fn nil_as_go(value: &Value) -> Zeroizing<String> {
    match value {
        Value::Nil => Zeroizing::new("<nil>".to_owned()),
        other => display(other),
    }
}

fn join(parts: &[Zeroizing<String>]) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(parts.iter().map(|p| p.len()).sum()));
    for part in parts {
        out.push_str(part);
    }
    out
}

/// `printf` with `%v %s %d %q %x %X %o %b %c %U %t %e %f %g %%`, the flags `-+ 0#`, width and precision. What does
/// not fit is shown the way Go shows it: `%!d(string=…)`, `%!s(MISSING)`, `%!(EXTRA …)`.
pub(super) fn printf(format: &str, values: &[Value]) -> Zeroizing<String> {
    let mut parts: Vec<Zeroizing<String>> = Vec::new();
    let mut values_left = values.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        parts.push(Zeroizing::new(rest[..at].to_owned()));
        let (verb, after) = Verb::parse(&rest[at + 1..]);
        rest = after;
        let text = match verb.letter {
            None => "%!(NOVERB)".to_owned().into(),
            Some('%') => "%".to_owned().into(),
            Some(c) => match values_left.next() {
                None => format!("%!{c}(MISSING)").into(),
                Some(value) => verb.pad(verb.write(c, value)),
            },
        };
        parts.push(text);
    }
    parts.push(Zeroizing::new(rest.to_owned()));
    let extra: Vec<_> = values_left.collect();
    if !extra.is_empty() {
        parts.push("%!(EXTRA ".to_owned().into());
        for (i, value) in extra.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            parts.push(format!("{comma}{}=", go_type(value)).into());
            parts.push(nil_as_go(value));
        }
        parts.push(")".to_owned().into());
    }
    join(&parts)
}

#[derive(Default)]
struct Verb {
    minus: bool,
    plus: bool,
    space: bool,
    zero: bool,
    sharp: bool,
    width: Option<usize>,
    precision: Option<usize>,
    letter: Option<char>,
}

/// Wider would only serve to exhaust memory.
const MAX_WIDTH: usize = 4096;

impl Verb {
    fn parse(text: &str) -> (Self, &str) {
        let mut verb = Self::default();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            match c {
                '-' => verb.minus = true,
                '+' => verb.plus = true,
                ' ' => verb.space = true,
                '0' => verb.zero = true,
                '#' => verb.sharp = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        let number = |rest: &mut &str| {
            let len = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, after) = rest.split_at(len);
            *rest = after;
            digits.parse::<usize>().ok().map(|n| n.min(MAX_WIDTH))
        };
        verb.width = number(&mut rest);
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            verb.precision = Some(number(&mut rest).unwrap_or(0));
        }
        verb.letter = rest.chars().next();
        (verb, &rest[verb_len(rest)..])
    }

    fn write(&self, c: char, value: &Value) -> Zeroizing<String> {
        let cut = |text: &str| match self.precision {
            Some(most) => text.chars().take(most).collect::<String>(),
            None => text.to_owned(),
        };
        let text = match (c, value) {
            ('v', Value::Nil) => "<nil>".to_owned(),
            ('v' | 's', Value::Str(text)) => cut(text),
            ('v' | 's', Value::Object(text)) => format!("{{{}}}", cut(text)),
            ('v' | 't', Value::Bool(b)) => b.to_string(),
            ('v' | 'd', Value::Int(n)) => self.signed(*n < 0, &n.unsigned_abs().to_string()),
            ('v' | 'g', Value::Float(n)) => self.signed(*n < 0.0, &float(n.abs())),
            ('f' | 'F', Value::Float(n)) => {
                self.signed(*n < 0.0, &format!("{:.*}", self.precision.unwrap_or(6), n.abs()))
            }
            ('e', Value::Float(n)) => self.signed(*n < 0.0, &exponent(n.abs(), self.precision.unwrap_or(6))),
            ('q', Value::Str(text)) => quote(&cut(text)),
            ('x', Value::Str(text)) => hex(text, *b"0123456789abcdef"),
            ('X', Value::Str(text)) => hex(text, *b"0123456789ABCDEF"),
            ('x', Value::Int(n)) => {
                self.signed(*n < 0, &self.prefixed("0x", &format!("{:x}", n.unsigned_abs())))
            }
            ('X', Value::Int(n)) => {
                self.signed(*n < 0, &self.prefixed("0X", &format!("{:X}", n.unsigned_abs())))
            }
            ('o', Value::Int(n)) => {
                self.signed(*n < 0, &self.prefixed("0", &format!("{:o}", n.unsigned_abs())))
            }
            ('b', Value::Int(n)) => {
                self.signed(*n < 0, &self.prefixed("0b", &format!("{:b}", n.unsigned_abs())))
            }
            ('c', Value::Int(n)) => character(*n).to_string(),
            ('q', Value::Int(n)) => format!("'{}'", character(*n).escape_default()),
            ('U', Value::Int(n)) => format!("U+{n:04X}"),
            (_, Value::Nil) => format!("%!{c}(<nil>)"),
            (_, value) => format!("%!{c}({}={})", go_type(value), display(value).as_str()),
        };
        Zeroizing::new(text)
    }

    fn signed(&self, negative: bool, digits: &str) -> String {
        let sign = match (negative, self.plus, self.space) {
            (true, _, _) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let missing = self.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
        let zeros = if self.zero && !self.minus { "0".repeat(missing) } else { String::new() };
        format!("{sign}{zeros}{digits}")
    }

    fn prefixed(&self, prefix: &str, digits: &str) -> String {
        if self.sharp { format!("{prefix}{digits}") } else { digits.to_owned() }
    }

    fn pad(&self, text: Zeroizing<String>) -> Zeroizing<String> {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if missing == 0 {
            return text;
        }
        let fill = Zeroizing::new(" ".repeat(missing));
        if self.minus { join(&[text, fill]) } else { join(&[fill, text]) }
    }
}

fn verb_len(rest: &str) -> usize {
    rest.chars().next().map_or(0, char::len_utf8)
}

fn character(code: i64) -> char {
    u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn exponent(n: f64, precision: usize) -> String {
    let text = format!("{n:.precision$e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(e) => ('-', e),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{b}' => out.push_str("\\v"),
            c if u32::from(c) < 0x20 || u32::from(c) == 0x7f => {
                out.extend(["\\x".to_owned(), hex(&c.to_string(), *b"0123456789abcdef")]);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn hex(text: &str, digits: [u8; 16]) -> String {
    let two = |b: u8| [digits[usize::from(b >> 4)], digits[usize::from(b & 15)]];
    text.bytes().flat_map(two).map(char::from).collect()
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Nil => "<nil>",
        Value::Float(_) => "float64",
        other => other.kind(),
    }
}
