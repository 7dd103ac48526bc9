//! Parameters of paths, queries and heads.

use serde_json::{Value, json};

use super::schema::{about, integer, name, oid, short_text, some_text, text};

/// One parameter of an operation.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    name: String,
    place: &'static str,
    required: bool,
    schema: Value,
    /// One that has a value to show it with.
    example: Option<Value>,
    /// `labels[key]=value`
    is_deep: bool,
}

impl Parameter {
    fn new(place: &'static str, name: &str, schema: Value) -> Self {
        let name = name.to_owned();
        Self { name, place, required: place == "path", schema, example: None, is_deep: false }
    }

    /// A segment of the path.
    pub(crate) fn path(name: &str, schema: Value) -> Self {
        Self::new("path", name, schema)
    }

    /// A segment that is an object id.
    pub(crate) fn oid(name: &str, prefix: &str) -> Self {
        Self::path(name, about(oid(prefix), "An object id. Anything else names nothing: 404."))
    }

    /// A parameter of the query that may be absent.
    pub(crate) fn query(name: &str, schema: Value) -> Self {
        Self::new("query", name, schema)
    }

    /// A field of the head that may be absent.
    pub(crate) fn head(name: &str, schema: Value) -> Self {
        Self::new("header", name, schema)
    }

    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) fn example(mut self, example: impl Into<Value>) -> Self {
        self.example = Some(example.into());
        self
    }

    /// `page` and `limit`.
    pub(crate) fn paging() -> [Self; 2] {
        let page = about(integer(None, None), "From 1; what is below counts as 1.");
        let limit = about(integer(None, None), "Items per page, 50 without it; held to 1 to 200.");
        [Self::query("page", page), Self::query("limit", limit)]
    }

    /// What is listed by namespace.
    pub(crate) fn filters() -> [Self; 4] {
        [
            Self::query("namespace", about(some_text(), "Compared exactly.")).required().example("default"),
            Self::labels(),
            Self::query("q", about(text(), "Part of the foreign id or the name, in any letter case.")),
            Self::query("foreign_id", about(text(), "The whole foreign id.")),
        ]
    }

    /// `labels[key]=value`: all have to match.
    pub(crate) fn labels() -> Self {
        let text = "`labels[key]=value`; all of them have to be among the labels.";
        let schema = json!({
            "type": "object",
            "additionalProperties": { "type": "string" },
            "propertyNames": { "pattern": NO_BRACKETS, "minLength": 1 },
        });
        Self { is_deep: true, ..Self::query("labels", about(schema, text)) }
    }

    /// `namespace` and `foreign_id` of a lookup.
    pub(crate) fn names() -> [Self; 2] {
        let namespace = Self::path("namespace", name()).example("default");
        [namespace, Self::path("foreign_id", name()).example("example")]
    }

    /// `If-Match`
    pub(crate) fn if_match() -> Self {
        let text = "`\"<revision>\"`: the write is refused when the resource is at another one.";
        Self::head("If-Match", about(short_text(64), text)).example("*")
    }

    pub(super) fn shown(&self) -> Value {
        let mut out = json!({
            "name": self.name,
            "in": self.place,
            "required": self.required,
            "schema": self.schema,
        });
        if let Some(text) = self.schema.get("description") {
            out["description"] = text.clone();
            if let Some(Value::Object(schema)) = out.get_mut("schema") {
                schema.shift_remove("description");
            }
        }
        if self.is_deep {
            out["style"] = "deepObject".into();
            out["explode"] = true.into();
        }
        if let Some(example) = &self.example {
            out["example"] = example.clone();
        }
        out
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_of_path(&self) -> bool {
        self.place == "path"
    }
}

/// A key of a label, as far as a query can name it.
const NO_BRACKETS: &str = r"^[^\[\]]+$";
