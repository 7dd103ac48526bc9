//! The functions of the language.

use std::cmp::Ordering;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::RunError;
use super::eval::Value;
use super::print::{printf, sprint, sprintln};
use crate::escape::Spell;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Func {
    And,
    Or,
    Not,
    Call,
    Html,
    Index,
    Slice,
    Js,
    Len,
    Print,
    Printf,
    Println,
    UrlQuery,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Base64,
}

const NAMES: [(&str, Func); 20] = [
    ("and", Func::And),
    ("or", Func::Or),
    ("not", Func::Not),
    ("call", Func::Call),
    ("html", Func::Html),
    ("index", Func::Index),
    ("slice", Func::Slice),
    ("js", Func::Js),
    ("len", Func::Len),
    ("print", Func::Print),
    ("printf", Func::Printf),
    ("println", Func::Println),
    ("urlquery", Func::UrlQuery),
    ("eq", Func::Eq),
    ("ne", Func::Ne),
    ("lt", Func::Lt),
    ("le", Func::Le),
    ("gt", Func::Gt),
    ("ge", Func::Ge),
    ("base64", Func::Base64),
];

impl Func {
    pub(super) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(n, _)| *n == name).map(|(_, func)| *func)
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, func)| *func == self).map_or("function", |(name, _)| name)
    }

    pub(super) fn call(self, arguments: &[Value]) -> Result<Value, RunError> {
        let text = |text: Zeroizing<String>| Ok(Value::Str(text));
        match self {
            // Evaluated by the caller, which knows what not to evaluate.
            Self::And | Self::Or => Err(RunError::Arguments(self.name())),
            Self::Not => match arguments {
                [value] => Ok(Value::Bool(!value.truth())),
                _ => Err(RunError::Arguments("not")),
            },
            Self::Call => Err(RunError::NotAFunction),
            Self::Html => text(html(&sprint(arguments))),
            Self::Js => text(js(&sprint(arguments))),
            Self::UrlQuery => text(url_query(&sprint(arguments))),
            Self::Print => text(sprint(arguments)),
            Self::Println => text(sprintln(arguments)),
            Self::Printf => match arguments {
                [Value::Str(format), rest @ ..] => text(printf(format, rest)),
                [] => Err(RunError::Arguments("printf")),
                _ => Err(RunError::Type("printf")),
            },
            Self::Index => index(arguments),
            Self::Slice => slice(arguments),
            Self::Len => match arguments {
                [Value::Str(text)] => Ok(Value::Int(text.len() as i64)),
                [_] => Err(RunError::Type("len")),
                _ => Err(RunError::Arguments("len")),
            },
            Self::Eq => equal(arguments),
            Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => self.compare(arguments),
            Self::Base64 => {
                let mut joined = Zeroizing::new(String::new());
                for argument in arguments {
                    let Value::Str(part) = argument else { return Err(RunError::Type("base64")) };
                    let mut longer = Zeroizing::new(String::with_capacity(joined.len() + part.len()));
                    longer.push_str(&joined);
                    longer.push_str(part);
                    joined = longer;
                }
                text(Zeroizing::new(STANDARD.encode(joined.as_bytes())))
            }
        }
    }

    fn compare(self, arguments: &[Value]) -> Result<Value, RunError> {
        let [a, b] = arguments else { return Err(RunError::Arguments(self.name())) };
        if self == Self::Ne {
            return Ok(Value::Bool(!same(a, b).ok_or(RunError::Type("ne"))?));
        }
        let order = match (a, b) {
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
            (Value::Str(a), Value::Str(b)) => Some(a.as_str().cmp(b.as_str())),
            _ => None,
        };
        let order = order.ok_or(RunError::Type(self.name()))?;
        Ok(Value::Bool(match self {
            Self::Lt => order == Ordering::Less,
            Self::Le => order != Ordering::Greater,
            Self::Gt => order == Ordering::Greater,
            _ => order != Ordering::Less,
        }))
    }
}

/// `eq a b c…`: whether the first equals any of the others.
fn equal(arguments: &[Value]) -> Result<Value, RunError> {
    let (first, others) = match arguments {
        [first, others @ ..] if !others.is_empty() => (first, others),
        _ => return Err(RunError::Arguments("eq")),
    };
    for other in others {
        if same(first, other).ok_or(RunError::Type("eq"))? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// `None` for types that cannot be compared.
#[expect(clippy::float_cmp, reason = "the language compares floats exactly")]
fn same(a: &Value, b: &Value) -> Option<bool> {
    Some(match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Nil, _) | (_, Value::Nil) => false,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a), Value::Str(b)) | (Value::Object(a), Value::Object(b)) => a == b,
        _ => return None,
    })
}

/// A position in a text.
fn position(value: &Value, most: usize, name: &'static str) -> Result<usize, RunError> {
    let Value::Int(n) = value else { return Err(RunError::Type(name)) };
    usize::try_from(*n).ok().filter(|n| *n <= most).ok_or(RunError::OutOfRange(name))
}

fn index(arguments: &[Value]) -> Result<Value, RunError> {
    match arguments {
        [] => Err(RunError::Arguments("index")),
        [value] => Ok(value.clone()),
        [Value::Str(text), at] => {
            let at = position(at, text.len(), "index")?;
            let byte = text.as_bytes().get(at).ok_or(RunError::OutOfRange("index"))?;
            Ok(Value::Int(i64::from(*byte)))
        }
        _ => Err(RunError::Type("index")),
    }
}

fn slice(arguments: &[Value]) -> Result<Value, RunError> {
    let (text, bounds) = match arguments {
        [] => return Err(RunError::Arguments("slice")),
        [Value::Str(text), bounds @ ..] if bounds.len() <= 2 => (text, bounds),
        _ => return Err(RunError::Type("slice")),
    };
    let to = bounds.get(1).map_or(Ok(text.len()), |b| position(b, text.len(), "slice"))?;
    let from = bounds.first().map_or(Ok(0), |b| position(b, text.len(), "slice"))?;
    // Also refuses to cut a character, which would leave something else than a text.
    let part = text.get(from..to).ok_or(RunError::OutOfRange("slice"))?;
    Ok(Value::Str(Zeroizing::new(part.to_owned())))
}

fn html(text: &str) -> Zeroizing<String> {
    escaped(text, |c, out| match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&#34;"),
        '\'' => out.push_str("&#39;"),
        '\0' => out.push('\u{fffd}'),
        c => out.push(c),
    })
}

fn js(text: &str) -> Zeroizing<String> {
    escaped(text, |c, out| match c {
        '\\' => out.push_str("\\\\"),
        '\'' => out.push_str("\\'"),
        '"' => out.push_str("\\\""),
        '<' => out.push_str("\\u003C"),
        '>' => out.push_str("\\u003E"),
        '&' => out.push_str("\\u0026"),
        '=' => out.push_str("\\u003D"),
        c if u32::from(c) < 0x20 || (0x7f..0xa0).contains(&u32::from(c)) => {
            let _ = write!(out, "\\u{:04X}", u32::from(c));
        }
        c => out.push(c),
    })
}

fn escaped(text: &str, mut write: impl FnMut(char, &mut String)) -> Zeroizing<String> {
    // Room for the worst case, so that growing leaves no copy.
    let mut out = Zeroizing::new(String::with_capacity(text.len() * 6));
    text.chars().for_each(|c| write(c, &mut out));
    out
}

fn url_query(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() * 3));
    Spell::Query.write(text.as_bytes(), &mut out);
    Zeroizing::new(String::from_utf8_lossy(&out).into_owned())
}
