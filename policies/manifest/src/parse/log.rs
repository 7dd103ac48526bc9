//! Problems found so far, with their places.

use std::cell::RefCell;
use std::path::Path;

use super::Read;
use crate::manifest::{List, Manifest};
use crate::problem::{Code, Position, Problem};

/// Collects problems of one file.
pub(super) struct Log<'a> {
    path: &'a Path,
    text: &'a str,
    /// With the offsets by which they are sorted.
    found: RefCell<Vec<(usize, Problem)>>,
}

/// Which entry is being read.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) list: List,
    pub(super) index: usize,
    pub(super) name: Option<String>,
}

impl<'a> Log<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text, found: RefCell::default() }
    }

    /// `at` is an offset in bytes.
    pub(super) fn report(
        &self,
        place: Option<&Place>,
        key: Option<String>,
        at: usize,
        code: Code,
        text: impl Into<String>,
    ) {
        let problem = Problem {
            code,
            path: self.path.to_owned(),
            at: Some(self.position(at)),
            list: place.map(|place| place.list),
            index: place.map(|place| place.index),
            entry: place.and_then(|place| place.name.clone()),
            key,
            text: text.into(),
        };
        self.found.borrow_mut().push((at, problem));
    }

    fn position(&self, at: usize) -> Position {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().filter(|c| *c != '\u{feff}').count() + 1,
        }
    }

    /// All in the order of the file; a manifest counts when nothing is wrong with it.
    pub(super) fn finish(self, manifest: Option<Manifest>) -> Read {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, _)| *at);
        let (warnings, problems): (Vec<_>, Vec<_>) =
            found.into_iter().map(|(_, problem)| problem).partition(|problem| problem.code.is_warning());
        match manifest {
            Some(manifest) if problems.is_empty() => Read { manifest: Ok(manifest), warnings },
            _ => Read { manifest: Err(problems), warnings },
        }
    }
}
