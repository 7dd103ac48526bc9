//! What a path names.

use centaur_base::oid::Oid;

use super::answer::Result;
use crate::wire::ApiError;

/// An id of a kind; what is none does not exist.
pub(super) fn oid<T: Oid>(text: &str, type_name: &str) -> Result<T> {
    text.parse().map_err(|_| ApiError::unknown_oid(type_name, text).into())
}

/// The row of an id, or 404 with the id.
pub(super) fn found<T>(row: Option<T>, type_name: &str, oid: &str) -> Result<T> {
    row.ok_or_else(|| ApiError::unknown_oid(type_name, oid).into())
}

/// The row of a name, or 404 with the name.
pub(super) fn found_named<T>(
    row: Option<T>,
    type_name: &str,
    namespace: &str,
    foreign_id: &str,
) -> Result<T> {
    row.ok_or_else(|| ApiError::unknown_name(type_name, namespace, foreign_id).into())
}

/// What a `PUT` or `PATCH` is addressed to.
pub(super) enum Target<T> {
    /// A row that has to be there.
    Id(T),
    /// A foreign id, of a row that may be there.
    Name(String),
}

impl<T: Oid> Target<T> {
    /// A text that claims to be an id is one, or nothing.
    pub(super) fn of(text: &str, type_name: &str) -> Result<Self> {
        if T::claims(text) { oid(text, type_name).map(Self::Id) } else { Ok(Self::Name(text.to_owned())) }
    }
}
