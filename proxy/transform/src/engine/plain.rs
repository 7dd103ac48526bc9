//! The search for patterns as they are, leftmost and first in the list, with the method that fits their number.

use aho_corasick::packed;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind, Span};
use memchr::memmem;

use super::PatternsError;

/// None of them copes better with all texts than with few: the vector search of [`packed`] does not depend on
/// how common the bytes of the patterns are, unlike the prefilters that [`AhoCorasick`] would choose.
pub(super) enum Plain {
    /// No pattern can stand as it is.
    None,
    One(Box<memmem::Finder<'static>>),
    Few(Box<packed::Searcher>),
    Many(Box<AhoCorasick>),
}

impl Plain {
    pub(super) fn new(list: &[&[u8]]) -> Result<Self, PatternsError> {
        match list {
            [] => return Ok(Self::None),
            [one] => return Ok(Self::One(Box::new(memmem::Finder::new(one).into_owned()))),
            _ => {}
        }
        // Absent for too many patterns and on processors without the vector instructions.
        let searcher =
            packed::Config::new().match_kind(packed::MatchKind::LeftmostFirst).builder().extend(list).build();
        if let Some(searcher) = searcher {
            return Ok(Self::Few(Box::new(searcher)));
        }
        // The contiguous form is small and quick to build.
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(list)
            .map_err(|_| PatternsError::TooLarge)?;
        Ok(Self::Many(Box::new(automaton)))
    }

    /// The next occurrence at or after `from`: number of the pattern, start and end.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<(usize, usize, usize)> {
        let m = match self {
            Self::None => return None,
            Self::One(finder) => {
                let start = from + finder.find(&text[from..])?;
                return Some((0, start, start + finder.needle().len()));
            }
            Self::Few(searcher) => searcher.find_in(text, Span::from(from..text.len()))?,
            Self::Many(automaton) => automaton.find(Input::new(text).range(from..))?,
        };
        Some((m.pattern().as_usize(), m.start(), m.end()))
    }
}
