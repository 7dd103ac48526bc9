//! What named rows have in common.

use crate::error::StoreError;

/// A row's name for programs: unique per table (for secrets, per kind).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// The namespace.
    pub namespace: String,
    /// The name in it.
    pub foreign_id: String,
}

impl Name {
    /// A name in a namespace.
    pub fn new(namespace: impl Into<String>, foreign_id: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), foreign_id: foreign_id.into() }
    }
}

/// A row that was written, and whether it is new.
#[derive(Debug, Clone, PartialEq)]
pub struct Upserted<T> {
    /// The row as it is now.
    pub row: T,
    /// It was not there before.
    pub created: bool,
}

impl<T> Upserted<T> {
    pub(crate) fn created(row: T) -> Self {
        Self { row, created: true }
    }

    pub(crate) fn updated(row: T) -> Self {
        Self { row, created: false }
    }
}

/// Refuses a write by somebody who saw another revision; without a revision nothing is refused.
pub(crate) fn expect_revision(actual: i64, expected: Option<i64>) -> Result<(), StoreError> {
    if expected.is_some_and(|expected| expected != actual) { Err(StoreError::Stale) } else { Ok(()) }
}
