//! The whole document.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::operation::{ERRORS, Operation, Verb};
use super::schemas;

/// A route with what it does.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) path: String,
    pub(crate) verb: Verb,
    pub(crate) operation: Operation,
}

/// The document of these routes. Paths stand in the order of the routes.
pub(crate) fn document(routes: &[Described]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        debug_assert!(route.is_whole(), "{}: the parameters of the path", route.path);
        let item = paths.entry(route.path.clone()).or_insert_with(|| Map::new().into());
        for (method, prefix) in route.verb.methods() {
            item[method] = route.operation.shown(prefix);
        }
    }
    let parameters = shared(&mut paths);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Centaur console",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": ABOUT,
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "parameters": parameters,
            "responses": errors(),
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`iak_` and 64 lower case hexadecimal digits",
                },
                "proxyToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`iprx_` and 64 lower case hexadecimal digits",
                },
            },
        },
    })
}

const ABOUT: &str = "Who may use which credential, and what each proxy gets.\n\nAttributes of a request stand under \
    `data`; those that are not known are ignored. Every answer has an `X-Request-Id`. Whatever is not described here, by \
    any method, is 404.";

impl Described {
    /// Whether every `{…}` of the path is described, and nothing else is.
    fn is_whole(&self) -> bool {
        let named = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        named.eq(self.operation.segments())
    }
}

/// Takes the parameters that several operations have out of them, into the components.
fn shared(paths: &mut Map<String, Value>) -> Value {
    let mut components: Map<String, Value> = Map::new();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for parameter in parameters(paths) {
        *uses.entry(parameter.to_string()).or_default() += 1;
    }
    for parameter in parameters(paths) {
        if uses.get(&parameter.to_string()).is_none_or(|uses| *uses < 3) {
            continue;
        }
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        let mut names = (1..).map(|at| if at == 1 { name.clone() } else { format!("{name}-{at}") });
        let is_free = |name: &String| components.get(name).is_none_or(|known| known == parameter);
        let Some(name) = names.find(is_free) else { continue };
        let reference = json!({ "$ref": format!("#/components/parameters/{name}") });
        components.insert(name, std::mem::replace(parameter, reference));
    }
    components.into()
}

fn parameters(paths: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    let lists = operations.filter_map(|operation| operation.get_mut("parameters")?.as_array_mut());
    lists.flatten()
}

fn errors() -> Value {
    let one = |(status, name, text): (u16, &str, &str)| {
        let schema = json!({ "$ref": "#/components/schemas/Error" });
        let mut answer =
            json!({ "description": text, "content": { "application/json": { "schema": schema } } });
        if matches!(status, 429 | 503) {
            let header = json!({ "description": "In seconds", "schema": { "type": "integer" } });
            answer["headers"] = json!({ "Retry-After": header });
        }
        (name.to_owned(), answer)
    };
    Value::Object(ERRORS.into_iter().map(one).collect())
}
