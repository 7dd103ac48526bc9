//! The values of a definition's sources, apart from it.

use std::collections::BTreeMap;
use std::fmt;

use centaur_base::Secret;

/// Inline values by the path of their source (`source`, `credentials.client_id`, `dsn`). The store seals each with
/// its path as context and opens them for delivery; nothing else reads them. `Debug` shows the paths only.
#[derive(Default)]
pub struct Values(BTreeMap<String, Secret<String>>);

impl Values {
    /// Sets the value of a source.
    pub fn insert(&mut self, path: impl Into<String>, value: Secret<String>) {
        self.0.insert(path.into(), value);
    }

    /// The value of a source.
    pub fn value(&self, path: &str) -> Option<&Secret<String>> {
        self.0.get(path)
    }

    /// Paths and values, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret<String>)> {
        self.0.iter().map(|(path, value)| (path.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Secret<String>)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, Secret<String>)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
