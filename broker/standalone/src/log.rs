//! The log: a line per event, on standard error. Values are names, codes and numbers, never material.

use std::io::{self, Write as _};
use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::moment;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For finding mistakes.
    Debug,
    /// What happens.
    Info,
    /// What should not.
    Warn,
    /// What needs somebody.
    Error,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// Words.
    Text,
}

static SETTINGS: OnceLock<(Level, Format)> = OnceLock::new();

/// Sets level and format for the whole process; only the first call has an effect.
pub fn init(level: Level, format: Format) {
    let _ = SETTINGS.set((level, format));
}

/// Writes a line.
pub fn log<const N: usize>(level: Level, message: &str, fields: [(&str, Value); N]) {
    let (least, format) = SETTINGS.get().copied().unwrap_or((Level::Info, Format::Json));
    if level < least {
        return;
    }
    let mut line = Map::new();
    line.insert("time".to_owned(), moment::precise(moment::now()).into());
    line.insert("level".to_owned(), level.word().into());
    line.insert("msg".to_owned(), message.into());
    line.extend(fields.into_iter().map(|(key, value)| (key.to_owned(), value)));
    let line = match format {
        Format::Json => format!("{}\n", Value::Object(line)),
        Format::Text => words(&line),
    };
    // A log that cannot be written must not stop the broker.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Has a panic say where it happened and nothing else. For the whole process.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        log(Level::Error, "panic", [("at", at.into())]);
    }));
}

fn words(line: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (key, value) in line {
        let gap = if text.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{gap}{key}={value}"));
    }
    text.push('\n');
    text
}

impl Level {
    /// Reads a level.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warn, Self::Error].into_iter().find(|level| level.word() == text)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}
