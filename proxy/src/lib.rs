//! A transparent MITM egress proxy: one per sandbox. It puts a real credential in the place of a placeholder only
//! where the credential is bound to, refuses everything that is not allowed, and writes one audit line for every
//! request.
//!
//! Read first: [`exchange`] (one request, start to finish), then [`pipeline`] (the decision) and [`gate`] (what
//! is let through to the HTTP/1 parser at all). Where the policy comes from a control plane, [`managed`].
//!
//! To add one more transform: its configuration in `centaur_policies::spec`, its edits in `centaur_transform`, a
//! variant of `pipeline::Kind` with an arm in `Stage::request`, a row in `docs/configuration.md`.

pub mod admin;
pub mod app;
pub mod audit;
pub mod auth;
pub mod body;
pub mod ca;
pub mod cli;
pub mod config;
pub mod conn;
pub mod dns;
pub mod exchange;
pub mod frames;
pub mod gate;
pub mod harness;
pub mod hop;
pub mod interim;
pub mod json;
pub mod leaf;
pub mod limits;
pub mod listen;
pub mod log;
pub mod managed;
pub mod memory;
pub mod metrics;
pub mod pipeline;
pub mod refusal;
pub mod relay;
pub mod respell;
pub mod respond;
pub mod server_tls;
pub mod sink;
pub mod sniff;
pub mod socks;
pub mod sources;
pub mod step;
pub mod stream;
pub mod target;
pub mod tls;
pub mod tunnel;
pub mod upstream;
pub mod websocket;
pub mod workers;
