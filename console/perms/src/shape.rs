//! The objects of the JSON output, and what they are made of.

use centaur_base::oid::{SecretId, SecretKind};
use centaur_client::api::{Grant, Labels, Principal, Role, Secret};
use centaur_manifest::principal::Kind;
use serde_json::{Value, json};

/// The label of what Centaur manages.
pub const MANAGED: (&str, &str) = ("managed-by", "centaur");
/// The label with the tool that a secret was declared by.
pub const TOOL_LABEL: &str = "centaur-tool";
/// The label with the roles that an operator took from a principal: no automatic path assigns them again.
pub const REVOKED_ROLES: &str = "centaur.revoked-roles";
/// The label that says that the default roles were assigned; they are not a second time.
pub const SEEDED: &str = "centaur.defaults-seeded";

/// The types of secret in the order in which they are looked through, with their names on the command line.
pub const TYPES: [(SecretKind, &str); 7] = [
    (SecretKind::Static, "static"),
    (SecretKind::OauthToken, "oauth_token"),
    (SecretKind::GcpAuth, "gcp_auth"),
    (SecretKind::GcpIdToken, "gcp_id_token"),
    (SecretKind::PgDsn, "pg_dsn"),
    (SecretKind::Hmac, "hmac"),
    (SecretKind::AwsAuth, "aws_auth"),
];

/// The name of a type on the command line.
pub fn type_name(kind: SecretKind) -> &'static str {
    TYPES.iter().find(|(known, _)| *known == kind).map_or("", |(_, name)| name)
}

/// The type with a name.
pub fn type_named(name: &str) -> Option<SecretKind> {
    TYPES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
}

/// Anything with an id, a foreign id and a name.
pub trait Identity {
    /// The id.
    fn id(&self) -> String;
    /// Its name for programs.
    fn foreign_id(&self) -> Option<&str>;
    /// Its name for people.
    fn name(&self) -> Option<&str>;
    /// Its labels.
    fn labels(&self) -> &Labels;

    /// What it is called: by its foreign id, else by its id.
    fn called(&self) -> String {
        self.foreign_id().map_or_else(|| self.id(), str::to_owned)
    }
}

macro_rules! identities {
    ($($type:ty),*) => {$(
        impl Identity for $type {
            fn id(&self) -> String {
                self.id.to_string()
            }

            fn foreign_id(&self) -> Option<&str> {
                self.foreign_id.as_deref()
            }

            fn name(&self) -> Option<&str> {
                self.name.as_deref()
            }

            fn labels(&self) -> &Labels {
                &self.labels
            }
        }
    )*};
}

identities!(Principal, Role, Secret, centaur_client::api::Credential);

/// `identity`, with `kind`.
pub fn principal(row: &Principal) -> Value {
    let Principal { id, namespace, foreign_id, name, labels, .. } = row;
    let kind = kind_of(row).as_str();
    json!({"id": id, "namespace": namespace, "foreign_id": foreign_id, "name": name, "labels": labels, "kind": kind})
}

/// `identity`
pub fn role(row: &Role) -> Value {
    let Role { id, namespace, foreign_id, name, labels, .. } = row;
    json!({"id": id, "namespace": namespace, "foreign_id": foreign_id, "name": name, "labels": labels})
}

/// `secret_summary`
pub fn secret(row: &Secret) -> Value {
    let Secret { id, foreign_id, name, .. } = row;
    let tool = tool_of(row);
    json!({"id": id, "type": type_name(id.kind), "foreign_id": foreign_id, "name": name, "tool": tool})
}

/// What a principal stands for.
pub fn kind_of(row: &Principal) -> Kind {
    row.foreign_id.as_deref().map_or(Kind::Other, Kind::of)
}

/// The tool that declared a secret.
pub fn tool_of(row: &Secret) -> Option<&str> {
    row.labels.get(TOOL_LABEL).and_then(Value::as_str)
}

/// `grant`; the secret is null when it cannot be read.
pub fn grant(row: &Grant, found: Option<&Secret>) -> Value {
    let mut out = json!({"id": row.id, "priority": row.priority, "secret": found.map(secret)});
    if let Some(at) = &row.expires_at {
        out["expires_at"] = json!(at);
    }
    out
}

/// The kind of secret that an id names, by its prefix.
pub fn secret_id(text: &str) -> Option<SecretId> {
    let kind = SecretKind::ALL.into_iter().find(|kind| kind.claims(text))?;
    SecretId::parse(kind, text).ok()
}
