//! Egress policy as data: which hosts, ports, methods and paths, which placeholder stands for which secret, and
//! where the value may be put. Pure: no sockets, no clock, no files.
//!
//! Read first: [`host`] (one spelling per host), then [`rule`], then [`spec`].

pub mod host;
pub mod rule;
pub mod spec;
