//! A typed client of the console's API.
//!
//! It owns what goes over the wire between a proxy and its console, and how failures of that are told apart. It keeps
//! no state between calls, decides nothing about timing, and never logs: whoever calls does.
//!
//! Read first: [`sync`]. To add a call: a file for its request, answer and error, with a function on a client that
//! shares [`http`](mod@http)'s limits (no redirects, a time limit, a size limit).

pub mod base;
pub mod http;
pub mod sync;
pub mod token;
