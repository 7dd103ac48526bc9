//! The built binary from outside: exit codes, signals, standard input, environment, isolation, and what goes
//! through the proxy. Every refusal stands beside its allowed twin.

#![expect(clippy::unwrap_used, reason = "a test helper that cannot go on has failed the test")]

mod commands;
mod egress;
mod isolation;
mod process;
mod support;
mod up;
