//! Putting real values where the client wrote placeholders: headers, query, path, body.
//!
//! A [`SwapSet`] is compiled once for the `replace` entries that apply to a kind of request and knows no values;
//! the values come with each request, so that a rotated secret costs nothing. One search per text decides
//! whether anything occurs at all; only then the entries are applied, in list order, each to the output of those
//! before it: a value that holds a later placeholder is rewritten again, and of two placeholders that begin alike
//! the earlier one wins.

mod basic;
mod body;
mod head;
mod query;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

use centaur_base::Secret;
use centaur_policies::spec::{HeaderMatcher, ReplaceSpec};
use http::HeaderName;
use http::request::Parts;
use memchr::memmem;
use zeroize::Zeroizing;

pub use self::body::{BodyHits, BodySwap, Swap, SwapBody};
pub(crate) use self::head::sendable;
pub(crate) use self::query::replace_path_and_query;
use crate::engine::{Patterns, PatternsError, Replacements};
use crate::escape::{Escapes, Spell};

/// `replace` entries compiled together. Cheap to share, costly to build: keep one per set of entries.
pub struct SwapSet {
    entries: Vec<Entry>,
    /// All placeholders as they are.
    any: Patterns,
    query: Place,
    /// The parameters that some entries name, each with the entries that look there, those of `query` among them.
    params: Vec<(String, Place)>,
    path: Place,
    body: Place,
}

struct Entry {
    placeholder: String,
    finder: memmem::Finder<'static>,
    headers: Vec<HeaderMatcher>,
    require: bool,
}

/// The value of each entry, by number; `None` where it is not available, which leaves the placeholder alone.
pub type Values<'a> = [Option<&'a str>];

/// What was done to the head of a request.
#[derive(Debug, Default)]
pub struct Swapped {
    /// One per entry, in order.
    pub entries: Vec<EntrySwap>,
    /// Headers to be sent under the spelling that the configuration gives.
    pub spellings: Vec<(HeaderName, String)>,
    /// `Basic` credentials that were encoded again: the new and the former text, for scrubbing.
    pub basic: Vec<(Secret<String>, String)>,
}

/// What one entry did to the head of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntrySwap {
    /// Where the placeholder was replaced.
    pub locations: Vec<Location>,
    /// For an entry with `require`: a header in which its credential belongs, or a well-known one where every
    /// header is searched, that holds something else.
    pub competing: Option<HeaderName>,
}

/// Where a value was placed. `Display` gives the text of the audit line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A header, spelled as configured, else canonically.
    Header(String),
    /// A query parameter, by its decoded name.
    Query(String),
    /// The path.
    Path,
    /// The body.
    Body,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(key) => write!(f, "query:{key}"),
            Self::Path => f.write_str("path"),
            Self::Body => f.write_str("body"),
        }
    }
}

/// Why a request must not be sent. What was changed in it by then is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SwapError {
    /// The value holds bytes that cannot stand in a header.
    #[error("the value of entry {entry} cannot be sent in a header")]
    Unsendable {
        /// Number of the entry.
        entry: usize,
    },
    /// A value would have added a `.` or `..` segment to the path.
    #[error("a value would change the meaning of the path")]
    DotSegment,
    /// The edited address is longer than an address may be.
    #[error("the address became too long")]
    AddressTooLong,
}

/// What an entry's `require` says after the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was required, or it is there.
    Pass,
    /// It can only be in the body: pass the entry to [`BodySwap::require`].
    InBody,
    /// The placeholder does not stand where the credential belongs.
    Absent,
    /// Another credential stands there.
    Competing(HeaderName),
}

