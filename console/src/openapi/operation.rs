//! One method of one path: who may call it, with what, and every answer that there is.

use serde_json::{Map, Value, json};

use super::parameter::Parameter;
use super::schema::{Object, list_of, reference};

/// The methods of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `GET`, and `HEAD` with it.
    Get,
    /// `POST`
    Post,
    /// `PUT` and `PATCH`, which are the same.
    Write,
    /// `DELETE`
    Delete,
}

impl Verb {
    /// The methods, each with what its operation is called.
    pub(super) const fn methods(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Get => &[("get", "")],
            Self::Post => &[("post", "")],
            Self::Write => &[("put", "put"), ("patch", "patch")],
            Self::Delete => &[("delete", "")],
        }
    }
}

/// Whose token a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Nobody,
    /// Some are asked for an API key; it depends on where they are.
    Some,
    Key,
    Proxy,
}

/// What a route does.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    id: String,
    summary: String,
    tag: String,
    caller: Caller,
    parameters: Vec<Parameter>,
    /// The schema of the body, and whether there has to be one.
    body: Option<(Value, bool)>,
    answers: Vec<Answer>,
    /// Statuses of errors beside those that any call may get.
    errors: Vec<u16>,
    /// It may alter what proxies get.
    is_numbered: bool,
}

#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    text: &'static str,
    media: Vec<(&'static str, Value)>,
    headers: Vec<(&'static str, &'static str)>,
}

impl Operation {
    /// `id` is for programs, in camel case: `listRoles`; of a `PUT` and `PATCH` it is `Role`, what is written. `tag` is
    /// the collection.
    pub(crate) fn new(id: impl Into<String>, tag: &str, summary: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            summary: summary.into(),
            tag: tag.to_owned(),
            caller: Caller::Key,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            errors: Vec::new(),
            is_numbered: false,
        }
    }

    /// Nobody is asked for a key.
    pub(crate) fn open(mut self) -> Self {
        self.caller = Caller::Nobody;
        self
    }

    /// Who is near is not asked for a key.
    pub(crate) fn open_to_some(mut self) -> Self {
        self.caller = Caller::Some;
        self
    }

    /// Called with a proxy's token.
    pub(crate) fn by_proxy(mut self) -> Self {
        self.caller = Caller::Proxy;
        self
    }

    pub(crate) fn with(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// The attributes under `data`.
    pub(crate) fn takes(mut self, attributes: Value) -> Self {
        let body = Object::new().always("data", attributes).build();
        self.body = Some((body, true));
        self
    }

    /// The attributes of an action, which may have none.
    pub(crate) fn may_take(mut self, attributes: Value) -> Self {
        let body = Object::new().maybe("data", attributes).build();
        self.body = Some((body, false));
        self
    }

    /// A body without `data`, that may be absent.
    pub(crate) fn may_take_flat(mut self, body: Value) -> Self {
        self.body = Some((body, false));
        self
    }

    /// An answer with this whole body.
    pub(crate) fn answers(mut self, status: u16, text: &'static str, body: Value) -> Self {
        let media = vec![("application/json", body)];
        self.answers.push(Answer { status, text, media, headers: Vec::new() });
        self
    }

    /// An answer with this under `data`.
    pub(crate) fn gives(self, status: u16, text: &'static str, data: Value) -> Self {
        self.answers(status, text, Object::new().always("data", data).build())
    }

    /// An answer that is plain text.
    pub(crate) fn text(mut self, status: u16, text: &'static str) -> Self {
        let media = vec![("text/plain", super::schema::text())];
        self.answers.push(Answer { status, text, media, headers: Vec::new() });
        self
    }

    /// A page of these.
    pub(crate) fn pages(self, of: Value) -> Self {
        let page = Object::new().always("data", list_of(of)).always("meta", reference("Meta")).build();
        self.with(Parameter::paging()).answers(200, "A page", page)
    }

    /// An answer without a body.
    pub(crate) fn empty(mut self, status: u16, text: &'static str) -> Self {
        self.answers.push(Answer { status, text, media: Vec::new(), headers: Vec::new() });
        self
    }

    /// Another form of the last answer, for who asks for it.
    pub(crate) fn or_as(mut self, media: &'static str, body: Value) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.media.push((media, body));
        }
        self
    }

    /// A field in the head of the last answer.
    pub(crate) fn head(mut self, name: &'static str, text: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, text));
        }
        self
    }

    /// It may alter what proxies get, and its answer then has the number of the change.
    pub(crate) fn numbered(mut self) -> Self {
        self.is_numbered = true;
        self
    }

    /// Errors beside those that follow from the path, the body and the key.
    pub(crate) fn fails(mut self, statuses: &[u16]) -> Self {
        self.errors.extend(statuses);
        self
    }

    /// The operation under one method. `prefix` stands before the id.
    pub(super) fn shown(&self, prefix: &str) -> Value {
        let mut responses = Map::new();
        for answer in &self.answers {
            let mut shown = answer.shown();
            if self.is_numbered {
                shown["headers"][GENERATION.0] = header(GENERATION.1);
            }
            responses.insert(answer.status.to_string(), shown);
        }
        for status in self.failures() {
            let name = error_name(status);
            let of = json!({ "$ref": format!("#/components/responses/{name}") });
            responses.insert(status.to_string(), of);
        }
        let mut out = json!({
            "operationId": format!("{prefix}{}", self.id),
            "summary": self.summary,
            "tags": [self.tag],
        });
        if !self.parameters.is_empty() {
            out["parameters"] = self.parameters.iter().map(Parameter::shown).collect();
        }
        if let Some((schema, required)) = &self.body {
            out["requestBody"] =
                json!({ "required": required, "content": { "application/json": { "schema": schema } } });
        }
        out["responses"] = responses.into();
        out["security"] = match self.caller {
            Caller::Nobody => json!([]),
            Caller::Some => json!([{}, { "apiKey": [] }]),
            Caller::Key => json!([{ "apiKey": [] }]),
            Caller::Proxy => json!([{ "proxyToken": [] }]),
        };
        out
    }

    /// The statuses of all errors, in order.
    fn failures(&self) -> Vec<u16> {
        let mut statuses = self.errors.clone();
        match self.caller {
            Caller::Nobody => {}
            Caller::Key | Caller::Some => statuses.extend([400, 401, 403, 429, 500, 503]),
            Caller::Proxy => statuses.extend([400, 401, 429, 500, 503]),
        }
        if self.parameters.iter().any(Parameter::is_of_path) {
            statuses.push(404);
        }
        if self.parameters.iter().any(|one| one.name() == "If-Match") {
            statuses.push(412);
        }
        if self.body.is_some() {
            statuses.push(413);
        }
        if self.body.is_some() && self.caller == Caller::Key {
            statuses.push(422);
        }
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }

    /// The names of the parameters in the path.
    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().filter(|one| one.is_of_path()).map(Parameter::name)
    }
}

