//! What is wrong with a document: a list, so that one run of `check` shows everything.

use std::cell::RefCell;
use std::fmt;

use super::node::Position;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of mistake, which decides how it is introduced.
    pub class: Class,
    /// Where, when it came from a text.
    pub at: Position,
    /// Which key, as `transforms[0].config.secrets[1].replace.require`; may be empty.
    pub path: String,
    /// What, in the words of the reference where it has any.
    pub text: String,
}

/// Kinds of mistakes, in the order in which the reference would run into them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The text cannot be read at all.
    Syntax,
    /// A key or a type that does not belong there.
    Decode,
    /// A value that has the right type and cannot be read, as a duration.
    Value,
    /// A variable of the environment.
    Environment,
    /// A transform that cannot be built.
    Build,
    /// Parts that do not fit together.
    Invalid,
}

impl fmt::Display for Problem {
    /// One line: the text with its line and path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line_first = matches!(self.class, Class::Syntax | Class::Decode) && self.at.line > 0;
        if line_first {
            write!(f, "{}: ", self.at)?;
        }
        f.write_str(&self.text)?;
        match (self.at.line > 0 && !line_first, self.path.is_empty()) {
            (true, true) => write!(f, " ({})", self.at),
            (true, false) => write!(f, " ({}: {})", self.at, self.path),
            (false, true) => Ok(()),
            (false, false) => write!(f, " ({})", self.path),
        }
    }
}

/// Collects mistakes, and what is only worth a warning.
#[derive(Debug, Default)]
pub struct Problems {
    errors: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl Problems {
    /// Adds a mistake, once, however often the place is looked at.
    pub fn error(&self, problem: Problem) {
        let mut errors = self.errors.borrow_mut();
        if !errors.contains(&problem) {
            errors.push(problem);
        }
    }

    /// Adds a warning.
    pub fn warning(&self, problem: Problem) {
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&problem) {
            warnings.push(problem);
        }
    }

    /// Whether there is no mistake so far.
    pub fn is_empty(&self) -> bool {
        self.errors.borrow().is_empty()
    }

    /// Mistakes and warnings, in the order in which they were found; mistakes by class first.
    pub fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|problem| problem.class);
        (errors, self.warnings.into_inner())
    }
}
