//! The keys of `transforms`, one table per mapping.

use serde_json::{Map, Value, json};

use crate::schema::{Kind, Table, key};

const TEXTS: Kind = Kind::TEXTS;
const RULES: Kind = Kind::List(&Kind::Table(&RULE));

/// One of `transforms`.
pub static TRANSFORM: Table = Table {
    name: "config.Transform",
    doc: "A step that every request passes, in the order of the list.",
    keys: &[
        key(
            "name",
            Kind::Text,
            "",
            "Which transform: allowlist, annotate, body_capture, header_allowlist or secrets.",
        ),
        key("config", Kind::Free, "{}", "Its settings; which keys there are depends on the name."),
    ],
};

/// The settings of each transform, by name.
pub static CONFIGS: [(&str, &Table); 5] = [
    ("allowlist", &ALLOWLIST),
    ("annotate", &ANNOTATE),
    ("body_capture", &BODY_CAPTURE),
    ("header_allowlist", &HEADER_ALLOWLIST),
    ("secrets", &SECRETS),
];

/// One of `rules`.
pub static RULE: Table = Table {
    name: "hostmatch.Rule",
    doc: "When something applies; all parts that are given have to match. Exactly one of host and cidr.",
    keys: &[
        key(
            "host",
            Kind::Text,
            "",
            "Host pattern: `*`, `*.suffix` (any depth and the suffix itself), a host, or a glob whose `*` spans dots. Without regard to letter case and a trailing dot.",
        ),
        key(
            "cidr",
            Kind::Text,
            "",
            "Range of literal addresses as `address/prefix`; names are never resolved for it.",
        ),
        key("methods", TEXTS, "all", "Request methods. `[\"*\"]` is all."),
        key(
            "paths",
            TEXTS,
            "all",
            "Path patterns that begin with `/`: `/prefix/*`, or a glob whose `*` stops at `/`. The decoded path without query is matched.",
        ),
        key("ports", Kind::List(&Kind::Int), "all", "Upstream ports."),
        key("schemes", Kind::List(&Kind::Choice(&["http", "https"])), "both", "http, https or both."),
    ],
};

/// `allowlist`
pub static ALLOWLIST: Table = Table {
    name: "allowlist.config",
    doc: "Refuses what no entry matches.",
    keys: &[
        key("domains", TEXTS, "[]", "Host patterns that are allowed whole."),
        key("cidrs", TEXTS, "[]", "Ranges of literal addresses that are allowed whole."),
        key("rules", RULES, "[]", "Rules."),
        key("warn", Kind::Bool, "false", "Observe instead of refuse; the audit line says `warn`."),
    ],
};

/// `annotate`
pub static ANNOTATE: Table = Table {
    name: "annotate.config",
    doc: "Copies header values into the audit line.",
    keys: &[key("annotations", Kind::List(&Kind::Table(&ANNOTATION)), "", "Groups, at least one.")],
};

/// One of `annotations`.
pub static ANNOTATION: Table = Table {
    name: "annotate.group",
    doc: "Headers to copy when a rule matches.",
    keys: &[
        key("rules", RULES, "", "When it applies, at least one."),
        key("headers", TEXTS, "", "Header names, at least one. Values are written in clear."),
    ],
};

/// `header_allowlist`
pub static HEADER_ALLOWLIST: Table = Table {
    name: "headerallowlist.config",
    doc: "Removes request headers that no entry matches.",
    keys: &[
        key("headers", TEXTS, "", "Names, or `/regex/` over names, at least one."),
        key("rules", RULES, "every request", "When it applies."),
    ],
};

/// `body_capture`
pub static BODY_CAPTURE: Table = Table {
    name: "bodycapture.config",
    doc: "Writes the beginning of request bodies to the audit line.",
    keys: &[
        key("max_request_body_bytes", Kind::Int, "16384", "Cap in bytes; zero or less is the default."),
        key("rules", RULES, "never", "When it applies."),
    ],
};

/// `secrets`
pub static SECRETS: Table = Table {
    name: "secrets.config",
    doc: "Puts credentials into requests.",
    keys: &[key("secrets", Kind::List(&Kind::Table(&SECRET)), "[]", "Entries, applied in order.")],
};

