//! `hmac_secrets`: requests signed with a shared key.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::oauth_token::{all_read, shown_map};
use super::rule::{self, Rule, some_rules};
use super::source::{Source, SourceReader};
use super::template;
use crate::wire::{Reader, is_blank, is_header_name};

/// What is signed, how, and where the signature goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HmacHeader {
    /// A header name.
    pub name: String,
    /// A template over the signature, the time and the credentials.
    pub value: String,
}

/// A signing key and its recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hmac {
    /// `unix_seconds`, `unix_millis`, `unix_nanos` or `rfc3339`.
    pub timestamp_format: String,
    /// `sha256`, `sha512` or `sha1`.
    pub signature_algorithm: String,
    /// `raw`, `base64` or `hex`.
    pub signature_key_encoding: String,
    /// `base64` or `hex`.
    pub signature_output_encoding: String,
    /// A template of what is signed.
    pub signature_message: String,
    /// Sign requests whose length is not known in advance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_chunked_body: bool,
    /// What is set on the request; at least one.
    pub headers: Vec<HmacHeader>,
    /// Sources by name, in the order sent; `secret` is the key.
    pub credentials: Vec<(String, Source)>,
    /// At least one.
    pub rules: Vec<Rule>,
}

impl Hmac {
    pub(super) fn read(reader: &mut Reader<'_>, sources: &mut SourceReader<'_>) -> Option<Self> {
        let mut word = |key: &str, words: &[&'static str]| {
            let choices: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
            reader.choice(key, &choices).map(str::to_owned)
        };
        let timestamp_format =
            word("timestamp_format", &["unix_seconds", "unix_millis", "unix_nanos", "rfc3339"]);
        let signature_algorithm = word("signature_algorithm", &["sha256", "sha512", "sha1"]);
        let signature_key_encoding = word("signature_key_encoding", &["raw", "base64", "hex"]);
        let signature_output_encoding = word("signature_output_encoding", &["base64", "hex"]);
        let signature_message = reader.required_text("signature_message");
        if let Some(problem) = signature_message.as_deref().and_then(template::problem) {
            reader.reject("signature_message", problem);
        }
        let allow_chunked_body = reader.flag("allow_chunked_body").unwrap_or(false);
        let headers = headers(reader);
        let credentials = credentials(reader, sources);
        let rules = some_rules(reader);
        Some(Self {
            timestamp_format: timestamp_format?,
            signature_algorithm: signature_algorithm?,
            signature_key_encoding: signature_key_encoding?,
            signature_output_encoding: signature_output_encoding?,
            signature_message: signature_message?,
            allow_chunked_body,
            headers,
            credentials: credentials?,
            rules,
        })
    }

    pub(super) fn show(&self, out: &mut Map<String, Value>) {
        out.insert("timestamp_format".to_owned(), json!(self.timestamp_format));
        out.insert("signature_algorithm".to_owned(), json!(self.signature_algorithm));
        out.insert("signature_key_encoding".to_owned(), json!(self.signature_key_encoding));
        out.insert("signature_output_encoding".to_owned(), json!(self.signature_output_encoding));
        out.insert("signature_message".to_owned(), json!(self.signature_message));
        out.insert("allow_chunked_body".to_owned(), json!(self.allow_chunked_body));
        out.insert("headers".to_owned(), json!(self.headers));
        out.insert("credentials".to_owned(), shown_map(&self.credentials));
        out.insert("rules".to_owned(), rule::shown(&self.rules));
    }

    pub(super) fn sources(&self) -> Vec<(String, &Source)> {
        self.credentials.iter().map(|(name, source)| (format!("credentials.{name}"), source)).collect()
    }
}

/// Of the name of a credential, in bytes.
const LONGEST_NAME: usize = 256;

fn headers(reader: &mut Reader<'_>) -> Vec<HmacHeader> {
    let wrong_before = reader.is_given("headers") && !reader.peek("headers").is_some_and(Value::is_array);
    let items = reader.list("headers", "must be an array").unwrap_or_default();
    if items.is_empty() && !wrong_before {
        reader.reject("headers", "must include at least one header");
    }
    let mut headers = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let text = |key: &str| item.get(key).and_then(Value::as_str).filter(|text| !is_blank(text));
        match (text("name"), text("value")) {
            (Some(name), Some(_)) if !is_header_name(name) => {
                reader.reject("headers", format!("\"{}\" is not a header name", name.escape_debug()));
            }
            (Some(name), Some(value)) => {
                if let Some(problem) = template::problem(value) {
                    reader.reject("headers", format!("{name} {problem}"));
                    reader.reject(&format!("headers[{at}].value"), problem);
                }
                headers.push(HmacHeader { name: name.to_owned(), value: value.to_owned() });
            }
            _ => reader.reject("headers", "each header must have a non-blank name and value"),
        }
    }
    headers
}

fn credentials(reader: &mut Reader<'_>, sources: &mut SourceReader<'_>) -> Option<Vec<(String, Source)>> {
    let credentials = sources.map(reader, "credentials");
    if !credentials.iter().any(|(name, _)| name == "secret") {
        reader.reject("sources", "is missing the required \"secret\" credential");
    }
    if credentials.iter().any(|(name, _)| is_blank(name)) {
        reader.reject("sources", "credential name can't be blank");
    }
    // The name is part of the place under which its value is stored and sealed.
    let is_odd = |name: &str| name.len() > LONGEST_NAME || name.chars().any(char::is_control);
    if credentials.iter().any(|(name, _)| is_odd(name)) {
        let text =
            format!("credential name must be {LONGEST_NAME} bytes at most, without control characters");
        reader.reject("sources", text);
    }
    all_read(credentials)
}
