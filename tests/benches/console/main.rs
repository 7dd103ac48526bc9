//! Measures the console: how fast proxies obey, how many it serves, and what one that waits costs.
//!
//! One program in two roles, each a process of its own:
//!
//! 1. the *conductor* (no `--role`) starts databases, consoles and clients, and measures;
//! 2. the *waiters* (`--role waiters`) hold thousands of connections for it, since one process may not open enough.
//!
//! Read `row.rs` first: it names the figures. Each has a file under `rows/`. Clients are plain sockets
//! (`wire.rs`, `poller.rs`) that say what a proxy says, so that nearly all of the processor is the console's; the one
//! real proxy is in `rows/obey.rs`.

mod args;
mod fleet;
mod operator;
mod poller;
mod program;
mod real_proxy;
mod remote;
mod row;
mod rows;
mod seed;
mod stats;
mod table;
mod wire;

use std::process::ExitCode;

use centaur_e2e::bench::usage;
use clap::Parser as _;

use crate::args::{Args, Role};

/// Speaks to the person in front, on standard error.
#[expect(clippy::print_stderr, reason = "the bench talks to a person")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Thousands of connections need as many, here and in what is started from here.
    let descriptors = usage::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| match args.role {
        None => runtime.block_on(rows::conduct(&args, descriptors)),
        Some(Role::Waiters) => runtime.block_on(remote::serve()),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
