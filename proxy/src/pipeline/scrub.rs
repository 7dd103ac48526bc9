//! What must not come back in a response, and the compiled scrubbers for it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use centaur_transform::ScrubSet;
use zeroize::Zeroizing;

use crate::refusal::Refusal;
use crate::sources::SecretValue;

/// Compiled scrubbers kept per host.
const MOST_SCRUBBERS: usize = 64;

/// The values that were placed in one request.
#[derive(Default)]
pub(super) struct Scrub {
    forms: Vec<Form>,
}

enum Form {
    /// A value by stage and entry; its version tells one value of an entry from the next.
    Value { value: Arc<SecretValue>, placeholder: String, id: (usize, u32) },
    /// A text that was put into the request in place of another.
    Text { text: Zeroizing<String>, placeholder: String },
}

impl Scrub {
    pub(super) fn value(&mut self, id: (usize, u32), value: &Arc<SecretValue>, placeholder: &str) {
        if !self.forms.iter().any(|form| matches!(form, Form::Value { id: known, .. } if *known == id)) {
            self.forms.push(Form::Value { value: value.clone(), placeholder: placeholder.to_owned(), id });
        }
    }

    pub(super) fn text(&mut self, text: &str, placeholder: &str) {
        let text = Zeroizing::new(text.to_owned());
        self.forms.push(Form::Text { text, placeholder: placeholder.to_owned() });
    }

    /// The re-encoded `Basic` text, and what the client had sent. Only beside a value that is scrubbed.
    pub(super) fn encoded(&mut self, new: &str, former: &str) {
        if !self.forms.is_empty() {
            self.text(new, former);
        }
    }
}

/// Scrubbers by the values they look for.
#[derive(Default)]
pub(super) struct Scrubbers {
    hasher: RandomState,
    known: Mutex<HashMap<u64, Option<ScrubSet>>>,
}

impl Scrubbers {
    pub(super) fn compiled(&self, scrub: &Scrub) -> Result<Option<ScrubSet>, Refusal> {
        if scrub.forms.is_empty() {
            return Ok(None);
        }
        let mut hasher = self.hasher.build_hasher();
        for form in &scrub.forms {
            match form {
                Form::Value { value, id, .. } => (0_u8, id, value.version()).hash(&mut hasher),
                Form::Text { text, placeholder } => (1_u8, text.as_str(), placeholder).hash(&mut hasher),
            }
        }
        let key = hasher.finish();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = known.get(&key) {
            return Ok(set.clone());
        }
        let mut builder = ScrubSet::builder();
        for form in &scrub.forms {
            match form {
                Form::Value { value, placeholder, .. } => {
                    builder.value(value.text().expose().as_bytes(), placeholder.as_bytes())
                }
                Form::Text { text, placeholder } => builder.text(text.as_bytes(), placeholder.as_bytes()),
            };
        }
        let set = builder.build().map_err(Refusal::internal)?;
        if known.len() >= MOST_SCRUBBERS {
            known.clear();
        }
        known.insert(key, set.clone());
        Ok(set)
    }
}