impl SwapSet {
    /// Compiles entries, in list order.
    ///
    /// # Errors
    /// An empty placeholder, or more text than can be indexed.
    pub fn new<'a>(specs: impl IntoIterator<Item = &'a ReplaceSpec>) -> Result<Self, PatternsError> {
        let specs: Vec<&ReplaceSpec> = specs.into_iter().collect();
        let placed = |wants: fn(&ReplaceSpec) -> bool| {
            Place::new((0..specs.len()).filter(|&i| wants(specs[i])).collect())
        };
        let mut names: Vec<&String> = specs.iter().flat_map(|s| &s.match_query_params).collect();
        names.sort_unstable();
        names.dedup();
        let looks_at =
            |i: &usize, name: &String| specs[*i].match_query || specs[*i].match_query_params.contains(name);
        let param = |name: &String| {
            (name.clone(), Place::new((0..specs.len()).filter(|i| looks_at(i, name)).collect()))
        };
        let placeholders: Vec<_> = specs.iter().map(|s| s.placeholder.as_bytes()).collect();
        Ok(Self {
            any: Patterns::new(&placeholders, Escapes::RAW)?,
            query: placed(|s| s.match_query),
            params: names.into_iter().map(param).collect(),
            path: placed(|s| s.match_path),
            body: placed(|s| s.match_body),
            entries: specs.iter().map(|s| Entry::new(s)).collect(),
        })
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Swaps in headers, query and path.
    ///
    /// # Errors
    /// See [`SwapError`]; the request must not be sent then.
    pub fn head(&self, values: &Values<'_>, parts: &mut Parts) -> Result<Swapped, SwapError> {
        let mut swapped = Swapped { entries: vec![EntrySwap::default(); self.len()], ..Swapped::default() };
        self.headers(values, &mut parts.headers, &mut swapped)?;
        self.address(values, &mut parts.uri, &mut swapped)?;
        Ok(swapped)
    }

    /// What `require` of entry `entry` says about a request whose head was swapped with this result.
    pub fn verdict(&self, entry: usize, swapped: &Swapped) -> Verdict {
        let (Some(spec), Some(done)) = (self.entries.get(entry), swapped.entries.get(entry)) else {
            return Verdict::Pass;
        };
        if !spec.require {
            return Verdict::Pass;
        }
        if let Some(name) = &done.competing {
            return Verdict::Competing(name.clone());
        }
        match done.locations.is_empty() {
            false => Verdict::Pass,
            true if self.body.entries.contains(&entry) => Verdict::InBody,
            true => Verdict::Absent,
        }
    }

    /// The replacements for a place, each in the place's spelling, with the patterns they belong to. `None` when
    /// no entry with a value looks there.
    fn compiled(&self, place: &Place, escapes: Escapes, values: &Values<'_>) -> Option<Compiled> {
        let value = |entry: usize| values.get(entry).copied().flatten();
        let entries: Vec<usize> = place.entries.iter().copied().filter(|&e| value(e).is_some()).collect();
        if entries.is_empty() {
            return None;
        }
        let compile = || {
            let list: Vec<_> = entries.iter().map(|&e| self.entries[e].placeholder.as_bytes()).collect();
            // The same placeholders were compiled in `new`, so this cannot fail.
            Patterns::new(&list, escapes).ok().map(Arc::new)
        };
        let patterns = if entries.len() == place.entries.len() {
            place.cached(escapes).get_or_init(compile).clone()?
        } else {
            compile()?
        };
        let spell = Spell::of(escapes);
        let with: Replacements = (0..entries.len())
            .map(|i| {
                let mut written = Zeroizing::new(Vec::new());
                spell.write(&self.chained(&entries[i..], values), &mut written);
                written
            })
            .collect();
        Some(Compiled { entries: entries.into(), patterns, with })
    }

    /// The value of the first of `entries` after the others were applied to it.
    fn chained(&self, entries: &[usize], values: &Values<'_>) -> Zeroizing<Vec<u8>> {
        let value = |entry: usize| values.get(entry).copied().flatten().unwrap_or_default().as_bytes();
        let Some((&first, later)) = entries.split_first() else { return Zeroizing::default() };
        let mut text = Zeroizing::new(value(first).to_vec());
        if self.any.is_match(&text) {
            for &entry in later {
                if let Some(next) = self.entries[entry].replace(&text, value(entry)) {
                    text = next;
                }
            }
        }
        text
    }
}

impl fmt::Debug for SwapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwapSet").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

impl Entry {
    fn new(spec: &ReplaceSpec) -> Self {
        Self {
            placeholder: spec.placeholder.clone(),
            finder: memmem::Finder::new(spec.placeholder.as_bytes()).into_owned(),
            headers: spec.match_headers.clone(),
            require: spec.require,
        }
    }

    /// Replaces every occurrence, left to right; `None` when there is none.
    fn replace(&self, text: &[u8], value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut at = self.finder.find(text)?;
        let mut out = Zeroizing::new(Vec::with_capacity(text.len() + value.len()));
        let mut copied = 0;
        loop {
            out.extend_from_slice(&text[copied..at]);
            out.extend_from_slice(value);
            copied = at + self.placeholder.len();
            let Some(next) = self.finder.find(&text[copied..]) else { break };
            at = copied + next;
        }
        out.extend_from_slice(&text[copied..]);
        Some(out)
    }
}

/// The entries that look in one place, and their patterns per kind of escapes, compiled when first needed.
struct Place {
    entries: Vec<usize>,
    raw: Cached,
    form: Cached,
    path: Cached,
    json: Cached,
}

type Cached = OnceLock<Option<Arc<Patterns>>>;

impl Place {
    fn new(entries: Vec<usize>) -> Self {
        Self {
            entries,
            raw: OnceLock::new(),
            form: OnceLock::new(),
            path: OnceLock::new(),
            json: OnceLock::new(),
        }
    }

    fn cached(&self, escapes: Escapes) -> &Cached {
        match Spell::of(escapes) {
            Spell::Raw => &self.raw,
            Spell::Query => &self.form,
            Spell::Path => &self.path,
            Spell::Json => &self.json,
        }
    }
}

struct Compiled {
    /// The entry of each pattern.
    entries: Arc<[usize]>,
    patterns: Arc<Patterns>,
    with: Replacements,
}
