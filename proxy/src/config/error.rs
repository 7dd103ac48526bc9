//! Why a configuration does not load.

use std::fmt;
use std::path::PathBuf;

use centaur_policies::yaml::{Class, Problem};

/// Everything that is wrong. `Display` begins with what the reference would have stopped at and has one line for
/// each further problem.
#[derive(Debug)]
pub enum ConfigErrors {
    /// The file cannot be read.
    Open {
        /// Its path, as given.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `s3://…`, which this build does not read.
    Remote(String),
    /// The file was read. Never empty; ordered as the reference would have run into them.
    Problems(Vec<Problem>),
}

impl ConfigErrors {
    /// Whether the first problem is a transform that cannot be built: the reference logs that one as
    /// `building transform pipeline` instead of printing it.
    pub fn is_build(&self) -> bool {
        self.first().is_some_and(|first| first.class == Class::Build)
    }

    /// What the reference would have stopped at, in its words: without line and path where it gives none.
    pub fn headline(&self) -> String {
        match (self, self.first()) {
            (Self::Problems(problems), Some(first)) if first.class == Class::Decode => {
                unmarshal(problems).join("\n")
            }
            (_, Some(first)) => introduced(first, first.text.clone()),
            _ => self.to_string(),
        }
    }

    /// Each problem as a line, with line and path where known.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Problems(problems) => problems.iter().map(ToString::to_string).collect(),
            _ => vec![self.to_string()],
        }
    }

    fn first(&self) -> Option<&Problem> {
        if let Self::Problems(problems) = self { problems.first() } else { None }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, source } => {
                write!(f, "opening config file: open {}: {}", path.display(), bare(source))
            }
            Self::Remote(url) => write!(f, "{url}: configuration from S3 is not available in this build"),
            Self::Problems(problems) => {
                let others = problems.iter().filter(|problem| problem.class != Class::Decode);
                let others = others.map(|problem| introduced(problem, problem.to_string()));
                let lines: Vec<String> = unmarshal(problems).into_iter().chain(others).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

impl std::error::Error for ConfigErrors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Open { source, .. } = self { Some(source) } else { None }
    }
}

/// Keys and types that do not belong, as the YAML library of the reference lists them.
fn unmarshal(problems: &[Problem]) -> Vec<String> {
    let found = problems.iter().filter(|problem| problem.class == Class::Decode);
    let mut lines: Vec<String> = found.map(|problem| format!("  {problem}")).collect();
    if !lines.is_empty() {
        lines.insert(0, "parsing config: yaml: unmarshal errors:".to_owned());
    }
    lines
}

fn introduced(problem: &Problem, text: String) -> String {
    match problem.class {
        Class::Syntax if problem.text == "EOF" => "parsing config: EOF".to_owned(),
        Class::Syntax => format!("parsing config: yaml: {problem}"),
        Class::Value => format!("parsing config: {text}"),
        Class::Decode | Class::Environment | Class::Build | Class::Invalid => text,
    }
}

/// The text of an operating system error as Go has it.
fn bare(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text[..1.min(text.len())].to_lowercase() + text.get(1..).unwrap_or_default()
}
