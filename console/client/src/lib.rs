//! A typed client of the console's API.
//!
//! It owns what goes over the wire between a console and those who ask it: proxies ([`sync`]) and operators, the control
//! plane and tools ([`api`]); and how failures of that are told apart. It keeps no state between calls, decides nothing
//! about timing but the pauses between its own attempts, and never logs: whoever calls does.
//!
//! Read first: [`api`], or [`sync`] for the proxy. To add a call of the API: a method in the file of its resource in
//! `api/`, over the few verbs of `api/call.rs`, which share [`http`](mod@http)'s limits (no redirects, a time limit, a
//! size limit).

pub mod api;
pub mod base;
pub mod http;
pub mod sync;
pub mod token;
pub mod token_broker;
