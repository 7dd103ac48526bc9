//! Flags with one dash or two, `-name value` or `-name=value`, and the reference's words about wrong ones.

use std::fmt::Write as _;

/// What can be written behind a command.
pub(super) struct Command {
    /// The words that may follow or stand between the flags, as `FILE`, in a whole line; without it any is refused
    /// (the reference ignores them, and so runs without the configuration that was meant).
    pub(super) words: Option<&'static str>,
    pub(super) flags: &'static [Spec],
    /// What it does, shown below the flags; lines end with a newline.
    pub(super) about: &'static str,
}

/// A flag a command knows.
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) default: &'static str,
    pub(super) help: &'static str,
}

/// What a flag's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    /// May be given several times.
    List,
}

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Flags {
    values: Vec<(&'static str, String)>,
    rest: Vec<String>,
}

/// Wrong flags, with the usage block; or a call for help.
#[derive(Debug)]
pub(super) struct FlagError {
    pub(super) text: String,
    pub(super) asked_for_help: bool,
}

impl Flags {
    /// The last value given, or the default.
    pub(super) fn text(&self, name: &str) -> &str {
        self.values.iter().rev().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    /// All values given.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values.iter().filter(move |(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// Words that are no flags.
    pub(super) fn rest(&self) -> &[String] {
        &self.rest
    }
}

/// Parses `args`.
pub(super) fn parse(program: &str, command: &Command, args: &[String]) -> Result<Flags, FlagError> {
    let mut flags = Flags::default();
    for spec in command.flags.iter().filter(|spec| !spec.default.is_empty()) {
        flags.values.push((spec.name, spec.default.to_owned()));
    }
    let wrong = |problem: String| FlagError {
        text: format!("{problem}\n{}", usage(program, command)),
        asked_for_help: false,
    };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|name| !name.is_empty());
        let Some(name) = name else {
            if command.words.is_none() {
                return Err(wrong(format!("unexpected argument: {word}")));
            }
            flags.rest.push(word.clone());
            continue;
        };
        let (name, inline) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        if inline.is_none() && matches!(name, "h" | "help") {
            return Err(FlagError { text: usage(program, command), asked_for_help: true });
        }
        let Some(spec) = command.flags.iter().find(|spec| spec.name == name) else {
            return Err(wrong(format!("flag provided but not defined: -{name}")));
        };
        let value = inline.or_else(|| words.next().cloned());
        let Some(value) = value else { return Err(wrong(format!("flag needs an argument: -{name}"))) };
        if spec.kind == Kind::Int && value.parse::<i64>().is_err() {
            return Err(wrong(format!("invalid value \"{value}\" for flag -{name}: parse error")));
        }
        flags.values.push((spec.name, value));
    }
    Ok(flags)
}

/// The flags in the words of the reference, then what the command does.
pub(super) fn usage(program: &str, command: &Command) -> String {
    let mut text = match command.words {
        None => format!("Usage of {program}:\n"),
        Some(words) => format!("Usage of {program}: {words}\n"),
    };
    for spec in command.flags {
        let kind = match spec.kind {
            Kind::Text | Kind::List => "string",
            Kind::Int => "int",
        };
        let _ = write!(text, "  -{} {kind}\n    \t{}", spec.name, spec.help);
        if !spec.default.is_empty() {
            let _ = match spec.kind {
                Kind::Int => write!(text, " (default {})", spec.default),
                Kind::Text | Kind::List => write!(text, " (default {:?})", spec.default),
            };
        }
        text.push('\n');
    }
    text.push_str(command.about);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: &Command = &Command {
        words: None,
        flags: &[
            Spec { name: "outdir", kind: Kind::Text, default: ".", help: "directory" },
            Spec { name: "hours", kind: Kind::Int, default: "8760", help: "lifetime" },
        ],
        about: "Does things.\n",
    };

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn one_dash_two_dashes_and_equals_are_the_same() {
        for text in ["-outdir x", "--outdir x", "-outdir=x", "--outdir=x"] {
            let flags = parse("p", COMMAND, &words(text)).unwrap();
            assert_eq!((flags.text("outdir"), flags.text("hours")), ("x", "8760"));
        }
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_usage() {
        for (text, problem) in [
            ("-nope", "flag provided but not defined: -nope"),
            ("serve -outdir x", "unexpected argument: serve"),
            ("-outdir", "flag needs an argument: -outdir"),
            ("-hours x", "invalid value \"x\" for flag -hours: parse error"),
        ] {
            let error = parse("p", COMMAND, &words(text)).unwrap_err();
            assert!(error.text.starts_with(problem), "{}", error.text);
            assert!(error.text.contains("Usage of p:\n  -outdir string\n    \tdirectory (default \".\")\n"));
            assert!(!error.asked_for_help);
        }
        let help = parse("p", COMMAND, &words("-h")).unwrap_err();
        assert!(
            help.asked_for_help && help.text.ends_with("(default 8760)\nDoes things.\n"),
            "{}",
            help.text
        );
        let takes_words = Command { words: Some("p FILE"), ..*COMMAND };
        assert_eq!(parse("p", &takes_words, &words("a -hours 1 b")).unwrap().rest(), ["a", "b"]);
    }
}
