//! YAML as the reference reads it (Go's yaml.v3), with the place of everything, so that a mistake is reported with
//! its line and path, and all mistakes at once.
//!
//! [`parse`] makes a [`Node`] of a text; a [`Cursor`] walks it and writes what is wrong into [`Problems`].

mod cursor;
mod duration;
mod load;
mod node;
mod problem;
mod scalar;

pub use cursor::{Cursor, Fields};
pub use duration::{DurationError, GoDuration};
pub use load::parse;
pub use node::{Entry, Kind, Node, Position, Scalar};
pub use problem::{Class, Problem, Problems};

#[cfg(test)]
mod tests;
