//! `centaur-perms`: who may use which credential, for operators and their scripts.
//!
//! Owns: the command line, what a command reads and intends ([`plan`]), and how it is told ([`printer`]). It speaks HTTP
//! only, through `centaur-client`, decides nothing that the console decides, and never sees a stored value.
//!
//! Read first: [`args`], then [`commands`]; a command that writes builds a [`plan::Plan`] before its first write. To add
//! one:
//! 1. a variant in `args/` with its arguments;
//! 2. a file `commands/NOUN/VERB.rs` with `run(session, args) -> Result<Report, Failure>`;
//! 3. a line in [`commands`], with its name in the JSON;
//! 4. a black-box test in `tests/`, and a row in `docs/perms.md`.

pub mod address;
pub mod args;
pub mod commands;
pub mod credential;
pub mod declared;
pub mod effective;
pub mod exit;
pub mod failure;
pub mod fetch;
mod interrupt;
pub mod ledger;
pub mod plan;
pub mod printer;
pub mod registration;
pub mod report;
pub mod session;
pub mod settings;
pub mod shape;
pub mod span;
pub mod tools;

use std::ffi::OsString;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::{Cli, Command};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::settings::{Output, Settings};

/// The whole program. The first of `args` is the name it goes by.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let args: Vec<OsString> = args.into_iter().collect();
    let env = |name: &str| std::env::var(name).ok();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage(&args, &env, &error),
    };
    let command = cli.command.name();
    let settings = match Settings::resolve(&cli.globals, &env) {
        Ok(settings) if matches!(cli.command, Command::Complete { .. } | Command::Completion { .. }) => {
            settings.for_completion()
        }
        Ok(settings) => settings,
        // Whoever presses a key wants names or nothing.
        Err(_) if matches!(cli.command, Command::Complete { .. }) => return ExitStatus::Success,
        Err(failure) => {
            let printer = Printer::new(asked_output(&args, &env), false, &cli.globals, &env);
            return printer.finish(command, "", Err(failure), &[]);
        }
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        let printer = Printer::new(settings.output, settings.quiet, &cli.globals, &env);
        return printer.finish(command, &settings.namespace, Err(Failure::Runtime), &[]);
    };
    let printer = Printer::new(settings.output, settings.quiet, &cli.globals, &env);
    runtime.block_on(async {
        let session = Session::new(settings, printer);
        let outcome = interrupt::guarded(&session, commands::dispatch(&session, &cli.command)).await;
        session.printer.finish(command, &session.settings.namespace, outcome, &session.warnings())
    })
}

/// Help is a result; a wrong word is a failure, also for who reads JSON.
fn usage(args: &[OsString], env: settings::Env<'_>, error: &clap::Error) -> ExitStatus {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            printer::raw(&error.render().to_string());
            ExitStatus::Success
        }
        _ => {
            // A reader that went away has nothing to be told.
            let _ = error.print();
            let first = error.render().to_string();
            let first = first.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            if asked_output(args, env) == Output::Json {
                printer::raw(&printer::error_json("", "", &Failure::Usage(first), &[]));
            }
            ExitStatus::Usage
        }
    }
}

/// The output format before there are settings.
fn asked_output(args: &[OsString], env: settings::Env<'_>) -> Output {
    let words: Vec<_> = args.iter().filter_map(|word| word.to_str()).collect();
    let mut asked = None;
    for (at, word) in words.iter().enumerate() {
        let value = match *word {
            "-o" | "--output" => words.get(at + 1).copied(),
            word => word
                .strip_prefix("--output=")
                .or_else(|| word.strip_prefix("-o").filter(|rest| !rest.is_empty())),
        };
        asked = value.or(asked);
    }
    let asked = asked.map(str::to_owned).or_else(|| env("CENTAUR_PERMS_OUTPUT"));
    asked.and_then(|text| Output::named(text.trim_start_matches('='))).unwrap_or_default()
}
