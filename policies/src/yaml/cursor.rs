//! A walk over a tree that knows its path and writes down everything that does not fit.

use std::sync::LazyLock;

use super::duration::GoDuration;
use super::node::{Entry, Kind, Node, Position};
use super::problem::{Class, Problem, Problems};
use super::scalar::tag;
use crate::schema::Table;

/// A node with its path. Reading it as something it is not adds to [`Problems`] and yields `None`.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    node: &'a Node,
    at: Position,
    path: String,
    label: String,
    lenient: bool,
    problems: &'a Problems,
}

/// A mapping whose keys were checked against a table.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    cursor: Cursor<'a>,
    entries: &'a [Entry],
}

impl<'a> Cursor<'a> {
    /// Starts at the root of a document.
    pub fn new(node: &'a Node, problems: &'a Problems) -> Self {
        Self { node, at: node.at, path: String::new(), label: String::new(), lenient: false, problems }
    }

    /// From here down, unknown keys are warnings.
    pub fn lenient(mut self, lenient: bool) -> Self {
        self.lenient = lenient;
        self
    }

    /// From here down, build errors begin with this label and a colon; see [`Self::reject`].
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The path from the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the node stands, or for an absent one where what should hold it stands.
    pub fn at(&self) -> Position {
        self.at
    }

    /// The node.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// Whether it is null, which equals being absent.
    pub fn is_null(&self) -> bool {
        self.node.is_null()
    }

