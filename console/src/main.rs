//! `centaur-console`: see [`centaur_console::program`].

use std::process::ExitCode;

fn main() -> ExitCode {
    centaur_console::program::main("centaur-console", std::env::args_os().skip(1))
}
