//! `aws_auth_secrets`: signatures of AWS requests.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::rule::{self, Rule, some_rules};
use super::source::{Source, SourceReader};
use crate::wire::Reader;

/// Keys to sign with, and what may be signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AwsAuth {
    /// The id of the key.
    pub access_key_id: Source,
    /// The key.
    pub secret_access_key: Source,
    /// The token of temporary credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Source>,
    /// Empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_regions: Vec<String>,
    /// Empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_services: Vec<String>,
    /// At least one.
    pub rules: Vec<Rule>,
}

impl AwsAuth {
    pub(super) fn read(reader: &mut Reader<'_>, sources: &mut SourceReader<'_>) -> Option<Self> {
        let mut required = |key: &str| {
            let message = format!("is missing the required \"{key}\" credential");
            sources.required(reader, key, ("sources", &message))
        };
        let access_key_id = required("access_key_id");
        let secret_access_key = required("secret_access_key");
        let session_token = sources.optional(reader, "session_token");
        let mut texts = |key: &str| reader.texts(key, "must be an array", "must all be strings");
        let allowed_regions = texts("allowed_regions").unwrap_or_default();
        let allowed_services = texts("allowed_services").unwrap_or_default();
        let rules = some_rules(reader);
        Some(Self {
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?,
            session_token,
            allowed_regions,
            allowed_services,
            rules,
        })
    }

    pub(super) fn show(&self, out: &mut Map<String, Value>) {
        out.insert("access_key_id".to_owned(), self.access_key_id.shown());
        out.insert("secret_access_key".to_owned(), self.secret_access_key.shown());
        let session_token = self.session_token.as_ref().map_or(Value::Null, Source::shown);
        out.insert("session_token".to_owned(), session_token);
        out.insert("allowed_regions".to_owned(), json!(self.allowed_regions));
        out.insert("allowed_services".to_owned(), json!(self.allowed_services));
        out.insert("rules".to_owned(), rule::shown(&self.rules));
    }

    pub(super) fn sources(&self) -> Vec<(String, &Source)> {
        let mut sources = vec![
            ("access_key_id".to_owned(), &self.access_key_id),
            ("secret_access_key".to_owned(), &self.secret_access_key),
        ];
        sources.extend(self.session_token.iter().map(|source| ("session_token".to_owned(), source)));
        sources
    }
}
