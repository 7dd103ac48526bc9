//! Skeleton.
pub mod sources;
