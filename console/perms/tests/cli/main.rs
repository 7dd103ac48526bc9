//! The built program against a real console, with a relay between them that writes down each call.

mod audit;
mod broker;
#[path = "../../../client/tests/api/console.rs"]
mod console;
mod declared;
mod explain;
mod failures;
mod output;
mod principals;
#[path = "../../../client/tests/api/relay.rs"]
mod relay;
mod roles;
mod secrets;
mod support;
mod tools;
