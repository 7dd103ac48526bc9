//! The console: its JSON API, and what proxies get.
//!
//! Two halves. The plain functions, which have no store, no sockets and no clock of their own: what a request says, what a
//! definition of a secret may be, and what a proxy is sent. And the running console: settings ([`config`]), listener and
//! first boot ([`app`]), one file per resource (`api`), and the configurations of proxies as of now (`sync`).
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

mod api;
pub mod app;
mod broker;
pub mod config;
mod consent;
pub mod definition;
pub mod effective;
pub mod grant;
mod metrics;
mod openapi;
mod pages;
pub mod principal;
pub mod program;
pub mod provider;
mod sign_in;
mod sync;
pub mod wire;

/// The OpenAPI 3.1 document of all routes, as `GET /api/v1/openapi.json` serves it.
pub fn openapi_document() -> serde_json::Value {
    api::described()
}
