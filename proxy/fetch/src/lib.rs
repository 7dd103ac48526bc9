//! One fetch of a secret: the bytes from the environment, a file or a program, and the text in them. Errors never quote
//! what was fetched. When to fetch, and how long a value is good, is decided by who asks.

mod cmd;
mod fetch;

pub use fetch::{Bytes, MAX_BYTES, Origin, extract};
