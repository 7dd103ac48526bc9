//! A secret as something to use: where it goes, what is sent in its place, what became of it.

use centaur_base::oid::SecretKind;
use centaur_client::api::Secret;
use serde_json::{Map, Value, json};

use crate::shape;

/// How a secret gets into a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// `replace`, `inject`, `oauth`, `gcp`, `gcp_id`, `aws`, `hmac`, `postgres`.
    pub kind: &'static str,
    /// What the client sends in its place.
    pub placeholder: Option<String>,
    /// `header:authorization`, `query:key`, `query`, `path`, `body`; of a placeholder without headers, `header:*`.
    pub locations: Vec<String>,
    /// Hosts and ranges of its rules.
    pub hosts: Vec<String>,
    /// The database of a PostgreSQL secret.
    pub database: Option<String>,
}

impl Placement {
    /// Reads it from a definition.
    pub fn of(secret: &Secret) -> Self {
        let document = &secret.document;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let header =
            |name: Option<&str>| vec![format!("header:{}", name.unwrap_or("authorization").to_lowercase())];
        let (kind, placeholder, locations) = match secret.id.kind {
            SecretKind::Static => {
                match (object(document, "replace_config"), object(document, "inject_config")) {
                    (Some(replace), _) => ("replace", replace.get("proxy_value"), searched(replace)),
                    (None, inject) => ("inject", None, inject.map(injected).unwrap_or_default()),
                }
            }
            SecretKind::OauthToken => ("oauth", None, header(text("header"))),
            SecretKind::GcpAuth => ("gcp", None, header(None)),
            SecretKind::GcpIdToken => ("gcp_id", None, header(text("header"))),
            SecretKind::AwsAuth => ("aws", None, header(None)),
            SecretKind::Hmac => ("hmac", None, signed(document)),
            SecretKind::PgDsn => ("postgres", None, Vec::new()),
        };
        Self {
            kind,
            placeholder: placeholder.and_then(Value::as_str).map(str::to_owned),
            locations,
            hosts: hosts(document),
            database: text("database").map(str::to_owned),
        }
    }

    /// `replace header:authorization`, `postgres analytics`
    pub fn shown(&self) -> String {
        let places =
            if let Some(database) = &self.database { database.clone() } else { self.locations.join(",") };
        if places.is_empty() { self.kind.to_owned() } else { format!("{} {places}", self.kind) }
    }
}

/// Where its values come from: `env:VAR`, `1password:op://…`; of an inline one, the kind alone.
pub fn sources(secret: &Secret) -> Vec<String> {
    secret.document.values().flat_map(sources_of).collect()
}

/// The same of a definition that is not stored yet, or of a part of one.
pub fn sources_of(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => match members.get("source_type").and_then(Value::as_str) {
            Some(kind) => {
                let config = members.get("config").and_then(Value::as_object);
                let reference = ["var", "secret_ref", "secret_id", "name", "credential_id"];
                let reference = reference.iter().find_map(|key| config?.get(*key)?.as_str());
                found.push(
                    reference.map_or_else(|| kind.to_owned(), |reference| format!("{kind}:{reference}")),
                );
            }
            None => members.values().for_each(|value| collect(value, found)),
        },
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

fn object<'a>(document: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    document.get(name).and_then(Value::as_object)
}

fn injected(inject: &Map<String, Value>) -> Vec<String> {
    let text = |name: &str| inject.get(name).and_then(Value::as_str);
    let header = text("header").map(|name| format!("header:{}", name.to_lowercase()));
    header.into_iter().chain(text("query_param").map(|name| format!("query:{name}"))).collect()
}

fn searched(replace: &Map<String, Value>) -> Vec<String> {
    let headers: Vec<&str> = replace
        .get("match_headers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut places: Vec<String> = if headers.is_empty() {
        vec!["header:*".to_owned()]
    } else {
        // A pattern that finds the empty name alone is how a definition says "no header".
        headers
            .iter()
            .filter(|name| **name != "/^$/")
            .map(|name| format!("header:{}", spelled(name)))
            .collect()
    };
    for (key, place) in [("match_query", "query"), ("match_path", "path"), ("match_body", "body")] {
        if replace.get(key).and_then(Value::as_bool) == Some(true) {
            places.push(place.to_owned());
        }
    }
    places
}

