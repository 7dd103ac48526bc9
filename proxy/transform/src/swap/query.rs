//! The path and the query of the address. Only the bytes of a find change; everything around keeps its order
//! and its spelling.

use http::Uri;
use http::uri::PathAndQuery;
use zeroize::Zeroizing;

use super::{Compiled, Location, Place, SwapError, SwapSet, Swapped, Values};
use crate::escape::{Escapes, percent_decode};

impl SwapSet {
    pub(super) fn address(
        &self,
        values: &Values<'_>,
        uri: &mut Uri,
        swapped: &mut Swapped,
    ) -> Result<(), SwapError> {
        let query = uri.query().and_then(|query| self.query(query, values, swapped));
        let path = self
            .compiled(&self.path, Escapes::PATH, values)
            .and_then(|compiled| compiled.path(uri.path(), swapped))
            .transpose()?;
        if query.is_none() && path.is_none() {
            return Ok(());
        }
        let mut text = path.unwrap_or_else(|| Zeroizing::new(uri.path().as_bytes().to_vec()));
        if let Some(query) = query.as_deref().map(Vec::as_slice).or(uri.query().map(str::as_bytes)) {
            text.push(b'?');
            text.extend_from_slice(query);
        }
        replace_path_and_query(uri, &text).ok_or(SwapError::AddressTooLong)
    }

    /// Replaces in the values, never in the names.
    fn query(&self, query: &str, values: &Values<'_>, swapped: &mut Swapped) -> Option<Zeroizing<Vec<u8>>> {
        let compile = |place| self.compiled(place, Escapes::FORM, values);
        let everywhere = compile(&self.query);
        if self.params.is_empty() && !everywhere.as_ref()?.patterns.is_match(query.as_bytes()) {
            return None;
        }
        let mut out = Zeroizing::new(Vec::with_capacity(query.len()));
        let mut changed = false;
        for (i, pair) in query.split('&').enumerate() {
            if i > 0 {
                out.push(b'&');
            }
            let Some((name, value)) = pair.split_once('=') else {
                out.extend_from_slice(pair.as_bytes());
                continue;
            };
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            let named = self.param(name).and_then(compile);
            let new = named.as_ref().or(everywhere.as_ref()).and_then(|c| c.value(name, value, swapped));
            changed |= new.is_some();
            out.extend_from_slice(new.as_deref().map_or(value.as_bytes(), Vec::as_slice));
        }
        changed.then_some(out)
    }

    /// The place of a parameter that some entry names.
    fn param(&self, name: &str) -> Option<&Place> {
        if self.params.is_empty() {
            return None;
        }
        let name = percent_decode(name.as_bytes(), true);
        let at = self.params.binary_search_by(|(known, _)| known.as_bytes().cmp(&name)).ok()?;
        Some(&self.params[at].1)
    }
}

/// Sets the path and query; `None` when the text is no valid one, or too long.
pub(crate) fn replace_path_and_query(uri: &mut Uri, text: &[u8]) -> Option<()> {
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    *uri = Uri::from_parts(parts).ok()?;
    Some(())
}

impl Compiled {
    /// The new value of a parameter, when anything occurs in it.
    fn value(&self, name: &str, value: &str, swapped: &mut Swapped) -> Option<Zeroizing<Vec<u8>>> {
        let mut hits = Vec::new();
        let new = self.patterns.replace(value.as_bytes(), &self.with, |p| hits.push(self.entries[p]))?;
        hits.sort_unstable();
        hits.dedup();
        for entry in hits {
            let name = String::from_utf8_lossy(&percent_decode(name.as_bytes(), true)).into_owned();
            swapped.entries[entry].locations.push(Location::Query(name));
        }
        Some(Zeroizing::new(new))
    }

    fn path(&self, path: &str, swapped: &mut Swapped) -> Option<Result<Zeroizing<Vec<u8>>, SwapError>> {
        let mut hits = Vec::new();
        let new = self.patterns.replace(path.as_bytes(), &self.with, |p| hits.push(self.entries[p]))?;
        let new = Zeroizing::new(new);
        if dot_segments(&new) > dot_segments(path.as_bytes()) {
            return Some(Err(SwapError::DotSegment));
        }
        hits.sort_unstable();
        hits.dedup();
        for entry in hits {
            swapped.entries[entry].locations.push(Location::Path);
        }
        Some(Ok(new))
    }
}

/// How many segments of the decoded path are `.` or `..`. Backslashes count as slashes and what follows a `;`
/// does not count, since some servers see it so.
fn dot_segments(path: &[u8]) -> usize {
    let decoded = percent_decode(path, false);
    let segments = decoded.split(|b| matches!(b, b'/' | b'\\'));
    segments.filter(|s| matches!(s.split(|&b| b == b';').next(), Some(b"." | b".."))).count()
}
