//! The binary; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    centaur_perms::run(std::env::args_os()).into()
}
