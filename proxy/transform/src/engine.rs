//! The search that swap and scrub share: many patterns, one pass, over texts that arrive in pieces.
//!
//! Two searches are united. One looks for the patterns as they are, leftmost, first in the list on a tie
//! (`engine/plain.rs`). The other starts from the escapes of the text: an escape that stands for no byte of any
//! pattern is passed over, and from the others the pattern is followed in both directions (`engine/escaped.rs`).
//! A piece without escapes, by far the most common, costs the first search only, and comes out as the same
//! buffer that went in.

mod before;
mod edges;
mod escaped;
mod plain;
mod tail;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

use self::before::Before;
use self::edges::Edges;
pub use self::edges::MIN_CUT;
use self::escaped::Index;
use self::plain::Plain;
use self::tail::Tail;
use crate::escape::Escapes;

/// Patterns compiled for searching, in order of precedence. May hold secrets: `Debug` shows only how many.
///
/// The patterns are wiped on drop; the tables built from them are not (the libraries offer no way).
pub struct Patterns {
    list: Vec<Zeroizing<Vec<u8>>>,
    finder: Plain,
    /// Number in `list` of each pattern of the finder.
    plain: Vec<usize>,
    escapes: Escapes,
    index: Index,
    tail: Tail,
}

/// Why patterns could not be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternsError {
    /// An empty pattern would be found everywhere.
    #[error("pattern {0} is empty")]
    Empty(usize),
    /// The automaton would not fit its index type.
    #[error("too many or too long patterns")]
    TooLarge,
}

/// An occurrence in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) pattern: usize,
}

impl Patterns {
    /// Compiles `list`; on overlap the leftmost occurrence wins, at the same place the earlier pattern.
    ///
    /// # Errors
    /// An empty pattern, or more text than the automaton can index (about 2 GiB).
    pub fn new<P: AsRef<[u8]>>(list: &[P], escapes: Escapes) -> Result<Self, PatternsError> {
        if let Some(empty) = list.iter().position(|p| p.as_ref().is_empty()) {
            return Err(PatternsError::Empty(empty));
        }
        // The contiguous NFA is small and quick to build; for the usual few patterns a vector prefilter in
        // front of it does nearly all the work.
        // A plus sign is common in base64; it is worth a look only if a pattern has a space.
        let plus = escapes.plus && list.iter().any(|p| p.as_ref().contains(&b' '));
        let escapes = Escapes { plus, ..escapes };
        // Where a backslash never stands for itself, a pattern that holds one is found escaped only.
        let bare = |p: &[u8]| escapes.bare_backslash() || !p.contains(&b'\\');
        let plain: Vec<usize> = (0..list.len()).filter(|&i| bare(list[i].as_ref())).collect();
        let bare_list: Vec<&[u8]> = plain.iter().map(|&i| list[i].as_ref()).collect();
        let finder = Plain::new(&bare_list)?;
        let list: Vec<_> = list.iter().map(|p| Zeroizing::new(p.as_ref().to_vec())).collect();
        let index = Index::new(&list, escapes);
        let tail = Tail::new(&list, escapes);
        Ok(Self { list, finder, plain, escapes, index, tail })
    }

