//! `explain -config F METHOD URL [-H 'Name: value'] [-d BODY]`: what becomes of a request, and why.
//!
//! The request is shown to the pipeline itself, with a made-up value in the place of every secret, so the answer is
//! the proxy's own; what is said about each transform comes from its trace. Nothing is sent, no name is looked up,
//! no secret is read.

mod asked;
mod decide;
mod lines;

use std::path::Path;
use std::process::ExitCode;

use super::flags::{self, Command, Kind, Spec};
use crate::config::Config;
use crate::respond::TOKEN_CALL;
use asked::Asked;
use decide::Outcome;

const COMMAND: &Command = &Command {
    words: Some("iron-proxy explain -config FILE METHOD URL"),
    flags: &[
        Spec { name: "config", kind: Kind::Text, default: "", help: "path to config YAML file" },
        Spec {
            name: "H",
            kind: Kind::List,
            default: "",
            help: "a header of the request, 'Name: value'; may be repeated",
        },
        Spec { name: "d", kind: Kind::Text, default: "", help: "the body of the request" },
    ],
    about: "Says what becomes of a request, and why: which rule decides, which secret is placed where. Nothing is \
            sent, no name is\nlooked up, no secret is read. Exits with 1 if the request is refused.\n",
};

pub(super) fn main(args: &[String]) -> ExitCode {
    let flags = match flags::parse("explain", COMMAND, args) {
        Ok(flags) => flags,
        Err(error) => return super::usage(&error),
    };
    let explained = || -> Result<Explained, String> {
        let path = super::required(&flags, "config")?;
        let [method, url] = flags.rest() else {
            return Err("explain takes a method and a URL: iron-proxy explain -config FILE GET https://api.example.com/".to_owned());
        };
        let asked = Asked::parse(method, url, flags.list("H"), flags.text("d"))?;
        let load = || {
            let loaded = Config::load(Some(Path::new(&path)), &|name| std::env::var(name).ok());
            loaded.map(|loaded| loaded.config).map_err(|errors| errors.to_string())
        };
        // Twice, since the pipeline takes its transforms for itself.
        explain(load()?, load()?, &asked)
    };
    match explained() {
        Ok(explained) => {
            super::out(&explained.text);
            if explained.refused { ExitCode::from(super::FAILURE) } else { ExitCode::SUCCESS }
        }
        Err(problem) => super::fail(&problem),
    }
}

/// What is printed, and whether the request would be refused.
struct Explained {
    text: String,
    refused: bool,
}

fn explain(shown: Config, used: Config, asked: &Asked) -> Result<Explained, String> {
    let decided = decide::decide(used, asked)?;
    let lines = lines::lines(&shown.transforms, asked, &decided);
    let (end, refused) = match &decided.outcome {
        Ok(Outcome::Forwarded) => ("forwarded".to_owned(), false),
        Ok(Outcome::Answered) => {
            (format!("answered ({TOKEN_CALL}): with stand-ins, and nothing is sent"), false)
        }
        Err(why) => (format!("refused {why}"), true),
    };
    Ok(Explained { text: format!("{lines}=> {end}\n"), refused })
}

#[cfg(test)]
mod tests;
