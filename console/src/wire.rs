//! How requests and answers look: envelopes, errors, pages, filters, names and times.
//!
//! Everything here is a rule that all resources share; what belongs to one type of secret is in
//! [`definition`](crate::definition).

mod attributes;
mod change;
mod details;
mod envelope;
mod error;
mod identity;
mod labels;
mod names;
mod paging;
mod query;
mod timestamps;

pub(crate) use attributes::wipe;
pub use attributes::{Attributes, Reader};
pub use change::Change;
pub use details::Details;
pub use envelope::{MAX_BODY_BYTES, MAX_DEPTH, action, attributes, config_hash, list, single};
pub use error::{ApiError, ERROR_CODES};
pub use identity::{Address, Identity, identity};
pub use labels::LabelFilter;
pub use names::{
    DEFAULT_NAMESPACE, MAX_FOREIGN_ID_CHARS, MAX_NAME_CHARS, check_url_safe, description, is_header_name,
    is_url_safe, labels, name, required_name, slug,
};
pub use paging::{Meta, Page};
pub use query::Query;
pub use timestamps::{parse_timestamp, timestamp};

/// Blank as the reference means it: nothing, or only white space.
pub fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

#[cfg(test)]
mod tests;
