//! Names of fields. HTTP/2 spells them in lower case, and whatever a value becomes there, the field is of no use
//! without it: it is removed.

use http::HeaderName;

use crate::engine::{Patterns, PatternsError};
use crate::escape::Escapes;

/// Shorter texts, in bytes, are not searched in names of fields: those that have a meaning may hold them.
pub const MIN_NAME_LEN: usize = 8;

/// What is searched in names, in lower case.
pub(super) struct Names {
    patterns: Patterns,
    /// The number of the value to which each pattern belongs.
    values: Vec<usize>,
    shortest: usize,
}

impl Names {
    /// `None` when every text is too short.
    pub(super) fn new<'f>(
        forms: impl Iterator<Item = (&'f [u8], usize)>,
    ) -> Result<Option<Self>, PatternsError> {
        let long = forms.filter(|(text, _)| text.len() >= MIN_NAME_LEN);
        let (list, values): (Vec<_>, Vec<_>) =
            long.map(|(text, value)| (zeroize::Zeroizing::new(text.to_ascii_lowercase()), value)).unzip();
        let Some(shortest) = list.iter().map(|text| text.len()).min() else { return Ok(None) };
        let list: Vec<&[u8]> = list.iter().map(|text| text.as_slice()).collect();
        let escapes = Escapes { percent: true, ..Escapes::RAW };
        Ok(Some(Self { patterns: Patterns::new(&list, escapes)?, values, shortest }))
    }

    /// The number of a value that occurs in a name.
    pub(super) fn find(&self, name: &HeaderName) -> Option<usize> {
        let name = name.as_str().as_bytes();
        if name.len() < self.shortest {
            return None;
        }
        self.patterns.first(name).map(|pattern| self.values[pattern])
    }
}
