//! The real console as a process, over a database that outlives it.
//!
//! [`Console`] is the process: started on a free port, killed without warning or stopped, started again on the same
//! [`Database`]. [`Api`] talks to it and tells an answer from a connection that ended without one. [`Relay`] is the
//! way to PostgreSQL, and can be cut. [`Marked`] fills a console with what must not be shown.

mod api;
mod console;
mod database;
mod marked;
mod relay;

pub use api::{Answer, Api, Broken, id};
pub use console::{Console, KEY, SEALING_KEY};
pub use database::Database;
pub use marked::{Marked, SIGNING, inline, secrets};
pub use relay::Relay;
