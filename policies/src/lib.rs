//! Egress policy as data: which hosts, ports, methods and paths, which placeholder stands for which secret, and
//! where the value may be put. Pure: no sockets, no clock, no files.
//!
//! Read first: [`host`] (one spelling per host) and [`path`], then [`pattern`] and [`rule`], then [`spec`].

pub mod glob;
pub mod host;
pub mod path;
pub mod pattern;
pub mod rule;
pub mod schema;
pub mod spec;
pub mod yaml;
