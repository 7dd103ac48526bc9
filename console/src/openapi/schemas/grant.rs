//! Grants.

use serde_json::Value;

use super::Named;
use super::shared::times;
use crate::definition::SecretKind;
use crate::openapi::schema::{Object, about, integer, nullable, oid, some_text, text, timestamp};

pub(super) fn all() -> Vec<Named> {
    vec![("Grant", grant()), ("GrantWrite", write()), ("GrantUpdate", update())]
}

fn grant() -> Value {
    let secrets = |of: Object| {
        SecretKind::ALL.into_iter().fold(of, |of, kind| of.maybe(kind.grant_key(), oid(kind.prefix())))
    };
    Object::new()
        .about("One of the two grantees and one of the secrets; the other keys are absent.")
        .always("id", oid("grant"))
        .maybe("principal_id", oid("prn"))
        .maybe("role_id", oid("role"))
        .with(secrets)
        .with(times)
        .always("priority", integer(None, None))
        .maybe("expires_at", about(timestamp(), "Absent: never."))
        .build()
}

fn write() -> Value {
    let id = || nullable(text());
    let secrets =
        |of: Object| SecretKind::ALL.into_iter().fold(of, |of, kind| of.maybe(kind.grant_key(), id()));
    let expires_at = about(nullable(some_text()), "An RFC 3339 time; null and absent: never.");
    Object::new()
        .about("Exactly one grantee and exactly one secret; a blank id counts as absent.")
        .maybe("principal_id", id())
        .maybe("role_id", id())
        .with(secrets)
        .maybe("priority", priority())
        .maybe("expires_at", expires_at)
        .build()
}

fn update() -> Value {
    Object::new().about("The priority alone can change.").maybe("priority", priority()).build()
}

fn priority() -> Value {
    let text = "Higher wins. Without one, 100 for a principal's grant and 0 for a role's.";
    about(nullable(integer(Some(i64::MIN), Some(i64::MAX))), text)
}
