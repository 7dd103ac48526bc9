//! The heart of the console's JSON API as plain functions: what a request says, what a definition of a secret may
//! be, and what a proxy is sent. No store, no sockets, no clock of its own: time, rows and values are arguments.
//!
//! Read first: [`wire`] (how requests and answers look), then [`definition`] (the seven types of secret),
//! [`principal`] and [`grant`] (who may use them), then [`effective`] (from grants to the payload of a proxy, and why
//! something is not in it).
//!
//! To add a type of secret:
//! 1. a variant of [`definition::SecretKind`] with its names;
//! 2. a file in `definition/` with its stored form, its reading and its rendering, and a variant of
//!    [`definition::Body`];
//! 3. what it writes in `effective/claims.rs` and what the proxy is sent in `effective/entry.rs`;
//! 4. rows in the tables of `definition/tests.rs`.

pub mod definition;
pub mod effective;
pub mod grant;
pub mod principal;
pub mod wire;
