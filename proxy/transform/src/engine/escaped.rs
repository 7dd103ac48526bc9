//! Occurrences of which at least one byte is written as an escape, any subset of them, whatever the encoder.
//!
//! Such an occurrence has a first escape; the bytes of the pattern before it stand as they are. So every escape
//! of the text is looked up by what it stands for and by the byte before it, and only those patterns are
//! followed that have the two side by side.

use smallvec::{SmallVec, smallvec};
use zeroize::Zeroizing;

use super::{Found, Patterns};
use crate::escape::{Escape, Escapes, hex};

/// Where each pair of neighbouring bytes stands in the patterns.
pub(super) struct Index {
    /// Sorted by byte, then by what is before it; see [`key`].
    places: Vec<Place>,
    /// Where the places of each byte begin.
    from: [u32; 257],
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    key: u32,
    pattern: u32,
    at: u32,
}

/// `previous` is `None` at the beginning of a pattern.
fn key(previous: Option<u8>, byte: u8) -> u32 {
    u32::from(byte) << 9 | previous.map_or(256, u32::from)
}

impl Index {
    pub(super) fn new(list: &[Zeroizing<Vec<u8>>], escapes: Escapes) -> Self {
        let mut places = Vec::new();
        for (pattern, bytes) in list.iter().enumerate() {
            for (at, &byte) in bytes.iter().enumerate() {
                // Without escapes only the beginnings are needed, by the tail.
                if at > 0 && !escapes.any() {
                    continue;
                }
                let previous = at.checked_sub(1).map(|i| bytes[i]);
                places.push(Place { key: key(previous, byte), pattern: pattern as u32, at: at as u32 });
            }
        }
        places.sort_unstable();
        let mut from = [0; 257];
        for (byte, from) in (0..).zip(&mut from) {
            *from = places.partition_point(|p| p.key < byte << 9) as u32;
        }
        Self { places, from }
    }

    fn of(&self, previous: Option<u8>, byte: u8) -> impl Iterator<Item = (usize, usize)> + '_ {
        let key = key(previous, byte);
        let places = self.places_of(byte);
        let from = places.partition_point(|p| p.key < key);
        places[from..].iter().take_while(move |p| p.key == key).map(|p| (p.pattern as usize, p.at as usize))
    }

    /// The patterns that hold `byte`, and where.
    pub(super) fn holding(&self, byte: u8) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.places_of(byte).iter().map(|p| (p.pattern as usize, p.at as usize))
    }

    #[inline]
    fn places_of(&self, byte: u8) -> &[Place] {
        let byte = usize::from(byte);
        &self.places[self.from[byte] as usize..self.from[byte + 1] as usize]
    }

    /// Patterns that begin with `byte`, in list order.
    pub(super) fn beginning_with(&self, byte: u8) -> impl Iterator<Item = usize> + '_ {
        self.of(None, byte).map(|(pattern, _)| pattern)
    }
}

/// How far a pattern could be followed.
pub(super) struct Followed {
    /// Where its shortest form ends.
    pub(super) end: Option<usize>,
    /// How many bytes of it had been read when the text ended first, in the reading that came furthest.
    pub(super) open: Option<usize>,
}

impl Patterns {
    /// Occurrences with an escape in them, by place, then by pattern.
    pub(super) fn hidden(&self, text: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        let mut next = 0;
        while let Some(at) = self.escapes.position(text, next) {
            next = at + 1;
            let Some(first) = self.escapes.first_byte(text, at) else { continue };
            if self.index.places_of(first).is_empty() {
                continue;
            }
            let previous = at.checked_sub(1).map(|i| text[i]);
            let begun = previous.into_iter().flat_map(|p| self.index.of(Some(p), first));
            for (pattern, offset) in self.index.of(None, first).chain(begun) {
                let whole = &self.list[pattern];
                let Some(start) = at.checked_sub(offset) else { continue };
                let bare = &whole[..offset];
                if text[start..at] != *bare || (bare.contains(&b'\\') && !self.escapes.bare_backslash()) {
                    continue;
                }
                if let Some(end) = self.follow(whole, offset, text, at).end {
                    found.push(Found { start, end, pattern });
                }
            }
        }
        found.sort_unstable_by_key(|f| (f.start, f.pattern, f.end));
        found.dedup_by_key(|f| (f.start, f.pattern));
        found
    }

    /// Follows `pattern[offset..]` through the text from `at`, each byte as it is or as an escape. A byte that
    /// begins escapes itself can be read both ways, so all readings are kept; there is rarely more than one.
    pub(super) fn follow(&self, pattern: &[u8], offset: usize, text: &[u8], at: usize) -> Followed {
        let mut readings: SmallVec<[(usize, usize); 4]> = smallvec![(offset, at)];
        let mut out = Followed { end: None, open: None };
        while let Some(next) = (0..readings.len()).min_by_key(|&i| readings[i]) {
            let (offset, at) = readings.swap_remove(next);
            let rest = &pattern[offset..];
            if rest.is_empty() {
                out.end = Some(out.end.map_or(at, |end| end.min(at)));
                continue;
            }
            let Some(&byte) = text.get(at) else {
                out.open = out.open.max(Some(offset));
                continue;
            };
            let bare = byte == rest[0] && (byte != b'\\' || self.escapes.bare_backslash());
            let mut step = |reading| {
                if !readings.contains(&reading) {
                    readings.push(reading);
                }
            };
            if bare {
                step((offset + 1, at + 1));
            }
            match self.escapes.read(&text[at..]) {
                Escape::None => {}
                Escape::Cut => out.open = out.open.max(Some(offset)),
                Escape::Whole { bytes, n, len } => {
                    if rest.starts_with(&bytes[..n]) {
                        step((offset + n, at + len));
                    }
                }
            }
        }
        out
    }
}

impl Escapes {
    /// The next place at or after `from` where an escape may begin.
    #[inline]
    fn position(self, text: &[u8], from: usize) -> Option<usize> {
        // Where there is one escape there are often more, and a vector search does not pay for a few bytes.
        let near = text[from..].iter().take(NEAR).position(|&byte| self.begins_with(byte));
        if let Some(near) = near {
            return Some(from + near);
        }
        let from = (from + NEAR).min(text.len());
        let [a, b, c] = self.needles();
        memchr::memchr3(a, b, c, &text[from..]).map(|i| from + i)
    }

    /// The first byte that the escape at `at` stands for. Most escapes are of no interest, so the common ones
    /// are told without reading them in full.
    #[inline]
    fn first_byte(self, text: &[u8], at: usize) -> Option<u8> {
        match text[at..] {
            [b'%', high, low, ..] => Some(hex(high)? << 4 | hex(low)?),
            [b'\\', kind @ (b'"' | b'\\' | b'/'), ..] => Some(kind),
            [b'\\', b'n', ..] => Some(b'\n'),
            _ => match self.read(&text[at..]) {
                Escape::Whole { bytes, .. } => Some(bytes[0]),
                Escape::None | Escape::Cut => None,
            },
        }
    }

    /// The last place where an escape may begin.
    pub(super) fn last_position(self, text: &[u8]) -> Option<usize> {
        if !self.any() {
            return None;
        }
        let [a, b, c] = self.needles();
        memchr::memrchr3(a, b, c, text)
    }

    /// The bytes with which escapes begin; one that is on stands in for those that are off.
    fn needles(self) -> [u8; 3] {
        let on = if self.json { b'\\' } else { b'%' };
        [on, if self.percent { b'%' } else { on }, if self.plus { b'+' } else { on }]
    }
}

/// How far to look byte by byte before the vector search takes over.
const NEAR: usize = 4;
