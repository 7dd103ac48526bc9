//! The two families of escapes in which a text can hide, read and written: `%XX` (and `+` for a space) of URLs
//! and forms, `\uXXXX` and the short escapes of JSON.

/// Which escapes count when a text is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Escapes {
    /// `%XX`, hex digits in either case.
    pub percent: bool,
    /// `+` stands for a space (query values and forms).
    pub plus: bool,
    /// `\uXXXX` in either case (also as a surrogate pair) and `\" \\ \/ \b \f \n \r \t`.
    pub json: bool,
    /// A find must not begin inside an escape. Wanted where the surrounding text has to stay well formed; off
    /// where nothing may slip through, whatever stands before it.
    pub aligned: bool,
}

impl Escapes {
    /// Bytes as they are.
    pub const RAW: Self = Self { percent: false, plus: false, json: false, aligned: false };
    /// Query values and form bodies.
    pub const FORM: Self = Self { percent: true, plus: true, json: false, aligned: true };
    /// The path of a URL.
    pub const PATH: Self = Self { percent: true, plus: false, json: false, aligned: true };
    /// JSON texts.
    pub const JSON: Self = Self { percent: false, plus: false, json: true, aligned: true };
    /// Anything: what a response is searched for.
    pub const ANY: Self = Self { percent: true, plus: true, json: true, aligned: false };

    #[inline]
    pub(crate) fn any(self) -> bool {
        self.percent || self.plus || self.json
    }

    /// Whether a backslash can stand for itself: not in well-formed JSON.
    pub(crate) fn bare_backslash(self) -> bool {
        !(self.json && self.aligned)
    }

    /// Most bytes an escape takes per byte it stands for.
    pub(crate) fn widest(self) -> usize {
        match (self.json, self.percent) {
            (true, _) => 6,
            (_, true) => 3,
            _ => 1,
        }
    }

    /// Whether an escape can begin with this byte.
    #[inline]
    pub(crate) fn begins_with(self, byte: u8) -> bool {
        match byte {
            b'%' => self.percent,
            b'+' => self.plus,
            b'\\' => self.json,
            _ => false,
        }
    }

    /// Reads the escape at the front of `text`.
    #[inline]
    pub(crate) fn read(self, text: &[u8]) -> Escape {
        match text.first() {
            Some(b'%') if self.percent => read_percent(text),
            Some(b'+') if self.plus => Escape::byte(b' ', 1),
            Some(b'\\') if self.json => read_json(text),
            _ => Escape::None,
        }
    }
}

/// What stands at a place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// No escape.
    None,
    /// The text ends before it is known.
    Cut,
    /// A whole escape.
    Whole {
        /// The bytes it stands for; the first `n` count.
        bytes: [u8; 4],
        /// How many bytes it stands for, 1 to 4.
        n: usize,
        /// How many bytes it takes.
        len: usize,
    },
}

impl Escape {
    fn byte(byte: u8, len: usize) -> Self {
        Self::Whole { bytes: [byte, 0, 0, 0], n: 1, len }
    }

    fn char(c: char, len: usize) -> Self {
        let mut bytes = [0; 4];
        let n = c.encode_utf8(&mut bytes).len();
        Self::Whole { bytes, n, len }
    }
}

fn read_percent(text: &[u8]) -> Escape {
    match (text.get(1).map(|&b| hex(b)), text.get(2).map(|&b| hex(b))) {
        (None, _) | (Some(Some(_)), None) => Escape::Cut,
        (Some(Some(high)), Some(Some(low))) => Escape::byte(high << 4 | low, 3),
        _ => Escape::None,
    }
}

fn read_json(text: &[u8]) -> Escape {
    let Some(&kind) = text.get(1) else { return Escape::Cut };
    let short = match kind {
        b'"' | b'\\' | b'/' => kind,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return read_unicode(text),
        _ => return Escape::None,
    };
    Escape::byte(short, 2)
}

fn read_unicode(text: &[u8]) -> Escape {
    let first = match four_hex(text) {
        Ok(unit) => unit,
        Err(escape) => return escape,
    };
    if let Some(c) = char::from_u32(first) {
        return Escape::char(c, 6);
    }
    if !(0xd800..0xdc00).contains(&first) {
        return Escape::None;
    }
    let rest = &text[6..];
    match (rest.first(), rest.get(1)) {
        (None, _) | (Some(b'\\'), None) => return Escape::Cut,
        (Some(b'\\'), Some(b'u')) => {}
        _ => return Escape::None,
    }
    match four_hex(rest) {
        Ok(second) if (0xdc00..0xe000).contains(&second) => {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            char::from_u32(code).map_or(Escape::None, |c| Escape::char(c, 12))
        }
        Ok(_) => Escape::None,
        Err(escape) => escape,
    }
}

