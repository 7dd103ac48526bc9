//! One binary with every role: `centaur run`, `centaur up`, `centaur doctor`, `centaur demo`, `centaur attack`,
//! `centaur perms`, `centaur console`, `centaur broker`, `centaur proxy`.
//!
//! Owns: the command line, the isolation of `centaur run`, the program's environment and trust. It never decides
//! about a request; that is the proxy's, which runs in this process.
//!
//! Read first: [`commands::run`], then [`sandbox`]. To add a command: a variant in [`args`], a file in
//! [`commands`], a line in `dispatch` below, a black-box test in `tests/`.

pub mod args;
pub mod attack;
pub mod audit;
pub mod binding;
pub mod commands;
pub mod console;
pub mod engine;
pub mod environment;
pub mod generate;
pub mod home;
pub mod loopback;
pub mod principal;
pub mod printer;
pub mod programs;
pub mod sandbox;
pub mod session;
pub mod settings;
pub mod supervise;
pub mod trust;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::{Cli, Command, Doctor};

/// The whole program: its exit code is the caller's to return.
pub fn main() -> ExitCode {
    // A hidden stage has to run while this process has one thread.
    if let Some(code) = sandbox::stage(&mut std::env::args_os().skip(1)) {
        return ExitCode::from(code);
    }
    let probes = [commands::doctor::escape::probe, commands::doctor::trust::probe];
    for hidden in probes.into_iter().chain([commands::demo::run_agent, commands::demo::run_worker]) {
        if let Some(code) = hidden(&mut std::env::args_os().skip(1)) {
            return ExitCode::from(code);
        }
    }
    match Cli::try_parse() {
        Ok(cli) => dispatch(cli.command),
        Err(error) => usage(&error),
    }
}

fn dispatch(command: Command) -> ExitCode {
    let code = match command {
        Command::Run(args) => commands::run::run(args),
        Command::Doctor(Doctor::Escape) => commands::doctor::escape::run(),
        Command::Doctor(Doctor::Trust) => commands::doctor::trust::run(),
        Command::Attack(args) => commands::attack::run(&args),
        Command::Demo => commands::demo::run(),
        Command::Up(args) => commands::up::run(&args),
        Command::Perms { args } => {
            return centaur_perms::run(std::iter::once("centaur perms".into()).chain(args)).into();
        }
        Command::Console { args } => return centaur_console::program::main("centaur console", args),
        Command::Broker { args } => return iron_token_broker::program::main("centaur broker", args),
        Command::Proxy { args } => return proxy(args),
        Command::Version => {
            printer::out(iron_proxy::cli::version());
            0
        }
    };
    ExitCode::from(code)
}

fn proxy(args: Vec<std::ffi::OsString>) -> ExitCode {
    let words: Result<Vec<String>, _> = args.into_iter().map(std::ffi::OsString::into_string).collect();
    if let Ok(words) = words {
        return iron_proxy::cli::main("centaur proxy", &words);
    }
    printer::error("an argument is not UTF-8");
    ExitCode::FAILURE
}

/// Help goes to standard output and is no failure; a wrong word is, with the code that the command promises.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ if std::env::args_os().nth(1).is_some_and(|word| word == "run") => {
            ExitCode::from(commands::EXIT_OURS)
        }
        _ => ExitCode::FAILURE,
    }
}
