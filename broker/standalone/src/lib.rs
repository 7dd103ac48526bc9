//! `iron-token-broker`: the refresh engine as a program of its own (broker.md, section 21). Refresh tokens live in
//! documents in writable secret stores, and nobody but this program sends them; proxies ask it for access tokens.
//!
//! Owns: the configuration file, the documents and stores, the HTTP API. The order in which a token is claimed, spent and
//! stored is that of `centaur-broker`; the calls are those of `centaur-oauth`.
//!
//! Read first: [`blob`], the document; then [`shelf`], what is known of a credential; then [`api`].

pub mod api;
pub mod app;
pub mod blob;
pub mod config;
pub mod log;
pub mod metrics;
pub mod moment;
pub mod program;
pub mod shelf;
pub mod stores;
