//! The formatter of `inject`: Go's text/template over an object whose one field is `Value`.
//!
//! Supported: pipelines, parentheses, variables, literals, `if`, `with`, `range` over integers, `break`,
//! `continue`, `define`, `template`, `block`, trim markers, comments, the built-in functions and `base64`. The
//! crate `gtmpl` was weighed: it is passively maintained, lacks assignment to variables and `break`, looks
//! functions up while running, and leaves copies of the value behind. This one knows its functions when it parses
//! and wipes what it held.

mod eval;
mod fields;
mod funcs;
mod lex;
mod parse;
mod print;

#[cfg(test)]
mod tests;

use std::fmt;

use zeroize::Zeroizing;

use self::parse::Template;

/// A parsed template. Its text may hold parts of a credential, so `Debug` does not show it.
pub struct Formatter(Template);

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TemplateError {
    /// Line in the text, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text ends inside an action.
    #[error("unclosed action")]
    UnclosedAction,
    /// The text ends inside a comment, or it is not closed by `*/}}`.
    #[error("unclosed comment")]
    UnclosedComment,
    /// A string or character literal does not end, or holds a bad escape.
    #[error("bad string or character literal")]
    BadLiteral,
    /// A number cannot be read.
    #[error("bad number")]
    BadNumber,
    /// Something that cannot stand there.
    #[error("unexpected {0}")]
    Unexpected(&'static str),
    /// `{{ }}`, or a pipeline without a value.
    #[error("missing value")]
    MissingValue,
    /// No such function.
    #[error("function {0:?} is not defined")]
    UnknownFunction(String),
    /// No such variable.
    #[error("undefined variable {0:?}")]
    UnknownVariable(String),
    /// A value that is no function stands after `|`.
    #[error("a value that is not a function cannot take an argument")]
    NotAFunction,
    /// `if`, `with`, `range`, `define` or `block` without `end`.
    #[error("missing end")]
    MissingEnd,
    /// `break` or `continue` outside of `range`.
    #[error("{0} outside of range")]
    OutsideRange(&'static str),
    /// A template defined twice.
    #[error("template {0:?} is defined twice")]
    DefinedTwice(String),
    /// Actions nested too deeply.
    #[error("nested too deeply")]
    TooDeep,
}

/// Why a template failed while running. Never shows the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The value has no such field; only the object has one, `Value`.
    #[error("no field {0:?} there")]
    NoField(String),
    /// Wrong number of arguments.
    #[error("wrong number of arguments for {0}")]
    Arguments(&'static str),
    /// An argument of a type the function does not take.
    #[error("wrong type of argument for {0}")]
    Type(&'static str),
    /// An index or bound outside of the text.
    #[error("index out of range in {0}")]
    OutOfRange(&'static str),
    /// `call` has nothing to call, a value was given an argument.
    #[error("not a function")]
    NotAFunction,
    /// `range` over something that has no elements.
    #[error("cannot range over a {0}")]
    NotIterable(&'static str),
    /// `template` names one that is not defined.
    #[error("template {0:?} is not defined")]
    NoTemplate(String),
    /// More than 100,000 steps, 64 nested templates or 1 MiB of output.
    #[error("ran too long")]
    Limit,
}

impl Formatter {
    /// Parses a template.
    ///
    /// # Errors
    /// See [`Problem`]; an unknown function or variable is one.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::template(text).map(Self)
    }

    /// Paths of the fields of the object that the template uses, as `["Value"]` for `.Value`; also those of branches
    /// that are not taken. Not what `with`, `range` or a named template does with a part of it.
    pub fn fields(&self) -> Vec<Vec<&str>> {
        self.0.fields()
    }

    /// Runs the template on a value.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn run(&self, value: &str) -> Result<Zeroizing<String>, RunError> {
        eval::run(&self.0, value)
    }
}

impl fmt::Debug for Formatter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Formatter(..)")
    }
}
