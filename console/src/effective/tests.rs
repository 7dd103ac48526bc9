//! From grants to payloads, on a small world that each test fills.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use centaur_base::Secret;
use centaur_base::oid::BrokerCredentialId;
use serde_json::{Value, json};

use super::*;
use crate::definition::{Context, CredentialIndex, CredentialRef, SecretKind, Source, parse};
use crate::wire::{Address, Attributes};

mod conflicts;
mod delivery;
mod dry;
mod fallback;
mod order;
mod overlap;
mod payload;
mod properties;

/// 2031-05-04T09:08:07Z in microseconds.
const NOW: i64 = 1_935_652_087_000_000;

struct AnyCredential;

impl CredentialIndex for AnyCredential {
    fn has_oid(&self, _: BrokerCredentialId) -> bool {
        true
    }

    fn has_name(&self, _: &str, _: &str) -> bool {
        true
    }
}

/// Broker credentials of the rows 1, 2 and 1000.
const LIVE: &str = "bcr_9M4ZKJbu";
const DEAD: &str = "bcr_aqYHqcEe";
const NONE: &str = "bcr_yQGFbADK";

/// Dead or not, the token, when it expires.
type Broker = (bool, Option<Secret<String>>, Option<i64>);

#[derive(Default)]
struct World {
    secrets: HashMap<SecretKey, Arc<StoredSecret>>,
    brokers: BTreeMap<String, Broker>,
    resolved: BTreeMap<String, Result<Secret<String>, String>>,
    default_roles: Vec<String>,
    exclude_roles: Vec<String>,
    api_server: Option<ApiServer>,
}

impl SourceValues for World {
    fn broker(&self, credential: &CredentialRef) -> Option<BrokerState<'_>> {
        let (is_dead, token, expires_at) = self.brokers.get(&credential.id)?;
        Some(BrokerState { is_dead: *is_dead, access_token: token.as_ref(), expires_at: *expires_at })
    }

    fn resolve(&self, _: SecretKey, _: &str, source: &Source) -> Resolution<'_> {
        let var = source.config.get("var").and_then(Value::as_str).unwrap_or_default();
        match self.resolved.get(var) {
            None => Resolution::ByProxy,
            Some(Ok(value)) => Resolution::Value(value),
            Some(Err(why)) => Resolution::Unavailable(why.clone()),
        }
    }
}

impl World {
    fn add(&mut self, kind: SecretKind, id: i64, body: Value) -> SecretKey {
        let Value::Object(members) = body else { panic!("an object") };
        let context = Context { existing: None, credentials: &AnyCredential };
        let definition = parse(kind, &mut Attributes::new(members), Address::New, &context).unwrap();
        let key = SecretKey { kind, id };
        let oid = format!("{}_{id}", kind.prefix());
        let crate::definition::Definition { identity, common, body, values } = definition;
        self.secrets.insert(key, Arc::new(StoredSecret::new(oid, identity, common, body, values)));
        key
    }

    /// A static secret that sets `header` on `host`.
    fn inject(&mut self, id: i64, header: &str, host: &str) -> SecretKey {
        self.add(
            SecretKind::Static,
            id,
            json!({
                "inject_config":{"header":header},"source":env(&format!("V{id}")),"rules":[{"host":host}],
            }),
        )
    }

    fn input<'a>(&'a self, subject: &'a Subject) -> Input<'a> {
        Input {
            subject: Some(subject),
            fallback: None,
            secrets: &self.secrets,
            sources: self,
            default_roles: &self.default_roles,
            exclude_roles: &self.exclude_roles,
            api_server: self.api_server.as_ref(),
            now: NOW,
        }
    }

    fn assemble(&self, subject: &Subject) -> Effective {
        assemble(&self.input(subject))
    }
}

fn env(var: &str) -> Value {
    json!({"source_type":"env","config":{"var":var}})
}

fn inline(value: &str) -> Value {
    json!({"source_type":"control_plane","secret":value})
}

fn direct(secret: SecretKey, priority: i64) -> Grant {
    Grant {
        oid: format!("grant_d{}_{priority}", secret.id),
        via: Via::Direct,
        secret,
        priority,
        expires_at: None,
    }
}

fn through(role: &str, secret: SecretKey, priority: i64) -> Grant {
    let via = Via::Role { oid: format!("role_{role}"), foreign_id: Some(role.to_owned()) };
    Grant { oid: format!("grant_{role}{}", secret.id), via, secret, priority, expires_at: None }
}

fn subject(oid: &str, grants: Vec<Grant>) -> Subject {
    let principal =
        Principal { oid: oid.to_owned(), namespace: "default".to_owned(), ..Principal::default() };
    Subject { principal, grants }
}

fn outcome(effective: &Effective, key: SecretKey) -> Outcome {
    effective.explained.iter().find(|one| one.key == key).expect("explained").outcome.clone()
}

/// The variables of the `env` sources of `secrets`, in order: which secret is where.
fn vars(effective: &Effective) -> Vec<&str> {
    effective.payload.secrets().iter().filter_map(|entry| entry["source"]["var"].as_str()).collect()
}
