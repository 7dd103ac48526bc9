//! The edges of a text that was cut out of a longer one: an occurrence that began before it, or that goes on
//! behind it, and a text that lies inside an occurrence.
//!
//! Replacements have the length of what they replace here, so a place in the input is the same place in the output,
//! and what belongs to a cut occurrence is overwritten there.

use bytes::{Bytes, BytesMut};

use super::before::Before;
use super::{Patterns, StreamReplacer, joined};
use crate::escape::Escape;

/// Pieces of a cut occurrence shorter than this many bytes of the pattern stay: they are no news, and occur by chance.
pub const MIN_CUT: usize = 4;

/// What is known of the edges so far.
#[derive(Default)]
pub(super) struct Edges {
    /// The beginning of the text, while an occurrence that began before it may still go on.
    pending: Bytes,
    decided: bool,
    /// Bytes of the output still to be overwritten.
    mask: usize,
}

impl Edges {
    pub(super) fn held(&self) -> usize {
        self.pending.len()
    }

    fn masked(&mut self, out: Bytes) -> Bytes {
        let n = self.mask.min(out.len());
        self.mask -= n;
        masked(out, 0..n)
    }
}

fn masked(out: Bytes, range: std::ops::Range<usize>) -> Bytes {
    if range.is_empty() {
        return out;
    }
    let mut out = BytesMut::from(out);
    out[range].fill(b'*');
    out.freeze()
}

impl StreamReplacer {
    pub(super) fn push_part(&mut self, mut piece: Bytes, hit: &mut impl FnMut(usize)) -> Bytes {
        let Some(edges) = self.edges.as_mut().filter(|edges| !edges.decided) else {
            let out = self.advance(piece, false, hit);
            return self.masked(out);
        };
        piece = joined(std::mem::take(&mut edges.pending), piece);
        let begun = self.patterns.begun_before(&piece);
        if begun.open {
            edges.pending = piece;
            return Bytes::new();
        }
        edges.decided = true;
        if let Some((end, pattern)) = begun.cut {
            edges.mask = end;
            hit(pattern);
        }
        let out = self.advance(piece, false, hit);
        self.masked(out)
    }

    pub(super) fn finish_part(&mut self, hit: &mut impl FnMut(usize)) -> Bytes {
        let mut whole_text = Bytes::new();
        if let Some(edges) = self.edges.as_mut().filter(|edges| !edges.decided) {
            edges.decided = true;
            whole_text = std::mem::take(&mut edges.pending);
            if let Some((end, pattern)) = self.patterns.begun_before(&whole_text).at_end(&whole_text) {
                edges.mask = end;
                hit(pattern);
            }
        }
        // Before the start is decided nothing else is held.
        let rest = joined(std::mem::take(&mut self.held), whole_text);
        let cut = self.patterns.goes_on_behind(&rest);
        let out = self.advance(rest, true, hit);
        let out = self.masked(out);
        let Some((start, pattern)) = cut else { return out };
        hit(pattern);
        let end = out.len();
        masked(out, start..end)
    }

    fn masked(&mut self, out: Bytes) -> Bytes {
        match &mut self.edges {
            Some(edges) => edges.masked(out),
            None => out,
        }
    }
}

/// An occurrence that began before a text.
#[derive(Default)]
struct Begun {
    /// Where the longest such end is over, and its pattern.
    cut: Option<(usize, usize)>,
    /// The text ended while one could still go on.
    open: bool,
    /// The pattern of one that reaches through the whole text.
    through: Option<usize>,
}

impl Begun {
    /// What is certain when nothing follows.
    fn at_end(self, text: &[u8]) -> Option<(usize, usize)> {
        self.through.map(|pattern| (text.len(), pattern)).or(self.cut)
    }
}

impl Patterns {
    fn begun_before(&self, text: &[u8]) -> Begun {
        let mut begun = Begun::default();
        // The text may also begin inside an escape.
        for skip in 0..self.escapes.widest() {
            let Some(&byte) = text.get(skip) else {
                begun.open = true;
                break;
            };
            let escaped = match self.escapes.read(&text[skip..]) {
                Escape::Whole { bytes, .. } => Some(bytes[0]),
                Escape::Cut => {
                    begun.open = true;
                    None
                }
                Escape::None => None,
            };
            let places =
                self.index.holding(byte).chain(escaped.into_iter().flat_map(|b| self.index.holding(b)));
            for (pattern, offset) in places.filter(|&(_, offset)| offset > 0) {
                let whole = &self.list[pattern];
                let followed = self.follow(whole, offset, text, skip);
                if let Some(end) = followed.end.filter(|_| whole.len() - offset >= MIN_CUT) {
                    begun.cut = begun.cut.max(Some((end, pattern)));
                }
                if let Some(reached) = followed.open {
                    begun.open = true;
                    if reached - offset >= MIN_CUT {
                        begun.through = Some(pattern);
                    }
                }
            }
        }
        // A whole occurrence at the start holds such an end as well; it is replaced as a whole.
        if let Some((end, _)) = begun.cut {
            let first = self.scan(text, Before::default(), true).found.first().copied();
            begun.cut =
                begun.cut.filter(|_| first.is_none_or(|f| f.start >= self.escapes.widest() || f.end < end));
        }
        begun
    }

    /// Where an occurrence begins that the end of the text cuts, and its pattern.
    fn goes_on_behind(&self, text: &[u8]) -> Option<(usize, usize)> {
        (0..text.len()).find_map(|start| {
            let end = &text[start..];
            let escaped = match self.escapes.read(end) {
                Escape::Whole { bytes, .. } => Some(bytes[0]),
                Escape::Cut | Escape::None => None,
            };
            [Some(end[0]), escaped].into_iter().flatten().find_map(|byte| {
                let cut = |&pattern: &usize| {
                    self.follow(&self.list[pattern], 0, end, 0).open.is_some_and(|reached| reached >= MIN_CUT)
                };
                self.index.beginning_with(byte).find(cut).map(|pattern| (start, pattern))
            })
        })
    }
}
