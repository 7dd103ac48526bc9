//! Grants: what a write may say, and how one is shown.

use serde_json::{Map, Value, json};

use crate::definition::SecretKind;
use crate::wire::{Attributes, Details, Reader, is_blank, parse_timestamp, timestamp};

/// Priority of a direct grant unless it says otherwise.
pub const DIRECT_PRIORITY: i64 = 100;

/// Priority of a role's grant unless it says otherwise.
pub const ROLE_PRIORITY: i64 = 0;

/// Who is granted something, by OID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// `principal_id`
    Principal(String),
    /// `role_id`
    Role(String),
}

impl Grantee {
    /// The priority of its grants unless they say otherwise.
    pub const fn default_priority(&self) -> i64 {
        match self {
            Self::Principal(_) => DIRECT_PRIORITY,
            Self::Role(_) => ROLE_PRIORITY,
        }
    }
}

/// A grant to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantWrite {
    /// To whom.
    pub grantee: Grantee,
    /// Which type of secret.
    pub kind: SecretKind,
    /// Its OID.
    pub secret_oid: String,
    /// Higher wins; `None` is the grantee's default.
    pub priority: Option<i64>,
    /// Microseconds since 1970; `None` is never. Ours.
    pub expires_at: Option<i64>,
}

/// Reads a `POST`. A blank id counts as absent.
///
/// # Errors
/// Under `base` unless there is exactly one grantee and one secret, the grantee first; under `priority` and
/// `expires_at` what is wrong with these.
pub fn parse(attributes: &mut Attributes) -> Result<GrantWrite, Details> {
    let mut problems = Details::new();
    let mut reader = Reader::new(attributes, &mut problems);
    let mut grantees = ids(&mut reader, &GRANTEES);
    let mut secrets = ids(&mut reader, &SecretKind::ALL.map(SecretKind::grant_key));
    let (grantee, secret) = (grantees.pop(), secrets.pop());
    match (&grantee, &secret) {
        (None, _) => reader.reject("base", format!("must reference one of {}", GRANTEES.join(", "))),
        _ if !grantees.is_empty() => reader.reject("base", "must reference exactly one of principal, role"),
        (_, None) => {
            let keys = SecretKind::ALL.map(SecretKind::grant_key).join(", ");
            reader.reject("base", format!("must reference one of {keys}"));
        }
        _ if !secrets.is_empty() => {
            let names = SecretKind::ALL.map(|kind| kind.grant_key().trim_end_matches("_id")).join(", ");
            reader.reject("base", format!("must reference exactly one of {names}"));
        }
        _ => {}
    }
    let priority = priority(&mut reader);
    let expires_at = expiry(&mut reader);
    problems.into_result()?;
    let (Some((grantee_at, grantee)), Some((kind_at, secret_oid))) = (grantee, secret) else {
        return Err(Details::new());
    };
    let grantee = if grantee_at == 0 { Grantee::Principal(grantee) } else { Grantee::Role(grantee) };
    Ok(GrantWrite { grantee, kind: SecretKind::ALL[kind_at], secret_oid, priority, expires_at })
}

/// Reads a `PATCH`: the priority alone can change.
///
/// # Errors
/// `is immutable` under every other attribute of a grant; what is wrong with the priority.
pub fn parse_update(attributes: &mut Attributes) -> Result<Option<i64>, Details> {
    let mut problems = Details::new();
    let mut reader = Reader::new(attributes, &mut problems);
    let keys = GRANTEES.into_iter().chain(SecretKind::ALL.map(SecretKind::grant_key)).chain(["expires_at"]);
    for key in keys {
        if reader.has(key) {
            reader.reject(key, "is immutable");
        }
    }
    let priority = priority(&mut reader);
    problems.into_result()?;
    Ok(priority)
}

/// A grant as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// The OID.
    pub id: String,
    /// To whom.
    pub grantee: Grantee,
    /// Which type of secret.
    pub kind: SecretKind,
    /// Its OID.
    pub secret_oid: String,
    /// Higher wins.
    pub priority: i64,
    /// Microseconds since 1970; `None` is never.
    pub expires_at: Option<i64>,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub updated_at: i64,
}

/// The resource. Keys that are not set are absent, not null.
pub fn render(row: &GrantRow) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(row.id));
    match &row.grantee {
        Grantee::Principal(oid) => out.insert("principal_id".to_owned(), json!(oid)),
        Grantee::Role(oid) => out.insert("role_id".to_owned(), json!(oid)),
    };
    out.insert(row.kind.grant_key().to_owned(), json!(row.secret_oid));
    out.insert("created_at".to_owned(), timestamp(row.created_at).into());
    out.insert("updated_at".to_owned(), timestamp(row.updated_at).into());
    out.insert("priority".to_owned(), row.priority.into());
    if let Some(at) = row.expires_at {
        out.insert("expires_at".to_owned(), timestamp(at).into());
    }
    out
}

const GRANTEES: [&str; 2] = ["principal_id", "role_id"];

/// Those of the keys that have an id, by their place in the list.
fn ids(reader: &mut Reader<'_>, keys: &[&str]) -> Vec<(usize, String)> {
    let id = |(at, key): (usize, &&str)| Some((at, reader.text(key).filter(|text| !is_blank(text))?));
    keys.iter().enumerate().filter_map(id).collect()
}

