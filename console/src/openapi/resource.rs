//! What most collections can do, described once.

use serde_json::Value;

use super::operation::Operation;
use super::parameter::Parameter;
use super::schema::{about, name, reference, text};

/// Collections that decide what proxies get, beside those of secrets.
const DELIVERED: [&str; 5] = ["broker_credentials", "grants", "principals", "proxies", "roles"];

/// A collection of resources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resource {
    /// The last segment of its path: `principals`.
    pub(crate) collection: &'static str,
    /// Its schema: `Principal`; of what is written, `PrincipalWrite`.
    pub(crate) schema: &'static str,
    /// In sentences: `principal`.
    pub(crate) noun: &'static str,
    /// Of its object ids, without the underscore.
    pub(crate) prefix: &'static str,
    /// An object id to show it with.
    pub(crate) example: &'static str,
}

impl Resource {
    /// An operation of this collection that has a name of its own.
    pub(crate) fn other(&self, id: impl Into<String>, summary: impl Into<String>) -> Operation {
        Operation::new(id, self.collection, summary)
    }

    /// One resource, by its object id.
    pub(crate) fn of_one(&self, id: impl Into<String>, summary: impl Into<String>) -> Operation {
        self.other(id, summary).with([self.id()])
    }

    /// `{id}` that is an object id.
    pub(crate) fn id(&self) -> Parameter {
        Parameter::oid("id", self.prefix).example(self.example)
    }

    pub(crate) fn shown(&self) -> Value {
        reference(self.schema)
    }

    /// What proxies get is made of these alone.
    fn write(&self, operation: Operation) -> Operation {
        let is_delivered = DELIVERED.contains(&self.collection) || self.collection.ends_with("_secrets");
        if is_delivered { operation.numbered() } else { operation }
    }

    fn written(&self) -> Value {
        reference(&format!("{}Write", self.schema))
    }

    /// A page of all.
    pub(crate) fn list(&self) -> Operation {
        let Self { schema, noun, .. } = self;
        self.other(format!("list{schema}s"), format!("List every {noun}")).pages(self.shown())
    }

    /// A page of a namespace.
    pub(crate) fn list_of_namespace(&self) -> Operation {
        let Self { schema, noun, .. } = self;
        let operation = self.other(format!("list{schema}s"), format!("List every {noun} of a namespace"));
        operation.with(Parameter::filters()).pages(self.shown())
    }

    pub(crate) fn create(&self) -> Operation {
        let Self { schema, noun, .. } = self;
        let operation = self.write(self.other(format!("create{schema}"), format!("Create a {noun}")));
        operation.takes(self.written()).gives(201, "Created", self.shown())
    }

    pub(crate) fn one(&self) -> Operation {
        let Self { schema, noun, .. } = self;
        self.of_one(format!("get{schema}"), format!("Get a {noun}")).gives(200, "Found", self.shown())
    }

    /// By namespace and foreign id.
    pub(crate) fn lookup(&self) -> Operation {
        let Self { schema, noun, .. } = self;
        let operation =
            self.other(format!("lookUp{schema}"), format!("Get a {noun} by namespace and foreign id"));
        operation.with(Parameter::names()).gives(200, "Found", self.shown())
    }

    /// Update by object id, or update or create by name.
    pub(crate) fn upsert(&self) -> Operation {
        let text = "The object id of one that exists, or a foreign id or slug, which is created when it is not there.";
        let id = Parameter::path("id", about(name(), text)).example(self.example);
        let summary = format!("Create or update a {}", self.noun);
        let operation = self.write(self.other(self.schema, summary)).with([id, Parameter::if_match()]);
        let operation = operation.takes(self.written()).gives(200, "Updated", self.shown());
        operation.gives(201, "Created", self.shown())
    }

    /// Update by object id alone.
    pub(crate) fn update(&self) -> Operation {
        let Self { schema, noun, .. } = self;
        let operation = self.write(self.of_one(*schema, format!("Update a {noun}")));
        let operation = operation.with([Parameter::if_match()]);
        let written = reference(&format!("{schema}Update"));
        operation.takes(written).gives(200, "Updated", self.shown())
    }

    pub(crate) fn delete(&self) -> Operation {
        let Self { schema, noun, .. } = self;
        let operation = self.write(self.of_one(format!("delete{schema}"), format!("Delete a {noun}")));
        operation.empty(204, "Deleted").fails(&[409])
    }

    /// With `If-Match`.
    pub(crate) fn delete_revision(&self) -> Operation {
        self.delete().with([Parameter::if_match()])
    }

    /// A parameter of a query that names one of these.
    pub(crate) fn filter(&self, name: &str) -> Parameter {
        let sentence = format!("The object id of a {}; one that there is not is 404.", self.noun);
        Parameter::query(name, about(text(), &sentence))
    }
}
