//! `check FILE`: everything that is wrong or odd with a configuration, at once.

use std::process::ExitCode;

use super::flags;

pub(super) fn main(args: &[String]) -> ExitCode {
    let flags = match flags::parse("check", &[], args, Some("FILE")) {
        Ok(flags) => flags,
        Err(error) => return super::usage(&error),
    };
    let [path] = flags.rest() else { return super::fail("check takes one file: iron-proxy check FILE") };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            return super::fail(&format!(
                "opening config file: open {path}: {}",
                crate::ca::errno_text(&error)
            ));
        }
    };
    let report = crate::config::check(&text, &|name| std::env::var(name).ok());
    for warning in &report.warnings {
        super::say(&format!("warning: {warning}"));
    }
    for note in &report.notes {
        super::say(&format!("note: {note}"));
    }
    match &report.errors {
        None => super::out(&format!("{path}: ok\n")),
        Some(errors) => {
            errors.lines().iter().for_each(|line| super::say(&format!("error: {line}")));
            ExitCode::from(super::FAILURE)
        }
    }
}
