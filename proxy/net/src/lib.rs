//! How the proxy finds and reaches an address: DNS in both directions, the dial guard, upstream proxies.
//!
//! Owns every outgoing connection of the data path up to the point where TLS starts. Never decides whether a host is
//! allowed (`centaur-policies`), never sees a request.
//!
//! Read first: [`dial`], which puts [`resolve`] and [`guard`] together; then [`chain`] for proxies further up and
//! [`dns`] for the server that sends a sandbox's names to the proxy.

pub mod address;
pub mod chain;
pub mod dial;
pub mod dns;
pub mod guard;
pub mod resolve;
