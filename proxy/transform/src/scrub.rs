//! Taking real values out of responses: every value that was put into a request is replaced by its placeholder
//! in the header fields, the reason phrase, the body and the trailers of the answer.
//!
//! A value is found as it is, percent-encoded or JSON-escaped (any subset of its characters, by any encoder), and
//! in base64, standard or URL-safe, alone or anywhere inside a longer text (`base64("user:" + value)`). In base64
//! the find is replaced by as many characters, so that what follows keeps its alignment.
//!
//! A field whose *name* holds a value is removed, whatever the letter case.
//!
//! Values shorter than [`MIN_LEN`] bytes are not scrubbed: they would be found everywhere by chance. Below
//! [`MIN_BASE64_LEN`] bytes the base64 forms are not searched, below [`MIN_NAME_LEN`] no names of fields, for the same
//! reason.

mod base64;
mod body;
mod names;
mod request;
mod websocket;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderValue};
use smallvec::SmallVec;
use zeroize::Zeroizing;

pub use self::body::{BodyScrub, Scrub, ScrubBody, ScrubError, ScrubHits, Scrubbed};
pub use self::names::MIN_NAME_LEN;
use self::names::Names;
pub use self::request::prepare_request;
pub use self::websocket::{WebSocketError, WebSocketScrubber};
use crate::engine::{Patterns, PatternsError, Replacements};
use crate::escape::Escapes;

/// Shorter values are not scrubbed, in bytes.
pub const MIN_LEN: usize = 4;
/// Shorter values are not searched in base64, in bytes.
pub const MIN_BASE64_LEN: usize = 6;

/// The values of one exchange, compiled. Keep it for as long as the same values are used.
#[derive(Clone)]
pub struct ScrubSet {
    patterns: Arc<Patterns>,
    with: Replacements,
    /// The number of the value to which each pattern belongs, as given to the builder.
    values: Arc<[usize]>,
    names: Option<Arc<Names>>,
    /// How many values there are.
    count: usize,
}

/// Numbers of values that were found.
pub type Found = SmallVec<[usize; 4]>;

/// Collects what [`ScrubSet`] looks for.
#[derive(Default)]
pub struct ScrubBuilder {
    forms: Vec<Form>,
    values: usize,
}

struct Form {
    pattern: Zeroizing<Vec<u8>>,
    with: Vec<u8>,
    value: usize,
}

impl ScrubBuilder {
    /// Adds a value and the placeholder that takes its place; all forms of it are searched. Values are numbered
    /// in the order in which they are added.
    pub fn value(&mut self, value: &[u8], placeholder: &[u8]) -> &mut Self {
        let number = self.number();
        if value == placeholder {
            return self;
        }
        self.form(number, value, placeholder.to_vec());
        // A file often ends in a line end, which an echo may drop.
        let value = value.trim_ascii();
        self.form(number, value, placeholder.to_vec());
        if value.len() >= MIN_BASE64_LEN {
            for (core, with) in base64::cores(value, placeholder) {
                self.form(number, &core, with);
            }
        }
        self
    }

    /// Adds a text that was put into the request in an encoded form, such as the base64 of `Basic`; it is not
    /// searched in base64 once more.
    pub fn text(&mut self, text: &[u8], placeholder: &[u8]) -> &mut Self {
        let number = self.number();
        self.form(number, text, placeholder.to_vec());
        self
    }

    /// Compiles; `None` when there is nothing to look for.
    ///
    /// # Errors
    /// More text than can be indexed.
    pub fn build(&mut self) -> Result<Option<ScrubSet>, PatternsError> {
        if self.forms.is_empty() {
            return Ok(None);
        }
        // Longer ones first: of two that begin at the same place the longer must win.
        self.forms.sort_by_key(|form| std::cmp::Reverse(form.pattern.len()));
        let list: Vec<&[u8]> = self.forms.iter().map(|form| form.pattern.as_slice()).collect();
        let patterns = Arc::new(Patterns::new(&list, Escapes::ANY)?);
        let with = self.forms.iter().map(|form| Zeroizing::new(form.with.clone())).collect();
        let values = self.forms.iter().map(|form| form.value).collect();
        let names = Names::new(self.forms.iter().map(|form| (form.pattern.as_slice(), form.value)))?;
        Ok(Some(ScrubSet { patterns, with, values, names: names.map(Arc::new), count: self.values }))
    }

    fn number(&mut self) -> usize {
        self.values += 1;
        self.values - 1
    }

    fn form(&mut self, value: usize, pattern: &[u8], with: Vec<u8>) {
        let known = self.forms.iter().any(|form| form.pattern.as_slice() == pattern);
        if pattern.len() >= MIN_LEN && !known {
            self.forms.push(Form { pattern: Zeroizing::new(pattern.to_vec()), with, value });
        }
    }
}

impl ScrubSet {
    /// An empty collection.
    pub fn builder() -> ScrubBuilder {
        ScrubBuilder::default()
    }

    /// Scrubs every field, header or trailer. Gives the numbers of the values found, once for each field.
    pub fn headers(&self, headers: &mut HeaderMap) -> Found {
        let mut found = Found::new();
        if let Some(names) = &self.names {
            found.extend(headers.keys().filter_map(|name| names.find(name)));
            if !found.is_empty() {
                crate::headers::retain(headers, |name| names.find(name).is_none());
            }
        }
        for value in headers.values_mut() {
            let before = found.len();
            let Some(new) = self.replace(value.as_bytes(), |number| {
                if !found[before..].contains(&number) {
                    found.push(number);
                }
            }) else {
                continue;
            };
            // Placeholders that cannot stand in a field come from no client, but configuration may hold them.
            *value = HeaderValue::from_bytes(&new).unwrap_or(HeaderValue::from_static("***"));
        }
        found
    }

    /// Scrubs a short text, such as a reason phrase; `None` when nothing was found.
    pub fn text(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.replace(text, |_| {})
    }

    fn replace(&self, text: &[u8], mut hit: impl FnMut(usize)) -> Option<Vec<u8>> {
        self.patterns.replace(text, &self.with, |pattern| hit(self.values[pattern]))
    }
}

impl fmt::Debug for ScrubSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrubSet").field("patterns", &self.patterns.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ScrubBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrubBuilder").field("values", &self.values).finish_non_exhaustive()
    }
}
