//! The credentials of the console's broker that tools need.

use centaur_client::api::Credential;
use centaur_manifest::manifest::{BrokerSeed, FieldSource};
use centaur_manifest::register::{CredentialNeed, SecretRecord};
use serde_json::{Map, Value, json};

use super::Registrar;
use crate::failure::Failure;
use crate::plan::{Action, Call, Confidential, Plan, Seen, Step, Target};
use crate::session::{Calls as _, Session};
use crate::shape::MANAGED;

impl Registrar<'_> {
    /// Whether the credential that a secret needs is there, or is made by this plan. If not, the secret is left out, and
    /// a warning says how to make the credential.
    pub(super) async fn has_credential(
        &mut self,
        plan: &mut Plan,
        tool: &str,
        record: &SecretRecord,
    ) -> Result<bool, Failure> {
        let Some(need) = &record.credential else { return Ok(true) };
        if self.credentials.contains(&need.id) {
            return Ok(true);
        }
        if let Some(row) = stored(self.session, need).await? {
            remark(self.session, need, &row);
            self.credentials.insert(need.id.clone());
            return Ok(true);
        }
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let data = match &need.seed {
            Some(seed) if self.how.seed_brokers => attributes(self.session, need, seed, &env),
            _ => Err(String::new()),
        };
        match data {
            Ok(data) => {
                let target =
                    Target { kind: "broker_credential", id: None, foreign_id: Some(need.id.clone()) };
                let call = Call::PutCredential { at: need.id.clone(), data, seen: Seen::default() };
                plan.push(Step::new(Action::Create, target, "asked for with --seed-brokers", call));
                self.credentials.insert(need.id.clone());
                Ok(true)
            }
            Err(why) => {
                let text = format!(
                    "{tool}: {} is left out, for there is no broker credential {}{why}; make it with: {}",
                    record.declared,
                    need.id,
                    command(need)
                );
                self.session.warn("broker_missing", text);
                self.left_out += 1;
                Ok(false)
            }
        }
    }
}

async fn stored(session: &Session, need: &CredentialNeed) -> Result<Option<Credential>, Failure> {
    let api = session.api()?;
    if need.is_oid {
        let Ok(id) = need.id.parse() else { return Ok(None) };
        return api.credential(id).await.of(session);
    }
    api.credential_named(session.namespace(), &need.id).await.of(session)
}

fn remark(session: &Session, need: &CredentialNeed, row: &Credential) {
    match row.status.as_str() {
        "dead" => session.warn("broker_dead", format!("broker credential {} is dead", need.id)),
        "bootstrapping" => session
            .printer
            .notice(&format!("broker credential {} is bootstrapping: it has no token yet", need.id)),
        _ => {}
    }
}

/// The attributes of a new credential, from the environment. Says which variable is missing.
fn attributes(
    session: &Session,
    need: &CredentialNeed,
    seed: &BrokerSeed,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Confidential, String> {
    if need.is_oid {
        return Err(String::new());
    }
    let mut data = Map::new();
    data.insert("namespace".to_owned(), session.namespace().into());
    data.insert("foreign_id".to_owned(), need.id.as_str().into());
    data.insert("name".to_owned(), need.id.as_str().into());
    data.insert("labels".to_owned(), json!({ MANAGED.0: MANAGED.1 }));
    data.insert("token_endpoint".to_owned(), seed.token_endpoint.as_str().into());
    if !seed.scopes.is_empty() {
        data.insert("scopes".to_owned(), json!(seed.scopes));
    }
    // Whatever happens below, what was read is wiped.
    let mut data = Confidential(Value::Object(data));
    for (name, source) in &seed.fields {
        let key = if name == "refresh_token" { Some("refresh_token") } else { source.json_key.as_deref() };
        data.0[name.as_str()] = value(source, key, env)?;
    }
    if !seed.token_endpoint_headers.is_empty() {
        data.0["token_endpoint_headers"] = json!({});
        for (name, source) in &seed.token_endpoint_headers {
            data.0["token_endpoint_headers"][name.as_str()] = value(source, source.json_key.as_deref(), env)?;
        }
    }
    Ok(data)
}

/// One value: a variable, or a member of the JSON object in it.
fn value(
    source: &FieldSource,
    key: Option<&str>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Value, String> {
    let variable = &source.secret_ref;
    let text = zeroize::Zeroizing::new(env(variable).ok_or_else(|| format!(" and {variable} is not set"))?);
    let Some(key) = key else { return Ok(text.as_str().into()) };
    let document: Confidential = Confidential(serde_json::from_str(&text).unwrap_or_default());
    let member = document.0.get(key).and_then(Value::as_str).filter(|member| !member.is_empty());
    member.map(Value::from).ok_or_else(|| format!(" and {variable} is no JSON object with {key}"))
}

/// The command that makes a credential; secrets come from files.
fn command(need: &CredentialNeed) -> String {
    let mut words = vec!["centaur-perms broker create --foreign-id".to_owned(), quoted(&need.id)];
    let mut add = |option: &str, value: String| {
        words.push(option.to_owned());
        words.push(value);
    };
    let endpoint = need.seed.as_ref().map_or_else(|| "URL".to_owned(), |seed| quoted(&seed.token_endpoint));
    add("--token-endpoint", endpoint);
    add("--client-id", "CLIENT_ID".to_owned());
    if let Some(seed) = &need.seed {
        if seed.fields.contains_key("client_secret") {
            add("--client-secret", "@FILE".to_owned());
        }
        seed.scopes.iter().for_each(|scope| add("--scope", quoted(scope)));
        for name in seed.token_endpoint_headers.keys() {
            add("--token-endpoint-header", quoted(&format!("{name}=@FILE")));
        }
    }
    add("--refresh-token", "@FILE".to_owned());
    words.join(" ")
}

/// A word that a shell takes as it is.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:=@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