    /// How many patterns there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether any pattern occurs in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.first(text).is_some()
    }

    /// The first pattern that occurs in `text`.
    pub(crate) fn first(&self, text: &[u8]) -> Option<usize> {
        if self.escapes.any() {
            return self.scan(text, Before::default(), true).found.first().map(|f| f.pattern);
        }
        self.finder.find(text, 0).map(|(number, ..)| self.plain[number])
    }

    /// Replaces every occurrence in a whole text by `with[pattern]` and calls `hit` with the pattern. `None`
    /// when nothing occurs.
    pub fn replace<R: AsRef<[u8]>>(
        &self,
        text: &[u8],
        with: &[R],
        mut hit: impl FnMut(usize),
    ) -> Option<Vec<u8>> {
        let scan = self.scan(text, Before::default(), true);
        if scan.found.is_empty() {
            return None;
        }
        scan.found.iter().for_each(|f| hit(f.pattern));
        Some(spliced(text, &scan.found, with, Fit::Free))
    }

    /// Finds what is certain in `text`. Unless `last`, stops where more text could change the outcome.
    fn scan(&self, text: &[u8], before: Before, last: bool) -> Scan {
        if self.list.is_empty() {
            return Scan { found: Vec::new(), settled: text.len() };
        }
        let hidden = if self.escapes.any() { self.hidden(text) } else { Vec::new() };
        let mut hidden = hidden.into_iter().peekable();
        let mut found = Vec::new();
        let mut at = 0;
        let mut open = if last { None } else { self.open(text, 0) };
        let mut plain = self.plain(text, 0, before);
        loop {
            while hidden.next_if(|f| f.start < at || self.misplaced(text, *f, before)).is_some() {}
            if plain.is_some_and(|f| f.start < at) {
                plain = self.plain(text, at, before);
            }
            let next = match (plain, hidden.peek().copied()) {
                (Some(a), Some(b)) if (b.start, b.pattern) < (a.start, a.pattern) => b,
                (Some(a), _) => a,
                (None, Some(b)) => b,
                (None, None) => break,
            };
            // Something that began earlier, or as early with precedence, may still complete.
            if open.is_some_and(|o| (o.start, o.pattern) < (next.start, next.pattern)) {
                break;
            }
            found.push(next);
            at = next.end;
            if open.is_some_and(|o| o.start < at) {
                open = self.open(text, at);
            }
        }
        let settled = open.map_or(text.len(), |o| o.start).max(at);
        Scan { found, settled }
    }

    /// The next occurrence as it is.
    fn plain(&self, text: &[u8], mut from: usize, before: Before) -> Option<Found> {
        loop {
            let (number, start, end) = self.finder.find(text, from)?;
            let found = Found { start, end, pattern: self.plain[number] };
            if !self.misplaced(text, found, before) {
                return Some(found);
            }
            from = found.start + 1;
        }
    }

    fn misplaced(&self, text: &[u8], found: Found, before: Before) -> bool {
        self.escapes.aligned && self.escapes.any() && before.splits_escape(text, found.start, self.escapes)
    }
}

impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patterns").field("len", &self.list.len()).finish_non_exhaustive()
    }
}

struct Scan {
    found: Vec<Found>,
    /// Everything before is decided.
    settled: usize,
}

