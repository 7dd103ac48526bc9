//! Whether an answer is one that the OpenAPI document describes. The client of this suite asks it of every answer.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use http::HeaderMap;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// Panics for a status or a body that the document does not have.
#[track_caller]
pub(crate) fn check(method: &str, path: &str, status: u16, headers: &HeaderMap, body: &str) {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    // Runs of slashes count as one.
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let path = format!("/{}", parts.join("/"));
    let path = path.as_str();
    let described = Described::get();
    // A head comes with every `GET`, without a body.
    let (verb, is_head) = if method == "HEAD" { ("get", true) } else { (method, false) };
    let Some((template, operation)) = described.operation(&verb.to_lowercase(), path) else {
        assert_eq!(status, 404, "{method} {path} is not described, and answered");
        return described.hold("not found", &json!({ "$ref": "#/components/schemas/Error" }), body);
    };
    let name = format!("{method} {template} {status}");
    let answer = operation["responses"].get(status.to_string());
    let answer = answer.unwrap_or_else(|| panic!("{name} is not described: {body}"));
    let answer = described.resolved(answer);
    let Some(content) = answer.get("content").filter(|_| !is_head) else {
        assert!(body.is_empty(), "{name} has a body: {body}");
        return;
    };
    let sent = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = sent.split(';').next().unwrap_or_default();
    let content = content.get(media).unwrap_or_else(|| panic!("{name} has the type {sent:?}"));
    if media == "application/json" {
        described.hold(&name, &content["schema"], body);
    }
}

struct Described {
    document: Value,
    validators: Mutex<HashMap<String, &'static Validator>>,
}

impl Described {
    fn get() -> &'static Self {
        static DESCRIBED: OnceLock<Described> = OnceLock::new();
        DESCRIBED.get_or_init(|| {
            let mut document = centaur_console::openapi_document();
            close(&mut document);
            Self { document, validators: Mutex::default() }
        })
    }

    /// The operation of a path; one without a parameter goes before one with.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let fits = paths.iter().filter(|(template, item)| fits(template, path) && item.get(method).is_some());
        let best = fits.min_by_key(|(template, _)| template.matches('{').count())?;
        Some((best.0, &best.1[method]))
    }

    fn resolved<'a>(&'a self, answer: &'a Value) -> &'a Value {
        let Some(reference) = answer.get("$ref").and_then(Value::as_str) else { return answer };
        self.document.pointer(&reference[1..]).expect("a component")
    }

    #[track_caller]
    fn hold(&self, name: &str, schema: &Value, body: &str) {
        let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{name} is no JSON: {body}"));
        let validator = self.validator(name, schema);
        let problems: Vec<_> = validator
            .iter_errors(&body)
            .map(|problem| format!("{}: {problem}", problem.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{name} is not as described: {problems:#?} in {body:#}");
    }

    fn validator(&self, name: &str, schema: &Value) -> &'static Validator {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        validators.entry(name.to_owned()).or_insert_with(|| {
            let mut root = Map::new();
            root.insert("components".to_owned(), self.document["components"].clone());
            root.extend(schema.as_object().expect("a schema").clone());
            let validator = jsonschema::draft202012::new(&Value::Object(root)).expect("a schema");
            Box::leak(Box::new(validator))
        })
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(one, other)| one.starts_with('{') || *one == other)
}

/// A member that no schema names is a mistake here, though clients should bear it.
fn close(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.get("type").is_some_and(|of| of == "object" || of == &json!(["object", "null"]))
                && members.contains_key("properties")
                && !members.contains_key("additionalProperties")
            {
                members.insert("additionalProperties".to_owned(), false.into());
            }
        }
        _ => {}
    }
}
