//! A table being read: each value by its key, with the type it has to have.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::log::{Log, Place};
use crate::problem::Code;

pub(super) type Node<'a> = &'a Spanned<DeValue<'a>>;

/// A table and where it stands.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    pub(super) log: &'a Log<'a>,
    pub(super) place: Option<&'a Place>,
    table: &'a DeTable<'a>,
    /// Its offset.
    at: usize,
    /// Of keys in messages.
    prefix: String,
}

impl<'a> Fields<'a> {
    pub(super) fn new(log: &'a Log<'a>, place: Option<&'a Place>, table: &'a DeTable<'a>, at: usize) -> Self {
        Self { log, place, table, at, prefix: String::new() }
    }

    /// A table below this one.
    pub(super) fn below(&self, key: &str, table: &'a DeTable<'a>, at: usize) -> Self {
        Self { table, at, prefix: format!("{}{key}.", self.prefix), ..self.clone() }
    }

    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        self.table.iter().find(|(known, _)| known.get_ref() == key).map(|(_, value)| value)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Keys and values; sorted by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), value))
    }

    /// Reports a problem of a key, at its value or, when it is absent, at the table; `None`, to be returned.
    pub(super) fn report<T>(&self, code: Code, key: &str, text: impl Into<String>) -> Option<T> {
        let at = self.get(key).map_or(self.at, |node| node.span().start);
        self.report_at(code, key, at, text)
    }

    pub(super) fn report_at<T>(
        &self,
        code: Code,
        key: &str,
        at: usize,
        text: impl Into<String>,
    ) -> Option<T> {
        self.log.report(self.place, Some(format!("{}{key}", self.prefix)), at, code, text);
        None
    }

    /// A text, trimmed and not blank; `None` when it is absent or, reported, wrong.
    pub(super) fn text(&self, key: &str, code: Code) -> Option<String> {
        match text_of(self.get(key)?) {
            Some(text) => Some(text.trim().to_owned()),
            None => self.report(code, key, format!("{key} has to be a string that is not blank")),
        }
    }

    /// A text that has to be there.
    pub(super) fn needed(&self, key: &str, missing: Code, wrong: Code) -> Option<String> {
        if self.has(key) {
            return self.text(key, wrong);
        }
        self.report(missing, key, format!("{key} is missing"))
    }

    /// A text exactly as written, not blank.
    pub(super) fn verbatim(&self, key: &str, code: Code) -> Option<String> {
        match text_of(self.get(key)?) {
            Some(text) => Some(text.to_owned()),
            None => self.report(code, key, format!("{key} has to be a string that is not blank")),
        }
    }

    /// A boolean; false when absent.
    pub(super) fn flag(&self, key: &str) -> bool {
        match self.get(key).map(Spanned::get_ref) {
            Some(DeValue::Boolean(flag)) => *flag,
            Some(_) => {
                self.report::<()>(Code::BoolExpected, key, format!("{key} has to be true or false"));
                false
            }
            None => false,
        }
    }

    /// An array; `None` when it is absent or, reported, wrong.
    pub(super) fn array(&self, key: &str, code: Code) -> Option<&'a DeArray<'a>> {
        match self.get(key)?.get_ref() {
            DeValue::Array(items) => Some(items),
            _ => self.report(code, key, format!("{key} has to be an array")),
        }
    }

    /// An array of texts, each trimmed and not blank.
    pub(super) fn texts(&self, key: &str, code: Code) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        for (at, item) in self.array(key, code)?.iter().enumerate() {
            if let Some(text) = text_of(item) {
                texts.push(text.trim().to_owned());
            } else {
                let text = format!("{key} has to hold strings that are not blank, and [{at}] is none");
                self.report_at::<()>(code, key, item.span().start, text);
            }
        }
        Some(texts)
    }

    /// One of some words; the value and not its letter case decides.
    pub(super) fn word<T: Copy>(&self, key: &str, code: Code, words: &[(&str, T)]) -> Option<T> {
        let text = self.needed(key, code, code)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let all = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        self.report(code, key, format!("{key} {text:?} is none of {all}"))
    }

    /// A table below this one; `None` when it is absent or, reported, wrong.
    pub(super) fn table(&self, key: &str, code: Code) -> Option<Self> {
        let node = self.get(key)?;
        match node.get_ref() {
            DeValue::Table(table) => Some(self.below(key, table, node.span().start)),
            _ => self.report(code, key, format!("{key} has to be a table")),
        }
    }

    /// Warns of keys that are none of these.
    pub(super) fn note_unknown(&self, known: &[&str]) {
        for (key, _) in self.table.iter().filter(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref();
            let hint = match nearest(name, known.iter().copied(), 1).first() {
                Some(meant) => format!("; did you mean {meant}?"),
                None => String::new(),
            };
            let text = format!("{name} means nothing here{hint}");
            self.report_at::<()>(Code::UnknownKey, name, key.span().start, text);
        }
    }
}

/// A string that is not blank.
pub(super) fn text_of(node: Node<'_>) -> Option<&str> {
    match node.get_ref() {
        DeValue::String(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    }
}

/// The known words that are spelled most like another one, the nearest first; none unless it is near.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>, at_most: usize) -> Vec<&'a str> {
    let lower = word.to_lowercase();
    let mut near: Vec<(usize, &str)> = known
        .map(|name| (strsim::osa_distance(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .collect();
    near.sort_unstable();
    near.into_iter().take(at_most).map(|(_, name)| name).collect()
}
