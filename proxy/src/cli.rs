//! The command line of `iron-proxy`, as the reference reads it, and the sub-commands of ours.

mod check;
mod explain;
mod flags;
mod generate_ca;
mod run;

use std::io::Write as _;
use std::process::ExitCode;

use flags::{Command, FlagError, Flags, Kind, Spec};

/// Bad flags.
const USAGE: u8 = 2;
/// Anything else that is wrong.
const FAILURE: u8 = 1;

const RUN: &Command = &Command {
    words: None,
    flags: &[
        Spec { name: "config", kind: Kind::Text, default: "", help: "path to config YAML file" },
        Spec {
            name: "token",
            kind: Kind::Text,
            default: "",
            help: "control-plane token, which selects managed mode; IRON_PROXY_TOKEN hides it better from other processes",
        },
        Spec { name: "token-file", kind: Kind::Text, default: "", help: "file with the control-plane token" },
        Spec {
            name: "last-known-good",
            kind: Kind::Text,
            default: "",
            help: "managed mode: file that keeps the configuration, sealed, for a start while the control plane is away",
        },
    ],
    about: "
Without a command the proxy runs. Variables of the environment (IRON_...) win over the file; SIGHUP reads it again.

Commands:
  check FILE    say everything that is wrong or odd with a configuration
  explain       say what becomes of a request, and why
  schema        print the JSON Schema of the configuration file, for editors
  generate-ca   make a certificate authority for tls.ca_cert and tls.ca_key
  version       print the version

`iron-proxy COMMAND -help` says more about one.
",
};
const SCHEMA: &Command = &Command {
    words: None,
    flags: &[],
    about: "Prints the JSON Schema (draft 2020-12) of the configuration file, for editors.\n",
};
const VERSION: &Command = &Command { words: None, flags: &[], about: "Prints the version.\n" };

/// Runs `iron-proxy ARGS`; `args` without the program's name, which is `program`.
pub fn main(program: &str, args: &[String]) -> ExitCode {
    match args.first().map(String::as_str) {
        Some("version" | "--version" | "-v") => {
            print("version", VERSION, &args[1..], || version().to_owned())
        }
        Some("generate-ca") => generate_ca::main(&args[1..]),
        Some("check") => check::main(&args[1..]),
        Some("schema") => print("schema", SCHEMA, &args[1..], || format!("{:#}", crate::config::schema())),
        Some("explain") => explain::main(&args[1..]),
        Some("help") => usage(&FlagError { text: flags::usage(program, RUN), asked_for_help: true }),
        _ => match flags::parse(program, RUN, args) {
            Ok(flags) => run::main(&flags),
            Err(error) => usage(&error),
        },
    }
}

/// The version string; unreleased builds say `dev`, as the reference.
pub fn version() -> &'static str {
    option_env!("IRON_PROXY_VERSION").unwrap_or("dev")
}

/// A command that prints one text and takes no arguments.
fn print(name: &str, command: &Command, args: &[String], text: impl FnOnce() -> String) -> ExitCode {
    match flags::parse(name, command, args) {
        Ok(_) => out(&format!("{}\n", text())),
        Err(error) => usage(&error),
    }
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
