//! From text to tokens.

use super::{Problem, TemplateError};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// Text between actions.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// A keyword, function, or `true`, `false`, `nil`.
    Word(String),
    /// `.`
    Dot,
    /// `.Name`
    Field(String),
    /// `$` or `$name`, without the `$`.
    Variable(String),
    Str(String),
    Int(i64),
    Float(f64),
    Pipe,
    LeftParen,
    RightParen,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    Comma,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lexed {
    pub(super) token: Token,
    pub(super) line: usize,
    /// No space before it: `$x.Value` against `$x .Value`.
    pub(super) glued: bool,
}

pub(super) fn lex(text: &str) -> Result<Vec<Lexed>, TemplateError> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    lexer.template()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Lexed>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fail<T>(&self, problem: Problem) -> Result<T, TemplateError> {
        let line = 1 + self.text[..self.at].matches('\n').count();
        Err(TemplateError { line, problem })
    }

    fn push(&mut self, token: Token, glued: bool) {
        let line = 1 + self.text[..self.at].matches('\n').count();
        self.tokens.push(Lexed { token, line, glued });
    }

    fn template(&mut self) -> Result<(), TemplateError> {
        let mut trim = false;
        loop {
            let (text, more) = match self.rest().find("{{") {
                Some(len) => (&self.rest()[..len], true),
                None => (self.rest(), false),
            };
            let after = &self.rest()[text.len()..];
            let trim_end = more && after[2..].starts_with('-') && after[3..].starts_with(SPACE);
            let mut shown = text;
            if trim {
                shown = shown.trim_start_matches(SPACE);
            }
            if trim_end {
                shown = shown.trim_end_matches(SPACE);
            }
            if !shown.is_empty() {
                self.push(Token::Text(shown.to_owned()), false);
            }
            self.at += text.len();
            if !more {
                return Ok(());
            }
            self.at += if trim_end { 3 } else { 2 };
            trim = if self.rest().trim_start_matches(SPACE).starts_with("/*")
                && (trim_end || self.rest().starts_with("/*"))
            {
                self.comment()?
            } else {
                self.push(Token::Open, false);
                self.action()?
            };
        }
    }

    /// Skips a comment; whether the text after it is trimmed.
    fn comment(&mut self) -> Result<bool, TemplateError> {
        let Some(end) = self.rest().find("*/") else { return self.fail(Problem::UnclosedComment) };
        self.at += end + 2;
        let close = [("}}", false), (" -}}", true), ("\t-}}", true), ("\n-}}", true), ("\r-}}", true)];
        for (mark, trim) in close {
            if self.rest().starts_with(mark) {
                self.at += mark.len();
                return Ok(trim);
            }
        }
        self.fail(Problem::UnclosedComment)
    }

    /// Tokens up to and with `}}`; whether the text after it is trimmed.
    fn action(&mut self) -> Result<bool, TemplateError> {
        let mut glued = false;
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next() else { return self.fail(Problem::UnclosedAction) };
            if SPACE.contains(&c) {
                if rest[c.len_utf8()..].starts_with("-}}") {
                    self.at += c.len_utf8() + 3;
                    self.push(Token::Close, false);
                    return Ok(true);
                }
                self.at += c.len_utf8();
                glued = false;
                continue;
            }
            if rest.starts_with("}}") {
                self.at += 2;
                self.push(Token::Close, false);
                return Ok(false);
            }
            let (token, len) = self.token(rest, c)?;
            self.push(token, glued);
            self.at += len;
            glued = true;
        }
    }

    fn token(&self, rest: &str, c: char) -> Result<(Token, usize), TemplateError> {
        let word = |from: usize| {
            rest[from..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(rest.len(), |n| from + n)
        };
        Ok(match c {
            '|' => (Token::Pipe, 1),
            '(' => (Token::LeftParen, 1),
            ')' => (Token::RightParen, 1),
            ',' => (Token::Comma, 1),
            '=' => (Token::Assign, 1),
            ':' if rest.starts_with(":=") => (Token::Declare, 2),
            '$' => (Token::Variable(rest[1..word(1)].to_owned()), word(1)),
            '.' if rest[1..].starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                (Token::Field(rest[1..word(1)].to_owned()), word(1))
            }
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (Token::Dot, 1),
            '"' => self.quoted(rest, '"').map(|(s, len)| (Token::Str(s), len))?,
            '`' => match rest[1..].find('`') {
                Some(end) => (Token::Str(rest[1..=end].to_owned()), end + 2),
                None => return self.fail(Problem::BadLiteral),
            },
            '\'' => {
                let (text, len) = self.quoted(rest, '\'')?;
                let mut chars = text.chars();
                let (Some(only), None) = (chars.next(), chars.next()) else {
                    return self.fail(Problem::BadLiteral);
                };
                (Token::Int(i64::from(u32::from(only))), len)
            }
            '+' | '-' | '.' | '0'..='9' => self.number(rest)?,
            c if c.is_alphabetic() || c == '_' => (Token::Word(rest[..word(0)].to_owned()), word(0)),
            _ => return self.fail(Problem::Unexpected("character")),
        })
    }

    /// A literal in double or single quotes, and how long it is.
    fn quoted(&self, rest: &str, quote: char) -> Result<(String, usize), TemplateError> {
        let bad = || self.fail(Problem::BadLiteral);
        let mut out = String::new();
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                return Ok((out, at + 1));
            }
            if c == '\n' {
                return bad();
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let Some((_, kind)) = chars.next() else { return bad() };
            let mut code = |radix: u32, first: Option<char>, digits: usize| {
                let mut text: String = first.into_iter().collect();
                text.extend(chars.by_ref().take(digits).map(|(_, c)| c));
                let whole = text.len() == digits + usize::from(first.is_some());
                let sign = text.starts_with(['+', '-']);
                u32::from_str_radix(&text, radix).ok().filter(|_| whole && !sign)
            };
            let c = match kind {
                'a' => Some('\u{7}'),
                'b' => Some('\u{8}'),
                'f' => Some('\u{c}'),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                'v' => Some('\u{b}'),
                '\\' => Some('\\'),
                '\'' if quote == '\'' => Some('\''),
                '"' if quote == '"' => Some('"'),
                // A byte that is no character of its own would make the text something else than UTF-8.
                'x' => code(16, None, 2).filter(|&n| n < 0x80).and_then(char::from_u32),
                '0'..='7' => code(8, Some(kind), 2).filter(|&n| n < 0x80).and_then(char::from_u32),
                'u' => code(16, None, 4).and_then(char::from_u32),
                'U' => code(16, None, 8).and_then(char::from_u32),
                _ => None,
            };
            match c {
                Some(c) => out.push(c),
                None => return bad(),
            }
        }
        bad()
    }

    fn number(&self, rest: &str) -> Result<(Token, usize), TemplateError> {
        let mut previous = ' ';
        let len = rest
            .find(|c: char| {
                let sign = matches!(c, '+' | '-') && matches!(previous, ' ' | 'e' | 'E');
                previous = c;
                !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || sign)
            })
            .unwrap_or(rest.len());
        let text = rest[..len].replace('_', "");
        let (sign, digits) = match text.strip_prefix(['+', '-']) {
            Some(digits) => (if text.starts_with('-') { "-" } else { "" }, digits),
            None => ("", text.as_str()),
        };
        let lower = digits.to_ascii_lowercase();
        let int = |radix, digits: &str| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok();
        let token = match lower.get(..2) {
            Some("0x") => int(16, &lower[2..]),
            Some("0b") => int(2, &lower[2..]),
            Some("0o") => int(8, &lower[2..]),
            _ if lower.len() > 1 && lower.starts_with('0') && !lower.contains(['.', 'e']) => int(8, &lower),
            _ => int(10, &lower),
        };
        let float = || {
            let decimal = lower.bytes().all(|b| b.is_ascii_digit() || b"+-.e".contains(&b));
            let value = if decimal { format!("{sign}{lower}").parse::<f64>().ok() } else { None };
            value.filter(|f| f.is_finite()).map(Token::Float)
        };
        match token.map(Token::Int).or_else(float) {
            Some(token) => Ok((token, len)),
            None => self.fail(Problem::BadNumber),
        }
    }
}

/// What Go's templates take for space.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