    /// The keys of a mapping; null is an empty one. Unknown keys are reported with the nearest known one.
    pub fn fields(&self, table: &Table) -> Option<Fields<'a>> {
        let entries: &'a [Entry] = match &self.node.kind {
            Kind::Mapping(entries) => entries,
            _ if self.is_null() => &[],
            _ => return self.mismatch(table.name),
        };
        for entry in entries {
            if table.keys.iter().all(|key| key.name != &*entry.key) {
                self.report_unknown(entry, table);
            }
        }
        Some(Fields { cursor: self.clone(), entries })
    }

    fn report_unknown(&self, entry: &Entry, table: &Table) {
        let path = self.below(&entry.key);
        let hint =
            table.nearest(&entry.key).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
        let text = format!("field {} not found in type {}{hint}", entry.key, table.name);
        let problem = Problem { class: Class::Decode, at: entry.at, path, text };
        if self.lenient { self.problems.warning(problem) } else { self.problems.error(problem) }
    }

    /// The items of a list; null is an empty one, a lone scalar is not.
    pub fn items(&self) -> Vec<Self> {
        let items: &'a [Node] = match &self.node.kind {
            Kind::Sequence(items) => items,
            _ if self.is_null() => &[],
            _ => {
                self.mismatch::<()>("[]interface {}");
                &[]
            }
        };
        let child =
            |(at, node)| Self { node, at: node.at, path: format!("{}[{at}]", self.path), ..self.clone() };
        items.iter().enumerate().map(child).collect()
    }

    /// The keys of a mapping whose keys are not known beforehand, with their values; null is an empty one.
    pub fn entries(&self) -> Option<Vec<(&'a str, Self)>> {
        let entries: &'a [Entry] = match &self.node.kind {
            Kind::Mapping(entries) => entries,
            _ if self.is_null() => &[],
            _ => return self.mismatch("map[string]interface {}"),
        };
        let child = |entry: &'a Entry| {
            let path = self.below(&entry.key);
            (&*entry.key, Self { node: &entry.value, at: entry.value.at, path, ..self.clone() })
        };
        Some(entries.iter().map(child).collect())
    }

    /// The text of any scalar; null is empty.
    pub fn text(&self) -> Option<&'a str> {
        match &self.node.kind {
            _ if self.is_null() => Some(""),
            Kind::Scalar(scalar) => Some(&scalar.text),
            _ => self.mismatch("string"),
        }
    }

    /// A boolean; null is false.
    pub fn bool(&self) -> Option<bool> {
        match &self.node.kind {
            _ if self.is_null() => Some(false),
            Kind::Scalar(scalar) => scalar.as_bool().or_else(|| self.mismatch("bool")),
            _ => self.mismatch("bool"),
        }
    }

    /// An integer; null is 0.
    pub fn int(&self) -> Option<i64> {
        match &self.node.kind {
            _ if self.is_null() => Some(0),
            Kind::Scalar(scalar) => scalar.as_int().or_else(|| self.mismatch("int")),
            _ => self.mismatch("int"),
        }
    }

    /// A duration.
    pub fn duration(&self) -> Option<GoDuration> {
        match GoDuration::parse(self.text()?) {
            Ok(duration) => Some(duration),
            Err(error) => self.report(Class::Value, error.to_string()),
        }
    }

    /// Reports that the value has the wrong type.
    fn mismatch<T>(&self, wanted: &str) -> Option<T> {
        let shown = match &self.node.kind {
            // Short ones only, so that nobody's credential is shown because it stood in the wrong place.
            Kind::Scalar(scalar) if scalar.text.chars().count() <= 10 => format!(" `{}`", scalar.text),
            _ => String::new(),
        };
        self.report(Class::Decode, format!("cannot unmarshal {}{shown} into {wanted}", tag(self.node)))
    }

    /// Reports that what stands here cannot be built, under the label.
    pub fn reject<T>(&self, text: impl std::fmt::Display) -> Option<T> {
        let colon = if self.label.is_empty() { "" } else { ": " };
        self.report(Class::Build, format!("{}{colon}{text}", self.label))
    }

    /// Reports a problem of this node; `None`, to be returned.
    pub fn report<T>(&self, class: Class, text: String) -> Option<T> {
        self.problems.error(Problem { class, at: self.at, path: self.path.clone(), text });
        None
    }

    /// Adds a warning about this node.
    pub fn warn(&self, text: String) {
        let problem = Problem { class: Class::Invalid, at: self.at, path: self.path.clone(), text };
        self.problems.warning(problem);
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl<'a> Fields<'a> {
    /// The value of a key, unless it is absent or null.
    pub fn key(&self, key: &str) -> Option<Cursor<'a>> {
        Some(self.key_or_null(key)).filter(|cursor| !cursor.is_null())
    }

    /// The value of a key; null when absent.
    pub fn key_or_null(&self, key: &str) -> Cursor<'a> {
        let node = self.entries.iter().find(|entry| *entry.key == *key).map(|entry| &entry.value);
        let (node, at) = node.map_or((&*NULL, self.cursor.at), |node| (node, node.at));
        Cursor { node, at, path: self.cursor.below(key), ..self.cursor.clone() }
    }

    /// The items of a list; empty when absent.
    pub fn items(&self, key: &str) -> Vec<Cursor<'a>> {
        self.key(key).map(|cursor| cursor.items()).unwrap_or_default()
    }

    /// The text of a key; empty when absent.
    pub fn text(&self, key: &str) -> &'a str {
        self.key(key).and_then(|cursor| cursor.text()).unwrap_or_default()
    }

    /// The texts of a list.
    pub fn texts(&self, key: &str) -> Vec<String> {
        self.items(key).iter().filter_map(|item| item.text().map(str::to_owned)).collect()
    }

    /// A boolean; the default when absent.
    pub fn bool_or(&self, key: &str, default: bool) -> bool {
        self.key(key).and_then(|cursor| cursor.bool()).unwrap_or(default)
    }

    /// An integer; 0 when absent, which is what "not set" means throughout.
    pub fn int(&self, key: &str) -> i64 {
        self.key(key).and_then(|cursor| cursor.int()).unwrap_or(0)
    }

    /// The mapping itself.
    pub fn cursor(&self) -> &Cursor<'a> {
        &self.cursor
    }
}

static NULL: LazyLock<Node> = LazyLock::new(|| Node::from_json(&serde_json::Value::Null));
