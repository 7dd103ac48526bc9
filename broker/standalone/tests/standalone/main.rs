//! The broker from outside: over HTTP, with documents in files and in a stand-in of Kubernetes, against a provider that
//! rotates refresh tokens and revokes everything when one comes twice.

mod api;
mod documents;
mod http;
mod killed;
mod kubernetes;
mod process;
mod provider;
mod secrets;
mod starts;
mod world;
