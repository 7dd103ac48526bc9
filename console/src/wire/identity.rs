//! Which object a document is about: namespace and foreign id.

use super::names::check_url_safe;
use super::{DEFAULT_NAMESPACE, Reader, is_blank};

/// How the request addresses the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address<'a> {
    /// `POST` to the collection.
    New,
    /// `PUT` or `PATCH` to a foreign id, percent-decoded, in the namespace that the body gives.
    Named(&'a str),
    /// `PUT` or `PATCH` to an OID: what is stored stays, whatever the body says.
    Stored(&'a Identity),
}

/// Namespace and foreign id; together they never change once stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Default `default`.
    pub namespace: String,
    /// Unique in the namespace per type; objects without one do not collide.
    pub foreign_id: Option<String>,
}

/// Reads `namespace` and `foreign_id`. `prefix` is the type's OID prefix without its underscore. On a problem, which
/// is noted, the identity returned is a guess that only serves to look for more problems.
pub fn identity(reader: &mut Reader<'_>, prefix: &str, address: Address<'_>) -> Identity {
    if let Address::Stored(stored) = address {
        return stored.clone();
    }
    let namespace = reader.text("namespace").filter(|text| !text.is_empty());
    let namespace = namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    check_url_safe(&namespace, "namespace", None, reader.problems());
    let sent = reader.text("foreign_id").filter(|text| !is_blank(text));
    let foreign_id = match address {
        Address::Named(named) => {
            if sent.is_some_and(|sent| sent != named) {
                reader.reject("foreign_id", "does not match the address");
            }
            Some(named.to_owned())
        }
        _ => sent,
    };
    if let Some(foreign_id) = &foreign_id {
        check_url_safe(foreign_id, "foreign_id", Some(prefix), reader.problems());
    }
    Identity { namespace, foreign_id }
}
