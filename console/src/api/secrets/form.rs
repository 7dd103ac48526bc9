//! Definitions as the store keeps them, and back.

use centaur_base::Secret;
use centaur_base::oid::BrokerCredentialId;
use centaur_store::{Document, NewSource, SourceValue, StoreError, StoredSecret};
use serde_json::{Map, Value};

use crate::definition::{Body, Common, CredentialRef, Definition};

/// The body is the document's definition, without its rules, which have a column of their own.
const RULES: &str = "rules";

/// What is written: the document, and the sources with their values.
pub(crate) fn stored(
    definition: &Definition,
    id_of: impl Fn(&CredentialRef) -> Option<BrokerCredentialId>,
) -> (Document, Vec<NewSource>) {
    let mut body = match serde_json::to_value(&definition.body) {
        Ok(Value::Object(body)) => body,
        // Bodies are objects with text keys; they serialise.
        _ => Map::new(),
    };
    let rules = match body.remove(RULES) {
        Some(Value::Array(rules)) => rules,
        _ => Vec::new(),
    };
    let Common { name, description, labels } = definition.common.clone();
    let sources = definition.body.sources().into_iter().map(|(slot, source)| NewSource {
        source_type: source.source_type,
        config: source.config.clone(),
        value: match definition.values.value(&slot) {
            Some(value) => SourceValue::Given(Secret::new(value.expose().clone())),
            None => SourceValue::Elsewhere,
        },
        broker_credential: source.credential().and_then(|credential| id_of(&credential)),
        slot,
    });
    let sources = sources.collect();
    (Document { name, description, labels, definition: body, rules }, sources)
}

/// The body of a row.
///
/// # Errors
/// [`StoreError::Inconsistent`] for a row that this program cannot have written.
pub(crate) fn stored_body(row: &StoredSecret) -> Result<Body, StoreError> {
    let mut body = row.document.definition.clone();
    if row.id.kind != centaur_store::SecretKind::PgDsn {
        body.insert(RULES.to_owned(), Value::Array(row.document.rules.clone()));
    }
    serde_json::from_value(Value::Object(body)).map_err(|error| StoreError::Inconsistent {
        table: "secrets",
        detail: format!("definition of {}: {error}", row.id),
    })
}

/// What a row has in common with those of other kinds.
pub(crate) fn stored_common(row: &StoredSecret) -> Common {
    let Document { name, description, labels, .. } = &row.document;
    Common { name: name.clone(), description: description.clone(), labels: labels.clone() }
}
