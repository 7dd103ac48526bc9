//! Which records of a namespace a list shows.

/// Which records of a namespace a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// The namespace.
    pub namespace: String,
    /// Labels that must all be there, with these values.
    pub labels: Vec<(String, String)>,
}

impl ListFilter {
    /// All of a namespace.
    pub fn of(namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), labels: Vec::new() }
    }

    /// Those with a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((key.into(), value.into()));
        self
    }

    pub(super) fn query(&self) -> Vec<(String, String)> {
        let labels = self.labels.iter().map(|(key, value)| (format!("labels[{key}]"), value.clone()));
        std::iter::once(("namespace".to_owned(), self.namespace.clone())).chain(labels).collect()
    }
}
