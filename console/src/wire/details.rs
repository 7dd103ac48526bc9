//! What is wrong with a document, all of it at once.

use serde::{Serialize, Serializer};

/// Messages by attribute, or by `base` for what concerns none alone; in the order they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details(Vec<(String, Vec<String>)>);

impl Details {
    /// No problem.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a message under an attribute. The message never holds the value of a secret.
    pub fn add(&mut self, attribute: &str, message: impl Into<String>) {
        let message = message.into();
        match self.0.iter_mut().find(|(known, _)| known == attribute) {
            Some((_, messages)) => messages.push(message),
            None => self.0.push((attribute.to_owned(), vec![message])),
        }
    }

    /// Notes a message about a part of the document under both its names: the reference's (`config`) and the
    /// path that says which one it is (`credentials.client_id.config`).
    pub fn add_nested(&mut self, path: &str, attribute: &str, message: impl Into<String>) {
        let message = message.into();
        self.add(attribute, message.clone());
        self.add(&format!("{path}.{attribute}"), message);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The messages under an attribute; empty when there are none.
    pub fn under(&self, attribute: &str) -> &[String] {
        self.0.iter().find(|(known, _)| known == attribute).map_or(&[], |(_, messages)| messages)
    }

    /// Attributes and their messages, in the order found.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(attribute, messages)| (attribute.as_str(), messages.as_slice()))
    }

    /// `Ok` when nothing is wrong, so that the last line of a check can be `details.into_result()?`.
    ///
    /// # Errors
    /// Itself, when something is.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
