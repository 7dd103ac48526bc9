//! One entry: what all types have in common, and which type it is.

use toml::de::DeValue;

use super::fields::{Fields, Node};
use super::log::{Log, Place};
use super::reserved;
use super::{cloud, database, hmac, host, http, oauth};
use crate::manifest::{Binding, Entry, List};
use crate::problem::Code;

/// Hosts of the tool.
#[derive(Debug, Clone, Copy)]
pub(super) enum Inherited<'a> {
    /// Not declared.
    None,
    /// Declared and wrong, which was reported.
    Wrong,
    /// These.
    Hosts(&'a [String]),
}

impl Inherited<'_> {
    /// Of an entry that has none of its own.
    pub(super) fn take(self, fields: &Fields<'_>) -> Option<Vec<String>> {
        match self {
            Self::Hosts(hosts) if !hosts.is_empty() => Some(hosts.to_vec()),
            Self::Wrong => None,
            Self::None | Self::Hosts(_) => fields.report(
                Code::HostsMissing,
                "hosts",
                "hosts is missing, and the tool has none to inherit",
            ),
        }
    }
}

const COMMON: &[&str] = &["name", "type", "secret_ref", "hosts"];

pub(super) fn entry(
    log: &Log<'_>,
    list: List,
    index: usize,
    node: Node<'_>,
    inherited: Inherited<'_>,
) -> Option<Entry> {
    let mut place = Place { list, index, name: None };
    let at = node.span().start;
    let (name, binding) = match node.get_ref() {
        DeValue::String(name) => {
            let name = name.trim();
            if name.is_empty() {
                log.report(Some(&place), None, at, Code::EmptyName, "is an empty string");
                return None;
            }
            place.name = Some(name.to_owned());
            reserved::check(log, &place, None, at, name);
            let empty = toml::de::DeTable::new();
            let fields = Fields::new(log, Some(&place), &empty, at);
            (name.to_owned(), Binding::Http(http::shorthand(name, inherited.take(&fields)?)))
        }
        DeValue::Table(table) => {
            let fields = Fields::new(log, Some(&place), table, at);
            let name = fields.needed("name", Code::EmptyName, Code::EmptyName);
            place.name.clone_from(&name);
            let fields = Fields::new(log, Some(&place), table, at);
            // Without a name the rest is looked at all the same.
            let binding = binding(&fields, name.as_deref().unwrap_or_default(), inherited);
            (name?, binding?)
        }
        _ => {
            log.report(Some(&place), None, at, Code::EntryShape, "is neither a string nor a table");
            return None;
        }
    };
    Some(Entry { list, index, name, binding })
}

/// A type: its word, its own keys and its reader.
struct Type {
    name: &'static str,
    keys: &'static [&'static str],
    /// `secret_ref` means something.
    has_ref: bool,
    read: for<'a> fn(&Fields<'a>, &str, Inherited<'_>) -> Option<Binding>,
}

const TYPES: &[Type] = &[
    Type { name: "http", keys: http::KEYS, has_ref: true, read: http::read },
    Type { name: "oauth_token", keys: oauth::TOKEN_KEYS, has_ref: false, read: oauth::token },
    Type { name: "brokered_token", keys: oauth::BROKERED_KEYS, has_ref: false, read: oauth::brokered },
    Type { name: "gcp_auth", keys: cloud::GCP_KEYS, has_ref: true, read: cloud::gcp },
    Type { name: "gcp_id_token", keys: cloud::ID_TOKEN_KEYS, has_ref: true, read: cloud::id_token },
    Type { name: "aws_auth", keys: cloud::AWS_KEYS, has_ref: false, read: cloud::aws },
    Type { name: "hmac_sign", keys: hmac::KEYS, has_ref: false, read: hmac::read },
    Type { name: "pg_dsn", keys: database::PG_KEYS, has_ref: true, read: database::pg_dsn },
    Type { name: "plain", keys: database::PLAIN_KEYS, has_ref: false, read: database::plain },
];

fn binding(fields: &Fields<'_>, name: &str, inherited: Inherited<'_>) -> Option<Binding> {
    let word = if fields.has("type") { fields.text("type", Code::UnknownType)? } else { "http".to_owned() };
    let word = match word.as_str() {
        "header" => {
            let text = "the type header is called http";
            fields.report::<()>(Code::DeprecatedAlias, "type", text);
            "http"
        }
        other => other,
    };
    let Some(found) = TYPES.iter().find(|known| known.name == word) else {
        let all = TYPES.iter().map(|known| known.name).collect::<Vec<_>>().join(", ");
        return fields.report(Code::UnknownType, "type", format!("type {word:?} is none of {all}"));
    };
    let mut keys = [COMMON, found.keys].concat();
    if matches!(found.name, "pg_dsn" | "plain") {
        keys.retain(|key| *key != "hosts");
    }
    fields.note_unknown(&keys);
    if !found.has_ref && fields.has("secret_ref") {
        let text = format!("secret_ref is not used by the type {}", found.name);
        fields.report::<()>(Code::SecretRefIgnored, "secret_ref", text);
    }
    (found.read)(fields, name, inherited)
}

/// `secret_ref`, which is the name when absent.
pub(super) fn secret_ref(fields: &Fields<'_>, name: &str) -> Option<String> {
    if fields.has("secret_ref") {
        fields.text("secret_ref", Code::SecretRefInvalid)
    } else {
        Some(name.to_owned())
    }
}

/// The hosts of a type that inherits none.
pub(super) fn own_hosts(fields: &Fields<'_>) -> Option<Vec<String>> {
    if !fields.has("hosts") {
        return fields.report(Code::HostsMissing, "hosts", "hosts is missing, and this type inherits none");
    }
    host::some(fields)
}

/// The hosts of a type that may inherit those of the tool.
pub(super) fn own_or_inherited_hosts(fields: &Fields<'_>, inherited: Inherited<'_>) -> Option<Vec<String>> {
    if fields.has("hosts") { host::some(fields) } else { inherited.take(fields) }
}
