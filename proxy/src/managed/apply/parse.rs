//! The members of an answer, one by one. They are read by the code that reads the file, as JSON.

use std::sync::Arc;

use centaur_policies::rule::{Rule, RuleSet};
use centaur_policies::spec::{TransformSpec, parse_rules, parse_transform, tables};
use centaur_policies::yaml::{Class, Cursor, Entry, Kind, Node, Position, Problems};
use serde_json::Value;
use zeroize::Zeroize as _;

use super::ApplyError;
use crate::pipeline::{Stage, Unavailable};
use crate::sources::SourcePool;

/// Transforms that are delivered to proxies and that this build does not run.
const TRANSFORMS_ELSEWHERE: [&str; 7] =
    ["aws_auth", "gcp_auth", "gcp_id_token", "grpc", "hmac_sign", "judge", "oauth_token"];
/// Sources of the same kind.
const SOURCES_ELSEWHERE: [&str; 4] = ["1password", "1password_connect", "aws_sm", "aws_ssm"];

/// One member, compiled.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) stages: Vec<Arc<Stage>>,
    /// Where entries apply that do not apply everywhere.
    pub(super) bound: Vec<Rule>,
    /// How many entries there are.
    pub(super) count: usize,
    /// Those that cannot be run, in words.
    pub(super) unavailable: Vec<String>,
}

/// `rules`, and how many.
pub(super) fn rules(value: &Value, sources: &SourcePool) -> Result<(Arc<Stage>, usize), ApplyError> {
    let count = value.as_array().map_or(0, Vec::len);
    let spec = transform("parsing rules", "allowlist", mapping("rules", Node::from_json(value)))?;
    Ok((build("allowlist", spec, sources)?, count))
}

/// `secrets`. An entry whose source this build does not have is refused where it applies.
pub(super) fn secrets(value: &Value, sources: &SourcePool) -> Result<Parsed, ApplyError> {
    let Value::Array(entries) = value else { return Err(pipeline("parsing secrets: not a list")) };
    let mut parsed = Parsed { count: entries.len(), ..Parsed::default() };
    let mut usable = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let kind = entry.get("source").and_then(|source| source.get("type")).and_then(Value::as_str);
        match kind.filter(|kind| SOURCES_ELSEWHERE.contains(kind)) {
            None => usable.push(Node::from_json(entry)),
            Some(kind) => {
                let label = format!("initializing transform \"secrets\": secrets[{at}]");
                // A list without rules applies nowhere.
                let rules = rule_set(&label, entry.get("rules"))?;
                parsed.bound.extend(rules.rules().iter().cloned());
                let what = format!("source of type {kind}");
                parsed.unavailable.push(what.clone());
                parsed.stages.push(Stage::unavailable("secrets", Unavailable::new(what, Some(rules))));
            }
        }
    }
    let list = Node { at: Position::default(), kind: Kind::Sequence(usable) };
    let spec = transform("parsing secrets", "secrets", mapping("secrets", list))?;
    if let TransformSpec::Secrets(secrets) = &spec {
        parsed.bound.extend(secrets.iter().flat_map(|secret| secret.rules.rules().iter().cloned()));
    }
    parsed.stages.push(build("secrets", spec, sources)?);
    Ok(parsed)
}

/// `transforms`. One that this build does not have is refused where it applies.
pub(super) fn transforms(value: &Value, sources: &SourcePool) -> Result<Parsed, ApplyError> {
    let Value::Array(entries) = value else { return Err(pipeline("parsing transforms: not a list")) };
    let mut parsed = Parsed::default();
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.is_null()) {
        let Value::Object(members) = entry else {
            return Err(pipeline(format!("parsing transforms[{at}]: not an object")));
        };
        let name = members.get("name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() {
            return Err(pipeline(format!("transforms[{at}]: name is required")));
        }
        parsed.count += 1;
        let config = members.get("config").unwrap_or(&Value::Null);
        if TRANSFORMS_ELSEWHERE.contains(&name) {
            let rules = covered(at, name, config)?;
            parsed.bound.extend(rules.iter().flat_map(|rules| rules.rules().iter().cloned()));
            let what = format!("transform {name}");
            parsed.unavailable.push(what.clone());
            parsed.stages.push(Stage::unavailable(name, Unavailable::new(what, rules)));
        } else if tables::CONFIGS.iter().any(|(known, _)| *known == name) {
            let label = format!("transforms[{at}] ({name}): parsing config");
            let spec = transform(&label, name, Node::from_json(config))?;
            parsed.stages.push(build(name, spec, sources)?);
        } else {
            return Err(pipeline(format!("unknown transform {name:?}")));
        }
    }
    Ok(parsed)
}

