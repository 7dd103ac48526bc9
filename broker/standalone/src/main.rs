//! `iron-token-broker`: see [`iron_token_broker::program`].

use std::process::ExitCode;

fn main() -> ExitCode {
    iron_token_broker::program::main("iron-token-broker", std::env::args_os().skip(1))
}
