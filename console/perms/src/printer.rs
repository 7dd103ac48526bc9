//! The one place that writes to the terminal. Standard output is for data, one JSON object or text; everything said about
//! the work goes to standard error.

mod table;
mod text;

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Map, Value, json};

pub use self::table::{Table, count};
pub(crate) use self::text::is_unsafe;
pub use self::text::{escape_json, line};
use crate::args::{ColorWhen, Globals};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::report::{Report, Warning};
use crate::settings::{Env, Output};

/// The version of the JSON output.
pub const SCHEMA: &str = "centaur-perms/v1";

/// How it is said.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    output: Output,
    is_quiet: bool,
    is_coloured: bool,
}

impl Printer {
    /// `--color` decides about colour, then `NO_COLOR` (<https://no-color.org>), then whether standard error is a terminal.
    pub fn new(output: Output, is_quiet: bool, globals: &Globals, env: Env<'_>) -> Self {
        let is_coloured = match globals.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                env("NO_COLOR").is_none_or(|text| text.is_empty()) && io::stderr().is_terminal()
            }
        };
        Self { output, is_quiet, is_coloured }
    }

    /// A remark; not under `--quiet`.
    pub fn notice(self, line: &str) {
        if !self.is_quiet {
            say(line);
        }
    }

    /// A warning; not under `--quiet`.
    pub fn warning(self, warning: &Warning) {
        if !self.is_quiet {
            self.labelled("warning", "33", &warning.message);
        }
    }

    /// Prints the outcome of a command, and says how the program ends.
    pub fn finish(
        self,
        command: &str,
        namespace: &str,
        outcome: Result<Report, Failure>,
        warnings: &[Warning],
    ) -> ExitStatus {
        let (report, failure) = match outcome {
            Ok(mut report) => {
                let failure = report.failure.take();
                (Some(report), failure)
            }
            Err(failure) => (None, Some(failure)),
        };
        if self.output == Output::Json {
            let data = report.as_ref().map(|report| report.data.clone());
            raw(&object(command, namespace, data, warnings, failure.as_ref()));
        } else if let Some(report) = &report {
            raw(&report.text);
        }
        match &failure {
            Some(failure) => {
                self.error(failure);
                failure.exit()
            }
            None => report.map(|report| report.status).unwrap_or_default(),
        }
    }

    fn error(self, failure: &Failure) {
        self.labelled("error", "31", &failure.to_string());
        let cause = if let Failure::Partial { cause, .. } = failure { Some(cause) } else { None };
        for problem in failure.lines().into_iter().chain(cause.map(|cause| cause.lines()).unwrap_or_default())
        {
            say(&format!("  {problem}"));
        }
        if let Some(hint) = failure.hint() {
            self.labelled("hint", "36", &hint);
        }
    }

    fn labelled(self, label: &str, colour: &str, text: &str) {
        if self.is_coloured {
            write_error(&format!("\u{1b}[1;{colour}m{label}:\u{1b}[0m {}\n", line(text)));
        } else {
            say(&format!("{label}: {text}"));
        }
    }
}

/// Text that ends in its own newline, on standard output. A reader that went away is not an error: what it wanted, it
/// has.
pub fn raw(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// A question, and whether it was answered with yes.
pub fn confirm(question: &str) -> bool {
    write_error(&format!("{} [y/N] ", line(question)));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// One line on standard error, whatever it holds.
pub fn say(text: &str) {
    write_error(&format!("{}\n", line(text)));
}

fn write_error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The JSON of a failure.
pub fn error_json(command: &str, namespace: &str, failure: &Failure, warnings: &[Warning]) -> String {
    object(command, namespace, None, warnings, Some(failure))
}

fn object(
    command: &str,
    namespace: &str,
    data: Option<Value>,
    warnings: &[Warning],
    failure: Option<&Failure>,
) -> String {
    let mut out = Map::new();
    out.insert("schema".to_owned(), SCHEMA.into());
    out.insert("command".to_owned(), command.into());
    out.insert("namespace".to_owned(), namespace.into());
    out.insert("data".to_owned(), data.unwrap_or_default());
    out.insert("warnings".to_owned(), json!(warnings));
    if let Some(failure) = failure {
        out.insert("error".to_owned(), failure.json());
    }
    let text = serde_json::to_string_pretty(&Value::Object(out)).unwrap_or_default();
    format!("{}\n", escape_json(&text))
}
