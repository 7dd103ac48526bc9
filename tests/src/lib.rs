//! Harness of the end-to-end tests: it starts the built `iron-proxy` with a configuration of its own, real
//! origins beside it, and clients that keep every byte they were given.
//!
//! It owns no proxy code and links none: whatever is claimed here is claimed about the program as it is shipped,
//! through its YAML, its sockets, its standard error and its exit code.
//!
//! Read [`world`] first. To add a scenario:
//!
//! 1. pick the file of `tests/` whose topic it is;
//! 2. start a world with [`World::builder`], naming the least configuration that shows the rule;
//! 3. drive it with [`Conn`] (bytes), [`Request`] (one exchange) or a real client program;
//! 4. put the refused case beside the allowed one;
//! 5. end with [`World::finish`], which counts the audit lines, asks for a clean exit and searches everything the
//!    proxy wrote and every byte a client got for the real values.

pub mod bench;
pub mod browser;
pub mod canary;
pub mod chance;
pub mod client;
pub mod console;
pub mod dns;
pub mod edge;
pub mod h2client;
pub mod idp;
pub mod leak;
pub mod load;
pub mod model;
pub mod next_proxy;
pub mod origin;
pub mod pki;
pub mod providers;
pub mod proxy;
pub mod raw;
pub mod real;
pub mod recorded;
pub mod request;
pub mod strict;
pub mod tools;
pub mod wait;
pub mod world;

pub use canary::Canary;
pub use client::{Conn, Reply};
pub use console::Console;
pub use origin::{Origin, Seen};
pub use proxy::{Audit, Proxy};
pub use raw::{RawConn, RawOrigin};
pub use request::Request;
pub use world::{Builder, World};
