//! Header fields.

use std::borrow::Cow;

use centaur_base::Secret;
use centaur_policies::spec::HeaderMatcher;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use zeroize::{Zeroize as _, Zeroizing};

use super::basic::Basic;
use super::{Entry, Location, SwapError, SwapSet, Swapped, Values};
use crate::headers::{canonical, is_framing, is_well_known_credential, selects};

impl SwapSet {
    pub(super) fn headers(
        &self,
        values: &Values<'_>,
        headers: &mut HeaderMap,
        swapped: &mut Swapped,
    ) -> Result<(), SwapError> {
        let mut untouched = Vec::new();
        for (name, value) in headers.iter_mut() {
            if is_framing(name) {
                continue;
            }
            if let Some(new) = self.header(values, name, value, swapped)? {
                *value = new;
            } else if !value.as_bytes().trim_ascii().is_empty() {
                untouched.push(name.clone());
            }
        }
        // HTTP/2 splits one `Cookie` into many fields, so a hit in any of them counts for all.
        let cookie = |done: &super::EntrySwap| {
            done.locations
                .iter()
                .any(|l| matches!(l, Location::Header(n) if n.eq_ignore_ascii_case("cookie")))
        };
        if swapped.entries.iter().any(cookie) {
            untouched.retain(|name| name != header::COOKIE);
        }
        for (entry, done) in self.entries.iter().zip(&mut swapped.entries) {
            if entry.require {
                done.competing = untouched.iter().find(|name| entry.belongs_in(name)).cloned();
            }
        }
        Ok(())
    }

    /// The new value of a header, when anything occurs in it.
    fn header(
        &self,
        values: &Values<'_>,
        name: &HeaderName,
        value: &HeaderValue,
        swapped: &mut Swapped,
    ) -> Result<Option<HeaderValue>, SwapError> {
        let basic = (name == header::AUTHORIZATION).then(|| Basic::parse(value.as_bytes())).flatten();
        let mut text = match &basic {
            Some(basic) => Cow::Borrowed(basic.text.as_slice()),
            None => Cow::Borrowed(value.as_bytes()),
        };
        if !self.any.is_match(&text) {
            return Ok(None);
        }
        let mut last = None;
        for (i, entry) in self.entries.iter().enumerate() {
            let Some(secret) = values.get(i).copied().flatten() else { continue };
            let Some(spelling) = entry.selects(name) else { continue };
            let Some(mut new) = entry.replace(&text, secret.as_bytes()) else { continue };
            // Inside base64 any byte can be sent.
            if basic.is_none() && !sendable(secret) {
                return Err(SwapError::Unsendable { entry: i });
            }
            if let Cow::Owned(former) = &mut text {
                former.zeroize();
            }
            text = Cow::Owned(std::mem::take(&mut *new));
            last = Some(i);
            entry.report(i, name, spelling, swapped);
        }
        let Some(entry) = last else { return Ok(None) };
        let text = Zeroizing::new(text.into_owned());
        let built = match &basic {
            None => text,
            Some(basic) => {
                let (built, encoded) = basic.rebuild(&text);
                let former = String::from_utf8_lossy(basic.encoded(value.as_bytes())).into_owned();
                swapped.basic.push((Secret::new(encoded), former));
                built
            }
        };
        let mut new = HeaderValue::from_bytes(&built).map_err(|_| SwapError::Unsendable { entry })?;
        new.set_sensitive(true);
        Ok(Some(new))
    }
}

/// Whether a value can stand in a field (RFC 9110 section 5.5).
pub(crate) fn sendable(value: &str) -> bool {
    value.bytes().all(|b| b == b'\t' || (b >= 0x20 && b != 0x7f))
}

/// How a selected header is spelled.
enum Spelling<'a> {
    /// As the literal matcher has it.
    Configured(&'a str),
    /// As it came.
    Kept,
}

impl Entry {
    /// Whether the entry searches a header, and the spelling it gives it.
    fn selects(&self, name: &HeaderName) -> Option<Spelling<'_>> {
        if self.headers.is_empty() {
            return Some(Spelling::Kept);
        }
        let selected = self.headers.iter().filter(|m| selects(m, name));
        let mut kept = None;
        for matcher in selected {
            match matcher {
                HeaderMatcher::Name(literal) => return Some(Spelling::Configured(literal)),
                HeaderMatcher::Pattern(_) => kept = Some(Spelling::Kept),
            }
        }
        kept
    }

    /// Whether the entry's credential is expected in a header: those it names, and the well-known ones among
    /// those it selects by a pattern or by not choosing at all.
    fn belongs_in(&self, name: &HeaderName) -> bool {
        match self.selects(name) {
            Some(Spelling::Configured(_)) => true,
            Some(Spelling::Kept) => is_well_known_credential(name),
            None => false,
        }
    }

    /// Notes a hit: one location per value in all-headers mode, else one per header.
    fn report(&self, number: usize, name: &HeaderName, spelling: Spelling<'_>, swapped: &mut Swapped) {
        let shown = match spelling {
            Spelling::Configured(literal) => {
                if !swapped.spellings.iter().any(|(n, _)| n == name) {
                    swapped.spellings.push((name.clone(), literal.to_owned()));
                }
                literal.to_owned()
            }
            Spelling::Kept => canonical(name.as_str()),
        };
        let location = Location::Header(shown);
        let done = &mut swapped.entries[number].locations;
        if self.headers.is_empty() || !done.contains(&location) {
            done.push(location);
        }
    }
}
