//! Shell-style globs with the exact meaning of the reference (Go's `path.Match`): `*` is any run of characters but
//! `/`, `?` is one character but `/`, `[a-z]` and `[^x]` are classes (which may match `/`), `\` escapes. A star
//! takes the shortest run that lets the next part match and is not tried again once a later star was reached.

use std::fmt;

/// A compiled glob. `Display` shows its source text.
#[derive(Debug, Clone)]
pub struct Glob {
    text: Box<str>,
    tokens: Box<[Token]>,
}

#[derive(Debug, Clone)]
enum Token {
    Char(char),
    One,
    Star,
    Class { negated: bool, ranges: Box<[(char, char)]> },
}

/// What is wrong with a glob. The reference accepts such a pattern and never matches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// `[` without `]`, or with nothing in it.
    #[error("character class is empty or not closed")]
    Class,
    /// A range without one of its ends, as `[a-]`.
    #[error("character range has no end")]
    Range,
    /// `\` at the end.
    #[error("nothing follows the backslash")]
    Escape,
}

impl Glob {
    /// Compiles a glob.
    ///
    /// # Errors
    /// [`GlobError`] for what the reference calls a bad pattern.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        let mut tokens = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            tokens.push(match c {
                // Two stars in a row are one.
                '*' if matches!(tokens.last(), Some(Token::Star)) => continue,
                '*' => Token::Star,
                '?' => Token::One,
                '[' => class(&mut rest)?,
                '\\' => Token::Char(rest.next().ok_or(GlobError::Escape)?),
                _ => Token::Char(c),
            });
        }
        Ok(Self { text: text.into(), tokens: tokens.into() })
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let mut tokens = &self.tokens[..];
        let mut rest = text.chars();
        // Behind the last star: its tokens, and the text from which they were last tried.
        let mut retry = None;
        loop {
            let step = match tokens.split_first() {
                Some((Token::Star, after)) => {
                    retry = Some((after, rest.clone()));
                    tokens = after;
                    continue;
                }
                Some((token, after)) => rest.next().filter(|c| token.matches(*c)).map(|_| after),
                None if rest.as_str().is_empty() => return true,
                None => None,
            };
            if let Some(after) = step {
                tokens = after;
                continue;
            }
            // Let the star take one character more.
            let Some((after, from)) = &mut retry else { return false };
            if from.next().is_none_or(|c| c == '/') {
                return false;
            }
            tokens = after;
            rest = from.clone();
        }
    }

    /// Whether the pattern stands for one text only.
    pub fn is_literal(&self) -> bool {
        self.tokens.iter().all(|token| matches!(token, Token::Char(_)))
    }

    /// The characters that stand for themselves, escapes resolved.
    pub(crate) fn literals(&self) -> impl Iterator<Item = char> + '_ {
        self.tokens.iter().filter_map(|token| if let Token::Char(c) = token { Some(*c) } else { None })
    }

    /// The source text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A glob that matches this text alone.
    pub fn escape(text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            if matches!(c, '*' | '?' | '[' | '\\') {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        escaped
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Token {
    fn matches(&self, c: char) -> bool {
        match self {
            Self::Char(want) => *want == c,
            Self::One => c != '/',
            Self::Star => false,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

/// The rest of a class, up to and with its `]`. A `]` or `-` that is meant literally has to be escaped.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, GlobError> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && rest.next_if_eq(&']').is_some() {
            return Ok(Token::Class { negated, ranges: ranges.into() });
        }
        let low = member(rest)?.ok_or(GlobError::Class)?;
        let high = match rest.next_if_eq(&'-') {
            Some(_) => member(rest)?.ok_or(GlobError::Range)?,
            None => low,
        };
        ranges.push((low, high));
    }
}

fn member(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Option<char>, GlobError> {
    match rest.next() {
        None => Err(GlobError::Class),
        Some('-' | ']') => Ok(None),
        Some('\\') => rest.next().ok_or(GlobError::Escape).map(Some),
        Some(c) => Ok(Some(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_the_reference_does() {
        for (pattern, text, want) in [
            ("abc", "abc", true),
            ("abc", "ABC", false),
            ("", "", true),
            ("", "a", false),
            ("*", "abc", true),
            ("*", "", true),
            ("*", "a/b", false),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("**", "ab", true),
            ("/a/**", "/a/b", true),
            ("/a/**", "/a/b/c", false),
            ("?", "ä", true),
            ("?", "/", false),
            ("?", "", false),
            ("a?b", "a/b", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[^a-c]x", "dx", true),
            ("[^a-c]x", "bx", false),
            // A class is the one thing that may match a slash.
            ("a[^x]b", "a/b", true),
            // Only `^` negates.
            ("[!a]", "!", true),
            ("[!a]", "b", false),
            ("[abd-f]", "e", true),
            ("[\\]]", "]", true),
            ("[\\-x]", "-", true),
            ("[z-a]", "m", false),
            ("]", "]", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("*x", "xxx", true),
            // The first star is not tried again once the second was reached.
            ("*[^x]*b", "a/cb", false),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap().matches(text), want, "{pattern} on {text}");
        }
    }

    #[test]
    fn malformed_globs_are_named() {
        for (pattern, want) in [
            ("[", GlobError::Class),
            ("[]", GlobError::Class),
            ("[^]", GlobError::Class),
            ("[]a]", GlobError::Class),
            ("[a", GlobError::Class),
            ("[a-", GlobError::Class),
            ("[-a]", GlobError::Class),
            ("[a-]", GlobError::Range),
            ("[\\", GlobError::Escape),
            ("a\\", GlobError::Escape),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap_err(), want, "{pattern}");
        }
        assert!(Glob::parse("[a]").is_ok());
    }

    proptest::proptest! {
        #[test]
        fn an_escaped_text_matches_itself_alone(text in "[ab*?\\[\\]\\\\/^-]{0,8}", other in "[ab*?\\[\\]\\\\/^-]{0,8}") {
            let glob = Glob::parse(&Glob::escape(&text)).unwrap();
            proptest::prop_assert!(glob.matches(&text));
            proptest::prop_assert_eq!(glob.matches(&other), text == other);
        }
    }
}
