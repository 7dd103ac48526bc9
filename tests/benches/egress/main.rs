//! Measures the proxy against no proxy at all and against other proxies, in one run.
//!
//! One program in four roles, each a process of its own:
//!
//! 1. the *conductor* (no `--role`) reads the options, picks the rows and interleaves the contenders;
//! 2. one *world* per contender lives in a network namespace that has nothing but loopback, starts the origin and
//!    the proxy there, and is itself the load client;
//! 3. the *origin* answers 200 only when the real key arrived, and names the requested path in its body;
//! 4. the *relay* is a hop that only copies bytes, to tell what any hop costs.
//!
//! Read `rows.rs` first: it says what each figure of the table is made of. To add a row, add it to
//! [`rows::Row`], give it an arm in [`rows::measure`], and, when no existing one will do, a new load to
//! [`wire::Load`] with its function in `load.rs`.

mod args;
mod client;
mod contender;
mod dns;
mod fleet;
mod launch;
mod load;
mod memory;
mod origin;
mod pki;
mod relay;
mod report;
mod rows;
mod wire;
mod world;

use std::process::ExitCode;

use centaur_e2e::bench::usage as rss;
use clap::Parser as _;

use crate::args::{Args, Role};

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.role {
        None => fleet::conduct(&args),
        Some(Role::World) => world::run(&args),
        Some(Role::Origin) => origin::run(&args),
        Some(Role::Relay) => relay::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            fleet::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
