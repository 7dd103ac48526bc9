//! What a tool needs, as its manifest says it, and which principal a session acts as: one library for the operator's
//! CLI, for the control plane and for tests, so that they cannot drift apart.
//!
//! Read first: [`principal`] (who a session is), and [`mod@slug`] (how ids are made).

pub mod principal;
pub mod slug;
