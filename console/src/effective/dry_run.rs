//! What would happen to a request, without sending it and without a value.

use centaur_policies::host::CanonicalHost;
use centaur_policies::path::decode_path;
use centaur_policies::pattern::Scheme;
use centaur_policies::rule::Target;
use regex::RegexBuilder;
use serde_json::{Map, Value, json};

use super::assemble::Effective;
use super::claims::{Place, places};
use super::explain::Outcome;
use super::input::{Input, StoredSecret};
use crate::definition::{Body, Placement, Replace, SecretKind};
use crate::wire::{Attributes, Details, Reader, is_header_name};

/// A request that nobody sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    method: String,
    scheme: Scheme,
    host: CanonicalHost,
    port: u16,
    path: String,
    headers: Vec<String>,
}

impl Probe {
    /// Reads `method`, `url` and `headers` (names that the client would send, default none).
    ///
    /// # Errors
    /// What is wrong with each.
    pub fn parse(attributes: &mut Attributes) -> Result<Self, Details> {
        let mut problems = Details::new();
        let mut reader = Reader::new(attributes, &mut problems);
        let method = reader.required_line("method");
        if method.as_ref().is_some_and(|method| !is_header_name(method)) {
            reader.reject("method", "is not an HTTP method");
        }
        let url = reader.required_line("url");
        let place = url.and_then(|url| {
            let place = place(&url);
            if place.is_none() {
                reader.reject("url", "must be an http or https URL that the proxy would forward");
            }
            place
        });
        let headers = reader.texts("headers", "must be an array", "must all be strings").unwrap_or_default();
        problems.into_result()?;
        let (Some(method), Some((scheme, host, port, path))) = (method, place) else {
            return Err(Details::new());
        };
        let headers = headers.iter().map(|name| name.to_lowercase()).collect();
        Ok(Self { method, scheme, host, port, path, headers })
    }

    fn target(&self) -> Target<'_> {
        let Self { method, scheme, host, port, path, .. } = self;
        Target { scheme: *scheme, host, port: *port, method, path }
    }
}

fn place(url: &str) -> Option<(Scheme, CanonicalHost, u16, String)> {
    let uri: http::Uri = url.parse().ok()?;
    let scheme: Scheme = uri.scheme_str()?.parse().ok()?;
    let host = CanonicalHost::parse(uri.host()?).ok()?;
    let port = uri.port_u16().unwrap_or(scheme.default_port());
    let path = decode_path(uri.path()).ok()?.into_owned();
    Some((scheme, host, port, path))
}

/// Which of the served secrets apply, in the order in which the proxy applies them, where each writes, and which
/// later one overwrites it. The generated entry of the API server is not among them.
pub fn dry_run(effective: &Effective, input: &Input<'_>, probe: &Probe) -> Value {
    let served = effective.explained.iter().filter(|one| one.outcome == Outcome::Served);
    let secrets = served.filter_map(|one| input.secrets.get(&one.key));
    let applied: Vec<_> = secrets.filter_map(|secret| Applied::of(secret, probe)).collect();
    let shown = applied.iter().enumerate().map(|(at, one)| one.shown(&applied[at + 1..]));
    json!({
        "method": probe.method,
        "scheme": probe.scheme.as_str(),
        "host": probe.host.as_str(),
        "port": probe.port,
        "path": probe.path,
        "applies": shown.collect::<Vec<_>>(),
    })
}

struct Applied<'a> {
    secret: &'a StoredSecret,
    /// `None` for a secret that applies because it has no rules.
    rule: Option<usize>,
    places: Vec<String>,
}

impl<'a> Applied<'a> {
    fn of(secret: &'a StoredSecret, probe: &Probe) -> Option<Self> {
        let rules = secret.body.rules();
        let target = probe.target();
        let rule = rules.iter().position(|rule| rule.compiled().is_some_and(|rule| rule.matches(&target)));
        let always = rules.is_empty() && secret.body.kind() == SecretKind::GcpAuth;
        if rule.is_none() && !always {
            return None;
        }
        let places = match &secret.body {
            Body::Static(body) => match &body.placement {
                Placement::Replace(replace) => searched(replace, probe),
                Placement::Inject(_) => written(&secret.body),
            },
            body => written(body),
        };
        Some(Self { secret, rule, places })
    }

    fn shown(&self, later: &[Self]) -> Value {
        let mut out = Map::new();
        out.insert("secret_id".to_owned(), json!(self.secret.oid));
        out.insert("name".to_owned(), json!(self.secret.common.name));
        out.insert("kind".to_owned(), json!(self.secret.body.kind()));
        out.insert("rule".to_owned(), json!(self.rule));
        let placeholder = self.placeholder();
        let key = if placeholder.is_some() { "replaces_in" } else { "writes" };
        out.insert(key.to_owned(), json!(self.places));
        if let Some(placeholder) = placeholder {
            out.insert("placeholder".to_owned(), json!(placeholder));
        }
        let overwrites = |other: &&Self| {
            other.placeholder().is_none() && other.places.iter().any(|place| self.places.contains(place))
        };
        let winner = later.iter().rfind(overwrites).map(|other| &other.secret.oid);
        out.insert("overwritten_by".to_owned(), json!(winner));
        Value::Object(out)
    }

    fn placeholder(&self) -> Option<&str> {
        match &self.secret.body {
            Body::Static(body) => match &body.placement {
                Placement::Replace(replace) => Some(&replace.proxy_value),
                Placement::Inject(_) => None,
            },
            _ => None,
        }
    }
}

fn written(body: &Body) -> Vec<String> {
    places(body).iter().map(Place::shown).collect()
}

/// Where a placeholder would be looked for; of headers only those that the client sends.
fn searched(replace: &Replace, probe: &Probe) -> Vec<String> {
    let patterns = replace.match_headers.as_deref().unwrap_or_default();
    let is_searched = |name: &str| patterns.is_empty() || patterns.iter().any(|pattern| finds(pattern, name));
    let headers = probe.headers.iter().filter(|name| is_searched(name)).map(|name| format!("header:{name}"));
    let parts = [("query", replace.match_query), ("path", replace.match_path), ("body", replace.match_body)];
    let parts = parts.into_iter().filter(|(_, on)| *on == Some(true)).map(|(name, _)| name.to_owned());
    headers.chain(parts).collect()
}

fn finds(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(pattern) => {
            let regex = RegexBuilder::new(pattern).case_insensitive(true).build();
            regex.is_ok_and(|regex| regex.is_match(name))
        }
        None => pattern.eq_ignore_ascii_case(name),
    }
}
