//! Writers that keep the console busy and know exactly what it has to remember.
//!
//! Each [`Writer`] has a namespace of its own and writes one thing at a time, so that after a crash there are only two
//! states that its namespace may be in: the one of everything that was acknowledged, and the same with the one request
//! that was under way, whole.

mod observe;
mod operation;
mod state;
mod writer;

pub use writer::Writer;
