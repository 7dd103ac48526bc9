//! What a tool needs, as its manifest says it, and which principal a session acts as: one library for the operator's
//! CLI, for the control plane and for tests, so that they cannot drift apart.
//!
//! Read first: [`manifest`] (what a `pyproject.toml` comes to) and [`mod@parse`] (how it is read), then [`discover`]
//! (where tools are looked for), [`register`] (which roles and secrets of the console they become), [`principal`] (who
//! a session is), and [`mod@slug`] (how ids are made).
//!
//! It reads directories and files of tools and nothing else: no network, no environment, no values of secrets.
//!
//! To add a type of entry: a struct in `manifest/`, a variant of [`Binding`](manifest::Binding), its reader in
//! `parse/`, its record in `register/`, and a row in each table of their tests.

pub mod discover;
pub mod manifest;
pub mod parse;
pub mod principal;
pub mod problem;
pub mod register;
pub mod roots;
pub mod slug;
pub mod source;
