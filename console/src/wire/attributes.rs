//! The attributes of a request, and reading them.

use std::fmt;

use serde_json::{Map, Value};
use zeroize::Zeroize;

use super::{Details, is_blank};
use centaur_base::Secret;

/// The object under `data`. It may hold values of secrets: `Debug` shows names only, and what is left is wiped on
/// drop.
#[derive(Default)]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    /// Takes the members of a JSON object.
    pub fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// Whether the attribute was sent, be it as null.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The value as sent.
    pub fn peek(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The names, in the order sent.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All members; what is left to drop is empty.
    pub fn into_members(mut self) -> Map<String, Value> {
        std::mem::take(&mut self.0)
    }

    /// Takes the value out; `None` for an absent attribute and for null.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.0.get_mut(key).map(Value::take).filter(|value| !value.is_null())
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

/// Overwrites every text in a value.
pub(crate) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}

/// Reads attributes one after the other and notes what is wrong. Absent and null are the same.
pub struct Reader<'a> {
    attributes: &'a mut Attributes,
    problems: &'a mut Details,
    /// Where the object stands in the document; empty for the document itself.
    path: String,
}

impl<'a> Reader<'a> {
    /// Reads the document itself.
    pub fn new(attributes: &'a mut Attributes, problems: &'a mut Details) -> Self {
        Self { attributes, problems, path: String::new() }
    }

    /// Reads an object at `path` within the document; its problems are noted under both names.
    pub fn nested(attributes: &'a mut Attributes, problems: &'a mut Details, path: &str) -> Self {
        Self { attributes, problems, path: path.to_owned() }
    }

    /// Notes a problem.
    pub fn reject(&mut self, key: &str, message: impl Into<String>) {
        if self.path.is_empty() {
            self.problems.add(key, message);
        } else {
            self.problems.add_nested(&self.path, key, message);
        }
    }

    /// The list of problems, for a part that is read elsewhere.
    pub fn problems(&mut self) -> &mut Details {
        self.problems
    }

    /// Whether the attribute was sent, be it as null.
    pub fn has(&self, key: &str) -> bool {
        self.attributes.has(key)
    }

    /// Whether the attribute was sent and is not null.
    pub fn is_given(&self, key: &str) -> bool {
        self.peek(key).is_some_and(|value| !value.is_null())
    }

    /// The value, left where it is.
    pub fn peek(&self, key: &str) -> Option<&Value> {
        self.attributes.peek(key)
    }

    /// The names of all attributes.
    pub fn keys(&self) -> Vec<String> {
        self.attributes.keys().map(str::to_owned).collect()
    }

    /// The value as it is.
    pub fn value(&mut self, key: &str) -> Option<Value> {
        self.attributes.take(key)
    }

    /// Text as sent, several lines included.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.attributes.take(key)? {
            Value::String(text) => Some(text),
            mut other => {
                wipe(&mut other);
                self.reject(key, "must be a string");
                None
            }
        }
    }

    /// One line of text: no control characters.
    pub fn line(&mut self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        if text.chars().any(char::is_control) {
            self.reject(key, "must not contain control characters");
            return None;
        }
        Some(text)
    }

    /// One line that has to be there: `can't be blank`.
    pub fn required_line(&mut self, key: &str) -> Option<String> {
        let before = self.problems.under(key).len();
        let line = self.line(key).filter(|line| !is_blank(line));
        if line.is_none() && self.problems.under(key).len() == before {
            self.reject(key, "can't be blank");
        }
        line
    }

    /// Text that has to be there and may have several lines: `can't be blank`.
    pub fn required_text(&mut self, key: &str) -> Option<String> {
        let before = self.problems.under(key).len();
        let text = self.text(key).filter(|text| !is_blank(text));
        if text.is_none() && self.problems.under(key).len() == before {
            self.reject(key, "can't be blank");
        }
        text
    }

    /// One of a few words; the message lists them as `must be one of a, b`. `None` when it is absent or wrong, which
    /// both are noted.
    pub fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.attributes.take(key);
        let text = value.as_ref().and_then(Value::as_str);
        let found = choices.iter().find(|(word, _)| Some(*word) == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.reject(key, format!("must be one of {}", words.join(", ")));
        }
        found
    }

    /// True or false.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        match self.attributes.take(key)? {
            Value::Bool(flag) => Some(flag),
            mut other => {
                wipe(&mut other);
                self.reject(key, "must be true or false");
                None
            }
        }
    }

    /// A list of texts, none blank; `of_what` is the message for an element that is not one.
    pub fn texts(&mut self, key: &str, not_list: &str, of_what: &str) -> Option<Vec<String>> {
        let items = self.list(key, not_list)?;
        let count = items.len();
        let texts: Vec<String> = items
            .into_iter()
            .filter_map(|item| if let Value::String(text) = item { Some(text) } else { None })
            .filter(|text| !is_blank(text) && !text.chars().any(char::is_control))
            .collect();
        if texts.len() < count {
            self.reject(key, of_what);
            return None;
        }
        Some(texts)
    }

    /// A list of anything.
    pub fn list(&mut self, key: &str, not_list: &str) -> Option<Vec<Value>> {
        match self.attributes.take(key)? {
            Value::Array(items) => Some(items),
            mut other => {
                wipe(&mut other);
                self.reject(key, not_list);
                None
            }
        }
    }

    /// An object: `must be a hash`.
    pub fn object(&mut self, key: &str) -> Option<Attributes> {
        match self.attributes.take(key)? {
            Value::Object(members) => Some(Attributes::new(members)),
            mut other => {
                wipe(&mut other);
                self.reject(key, "must be a hash");
                None
            }
        }
    }

    /// A value that must not be shown again.
    pub fn secret(&mut self, key: &str) -> Option<Secret<String>> {
        self.text(key).map(Secret::new)
    }
}