fn spliced<R: AsRef<[u8]>>(text: &[u8], found: &[Found], with: &[R], fit: Fit) -> Vec<u8> {
    let grown = match fit {
        Fit::Free => found.iter().map(|f| with[f.pattern].as_ref().len()).sum(),
        Fit::Fill | Fit::Exact => 0,
    };
    let mut out = Vec::with_capacity(text.len() + grown);
    let mut at = 0;
    for f in found {
        out.extend_from_slice(&text[at..f.start]);
        let with = with[f.pattern].as_ref();
        match fit {
            Fit::Free | Fit::Exact => out.extend_from_slice(with),
            Fit::Fill => {
                let end = out.len() + (f.end - f.start);
                out.extend_from_slice(cut(with, f.end - f.start));
                out.resize(end, b'*');
            }
        }
        at = f.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// At most `most` bytes of `text`, without half a UTF-8 character at the end.
fn cut(text: &[u8], most: usize) -> &[u8] {
    if text.len() <= most {
        return text;
    }
    let whole = (0..=most).rev().take(4).find(|&at| text[at] & 0xc0 != 0x80);
    &text[..whole.unwrap_or(most)]
}

/// The replacements of a [`StreamReplacer`], one per pattern. Wiped on drop.
pub type Replacements = Arc<[Zeroizing<Vec<u8>>]>;

/// How a replacement fits into the place of an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It does not have to: the text grows or shrinks.
    Free,
    /// It is cut, or filled up with `*`, to the length of the occurrence. The text keeps its length.
    Fill,
    /// It must have the length of the occurrence; one that has not is reported by [`StreamReplacer::misfit`].
    Exact,
}

/// Replaces patterns in a text that arrives in pieces. The output does not depend on where the pieces are cut.
///
/// Only an end that could be the beginning of an occurrence is held back, so a message that does not end like
/// one passes at once. What is held is shorter than the longest pattern in its widest escaped form.
pub struct StreamReplacer {
    patterns: Arc<Patterns>,
    with: Replacements,
    fit: Fit,
    held: Bytes,
    before: Before,
    misfit: Option<usize>,
    edges: Option<Box<Edges>>,
}

impl StreamReplacer {
    /// A replacer at the start of a text. `with[i]` is written for pattern `i`; missing ones count as empty.
    pub fn new(patterns: Arc<Patterns>, with: Replacements, fit: Fit) -> Self {
        let with = if with.len() >= patterns.len() {
            with
        } else {
            (0..patterns.len()).map(|i| with.get(i).cloned().unwrap_or_default()).collect()
        };
        Self { patterns, with, fit, held: Bytes::new(), before: Before::default(), misfit: None, edges: None }
    }

    /// A replacer for a text that was cut out of a longer one, at places that somebody else chose: an occurrence
    /// that is cut by an edge is made unreadable there, from [`MIN_CUT`] bytes of it on. [`Fit::Fill`] holds. The
    /// patterns must be compiled for some escapes.
    pub fn part(patterns: Arc<Patterns>, with: Replacements) -> Self {
        Self { edges: Some(Box::default()), ..Self::new(patterns, with, Fit::Fill) }
    }

    /// Takes the next piece and gives what is decided by now, maybe nothing; calls `hit` with the pattern of each
    /// occurrence. Without occurrences it is the same memory.
    pub fn push(&mut self, piece: Bytes, hit: &mut impl FnMut(usize)) -> Bytes {
        if piece.is_empty() {
            return piece;
        }
        if self.edges.is_some() {
            return self.push_part(piece, hit);
        }
        self.advance(piece, false, hit)
    }

    /// Ends the text and gives the rest.
    pub fn finish(&mut self, hit: &mut impl FnMut(usize)) -> Bytes {
        if self.held() == 0 {
            return Bytes::new();
        }
        if self.edges.is_some() {
            return self.finish_part(hit);
        }
        self.advance(Bytes::new(), true, hit)
    }

    /// The pattern of an occurrence whose replacement does not have its length, under [`Fit::Exact`]. The output
    /// is of no use then.
    pub fn misfit(&self) -> Option<usize> {
        self.misfit
    }

    /// Whether the output is as long as the input.
    pub fn keeps_length(&self) -> bool {
        self.fit != Fit::Free
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.held.len() + self.edges.as_ref().map_or(0, |edges| edges.held())
    }

    fn advance(&mut self, piece: Bytes, last: bool, hit: &mut impl FnMut(usize)) -> Bytes {
        let text = joined(std::mem::take(&mut self.held), piece);
        let Scan { found, settled } = self.patterns.scan(&text, self.before, last);
        // Copied, so that a few bytes do not keep a large buffer alive.
        self.held = Bytes::copy_from_slice(&text[settled..]);
        let out = if found.is_empty() {
            text.slice(..settled)
        } else {
            for f in &found {
                hit(f.pattern);
            }
            if self.fit == Fit::Exact && self.misfit.is_none() {
                let misfit = found.iter().find(|f| self.with[f.pattern].len() != f.end - f.start);
                self.misfit = misfit.map(|f| f.pattern);
            }
            Bytes::from(spliced(&text[..settled], &found, &self.with, self.fit))
        };
        self.before.append(&text[..settled]);
        out
    }
}

fn joined(first: Bytes, second: Bytes) -> Bytes {
    if first.is_empty() {
        return second;
    }
    if second.is_empty() {
        return first;
    }
    let mut joined = Vec::with_capacity(first.len() + second.len());
    joined.extend_from_slice(&first);
    joined.extend_from_slice(&second);
    Bytes::from(joined)
}

impl fmt::Debug for StreamReplacer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReplacer").field("held", &self.held()).finish_non_exhaustive()
    }
}
