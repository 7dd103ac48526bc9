//! The OpenAPI document of the JSON API.
//!
//! Each route is registered together with its [`Operation`] (`api/routes.rs`), and the document is made of what was
//! registered: a route that is not described cannot be. The schemas of what is sent and shown are in
//! [`schemas`], one file per resource, each beside nothing but its words: the code that reads and shows a resource stays
//! as it is, and the console's own suite holds every answer against them.
//!
//! The document is checked in as `console/openapi.json`; `scripts/openapi` writes it anew, and a test fails when it is
//! not what the code says.

mod document;
mod operation;
mod parameter;
mod resource;
mod schema;
mod schemas;

pub(crate) use document::{Described, document};
pub(crate) use operation::{Operation, Verb};
pub(crate) use parameter::Parameter;
pub(crate) use resource::Resource;
pub(crate) use schema::{any_object, integer, list_of, reference, text, words};

#[cfg(test)]
mod tests;
