//! `gcp_auth_secrets`: access tokens of a Google service account.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::rule::{self, Rule, rules};
use super::source::{Source, SourceReader};
use crate::wire::{Reader, is_blank};

/// Whose access tokens, and for what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GcpAuth {
    /// Who asks for tokens.
    #[serde(flatten)]
    pub credentials: GcpCredentials,
    /// The user to act for (domain-wide delegation); with a key file only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// At least one.
    pub scopes: Vec<String>,
    /// To the data plane, none means every request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// Exactly one of `keyfile` and `credentials_provider`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GcpCredentials {
    /// The JSON key of a service account.
    Keyfile(Source),
    /// The identity of the pod that the proxy runs in.
    WorkloadIdentity(bool),
}

impl GcpAuth {
    pub(super) fn read(reader: &mut Reader<'_>, sources: &mut SourceReader<'_>) -> Option<Self> {
        let scopes = scopes(reader);
        let has_keyfile = reader.is_given("keyfile");
        let keyfile = sources.optional(reader, "keyfile");
        let has_provider = provider(reader);
        let subject = reader.line("subject").filter(|subject| !is_blank(subject));
        if subject.is_some() && has_provider {
            reader.reject("subject", "is only allowed with a keyfile source");
        }
        match (has_keyfile, has_provider) {
            (false, false) => {
                reader.reject("base", "must define one of keyfile (source) or credentials_provider");
            }
            (true, true) => {
                reader.reject("base", "keyfile and credentials_provider are mutually exclusive");
            }
            _ => {}
        }
        let rules = rules(reader);
        let credentials = match keyfile {
            Some(keyfile) => GcpCredentials::Keyfile(keyfile),
            None => GcpCredentials::WorkloadIdentity(has_provider),
        };
        Some(Self { credentials, subject, scopes: scopes?, rules })
    }

    pub(super) fn show(&self, out: &mut Map<String, Value>) {
        let (keyfile, provider) = match &self.credentials {
            GcpCredentials::Keyfile(source) => (source.shown(), Value::Null),
            GcpCredentials::WorkloadIdentity(_) => (Value::Null, workload_identity()),
        };
        out.insert("credentials_provider".to_owned(), provider);
        out.insert("subject".to_owned(), json!(self.subject));
        out.insert("scopes".to_owned(), json!(self.scopes));
        out.insert("keyfile".to_owned(), keyfile);
        out.insert("rules".to_owned(), rule::shown(&self.rules));
    }

    pub(super) fn sources(&self) -> Vec<(String, &Source)> {
        match &self.credentials {
            GcpCredentials::Keyfile(source) => vec![("keyfile".to_owned(), source)],
            GcpCredentials::WorkloadIdentity(_) => Vec::new(),
        }
    }
}

/// `credentials_provider` as it is stored, shown and sent: there is one kind.
pub(crate) fn workload_identity() -> Value {
    json!({ "type": "workload_identity" })
}

fn scopes(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    const NOT_TEXTS: &str = "must all be strings";
    if !reader.is_given("scopes") {
        reader.reject("scopes", "must include at least one scope");
        return None;
    }
    let scopes = reader.texts("scopes", "must be an array", NOT_TEXTS)?;
    if scopes.is_empty() {
        reader.reject("scopes", "must include at least one scope");
    }
    Some(scopes)
}

/// Whether there is a provider, right or wrong; `{}` counts as none.
fn provider(reader: &mut Reader<'_>) -> bool {
    if !reader.is_given("credentials_provider") {
        return false;
    }
    let Some(mut provider) = reader.object("credentials_provider") else { return true };
    if provider.keys().next().is_none() {
        return false;
    }
    for key in provider.keys().filter(|key| *key != "type") {
        reader.reject("credentials_provider", format!("has unknown key \"{key}\""));
    }
    if provider.take("type").as_ref().and_then(Value::as_str) != Some("workload_identity") {
        reader.reject("credentials_provider", "type must be \"workload_identity\"");
    }
    true
}