/// One of `secrets`.
pub static SECRET: Table = Table {
    name: "secrets.secretEntry",
    doc: "A credential, where it may go, and how. Exactly one of replace and inject.",
    keys: &[
        key("source", Kind::Table(&SOURCE), "", "Where the value comes from. Required."),
        key(
            "rules",
            RULES,
            "never",
            "Where the value may go. Name `ports: [443]` to keep it to one service.",
        ),
        key("replace", Kind::Table(&REPLACE), "", "Puts the value where the client wrote a placeholder."),
        key("inject", Kind::Table(&INJECT), "", "Sets the value, whatever the client sent."),
        key("allow_plaintext", Kind::Bool, "false", "The value may travel over cleartext HTTP."),
        key("scrub_responses", Kind::Bool, "true", "The value is replaced by the placeholder in responses."),
        key("websocket", Kind::Bool, "true", "The value may be placed in a WebSocket upgrade."),
        key("proxy_value", Kind::Text, "", "Older form of replace.proxy_value."),
        key("match_headers", TEXTS, "[]", "Older form of replace.match_headers."),
        key("match_body", Kind::Bool, "false", "Older form of replace.match_body."),
        key("require", Kind::Bool, "false", "Older form of replace.require."),
    ],
};

/// `replace`
pub static REPLACE: Table = Table {
    name: "secrets.replaceConfig",
    doc: "Puts the value where the client wrote the placeholder.",
    keys: &[
        key("proxy_value", Kind::Text, "", "The placeholder. Required."),
        key("match_headers", TEXTS, "every header", "Headers searched: names, or `/regex/` over names."),
        key("match_body", Kind::Bool, "false", "Search the body."),
        key("match_query", Kind::Bool, "false", "Search the values of all query parameters."),
        key(
            "match_query_params",
            TEXTS,
            "[]",
            "Search the values of these query parameters only: decoded names, compared exactly. Not together with match_query.",
        ),
        key("match_path", Kind::Bool, "false", "Search the path."),
        key(
            "require",
            Kind::Bool,
            "false",
            "Refuse a request without the placeholder where the credential belongs.",
        ),
    ],
};

/// `inject`
pub static INJECT: Table = Table {
    name: "secrets.injectConfig",
    doc: "Sets a header or a query parameter. Exactly one of header and query_param.",
    keys: &[
        key("header", Kind::Text, "", "Header to set; existing values are removed."),
        key("query_param", Kind::Text, "", "Query parameter to set."),
        key("formatter", Kind::Text, "the raw value", "Template, as `Bearer {{ .Value }}`."),
        key("require", Kind::Bool, "false", "Refuse the request when the value is unavailable."),
    ],
};

/// `source`
pub static SOURCE: Table = Table {
    name: "source.Config",
    doc: "Where a credential's value comes from.",
    keys: &[
        key("type", Kind::Text, "", "env, file, cmd, token_broker or control_plane. Required."),
        key("var", Kind::Text, "", "env: the variable's name. Required."),
        key("path", Kind::Text, "", "file: path, read byte for byte. Required."),
        key("argv", TEXTS, "", "cmd: program and arguments, run without a shell. Required."),
        key("credential_id", Kind::Text, "", "token_broker: the credential's id at the broker. Required."),
        key("value", Kind::Text, "", "control_plane: the value itself. Required."),
        key("json_key", Kind::Text, "", "Take the top-level string at this key of a JSON object."),
        key(
            "ttl",
            Kind::Duration,
            "for ever; token_broker: 1m",
            "file, cmd, token_broker: how long a good value is used.",
        ),
        key(
            "failure_ttl",
            Kind::Duration,
            "1m; token_broker: 5s",
            "file, cmd, token_broker: how long a failed first fetch is remembered.",
        ),
    ],
};

/// The JSON Schema of one entry of `transforms`; the tables it uses are added to `definitions`.
pub fn transform_schema(definitions: &mut Map<String, Value>) -> Value {
    let mut schema = TRANSFORM.schema(definitions);
    let mut cases = Vec::new();
    for (name, table) in CONFIGS {
        let config = table.schema(definitions);
        definitions.insert(table.name.to_owned(), config);
        cases.push(json!({
            "if": {"properties": {"name": {"const": name}}},
            "then": {"properties": {"config": {"$ref": format!("#/$defs/{}", table.name)}}},
        }));
    }
    if let Value::Object(fields) = &mut schema {
        fields.insert("type".to_owned(), "object".into());
        fields.insert("required".to_owned(), json!(["name"]));
        fields.insert("allOf".to_owned(), cases.into());
    }
    if let Some(name) = schema.pointer_mut("/properties/name") {
        *name = json!({"enum": CONFIGS.map(|(name, _)| name), "description": "Which transform."});
    }
    schema
}
