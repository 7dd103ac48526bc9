//! The payload, its hash, and what may be shown of it.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::piece::{Item, write_canonical};

/// The three lists of a sync. Holds values; `Debug` shows the lengths only, and everything is wiped on drop.
pub struct Payload {
    secrets: Vec<Item>,
    transforms: Vec<Item>,
    postgres: Vec<Item>,
}

impl Payload {
    pub(super) fn new(secrets: Vec<Item>, transforms: Vec<Item>, postgres: Vec<Item>) -> Self {
        Self { secrets, transforms, postgres }
    }

    /// `secrets`, values included.
    pub fn secrets(&self) -> Vec<&Value> {
        self.secrets.iter().map(Item::value).collect()
    }

    /// `transforms`, values included.
    pub fn transforms(&self) -> Vec<&Value> {
        self.transforms.iter().map(Item::value).collect()
    }

    /// `postgres`, values included.
    pub fn postgres(&self) -> Vec<&Value> {
        self.postgres.iter().map(Item::value).collect()
    }

    /// A keyed digest of all that is delivered, whatever the order of keys in it.
    pub fn digest(&self, key: &HashKey) -> Digest {
        let mut mac = hmac::Context::with_key(&key.0);
        let mut write = |text: &str| mac.update(text.as_bytes());
        for (name, list) in [
            ("{\"postgres\":", &self.postgres),
            (",\"secrets\":", &self.secrets),
            (",\"transforms\":", &self.transforms),
        ] {
            write(name);
            write("[");
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    write(",");
                }
                item.canonical(&mut write);
            }
            write("]");
        }
        write("}");
        let mut digest = Digest::default();
        digest.0.copy_from_slice(mac.sign().as_ref());
        digest
    }

    /// [`Digest::hash`] of the [`Payload::digest`].
    pub fn hash(&self, key: &HashKey, assignment: Option<&Assignment>) -> String {
        self.digest(key).hash(key, assignment)
    }

    /// The three members of an answer as they stand in its object. Holds values.
    pub fn lists(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(1_024));
        for (name, list) in [
            ("\"secrets\":[", &self.secrets),
            (",\"transforms\":[", &self.transforms),
            (",\"postgres\":[", &self.postgres),
        ] {
            text.push_str(name);
            for (at, entry) in list.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                entry.text(|entry| {
                    if text.capacity() - text.len() < entry.len() + 64 {
                        // Growing in place would leave a copy behind.
                        let mut larger =
                            Zeroizing::new(String::with_capacity(2 * (text.len() + entry.len() + 64)));
                        larger.push_str(&text);
                        text = larger;
                    }
                    text.push_str(entry);
                });
            }
            text.push(']');
        }
        text
    }

    /// `{"data":{"id","secrets","transforms","postgres"}}` with every inline value as `[redacted]`.
    pub fn redacted(&self, principal_oid: &str) -> Value {
        let list = |list: &[Item]| list.iter().map(|item| redact(item.value())).collect::<Value>();
        json!({ "data": {
            "id": principal_oid,
            "secrets": list(&self.secrets),
            "transforms": list(&self.transforms),
            "postgres": list(&self.postgres),
        } })
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secrets, transforms, postgres } = self;
        f.debug_struct("Payload")
            .field("secrets", &secrets.len())
            .field("transforms", &transforms.len())
            .field("postgres", &postgres.len())
            .finish()
    }
}

/// The principal of a proxy and when it got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// OID of the principal.
    pub principal_oid: String,
    /// Microseconds since 1970.
    pub assigned_at: i64,
    /// Plus one with every change of the principal, so that two changes within one second differ.
    pub counter: i64,
}

impl Assignment {
    fn hashed(&self) -> Value {
        let seconds = self.assigned_at.div_euclid(1_000_000);
        json!({ "principal": self.principal_oid, "assigned_at": seconds, "counter": self.counter })
    }
}

/// What stands for a payload in the hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The hash that a proxy echoes: `sha256:` and 64 hexadecimal digits, opaque to it. It is keyed, because a plain
    /// digest over live values would let anyone who sees hashes try guesses of weak ones. Covers all that is
    /// delivered, the principal and the assignment, so that assigning anew always differs.
    pub fn hash(&self, key: &HashKey, assignment: Option<&Assignment>) -> String {
        let mut mac = hmac::Context::with_key(&key.0);
        let mut write = |text: &str| mac.update(text.as_bytes());
        write("{\"assignment\":");
        write_canonical(&assignment.map_or(Value::Null, Assignment::hashed), &mut write);
        write(",\"payload\":\"");
        write(&hex(&self.0));
        write("\"}");
        format!("sha256:{}", hex(mac.sign().as_ref()))
    }
}

/// The key of the hash: the same on all replicas and across restarts. Another one costs every proxy one full
/// answer, nothing else.
pub struct HashKey(hmac::Key);

impl HashKey {
    /// Any bytes, 32 random ones at best.
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(..)")
    }
}

/// The body of a sync's answer: the hash alone when the proxy has it, else the six members, with the
/// [`Payload::lists`] as they are. Holds values unless it is the short form.
pub fn sync_body(lists: &str, hash: &str, supplied: Option<&str>, assignment: Option<&Assignment>) -> String {
    if supplied == Some(hash) {
        return json!({ "config_hash": hash }).to_string();
    }
    let status = if assignment.is_some() { "assigned" } else { "unassigned" };
    let head = json!({
        "config_hash": hash,
        "status": status,
        "principal_id": assignment.map(|assignment| &assignment.principal_oid),
    })
    .to_string();
    let mut body = String::with_capacity(head.len() + lists.len() + 2);
    body.push_str(head.trim_end_matches('}'));
    body.push(',');
    body.push_str(lists);
    body.push('}');
    body
}

/// `"<SHA-256 of the body>"`
pub fn etag(body: &str) -> String {
    format!("\"{}\"", hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref()))
}

/// Whether an `If-None-Match` names the tag (RFC 9110 13.1.2: weak comparison).
pub fn matches_etag(if_none_match: &str, etag: &str) -> bool {
    let is_it = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    if_none_match.split(',').map(str::trim).any(is_it)
}

/// A copy in which the value of every `control_plane` source, however deep, is `[redacted]`.
fn redact(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(redact).collect(),
        Value::Object(members) => {
            let is_inline = members.get("type").and_then(Value::as_str) == Some("control_plane");
            let member = |(key, value): (&String, &Value)| {
                let shown =
                    if is_inline && key == "value" { Value::from("[redacted]") } else { redact(value) };
                (key.clone(), shown)
            };
            Value::Object(members.iter().map(member).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
        text
    })
}
