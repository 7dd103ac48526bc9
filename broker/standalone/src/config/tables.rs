//! The keys of the file, one table per mapping. They find unknown keys, and docs/token-broker.md is held to them.

use centaur_policies::schema::{Kind, Table, key};
use centaur_policies::spec::tables::SOURCE;

/// The file.
pub static ROOT: Table = Table {
    name: "broker.Config",
    doc: "The configuration of iron-token-broker.",
    keys: &[
        key("listen", Kind::Text, "", "Where tokens are asked for, as `:8181`. Required."),
        key("metrics_listen", Kind::Text, "", "Where `/metrics` and `/status` are asked for, as `:9091`."),
        key(
            "bearer_auth_env",
            Kind::Text,
            "",
            "Name of the variable with the token that clients show. Required without `--insecure-no-auth`.",
        ),
        key("log", Kind::Table(&LOG), "", "What is written to standard error."),
        key("defaults", Kind::Table(&DEFAULTS), "", "When credentials are refreshed."),
        key("upstream_proxy", Kind::Table(&UPSTREAM_PROXY), "", "The way to token endpoints."),
        key(
            "token_endpoint_allow",
            Kind::TEXTS,
            "[]",
            "Hosts, host patterns, addresses and CIDRs that token endpoints may have although they are private; loopback ones also over http.",
        ),
        key("credentials", Kind::List(&Kind::Table(&CREDENTIAL)), "[]", "What is kept fresh."),
    ],
};

/// `log`
pub static LOG: Table = Table {
    name: "broker.Log",
    doc: "The log.",
    keys: &[
        key("level", Kind::Choice(&["debug", "info", "warn", "error"]), "info", "The least level written."),
        key("format", Kind::Choice(&["json", "text"]), "json", "One JSON object per line, or words."),
    ],
};

const SLACK: &str = "How long before its end a token is refreshed, at least; one minute at least.";
const FRACTION: &str = "Which part of its life before its end, from 0 to below 1; the larger of both counts.";
const INTERVAL: &str = "The longest time between two refreshes.";
const TIMEOUT: &str = "How long one call may take; 300 s at most.";

/// `defaults`
pub static DEFAULTS: Table = Table {
    name: "broker.Defaults",
    doc: "When credentials are refreshed that say nothing themselves.",
    keys: &[
        key("early_refresh_slack", Kind::Duration, "5m", SLACK),
        key("early_refresh_fraction", Kind::Text, "0.2", FRACTION),
        key("max_refresh_interval", Kind::Duration, "24h", INTERVAL),
        key("refresh_timeout", Kind::Duration, "30s", TIMEOUT),
    ],
};

/// `upstream_proxy`
pub static UPSTREAM_PROXY: Table = Table {
    name: "broker.UpstreamProxy",
    doc: "A proxy for calls to token endpoints.",
    keys: &[
        key("https_proxy", Kind::Text, "", "Its URL, for `https` endpoints."),
        key("no_proxy", Kind::Text, "", "Hosts that are reached without it, with commas between them."),
    ],
};

/// One of `credentials`
pub static CREDENTIAL: Table = Table {
    name: "broker.Credential",
    doc: "One credential.",
    keys: &[
        key("id", Kind::Text, "", "Its name in the API, unique. Required."),
        key("token_endpoint", Kind::Text, "", "Where it is refreshed, an `https` URL. Required."),
        key("client_id", Kind::Table(&SOURCE), "", "Source of the client's id. Required."),
        key(
            "client_secret",
            Kind::Table(&SOURCE),
            "",
            "Source of the client's secret; public clients have none.",
        ),
        key("scopes", Kind::TEXTS, "[]", "Scopes that are sent; none by default."),
        key(
            "token_endpoint_headers",
            Kind::Free,
            "",
            "Sources of headers that are set last, by header name.",
        ),
        key("store", Kind::Table(&STORE), "", "Where its document is kept. Required."),
        key("early_refresh_slack", Kind::Duration, "as in defaults", SLACK),
        key("early_refresh_fraction", Kind::Text, "as in defaults", FRACTION),
        key("max_refresh_interval", Kind::Duration, "as in defaults", INTERVAL),
        key("refresh_timeout", Kind::Duration, "as in defaults", TIMEOUT),
    ],
};

/// `store`
pub static STORE: Table = Table {
    name: "broker.Store",
    doc: "A store that can be written.",
    keys: &[
        key("type", Kind::Choice(&["file", "kubernetes_secret"]), "", "Its kind. Required."),
        key("path", Kind::Text, "", "file: an absolute path. Required."),
        key("namespace", Kind::Text, "", "kubernetes_secret: the namespace. Required."),
        key("name", Kind::Text, "", "kubernetes_secret: the Secret. Required."),
        key("key", Kind::Text, "", "kubernetes_secret: the key in it. Required."),
    ],
};