/// The four digits after `\u`.
fn four_hex(text: &[u8]) -> Result<u32, Escape> {
    let mut unit = 0;
    for at in 2..6 {
        let &byte = text.get(at).ok_or(Escape::Cut)?;
        unit = unit << 4 | u32::from(hex(byte).ok_or(Escape::None)?);
    }
    Ok(unit)
}

#[inline]
pub(crate) fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Percent-decodes leniently: a bad escape stands for itself.
pub(crate) fn percent_decode(text: &[u8], plus: bool) -> Vec<u8> {
    let escapes = Escapes { percent: true, plus, ..Escapes::RAW };
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if let Escape::Whole { bytes, len, .. } = escapes.read(&text[at..]) {
            out.push(bytes[0]);
            at += len;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    out
}

/// How a value is written where it is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spell {
    /// As it is.
    Raw,
    /// Query and form: unreserved bytes kept, a space as `+`, the rest `%XX`.
    Query,
    /// Path: `A-Za-z0-9-_.~$&+,/:;=@` kept, the rest `%XX`.
    Path,
    /// The inside of a JSON string.
    Json,
}

impl Spell {
    /// The spelling of the place in which these escapes count.
    pub(crate) fn of(escapes: Escapes) -> Self {
        match escapes {
            Escapes { json: true, .. } => Self::Json,
            Escapes { plus: true, .. } => Self::Query,
            Escapes { percent: true, .. } => Self::Path,
            _ => Self::Raw,
        }
    }

    /// Appends `value` in this spelling.
    pub(crate) fn write(self, value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Raw => out.extend_from_slice(value),
            Self::Query => {
                for &byte in value {
                    match byte {
                        b' ' => out.push(b'+'),
                        _ if unreserved(byte) => out.push(byte),
                        _ => write_percent(byte, out),
                    }
                }
            }
            Self::Path => {
                for &byte in value {
                    if unreserved(byte) || b"$&+,/:;=@".contains(&byte) {
                        out.push(byte);
                    } else {
                        write_percent(byte, out);
                    }
                }
            }
            Self::Json => value.iter().for_each(|&byte| write_json(byte, out)),
        }
    }
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

fn write_percent(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

fn write_json(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..0x20 => {
            let (high, low) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
        _ => out.push(byte),
    }
}

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_escapes_are_read_in_every_spelling() {
        let cases: [(&[u8], Escape); 11] = [
            (br"\u0041", Escape::char('A', 6)),
            (br"\u00E9", Escape::char('é', 6)),
            (br"\u002F", Escape::byte(b'/', 6)),
            (br"\ud83d\uDE00", Escape::char('😀', 12)),
            (br"\/", Escape::byte(b'/', 2)),
            (br"\x", Escape::None),
            (br"\ud83dx", Escape::None),
            (br"\udc00", Escape::None),
            (br"\u00", Escape::Cut),
            (br"\ud83d\u", Escape::Cut),
            (br"\", Escape::Cut),
        ];
        for (text, want) in cases {
            assert_eq!(Escapes::JSON.read(text), want, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn percent_escapes_are_read_in_either_case() {
        assert_eq!(Escapes::FORM.read(b"%2f"), Escape::byte(b'/', 3));
        assert_eq!(Escapes::FORM.read(b"%2F"), Escape::byte(b'/', 3));
        assert_eq!(Escapes::FORM.read(b"%2"), Escape::Cut);
        assert_eq!(Escapes::FORM.read(b"%2g"), Escape::None);
        assert_eq!(Escapes::FORM.read(b"+"), Escape::byte(b' ', 1));
        assert_eq!(Escapes::PATH.read(b"+"), Escape::None);
    }

    #[test]
    fn spellings_match_the_specified_sets() {
        let spelled = |spell: Spell, text: &str| {
            let mut out = Vec::new();
            spell.write(text.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(spelled(Spell::Query, "R/x y~\n"), "R%2Fx+y~%0A");
        assert_eq!(
            spelled(Spell::Path, "a/b?c%d e$&+,:;=@!*'()[]"),
            "a/b%3Fc%25d%20e$&+,:;=@%21%2A%27%28%29%5B%5D"
        );
        assert_eq!(spelled(Spell::Json, "a\"b\\c\n\u{1}é/"), "a\\\"b\\\\c\\n\\u0001é/");
    }
}