impl Answer {
    fn shown(&self) -> Value {
        let mut out = json!({ "description": self.text });
        if !self.headers.is_empty() {
            let headers = self.headers.iter().map(|(name, text)| ((*name).to_owned(), header(text)));
            out["headers"] = Value::Object(headers.collect());
        }
        if !self.media.is_empty() {
            let media = |(name, schema): &(&str, Value)| ((*name).to_owned(), json!({ "schema": schema }));
            out["content"] = Value::Object(self.media.iter().map(media).collect());
        }
        out
    }
}

/// Of a write that alters what some proxy gets.
const GENERATION: (&str, &str) = (
    "X-Config-Generation",
    "The number of the change, when it may alter what proxies get; to wait for with `/api/v1/proxies/{id}/wait`",
);

fn header(text: &str) -> Value {
    json!({ "description": text, "schema": { "type": "string" } })
}

/// The errors: status, name in the components, when.
pub(super) const ERRORS: [(u16, &str, &str); 11] = [
    (400, "BadRequest", "The body is not JSON or has no `data`, or a parameter is missing or cannot be read"),
    (401, "Unauthorized", "The token is missing, unknown or revoked"),
    (403, "Forbidden", "The key is good and may not do this"),
    (404, "NotFound", "What the path, the query or the body names does not exist"),
    (409, "Conflict", "Something still refers to it, or its state does not allow it"),
    (412, "PreconditionFailed", "The resource is at another revision than `If-Match` says"),
    (413, "BodyTooLarge", "The body is larger than 1,048,576 bytes"),
    (422, "Unprocessable", "The attributes are not valid; `details` says which and why"),
    (429, "TooManyFailures", "Too many failed authentications from this address"),
    (500, "Internal", "A mistake of the console; the cause is in its log alone"),
    (503, "Unavailable", "The database does not answer, or the request took too long; try again"),
];

fn error_name(status: u16) -> &'static str {
    ERRORS.iter().find(|(known, ..)| *known == status).map_or("Internal", |(_, name, _)| name)
}
