//! The command line of `iron-proxy`, as the reference reads it, and the sub-commands of ours.

mod check;
mod explain;
mod flags;
mod generate_ca;
mod run;

use std::io::Write as _;
use std::process::ExitCode;

use flags::{FlagError, Flags, Kind, Spec};

/// Bad flags.
const USAGE: u8 = 2;
/// Anything else that is wrong.
const FAILURE: u8 = 1;

const RUN_FLAGS: &[Spec] = &[
    Spec { name: "config", kind: Kind::Text, default: "", help: "path to config YAML file" },
    Spec {
        name: "token",
        kind: Kind::Text,
        default: "",
        help: "control-plane token; switches on managed mode",
    },
];

/// Runs `iron-proxy ARGS`; `args` without the program's name, which is `program`.
pub fn main(program: &str, args: &[String]) -> ExitCode {
    match args.first().map(String::as_str) {
        Some("version" | "--version" | "-v") => out(&format!("{}\n", version())),
        Some("generate-ca") => generate_ca::main(&args[1..]),
        Some("check") => check::main(&args[1..]),
        Some("schema") => out(&format!("{:#}\n", crate::config::schema())),
        Some("explain") => explain::main(&args[1..]),
        _ => match flags::parse(program, RUN_FLAGS, args, None) {
            Ok(flags) => run::main(&flags),
            Err(error) => usage(&error),
        },
    }
}

/// The version string; unreleased builds say `dev`, as the reference.
pub fn version() -> &'static str {
    option_env!("IRON_PROXY_VERSION").unwrap_or("dev")
}

fn usage(error: &FlagError) -> ExitCode {
    say(&error.text);
    if error.asked_for_help { ExitCode::SUCCESS } else { ExitCode::from(USAGE) }
}

/// Writes to standard output. A reader that is gone is no failure of ours.
fn out(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Writes a line to standard error.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", line.trim_end());
}

fn fail(text: &str) -> ExitCode {
    say(&format!("error: {text}"));
    ExitCode::from(FAILURE)
}

/// A flag that must be there.
fn required(flags: &Flags, name: &str) -> Result<String, String> {
    let value = flags.text(name);
    if value.is_empty() { Err(format!("-{name} is required")) } else { Ok(value.to_owned()) }
}