/// Where a transform that cannot be run would apply; `None` is everywhere, which is also what it is where it does not
/// say.
fn covered(at: usize, name: &str, config: &Value) -> Result<Option<RuleSet>, ApplyError> {
    let label = format!("transforms[{at}] ({name})");
    let lists = match config.get("tokens").filter(|_| name == "oauth_token") {
        Some(Value::Array(tokens)) => tokens.iter().map(|token| token.get("rules")).collect(),
        _ => vec![config.get("rules")],
    };
    union(&label, lists)
}

/// `mcp`: refused where one of its servers is.
pub(super) fn mcp(value: &Value) -> Result<Parsed, ApplyError> {
    let failed = |text: String| ApplyError::Mcp(format!("parsing mcp: {text}"));
    let Value::Object(members) = value else { return Err(failed("not an object".to_owned())) };
    let servers = match members.get("servers") {
        None | Some(Value::Null) => return Ok(Parsed::default()),
        Some(Value::Array(servers)) => servers,
        Some(_) => return Err(failed("servers is not a list".to_owned())),
    };
    if servers.is_empty() {
        return Ok(Parsed::default());
    }
    let lists = servers.iter().map(|server| server.get("rules")).collect();
    let rules = union("mcp.servers", lists).map_err(|error| failed(error.to_string()))?;
    let stage = Stage::unavailable("mcp", Unavailable::new("MCP policy", rules));
    Ok(Parsed { stages: vec![stage], count: servers.len(), ..Parsed::default() })
}

/// `postgres`: how many upstreams.
pub(super) fn postgres(value: &Value) -> Result<usize, ApplyError> {
    match value {
        Value::Array(entries) => Ok(entries.iter().filter(|entry| !entry.is_null()).count()),
        _ => Err(ApplyError::Postgres("parsing postgres: not a list".to_owned())),
    }
}

/// All rules of several lists; `None` when one of them is empty or missing, or there is no list at all.
fn union(label: &str, lists: Vec<Option<&Value>>) -> Result<Option<RuleSet>, ApplyError> {
    let mut all = Vec::new();
    let mut everywhere = lists.is_empty();
    for list in lists {
        let rules = rule_set(label, list)?;
        everywhere |= rules.is_empty();
        all.extend(rules.rules().iter().cloned());
    }
    Ok((!everywhere).then(|| RuleSet::new(all)))
}

fn rule_set(label: &str, list: Option<&Value>) -> Result<RuleSet, ApplyError> {
    let node = mapping("rules", Node::from_json(list.unwrap_or(&Value::Null)));
    read(label, &node, |cursor| {
        // The table with the fewest other keys.
        let fields = cursor.clone().labelled(label).fields(&tables::ALLOWLIST)?;
        Some(RuleSet::new(parse_rules(&fields)))
    })
}

fn transform(label: &str, name: &str, mut config: Node) -> Result<TransformSpec, ApplyError> {
    let spec = read(label, &config, |cursor| parse_transform(name, cursor));
    wipe(&mut config);
    spec
}

/// Reads a tree; the first problem is the error.
fn read<T>(label: &str, node: &Node, parse: impl FnOnce(&Cursor<'_>) -> Option<T>) -> Result<T, ApplyError> {
    let problems = Problems::default();
    let parsed = parse(&Cursor::new(node, &problems));
    let (errors, _) = problems.into_parts();
    match (errors.first(), parsed) {
        (None, Some(parsed)) => Ok(parsed),
        // Texts of build errors say themselves where they are from.
        (Some(first), _) if first.class == Class::Build => Err(pipeline(first)),
        (Some(first), _) => Err(pipeline(format!("{label}: {first}"))),
        (None, None) => Err(pipeline(format!("{label}: not understood"))),
    }
}

fn build(name: &str, spec: TransformSpec, sources: &SourcePool) -> Result<Arc<Stage>, ApplyError> {
    Stage::build(name.to_owned(), spec, sources).map_err(pipeline)
}

fn pipeline(text: impl std::fmt::Display) -> ApplyError {
    ApplyError::Pipeline(text.to_string())
}

fn mapping(key: &str, value: Node) -> Node {
    let entry = Entry { key: key.into(), at: Position::default(), value };
    Node { at: Position::default(), kind: Kind::Mapping(vec![entry]) }
}

/// Overwrites every text; the values that are needed have been copied.
fn wipe(node: &mut Node) {
    match &mut node.kind {
        Kind::Scalar(scalar) => scalar.text.zeroize(),
        Kind::Sequence(items) => items.iter_mut().for_each(wipe),
        Kind::Mapping(entries) => entries.iter_mut().for_each(|entry| wipe(&mut entry.value)),
    }
}
