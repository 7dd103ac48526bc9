//! A definition as responses show it.

use serde_json::{Map, Value, json};

use super::{Body, Common};
use crate::wire::{Identity, timestamp};

/// What the store knows about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowMeta {
    /// The OID.
    pub id: String,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub updated_at: i64,
    /// OID of the user who created it. Ours.
    pub created_by: Option<String>,
    /// Plus one with every write. Ours.
    pub revision: i64,
    /// OID of the broker credential whose consent flow made a static secret. Ours.
    pub broker_credential_id: Option<String>,
}

/// The resource: the reference's members in its order, then ours. Takes no values, so it can show none.
pub fn render(meta: &RowMeta, identity: &Identity, common: &Common, body: &Body) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(meta.id));
    out.insert("namespace".to_owned(), json!(identity.namespace));
    out.insert("foreign_id".to_owned(), json!(identity.foreign_id));
    out.insert("name".to_owned(), json!(common.name));
    out.insert("description".to_owned(), json!(common.description));
    out.insert("labels".to_owned(), json!(common.labels));
    match body {
        Body::Static(secret) => secret.show(&mut out),
        Body::GcpAuth(secret) => secret.show(&mut out),
        Body::GcpIdToken(secret) => secret.show(&mut out),
        Body::AwsAuth(secret) => secret.show(&mut out),
        Body::OauthToken(secret) => secret.show(&mut out),
        Body::PgDsn(secret) => secret.show(&mut out),
        Body::Hmac(secret) => secret.show(&mut out),
    }
    out.insert("created_at".to_owned(), timestamp(meta.created_at).into());
    out.insert("updated_at".to_owned(), timestamp(meta.updated_at).into());
    if let Body::Static(_) = body {
        out.insert("broker_credential_id".to_owned(), json!(meta.broker_credential_id));
    }
    out.insert("created_by".to_owned(), json!(meta.created_by));
    out.insert("revision".to_owned(), json!(meta.revision));
    out
}
