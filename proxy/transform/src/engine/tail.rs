//! What has to be held back: the earliest end of a text that more text could turn into an occurrence.

use zeroize::Zeroizing;

use super::Patterns;
use crate::escape::{Escape, Escapes};

/// Tables for the question whether a text is the beginning of a pattern.
pub(super) struct Tail {
    /// Pattern numbers in the order of their bytes, so that those with a common beginning are neighbours.
    sorted: Vec<u32>,
    /// Per byte that an occurrence can begin with, which of `seconds` it has; [`NOT`] for the others.
    begins: [u8; 256],
    /// Bytes that can come second.
    seconds: Vec<[bool; 256]>,
    longest: usize,
}

impl Tail {
    pub(super) fn new(list: &[Zeroizing<Vec<u8>>], escapes: Escapes) -> Self {
        let mut sorted: Vec<u32> = (0..list.len() as u32).collect();
        sorted.sort_unstable_by(|&a, &b| list[a as usize].cmp(&list[b as usize]));
        // Behind an escape anything can come, and an escape behind anything.
        let mut begins = [NOT; 256];
        let mut seconds = vec![[true; 256]];
        let mut escape = [false; 256];
        for byte in 0..=u8::MAX {
            if escapes.begins_with(byte) {
                begins[usize::from(byte)] = 0;
                escape[usize::from(byte)] = true;
            }
        }
        for pattern in list {
            let slot = &mut begins[usize::from(pattern[0])];
            if *slot == NOT {
                // At most 254 of the 256 bytes can have one; further ones share the first, which allows all.
                *slot = if seconds.len() < usize::from(NOT) { seconds.len() as u8 } else { 0 };
                if *slot != 0 {
                    seconds.push(escape);
                }
            }
            if let (1.., Some(&second)) = (*slot, pattern.get(1)) {
                seconds[usize::from(*slot)][usize::from(second)] = true;
            }
        }
        Self { sorted, begins, seconds, longest: list.iter().map(|p| p.len()).max().unwrap_or(0) }
    }
}

/// Begins no occurrence.
const NOT: u8 = u8::MAX;

impl Tail {
    /// Whether an occurrence that is longer than the text may begin at `start`, by its first two bytes.
    fn may_begin(&self, text: &[u8], start: usize) -> bool {
        match self.begins[usize::from(text[start])] {
            NOT => false,
            slot => text.get(start + 1).is_none_or(|&b| self.seconds[usize::from(slot)][usize::from(b)]),
        }
    }
}

/// An occurrence that may be under way at the end of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pub(super) start: usize,
    /// The first of the patterns it may become.
    pub(super) pattern: usize,
}

impl Patterns {
    /// The earliest place at or after `from` whose text up to the end may be the beginning of an occurrence.
    pub(super) fn open(&self, text: &[u8], from: usize) -> Option<Open> {
        let reach = |widest: usize| from.max((text.len() + 1).saturating_sub(self.tail.longest * widest));
        let plain_from = reach(1);
        let wide_from = reach(self.escapes.widest());
        let last_escape = self.escapes.last_position(&text[wide_from..]).map(|i| wide_from + i);
        let first = if last_escape.is_some() { wide_from } else { plain_from };
        (first..text.len()).filter(|&start| self.tail.may_begin(text, start)).find_map(|start| {
            let end = &text[start..];
            let pattern = if last_escape.is_some_and(|escape| start <= escape) {
                self.open_escaped(end)
            } else {
                self.open_plain(end)
            }?;
            Some(Open { start, pattern })
        })
    }

    fn open_plain(&self, end: &[u8]) -> Option<usize> {
        let sorted = &self.tail.sorted;
        let from = sorted.partition_point(|&i| self.list[i as usize].as_slice() < end);
        sorted[from..]
            .iter()
            .map(|&i| i as usize)
            .take_while(|&i| self.list[i].starts_with(end))
            .filter(|&i| self.list[i].len() > end.len())
            .min()
    }

    fn open_escaped(&self, end: &[u8]) -> Option<usize> {
        let escaped = match self.escapes.read(end) {
            Escape::Cut => return Some(0),
            Escape::Whole { bytes, .. } => Some(bytes[0]),
            Escape::None => None,
        };
        let first = |byte: u8| {
            self.index
                .beginning_with(byte)
                .find(|&pattern| self.follow(&self.list[pattern], 0, end, 0).open.is_some())
        };
        let plain = end.first().and_then(|&byte| first(byte));
        let escaped = escaped.and_then(first);
        plain.into_iter().chain(escaped).min()
    }
}
