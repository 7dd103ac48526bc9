//! Whether one host can be meant by two rules.

use std::net::IpAddr;

use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::{Cidr, HostPattern};

use crate::definition::Scope;

/// Whether some host matches both. For two globs the answer is exact over the characters that hosts have; for a
/// glob and a range of addresses it may be yes where only a closer look would say no.
pub fn scopes_overlap(one: &Scope, two: &Scope) -> bool {
    Reach::of(one).overlaps(&Reach::of(two))
}

/// A scope, read once.
#[derive(Debug)]
pub(super) enum Reach {
    Any,
    Exact(CanonicalHost),
    /// `*.x`: `x` and everything below it.
    Below {
        suffix: CanonicalHost,
        glob: Vec<Token>,
    },
    Glob(Vec<Token>),
    Range(Cidr),
    /// Stored before it was checked: means itself and nothing else.
    Unreadable(String),
}

impl Reach {
    pub(super) fn of(scope: &Scope) -> Self {
        match scope {
            Scope::Host(text) => Self::host(text.trim()),
            Scope::Cidr(text) => crate::definition::cidr(text.trim())
                .map_or_else(|| Self::Unreadable(text.trim().to_lowercase()), Self::Range),
        }
    }

    fn host(text: &str) -> Self {
        let Ok(pattern) = HostPattern::parse(text) else { return Self::Unreadable(text.to_lowercase()) };
        if text == "*" {
            return Self::Any;
        }
        if let Some(host) = pattern.exact() {
            return Self::Exact(host.clone());
        }
        if let Some(suffix) = text.strip_prefix("*.").and_then(|suffix| CanonicalHost::parse(suffix).ok()) {
            // Something, a dot, the suffix; an address has nothing below it.
            let mut glob = Vec::new();
            if suffix.as_ip().is_none() {
                glob = vec![Token::One, Token::Star];
                glob.extend(std::iter::once('.').chain(suffix.as_str().chars()).map(Token::Char));
            }
            return Self::Below { suffix, glob };
        }
        let lower = text.to_lowercase();
        let lower = lower.strip_suffix('.').filter(|body| !body.ends_with('\\')).unwrap_or(&lower);
        Self::Glob(tokens(lower))
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unreadable(one), Self::Unreadable(two)) => one == two,
            (Self::Unreadable(_), _) | (_, Self::Unreadable(_)) => false,
            (Self::Range(one), Self::Range(two)) => {
                one.contains(two.net().addr()) || two.contains(one.net().addr())
            }
            (Self::Range(range), host) | (host, Self::Range(range)) => host.meets_range(range),
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Exact(one), Self::Exact(two)) => one == two,
            (Self::Exact(host), pattern) | (pattern, Self::Exact(host)) => pattern.matches(host),
            (Self::Below { suffix: one, .. }, Self::Below { suffix: two, .. }) => {
                self.matches(two) || other.matches(one)
            }
            (Self::Below { suffix, glob }, Self::Glob(tokens))
            | (Self::Glob(tokens), Self::Below { suffix, glob }) => {
                meet(tokens, &literal(suffix)) || (!glob.is_empty() && meet(tokens, glob))
            }
            (Self::Glob(one), Self::Glob(two)) => meet(one, two),
        }
    }

    fn matches(&self, host: &CanonicalHost) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == host,
            Self::Below { suffix, glob } => {
                suffix == host || (host.as_ip().is_none() && !glob.is_empty() && meet(glob, &literal(host)))
            }
            Self::Glob(tokens) => meet(tokens, &literal(host)),
            Self::Range(_) | Self::Unreadable(_) => false,
        }
    }

    fn meets_range(&self, range: &Cidr) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(host) | Self::Below { suffix: host, .. } => {
                host.as_ip().is_some_and(|address| range.contains(address))
            }
            Self::Glob(tokens) => {
                let is_v4 = range.net().addr().is_ipv4();
                let in_address = |c: char| {
                    if is_v4 { c.is_ascii_digit() || c == '.' } else { c.is_ascii_hexdigit() || c == ':' }
                };
                let fits = |token: &Token| !matches!(token, Token::Char(c) if !in_address(*c));
                tokens.iter().all(fits) && meet(tokens, &addresses(range))
            }
            Self::Range(_) | Self::Unreadable(_) => false,
        }
    }
}

/// The addresses of a range as a glob: the whole octets of its prefix, then anything.
fn addresses(range: &Cidr) -> Vec<Token> {
    let net = range.net();
    let IpAddr::V4(address) = net.addr() else { return vec![Token::Star] };
    if net.prefix_len() == 32 {
        return address.to_string().chars().map(Token::Char).collect();
    }
    let whole = usize::from(net.prefix_len() / 8);
    let mut glob = Vec::new();
    for octet in address.octets().iter().take(whole) {
        glob.extend(octet.to_string().chars().map(Token::Char));
        glob.push(Token::Char('.'));
    }
    glob.extend([Token::One, Token::Star]);
    glob
}

/// A part of a glob.
#[derive(Debug, Clone)]
pub(super) enum Token {
    Char(char),
    One,
    Star,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::One | Self::Star => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

fn literal(host: &CanonicalHost) -> Vec<Token> {
    host.as_str().chars().map(Token::Char).collect()
}

/// Reads a glob that [`HostPattern::parse`] accepted.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::One,
            '\\' => Token::Char(chars.next().unwrap_or('\\')),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while let Some(low) = chars.next().filter(|c| *c != ']' || ranges.is_empty()) {
                    let low = if low == '\\' { chars.next().unwrap_or(low) } else { low };
                    let high = match chars.next_if_eq(&'-') {
                        Some(_) => match chars.next() {
                            Some('\\') => chars.next().unwrap_or(low),
                            Some(high) => high,
                            None => low,
                        },
                        None => low,
                    };
                    ranges.push((low, high));
                }
                Token::Class { negated, ranges }
            }
            c => Token::Char(c),
        });
    }
    tokens
}

/// Whether one text matches both: a walk over the pairs of places in the two patterns, row by row.
fn meet(one: &[Token], two: &[Token]) -> bool {
    // `row[j]` says whether what is left of `one` and `two[j..]` have a text in common.
    let mut below: Vec<bool> = Vec::new();
    for i in (0..=one.len()).rev() {
        let mut row = vec![false; two.len() + 1];
        for j in (0..=two.len()).rev() {
            row[j] = match (one.get(i), two.get(j)) {
                (None, None) => true,
                (Some(Token::Star), Some(Token::Star)) => below[j] || row[j + 1],
                (Some(Token::Star), next) => below[j] || (next.is_some() && row[j + 1]),
                (next, Some(Token::Star)) => row[j + 1] || (next.is_some() && below[j]),
                (Some(one), Some(two)) => share_character(one, two) && below[j + 1],
                _ => false,
            };
        }
        below = row;
    }
    below[0]
}

fn share_character(one: &Token, two: &Token) -> bool {
    match (one, two) {
        (Token::Char(c), other) | (other, Token::Char(c)) => other.takes(*c),
        _ => HOST_CHARACTERS.chars().any(|c| one.takes(c) && two.takes(c)),
    }
}

const HOST_CHARACTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789-_.:";
