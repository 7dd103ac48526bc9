//! Texts in, models and problems out.

mod codes;
mod forms;

use std::path::Path;

use super::*;
use crate::manifest::{Binding, Entry};

fn read(text: &str) -> Read {
    manifest(text, Path::new("tools/t/pyproject.toml"), "t")
}

/// With these entries under `secrets`, in a tool without hosts.
fn one(entry: &str) -> Read {
    read(&format!("[tool.centaur]\nsecrets = [{entry}]\n"))
}

fn codes(problems: &[Problem]) -> Vec<&'static str> {
    problems.iter().map(|problem| problem.code.as_str()).collect()
}

fn problems(read: &Read) -> Vec<&'static str> {
    codes(read.manifest.as_ref().err().map_or(&[], Vec::as_slice))
}

fn entries(text: &str) -> Vec<Entry> {
    let read = read(text);
    match read.manifest {
        Ok(manifest) => manifest.entries().cloned().collect(),
        Err(problems) => panic!("{text}: {problems:#?}"),
    }
}

fn binding(entry: &str) -> Binding {
    entries(&format!("[tool.centaur]\nsecrets = [{entry}]\n")).remove(0).binding
}