fn priority(reader: &mut Reader<'_>) -> Option<i64> {
    let value = reader.value("priority")?;
    let priority = value.as_i64();
    match (&priority, &value) {
        (Some(_), _) => {}
        (None, Value::Number(_)) => reader.reject("priority", "must be an integer"),
        (None, _) => reader.reject("priority", "is not a number"),
    }
    priority
}

fn expiry(reader: &mut Reader<'_>) -> Option<i64> {
    let text = reader.text("expires_at")?;
    let at = parse_timestamp(&text);
    if at.is_none() {
        reader.reject("expires_at", "must be an RFC 3339 time");
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(body: Value) -> Attributes {
        let Value::Object(members) = body else { panic!("an object") };
        Attributes::new(members)
    }

    #[test]
    fn a_grant_has_one_grantee_and_one_secret() {
        const NO_GRANTEE: &str = "must reference one of principal_id, role_id";
        const NO_SECRET: &str = "must reference one of static_secret_id, gcp_auth_secret_id, gcp_id_token_secret_id, \
            aws_auth_secret_id, oauth_token_secret_id, pg_dsn_secret_id, hmac_secret_id";
        const MANY_SECRETS: &str = "must reference exactly one of static_secret, gcp_auth_secret, \
            gcp_id_token_secret, aws_auth_secret, oauth_token_secret, pg_dsn_secret, hmac_secret";
        for (body, want) in [
            (json!({}), Some(NO_GRANTEE)),
            (json!({"principal_id":"","static_secret_id":"ssr_1"}), Some(NO_GRANTEE)),
            (json!({"principal_id":"prn_1"}), Some(NO_SECRET)),
            (json!({"principal_id":"prn_1","hmac_secret_id":" "}), Some(NO_SECRET)),
            (
                json!({"principal_id":"prn_1","role_id":"role_1","hmac_secret_id":"hms_1"}),
                Some("must reference exactly one of principal, role"),
            ),
            (
                json!({"role_id":"role_1","hmac_secret_id":"hms_1","static_secret_id":"ssr_1"}),
                Some(MANY_SECRETS),
            ),
            (json!({"principal_id":"prn_1","role_id":"","hmac_secret_id":"hms_1"}), None),
        ] {
            let result = parse(&mut attributes(body.clone()));
            let base = result.as_ref().err().map(|problems| problems.under("base").to_vec());
            assert_eq!(base, want.map(|text| vec![text.to_owned()]), "{body}");
        }
    }

    #[test]
    fn each_key_means_its_type() {
        for kind in SecretKind::ALL {
            let mut body = json!({"role_id":"role_1","priority":-5,"expires_at":"2031-05-04T09:08:07Z"});
            body[kind.grant_key()] = json!("x_1");
            let write = parse(&mut attributes(body)).unwrap();
            let want = GrantWrite {
                grantee: Grantee::Role("role_1".to_owned()),
                kind,
                secret_oid: "x_1".to_owned(),
                priority: Some(-5),
                expires_at: Some(1_935_652_087_000_000),
            };
            assert_eq!(write, want);
        }
        assert_eq!(Grantee::Principal(String::new()).default_priority(), 100);
        assert_eq!(Grantee::Role(String::new()).default_priority(), 0);
    }

    #[test]
    fn priority_is_an_integer_and_alone_can_change() {
        for (value, want) in [
            (json!(5), Ok(Some(5))),
            (json!(null), Ok(None)),
            (json!(1.5), Err("must be an integer")),
            (json!("5"), Err("is not a number")),
        ] {
            let read = parse_update(&mut attributes(json!({ "priority": value })));
            let read = read.map_err(|problems| problems.under("priority").join(""));
            assert_eq!(read, want.map_err(str::to_owned), "{value}");
        }
        for key in ["principal_id", "role_id", "static_secret_id", "expires_at"] {
            let problems = parse_update(&mut attributes(json!({ "priority": 1, key: "x" }))).unwrap_err();
            assert_eq!(problems.under(key), ["is immutable"]);
        }
        let late = json!({"principal_id":"p","static_secret_id":"s","expires_at":"tomorrow"});
        let problems = parse(&mut attributes(late)).unwrap_err();
        assert_eq!(problems.under("expires_at"), ["must be an RFC 3339 time"]);
    }

    #[test]
    fn keys_that_are_not_set_are_absent() {
        let row = GrantRow {
            id: "grant_VURnYeSg".to_owned(),
            grantee: Grantee::Principal("prn_5CO4fITZ".to_owned()),
            kind: SecretKind::Static,
            secret_oid: "ssr_kxIQLCuJ".to_owned(),
            priority: 100,
            expires_at: None,
            created_at: 0,
            updated_at: 0,
        };
        let want = json!({"id":"grant_VURnYeSg","principal_id":"prn_5CO4fITZ","static_secret_id":"ssr_kxIQLCuJ",
            "created_at":"1970-01-01T00:00:00.000Z","updated_at":"1970-01-01T00:00:00.000Z",
            "priority":100});
        assert_eq!(Value::Object(render(&row)).to_string(), want.to_string());
    }
}
