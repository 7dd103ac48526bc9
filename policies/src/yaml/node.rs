//! The tree of a document.

use std::fmt;

/// A value and where it begins.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins.
    pub at: Position,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Text as written; what it means depends on the field that takes it.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys in the order of the file, merged ones last; no key twice.
    Mapping(Vec<Entry>),
}

/// A scalar.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// The text, quotes and escapes resolved.
    pub text: Box<str>,
    /// Written with quotes, as a block or with `!!str`: never a number, a boolean or null.
    pub quoted: bool,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The text of the key.
    pub key: Box<str>,
    /// Where the key stands.
    pub at: Position,
    /// Its value.
    pub value: Node,
}

/// A place in a text; line 0 stands for a value that did not come from a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Node {
    /// The tree of a JSON value, which decodes as the same text in YAML would. It has no positions.
    pub fn from_json(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        let scalar = |text: String, quoted| Kind::Scalar(Scalar { text: text.into(), quoted });
        let kind = match value {
            Value::Null => scalar("null".to_owned(), false),
            Value::Bool(flag) => scalar(flag.to_string(), false),
            Value::Number(number) => scalar(number.to_string(), false),
            Value::String(text) => scalar(text.clone(), true),
            Value::Array(items) => Kind::Sequence(items.iter().map(Self::from_json).collect()),
            Value::Object(fields) => Kind::Mapping(
                fields
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.as_str().into(),
                        at: Position::default(),
                        value: Self::from_json(value),
                    })
                    .collect(),
            ),
        };
        Self { at: Position::default(), kind }
    }

    /// Whether this is an unquoted null, or nothing at all.
    pub fn is_null(&self) -> bool {
        let Kind::Scalar(scalar) = &self.kind else { return false };
        !scalar.quoted && matches!(&*scalar.text, "" | "~" | "null" | "Null" | "NULL")
    }

    /// The value of a key.
    pub fn key(&self, key: &str) -> Option<&Self> {
        let Kind::Mapping(entries) = &self.kind else { return None };
        entries.iter().find(|entry| *entry.key == *key).map(|entry| &entry.value)
    }

    /// How many nodes there are from here down.
    pub(super) fn count(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar(_) => 0,
            Kind::Sequence(items) => items.iter().map(Self::count).sum(),
            Kind::Mapping(entries) => entries.iter().map(|entry| 1 + entry.value.count()).sum(),
        }
    }

    /// How deep it is nested from here down.
    pub(super) fn depth(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar(_) => 0,
            Kind::Sequence(items) => items.iter().map(Self::depth).max().unwrap_or(0),
            Kind::Mapping(entries) => entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)
    }
}
