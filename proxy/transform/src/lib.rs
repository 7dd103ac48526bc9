//! The edits of a request and its response, and nothing else: placeholders become values on the way out
//! ([`swap`], [`Inject`]), values become placeholders on the way back ([`scrub`]). Pure: no sockets, no clock, no
//! fetching of secrets; bodies are wrappers around [`http_body::Body`]. Which entries apply to a request is the
//! caller's decision.
//!
//! Read first: [`swap`], then [`engine`], the search under both directions.
//!
//! To add an edit of bodies:
//! 1. build an `engine::StreamReplacer` with what is replaced by what, and implement `body::Edit` for the rest
//!    (counting, trailers, a last word at the end);
//! 2. build it around a body with `EditBody::around`, which decodes and encodes;
//! 3. test with frames cut at random that the output does not depend on the cuts.

mod body;
mod codec;
pub mod engine;
mod escape;
pub mod format;
pub mod fuzzing;
pub mod headers;
mod inject;
mod media;
pub mod scrub;
pub mod swap;
#[cfg(test)]
mod testing;

pub use body::{BodyError, EditBody, Misfit, Missing};
pub use codec::{CodecError, Coding, Codings, MAX_CODINGS, codings};
pub use escape::Escapes;
pub use inject::{Inject, InjectBuildError, InjectError, Injected};
pub use scrub::{ScrubBody, ScrubSet};
pub use swap::{Location, SwapBody, SwapSet};
