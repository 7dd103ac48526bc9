//! The file as a whole: `[project]` and `[tool.centaur]`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::entry::{self, Inherited};
use super::fields::{Fields, Node, text_of};
use super::host;
use super::log::Log;
use super::overlap;
use crate::manifest::{Entry, Kind, List, Manifest, Timeout};
use crate::problem::Code;

const KEYS: &[&str] = &[
    "module",
    "hosts",
    "secrets",
    "optional_secrets",
    "type",
    "prompt",
    "prompt_file",
    "engine",
    "timeout_s",
    "timeout_env",
];

/// A manifest; what it lacks because it was wrong is in the log.
pub(super) fn manifest(document: &DeTable<'_>, name: &str, log: &Log<'_>) -> Option<Manifest> {
    let root = Fields::new(log, None, document, 0);
    let project = child(&root, "project");
    let text = |key: &str| project.as_ref().and_then(|project| text_of(project.get(key)?)).map(str::trim);
    let package = text("name").unwrap_or(name).to_owned();
    let description = text("description").map(str::to_owned);
    let commands = commands(project.as_ref(), name);

    let empty = DeTable::new();
    let tool = match root.get("tool").map(Spanned::get_ref) {
        Some(DeValue::Table(tool)) => root.below("tool", tool, 0).table("centaur", Code::KeyInvalid),
        _ => None,
    };
    let fields = tool.unwrap_or_else(|| Fields::new(log, None, &empty, 0));
    fields.note_unknown(KEYS);
    let module = or_default(&fields, "module", "client.py");
    let kind = kind(&fields);
    let hosts = host::list(&fields);
    let inherited = match &hosts {
        Some(hosts) => Inherited::Hosts(hosts),
        None if fields.has("hosts") => Inherited::Wrong,
        None => Inherited::None,
    };
    let required = entries(&fields, List::Required, inherited);
    let optional = entries(&fields, List::Optional, inherited);
    overlap::note(&fields, &required, &optional);
    let timeout = timeout(&fields);
    let timeout_env = fields.text("timeout_env", Code::KeyInvalid);
    Some(Manifest {
        kind: kind?,
        package,
        description,
        commands,
        module: module?,
        hosts: hosts.unwrap_or_default(),
        timeout,
        timeout_env,
        required: entries_of(required),
        optional: entries_of(optional),
    })
}

fn entries_of(entries: Vec<(Entry, usize)>) -> Vec<Entry> {
    entries.into_iter().map(|(entry, _)| entry).collect()
}

/// A table that other programs own: anything but a table counts as none.
fn child<'a>(fields: &Fields<'a>, key: &str) -> Option<Fields<'a>> {
    match fields.get(key)?.get_ref() {
        DeValue::Table(table) => Some(fields.below(key, table, 0)),
        _ => None,
    }
}

/// A text; the default also when it is blank.
fn or_default(fields: &Fields<'_>, key: &str, default: &str) -> Option<String> {
    match fields.get(key).map(Spanned::get_ref) {
        Some(DeValue::String(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        None | Some(DeValue::String(_)) => Some(default.to_owned()),
        Some(_) => fields.report(Code::KeyInvalid, key, format!("{key} has to be a string")),
    }
}

fn commands(project: Option<&Fields<'_>>, name: &str) -> Vec<String> {
    let scripts = project.and_then(|project| child(project, "scripts"));
    let usable = |key: &&str| !key.is_empty() && !key.contains(['/', '\0']);
    let mut commands: Vec<String> =
        scripts.iter().flat_map(Fields::iter).map(|(key, _)| key).filter(usable).map(str::to_owned).collect();
    commands.sort_unstable();
    if commands.is_empty() {
        commands.push(name.to_owned());
    }
    commands
}

fn kind(fields: &Fields<'_>) -> Option<Kind> {
    let is_persona = if fields.has("type") {
        fields.word("type", Code::KeyInvalid, &[("tool", false), ("persona", true)])?
    } else {
        false
    };
    if !is_persona {
        return Some(Kind::Tool);
    }
    let key = if fields.has("prompt_file") { "prompt_file" } else { "prompt" };
    Some(Kind::Persona {
        prompt: or_default(fields, key, "PROMPT.md")?,
        engine: fields.text("engine", Code::KeyInvalid),
    })
}

/// The entries of a list, each with its offset.
fn entries<'a>(fields: &Fields<'a>, list: List, inherited: Inherited<'_>) -> Vec<(Entry, usize)> {
    let Some(items) = fields.array(list.as_str(), Code::NotAnArray) else { return Vec::new() };
    let read = |(index, item): (usize, Node<'a>)| {
        Some((entry::entry(fields.log, list, index, item, inherited)?, item.span().start))
    };
    items.iter().enumerate().filter_map(read).collect()
}

fn timeout(fields: &Fields<'_>) -> Option<Timeout> {
    const KEY: &str = "timeout_s";
    let node = fields.get(KEY)?;
    let text = match node.get_ref() {
        DeValue::String(text) => text.trim(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        _ => "",
    };
    if matches!(text, "none" | "disabled" | "off") {
        return Some(Timeout::Unlimited);
    }
    match text.replace('_', "").parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds > 0.0 => Some(Timeout::Seconds(seconds)),
        _ => fields.report(
            Code::TimeoutIgnored,
            KEY,
            "timeout_s is no number of seconds above 0 and none of none, disabled, off; the default counts",
        ),
    }
}
