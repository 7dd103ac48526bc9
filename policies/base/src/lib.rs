//! Small types every crate of the suite shares. Pure: no input or output, uses nothing of ours.
//!
//! Read first: [`Secret`], then [`oid`].

pub mod oid;
mod secret;
mod source_type;

pub use secret::Secret;
pub use source_type::SourceType;