/// Names of headers have no case; a regular expression stays as it is.
fn spelled(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { name.to_lowercase() }
}

fn signed(document: &Map<String, Value>) -> Vec<String> {
    let headers = document.get("headers").and_then(Value::as_array);
    let name = |header: &Value| Some(format!("header:{}", header.get("name")?.as_str()?.to_lowercase()));
    headers.into_iter().flatten().filter_map(name).collect()
}

fn hosts(document: &Map<String, Value>) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for rule in document.get("rules").and_then(Value::as_array).into_iter().flatten() {
        let scope = ["host", "cidr"].iter().find_map(|key| rule.get(*key)?.as_str());
        if let Some(scope) = scope.filter(|scope| !hosts.iter().any(|known| known == scope)) {
            hosts.push(scope.to_owned());
        }
    }
    hosts
}

/// One way to a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The grant.
    pub grant: String,
    /// The role; `None` when it is direct.
    pub role: Option<String>,
    /// It is one of the default roles.
    pub is_baseline: bool,
}

/// A credential that some grant reaches.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The secret; `None` when it cannot be read.
    pub secret: Option<Secret>,
    /// Its id.
    pub id: String,
    /// The ways to it.
    pub via: Vec<Via>,
    /// `self` or `requester`.
    pub supplied_by: String,
    /// `active`, `shadowed`, `no_source`, `broker_bootstrapping`, `broker_dead`, …
    pub state: String,
    /// Who shadows it.
    pub shadowed_by: Option<String>,
    /// One sentence.
    pub reason: Option<String>,
}

impl Credential {
    /// How it gets into a request.
    pub fn placement(&self) -> Option<Placement> {
        self.secret.as_ref().map(Placement::of)
    }

    /// The `credential` of the JSON output.
    pub fn json(&self) -> Value {
        let placement = self.placement();
        let via: Vec<Value> = self
            .via
            .iter()
            .map(|via| json!({"grant": via.grant, "role": via.role, "baseline": via.is_baseline}))
            .collect();
        let of = |part: fn(&Placement) -> Value| placement.as_ref().map_or(Value::Null, part);
        json!({
            "secret": self.secret.as_ref().map(shape::secret),
            "placement": of(|placement| placement.kind.into()),
            "placeholder": of(|placement| json!(placement.placeholder)),
            "locations": of(|placement| json!(placement.locations)),
            "hosts": of(|placement| json!(placement.hosts)),
            "database": of(|placement| json!(placement.database)),
            "via": via,
            "supplied_by": self.supplied_by,
            "state": self.state,
            "state_reason": self.reason,
        })
    }

    /// Cells for people: type, name, placement, hosts, ways, state.
    pub fn cells(&self) -> [String; 6] {
        let placement = self.placement();
        let kind = shape::secret_id(&self.id).map_or("", |id| shape::type_name(id.kind));
        let name = self.secret.as_ref().and_then(|row| row.name.clone().or_else(|| row.foreign_id.clone()));
        let via: Vec<String> =
            self.via.iter().map(|via| via.role.clone().unwrap_or_else(|| "direct".to_owned())).collect();
        let state = match &self.shadowed_by {
            Some(winner) => format!("{} by {winner}", self.state),
            None => self.state.replace('_', " "),
        };
        let state =
            if self.supplied_by == "self" { state } else { format!("{state} ({})", self.supplied_by) };
        [
            kind.to_owned(),
            name.unwrap_or_else(|| self.id.clone()),
            placement.as_ref().map(Placement::shown).unwrap_or_default(),
            placement.map(|placement| placement.hosts.join(",")).unwrap_or_default(),
            via.join(","),
            state,
        ]
    }
}
