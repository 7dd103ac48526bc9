//! JSON schemas (2020-12, as OpenAPI 3.1 has them), built from their parts.

use serde_json::{Map, Value, json};

/// Any text.
pub(crate) fn text() -> Value {
    json!({ "type": "string" })
}

/// A text of at most so many characters.
pub(super) fn short_text(most: usize) -> Value {
    json!({ "type": "string", "maxLength": most })
}

/// A text with something in it.
pub(super) fn some_text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// A text that is never shown again.
pub(super) fn write_only() -> Value {
    json!({ "type": ["string", "null"], "format": "password", "writeOnly": true })
}

/// One of these words.
pub(crate) fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// A text of this form.
pub(super) fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// An object id: the prefix, and a code of 8 to 12 letters and digits.
pub(super) fn oid(prefix: &str) -> Value {
    pattern(&format!("^{prefix}_[A-Za-z0-9]{{8,12}}$"))
}

/// A namespace, a foreign id or a slug.
pub(super) fn name() -> Value {
    json!({ "type": "string", "pattern": NAME, "maxLength": crate::wire::MAX_FOREIGN_ID_CHARS })
}

/// What a namespace, a foreign id or a slug is made of.
pub(super) const NAME: &str = "^[A-Za-z0-9._~-]+$";

/// As all answers show times.
pub(super) fn timestamp() -> Value {
    json!({
        "type": "string",
        "format": "date-time",
        "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
    })
}

/// True or false.
pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// An integer, with its bounds.
pub(crate) fn integer(least: Option<i64>, most: Option<i64>) -> Value {
    let mut schema = json!({ "type": "integer" });
    if let Some(least) = least {
        schema["minimum"] = least.into();
    }
    if let Some(most) = most {
        schema["maximum"] = most.into();
    }
    schema
}

/// A list of these.
pub(crate) fn list_of(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// A list of these with at least one.
pub(super) fn some_of(items: Value) -> Value {
    json!({ "type": "array", "items": items, "minItems": 1 })
}

/// An object with any members of this kind.
pub(super) fn map_of(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

/// An object with any members.
pub(crate) fn any_object() -> Value {
    json!({ "type": "object", "additionalProperties": true })
}

/// A schema of the document's components.
pub(crate) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The schema, or null.
pub(super) fn nullable(mut schema: Value) -> Value {
    if let Some(Value::String(of)) = schema.get("type").cloned() {
        schema["type"] = json!([of, "null"]);
        if let Some(Value::Array(words)) = schema.get_mut("enum") {
            words.push(Value::Null);
        }
        return schema;
    }
    json!({ "oneOf": [schema, { "type": "null" }] })
}

/// With a sentence about it.
pub(super) fn about(mut schema: Value, text: &str) -> Value {
    schema["description"] = text.into();
    schema
}

/// An object, a member at a time. Members of an answer that are not in its schema are a mistake of ours, which the suite
/// finds; clients should ignore what they do not know, for members are added.
pub(super) struct Object {
    properties: Map<String, Value>,
    required: Vec<String>,
    closed: bool,
    description: Option<&'static str>,
}

impl Object {
    pub(super) fn new() -> Self {
        Self { properties: Map::new(), required: Vec::new(), closed: false, description: None }
    }

    /// A sentence about it.
    pub(super) fn about(mut self, text: &'static str) -> Self {
        self.description = Some(text);
        self
    }

    /// Other members are refused.
    pub(super) fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// A member that is always there.
    pub(super) fn always(mut self, name: &str, schema: Value) -> Self {
        self.required.push(name.to_owned());
        self.maybe(name, schema)
    }

    /// A member that may be absent.
    pub(super) fn maybe(mut self, name: &str, schema: Value) -> Self {
        self.properties.insert(name.to_owned(), schema);
        self
    }

    /// A part that several schemas share.
    pub(super) fn with(self, part: impl FnOnce(Self) -> Self) -> Self {
        part(self)
    }

    pub(super) fn build(self) -> Value {
        let mut schema = json!({ "type": "object", "properties": self.properties });
        if let Some(text) = self.description {
            schema["description"] = text.into();
        }
        if !self.required.is_empty() {
            schema["required"] = self.required.into();
        }
        if self.closed {
            schema["additionalProperties"] = false.into();
        }
        schema
    }
}
