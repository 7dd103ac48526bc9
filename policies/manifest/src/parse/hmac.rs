//! `hmac_sign`

use toml::de::DeValue;

use super::entry::{Inherited, own_hosts};
use super::fields::Fields;
use super::{header, source, template};
use crate::manifest::{Binding, HmacHeader, HmacSign};
use crate::problem::Code;

pub(super) const KEYS: &[&str] = &[
    "credentials",
    "headers",
    "algorithm",
    "key_encoding",
    "output_encoding",
    "timestamp_format",
    "message",
    "allow_chunked_body",
];

pub(super) fn read(fields: &Fields<'_>, _name: &str, _inherited: Inherited<'_>) -> Option<Binding> {
    let hosts = own_hosts(fields);
    let credentials = credentials(fields);
    let names: Option<Vec<&str>> =
        credentials.as_ref().map(|credentials| credentials.iter().map(|(name, _)| name).collect());
    let headers = headers(fields, names.as_deref());
    let algorithm = word(fields, "algorithm", &["sha256", "sha512", "sha1"]);
    let key_encoding = word(fields, "key_encoding", &["raw", "base64", "hex"]);
    let output_encoding = word(fields, "output_encoding", &["base64", "hex"]);
    let timestamp_format =
        word(fields, "timestamp_format", &["unix_seconds", "unix_millis", "unix_nanos", "rfc3339"]);
    let message = message(fields);
    let allow_chunked_body = fields.flag("allow_chunked_body");
    let sources = credentials.as_ref().map(source::map);
    Some(Binding::HmacSign(HmacSign {
        hosts: hosts?,
        credentials: sources?,
        headers: headers?,
        algorithm: algorithm?,
        key_encoding: key_encoding?,
        output_encoding: output_encoding?,
        timestamp_format: timestamp_format?,
        message: message?,
        allow_chunked_body,
    }))
}

fn word(fields: &Fields<'_>, key: &str, words: &[&'static str]) -> Option<String> {
    let words: Vec<(&str, &str)> = words.iter().map(|word| (*word, *word)).collect();
    fields.word(key, Code::HmacEnum, &words).map(str::to_owned)
}

fn credentials<'a>(fields: &Fields<'a>) -> Option<Fields<'a>> {
    const KEY: &str = "credentials";
    if !fields.has(KEY) {
        return fields.report(Code::HmacCredentials, KEY, "credentials is missing");
    }
    let table = fields.table(KEY, Code::HmacCredentials)?;
    if !table.has("secret") {
        fields.report::<()>(Code::HmacCredentials, KEY, "credentials has no secret, which is the key");
    }
    if table.iter().any(|(name, _)| name.trim().is_empty()) {
        fields.report::<()>(Code::HmacCredentials, KEY, "credentials has one without a name");
    }
    Some(table)
}

/// `names` are those of the credentials, when they could be read.
fn headers(fields: &Fields<'_>, names: Option<&[&str]>) -> Option<Vec<HmacHeader>> {
    const KEY: &str = "headers";
    if !fields.has(KEY) {
        return fields.report(Code::HmacHeaders, KEY, "headers is missing");
    }
    let items = fields.array(KEY, Code::HmacHeaders)?;
    if items.is_empty() {
        return fields.report(Code::HmacHeaders, KEY, "headers is empty");
    }
    let mut headers = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = item.span().start;
        let DeValue::Table(table) = item.get_ref() else {
            let text = format!("headers[{index}] has to be a table of name and value");
            fields.report_at::<()>(Code::HmacHeaders, KEY, at, text);
            continue;
        };
        let table = fields.below(&format!("{KEY}[{index}]"), table, at);
        table.note_unknown(&["name", "value"]);
        let name = table.needed("name", Code::HmacHeaders, Code::HmacHeaders);
        if let Some(name) = name.as_deref().filter(|name| !header::is_writable(name)) {
            table.report::<()>(
                Code::HmacHeaders,
                "name",
                format!("{name:?} is not a header that can be set"),
            );
        }
        if !table.has("value") {
            table.report::<()>(Code::HmacHeaders, "value", "value is missing");
        }
        let value = table.verbatim("value", Code::HmacHeaders);
        if let (Some(value), Some(names)) = (&value, names)
            && let Some(problem) = template::header_problem(value, names)
        {
            table.report::<()>(Code::TemplateInvalid, "value", format!("value {problem}"));
        }
        headers.extend(name.zip(value).map(|(name, value)| HmacHeader { name, value }));
    }
    Some(headers)
}

fn message(fields: &Fields<'_>) -> Option<String> {
    const KEY: &str = "message";
    if !fields.has(KEY) {
        return fields.report(Code::HmacMessage, KEY, "message is missing");
    }
    let message = fields.verbatim(KEY, Code::HmacMessage)?;
    match template::message_problem(&message) {
        None => Some(message),
        Some(problem) => fields.report(Code::TemplateInvalid, KEY, format!("message {problem}")),
    }
}
