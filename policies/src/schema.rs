//! What a configuration may hold, as tables: one entry per key with its kind, its default and a sentence. The same
//! tables find unknown keys, make the JSON Schema and hold `docs/configuration.md` to account.

use serde_json::{Map, Value, json};

/// The keys of one mapping.
#[derive(Debug)]
pub struct Table {
    /// Its name in errors and in the JSON Schema.
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name, case-sensitive.
    pub name: &'static str,
    /// What it takes. Every key takes null, which equals leaving it out.
    pub kind: Kind,
    /// Its default as text; empty when there is none.
    pub default: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any scalar, taken by its text.
    Text,
    /// A boolean.
    Bool,
    /// An integer.
    Int,
    /// A duration in Go's syntax.
    Duration,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A list.
    List(&'static Self),
    /// A mapping.
    Table(&'static Table),
    /// Whatever: decoded by someone else.
    Free,
    /// Null alone: not available in this build.
    Absent,
}

impl Kind {
    /// A list of texts.
    pub const TEXTS: Self = Self::List(&Self::Text);
}

/// A key.
pub const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default, doc }
}

impl Table {
    /// The known key that is spelled most like an unknown one, if any is close enough to be meant.
    pub fn nearest(&self, unknown: &str) -> Option<&'static str> {
        let known = self.keys.iter().map(|key| key.name);
        let (distance, name) = known.map(|name| (distance(unknown, name), name)).min()?;
        (distance <= (name.len() / 3).max(1)).then_some(name)
    }

    /// The JSON Schema (draft 2020-12) of this table; tables it uses are added to `definitions` by name.
    pub fn schema(&self, definitions: &mut Map<String, Value>) -> Value {
        let mut properties = Map::new();
        for key in self.keys {
            let mut property = key.kind.schema(definitions);
            let text = if key.default.is_empty() {
                key.doc.to_owned()
            } else {
                format!("{} Default: {}.", key.doc, key.default)
            };
            if let Value::Object(fields) = &mut property {
                fields.insert("description".to_owned(), text.into());
            }
            properties.insert(key.name.to_owned(), property);
        }
        json!({
            "description": self.doc,
            "type": ["object", "null"],
            "properties": properties,
            "additionalProperties": false,
        })
    }

    /// The keys as rows of a Markdown table, as `docs/configuration.md` has them.
    pub fn markdown(&self) -> String {
        let mut rows = "| Key | Takes | Default | |\n|---|---|---|---|\n".to_owned();
        for key in self.keys {
            let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
            rows.extend([
                "| `",
                key.name,
                "` | ",
                &key.kind.words(),
                " | ",
                &default,
                " | ",
                key.doc,
                " |\n",
            ]);
        }
        rows
    }

    /// The tables below this one and itself, each once.
    pub fn all(&'static self) -> Vec<&'static Self> {
        let mut found = vec![self];
        let mut at = 0;
        while let Some(table) = found.get(at) {
            for below in table.keys.iter().filter_map(|key| key.kind.table()) {
                if !found.iter().any(|known| std::ptr::eq(*known, below)) {
                    found.push(below);
                }
            }
            at += 1;
        }
        found
    }
}

impl Kind {
    fn schema(self, definitions: &mut Map<String, Value>) -> Value {
        match self {
            Self::Text => json!({"type": ["string", "number", "boolean", "null"]}),
            Self::Bool => json!({"anyOf": [
                {"type": ["boolean", "null"]},
                {"enum": ["y", "Y", "yes", "on", "n", "N", "no", "off"]},
            ]}),
            Self::Int => json!({"type": ["number", "null"]}),
            Self::Duration => json!({
                "type": ["string", "integer", "null"],
                "pattern": "^[-+]?(0|([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$",
                "minimum": 0,
                "maximum": 0,
            }),
            Self::Choice(texts) => {
                let mut choices: Vec<Value> = texts.iter().map(|text| Value::from(*text)).collect();
                choices.push(Value::Null);
                json!({"enum": choices})
            }
            Self::List(item) => json!({"type": ["array", "null"], "items": item.schema(definitions)}),
            Self::Table(table) => {
                if !definitions.contains_key(table.name) {
                    // Reserved first, so that a table may contain itself.
                    definitions.insert(table.name.to_owned(), Value::Null);
                    let schema = table.schema(definitions);
                    definitions.insert(table.name.to_owned(), schema);
                }
                json!({"$ref": format!("#/$defs/{}", table.name)})
            }
            Self::Free => json!({}),
            Self::Absent => json!({"type": "null"}),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Bool => "boolean".to_owned(),
            Self::Int => "integer".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::Choice(texts) => {
                texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" or ")
            }
            Self::List(Self::Text) => "list of texts".to_owned(),
            Self::List(Self::Table(_)) => "list of mappings".to_owned(),
            Self::List(item) => format!("list of {}", item.words()),
            Self::Table(_) => "mapping".to_owned(),
            Self::Free => "anything".to_owned(),
            Self::Absent => "nothing".to_owned(),
        }
    }

    fn table(self) -> Option<&'static Table> {
        match self {
            Self::Table(table) => Some(table),
            Self::List(item) => item.table(),
            _ => None,
        }
    }
}

/// Edit distance without regard to letter case, a swap counting once.
fn distance(a: &str, b: &str) -> usize {
    strsim::osa_distance(&a.to_lowercase(), b)
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: Table = Table {
        name: "Test",
        doc: "A test.",
        keys: &[
            key("methods", Kind::List(&Kind::Text), "all", "Methods."),
            key("paths", Kind::List(&Kind::Text), "all", "Paths."),
            key("rules", Kind::List(&Kind::Table(&TABLE)), "", "Itself."),
        ],
    };

    #[test]
    fn the_nearest_key_is_named_when_it_is_near() {
        assert_eq!(TABLE.nearest("method"), Some("methods"));
        assert_eq!(TABLE.nearest("Paths"), Some("paths"));
        assert_eq!(TABLE.nearest("rlues"), Some("rules"));
        assert_eq!(TABLE.nearest("timeout"), None);
    }

    #[test]
    fn a_table_may_contain_itself() {
        let mut definitions = Map::new();
        let schema = TABLE.schema(&mut definitions);
        assert_eq!(schema["properties"]["rules"]["items"]["$ref"], "#/$defs/Test");
        assert_eq!(definitions["Test"], schema);
        assert_eq!(TABLE.all().len(), 1);
    }
}
