//! `gcp_id_token_secrets`: identity tokens of a Google service account.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::rule::{self, Rule, some_rules};
use super::source::{Source, SourceReader};
use crate::wire::Reader;

/// Whose identity tokens, and for whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GcpIdToken {
    /// Who the token is for.
    pub audience: String,
    /// `authorization` or `x-serverless-authorization`; `None` is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The JSON key of a service account.
    pub keyfile: Source,
    /// At least one.
    pub rules: Vec<Rule>,
}

impl GcpIdToken {
    pub(super) fn read(reader: &mut Reader<'_>, sources: &mut SourceReader<'_>) -> Option<Self> {
        let audience = reader.required_line("audience");
        let header = reader.text("header").map(|header| header.trim().to_lowercase());
        let header = header.filter(|header| !header.is_empty());
        if header.as_ref().is_some_and(|header| !HEADERS.contains(&header.as_str())) {
            reader.reject("header", format!("must be one of {}", HEADERS.join(", ")));
        }
        let keyfile = sources.required(reader, "keyfile", ("keyfile_source", "can't be blank"));
        let rules = some_rules(reader);
        Some(Self { audience: audience?, header, keyfile: keyfile?, rules })
    }

    pub(super) fn show(&self, out: &mut Map<String, Value>) {
        out.insert("audience".to_owned(), json!(self.audience));
        out.insert("header".to_owned(), json!(self.header));
        out.insert("keyfile".to_owned(), self.keyfile.shown());
        out.insert("rules".to_owned(), rule::shown(&self.rules));
    }

    pub(super) fn sources(&self) -> Vec<(String, &Source)> {
        vec![("keyfile".to_owned(), &self.keyfile)]
    }
}

const HEADERS: [&str; 2] = ["authorization", "x-serverless-authorization"];
