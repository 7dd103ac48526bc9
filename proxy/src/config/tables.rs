//! The keys of the configuration file, one table per section; those of `transforms` are in `centaur-policies`.

use centaur_policies::schema::{Kind, Table, key};
use centaur_policies::spec::tables::{TRANSFORM, transform_schema};
use serde_json::{Map, Value};

const TEXTS: Kind = Kind::TEXTS;

/// The whole file.
pub static CONFIG: Table = Table {
    name: "config.Config",
    doc: "Configuration of iron-proxy.",
    keys: &[
        key(
            "compat",
            Kind::Choice(&["strict", "lenient"]),
            "strict",
            "`lenient` turns unknown keys inside `transforms[].config` from errors into warnings, for migration.",
        ),
        key("dns", Kind::Table(&DNS), "", "The DNS server that sends a sandbox's names to the proxy."),
        key("proxy", Kind::Table(&PROXY), "", "Listeners, limits and the way upstream."),
        key("tls", Kind::Table(&TLS), "", "How TLS is intercepted."),
        key(
            "transforms",
            Kind::List(&Kind::Table(&TRANSFORM)),
            "[]",
            "Steps that every request passes, in order.",
        ),
        key("mcp", Kind::Absent, "", "Not available in this build; refused unless null."),
        key("mcp_gateway", Kind::Absent, "", "Not available in this build; refused unless null."),
        key("postgres", Kind::Absent, "", "Not available in this build; refused unless null."),
        key("metrics", Kind::Table(&METRICS), "", "Health and metrics."),
        key("management", Kind::Table(&MANAGEMENT), "", "The management API."),
        key("control_plane", Kind::Table(&CONTROL_PLANE), "", "Managed mode."),
        key("log", Kind::Table(&LOG), "", "The log. It does not silence the audit."),
    ],
};

/// `dns`
pub static DNS: Table = Table {
    name: "config.DNS",
    doc: "The DNS server.",
    keys: &[
        key("enabled", Kind::Bool, "true", "Whether it runs; `false` lifts the requirement of `proxy_ip`."),
        key("listen", Kind::Text, ":53", "Address for UDP and TCP."),
        key(
            "proxy_ip",
            Kind::Text,
            "",
            "IPv4 address that every intercepted name resolves to. Required when enabled.",
        ),
        key(
            "upstream_resolver",
            Kind::Text,
            "the system's",
            "`host:port` of the DNS server for passthrough lookups and all upstream dials.",
        ),
        key("passthrough", TEXTS, "[]", "Host patterns of names that are looked up for real."),
        key(
            "records",
            Kind::List(&Kind::Table(&RECORD)),
            "[]",
            "Static answers; checked even when the server is off.",
        ),
    ],
};

/// One of `dns.records`
pub static RECORD: Table = Table {
    name: "config.DNSRecord",
    doc: "A static answer.",
    keys: &[
        key("name", Kind::Text, "", "Name. Required."),
        key("type", Kind::Choice(&["A", "CNAME"]), "", "Type, in upper case. Required."),
        key("value", Kind::Text, "", "Address or name. Required."),
    ],
};

/// `proxy`
pub static PROXY: Table = Table {
    name: "config.Proxy",
    doc: "Listeners, limits and the way upstream.",
    keys: &[
        key("http_listen", Kind::Text, ":80", "Address for cleartext HTTP."),
        key("https_listen", Kind::Text, ":443", "Address for TLS."),
        key("tunnel_listen", Kind::Text, "off", "Address for CONNECT, SOCKS5 and absolute-form requests."),
        key(
            "transparent_listen",
            Kind::Text,
            "off",
            "Address for connections redirected by nftables or TPROXY.",
        ),
        key(
            "max_request_body_bytes",
            Kind::Int,
            "1048576",
            "No effect: bodies are streamed and never cut. It is there for transforms that buffer whole request bodies; this build has none.",
        ),
        key("max_response_body_bytes", Kind::Int, "0", "No effect: the same for responses."),
        key(
            "upstream_response_header_timeout",
            Kind::Duration,
            "30s",
            "From the end of the request to the head of the response.",
        ),
        key(
            "upstream_deny_cidrs",
            TEXTS,
            "[169.254.169.254/32, fd00:ec2::254/128, 127.0.0.0/8, ::1/128]",
            "Ranges that are never dialled. A list replaces the default, `[]` turns it off.",
        ),
        key("upstream_proxy", Kind::Table(&UPSTREAM_PROXY), "direct", "Proxies further up."),
        key("client_auth", Kind::Table(&CLIENT_AUTH), "off", "Who may use the proxy at all."),
        key(
            "harness_logins",
            Kind::Table(&HARNESS_LOGINS),
            "",
            "Token calls of an agent's own program, which the proxy answers itself.",
        ),
        key("timeouts", Kind::Table(&TIMEOUTS), "", "Time limits."),
        key("limits", Kind::Table(&LIMITS), "", "Limits on what clients may use."),
    ],
};

/// `proxy.upstream_proxy`
pub static UPSTREAM_PROXY: Table = Table {
    name: "config.UpstreamProxy",
    doc: "Proxies further up; `http`, `https`, `socks5` and `socks5h` URLs, or `host:port`.",
    keys: &[
        key("http_proxy", Kind::Text, "direct", "For http upstreams."),
        key("https_proxy", Kind::Text, "direct", "For https upstreams."),
        key(
            "no_proxy",
            Kind::Text,
            "",
            "Comma-separated exceptions: `*`, address, CIDR, host with its subdomains, `.host` for subdomains only; optional port.",
        ),
    ],
};

/// `proxy.client_auth`
pub static CLIENT_AUTH: Table = Table {
    name: "config.ClientAuth",
    doc: "Who may use the proxy; a client that satisfies any part of it may. At least one key.",
    keys: &[
        key("token_env", Kind::Text, "", "Variable that holds the token expected in `Proxy-Authorization`."),
        key("token_file", Kind::Text, "", "File that holds it; not together with `token_env`."),
        key("client_ca", Kind::Text, "", "PEM file of roots for TLS client certificates."),
        key("allow_cidrs", TEXTS, "[]", "Client addresses that need neither."),
    ],
};

/// `proxy.harness_logins`
pub static HARNESS_LOGINS: Table = Table {
    name: "config.HarnessLogins",
    doc: "Logins whose token calls are answered with stand-ins and never forwarded.",
    keys: &[
        key(
            "answer",
            Kind::Choice(&["bound", "always", "never"]),
            "bound",
            "`bound`: those of a login while a credential is bound that sets `Authorization` on one of its `api_hosts`.",
        ),
        key(
            "logins",
            Kind::List(&Kind::Table(&HARNESS_LOGIN)),
            "openai-codex and anthropic-claude",
            "Which there are. A list replaces the default.",
        ),
    ],
};

/// One of `proxy.harness_logins.logins`
pub static HARNESS_LOGIN: Table = Table {
    name: "config.HarnessLogin",
    doc: "A login.",
    keys: &[
        key("name", Kind::Text, "", "What audit lines call it. Required."),
        key("shape", Kind::Choice(&["openai", "claude"]), "", "The form of its answers. Required."),
        key("api_hosts", TEXTS, "", "Hosts where its access token is used. At least one."),
        key(
            "token_urls",
            TEXTS,
            "",
            "URLs where its tokens are renewed; without a port, every port is meant. At least one.",
        ),
    ],
};

/// `proxy.timeouts`
pub static TIMEOUTS: Table = Table {
    name: "config.Timeouts",
    doc: "Time limits, each positive. Every one has a reason code.",
    keys: &[
        key("tls_handshake", Kind::Duration, "10s", "TLS handshake, both legs."),
        key(
            "request_head",
            Kind::Duration,
            "15s",
            "From the first byte of a request to the end of its head.",
        ),
        key("tunnel_first_byte", Kind::Duration, "15s", "First byte inside a tunnel."),
        key("idle_keep_alive", Kind::Duration, "120s", "Idle connection between requests."),
        key("idle_tunnel", Kind::Duration, "1h", "Relayed tunnels and WebSockets without traffic."),
        key("stalled_body", Kind::Duration, "300s", "Body without progress."),
        key("dial", Kind::Duration, "30s", "Resolving and connecting upstream."),
        key("shutdown", Kind::Duration, "10s", "Draining on a signal."),
    ],
};

/// `proxy.limits`
pub static LIMITS: Table = Table {
    name: "config.Limits",
    doc: "Limits; zero is no limit.",
    keys: &[
        key("max_connections", Kind::Int, "10000", "Connections of all listeners together."),
        key("max_connections_per_client", Kind::Int, "0", "Connections from one address."),
        key("max_requests_in_flight_per_client", Kind::Int, "1000", "Requests from one address at a time."),
        key(
            "max_new_names_per_second_per_client",
            Kind::Int,
            "100",
            "Leaf certificates minted for names not seen before.",
        ),
        key("max_request_head_bytes", Kind::Int, "1048576", "Size of a request head."),
        key("max_connect_head_bytes", Kind::Int, "65536", "Size of a CONNECT head."),
    ],
};

/// `tls`
pub static TLS: Table = Table {
    name: "config.TLS",
    doc: "How TLS is intercepted.",
    keys: &[
        key(
            "mode",
            Kind::Choice(&["mitm", "sni-only"]),
            "mitm",
            "Terminate with a minted certificate, or look at the SNI and relay.",
        ),
        key("ca_cert", Kind::Text, "", "PEM file of the CA certificate. Required in mitm mode."),
        key("ca_key", Kind::Text, "", "PEM file of its key. Required in mitm mode."),
        key("cert_cache_size", Kind::Int, "1000", "Entries of the leaf cache; negative is unbounded."),
        key("leaf_cert_expiry_hours", Kind::Int, "72", "Lifetime of a leaf in hours."),
    ],
};

/// `metrics`
pub static METRICS: Table = Table {
    name: "config.Metrics",
    doc: "Health and metrics.",
    keys: &[key("listen", Kind::Text, ":9090", "Address of `/healthz`, `/readyz` and `/metrics`.")],
};

/// `management`
pub static MANAGEMENT: Table = Table {
    name: "config.Management",
    doc: "The management API.",
    keys: &[
        key("listen", Kind::Text, "off", "Address."),
        key(
            "api_key_env",
            Kind::Text,
            "IRON_MANAGEMENT_API_KEY",
            "Variable that holds the key; it has to be set.",
        ),
    ],
};

/// `control_plane`
pub static CONTROL_PLANE: Table = Table {
    name: "config.ControlPlane",
    doc: "Managed mode.",
    keys: &[
        key(
            "poll_interval",
            Kind::Duration,
            "10s",
            "Managed mode: time between syncs with a control plane that does not wait for changes.",
        ),
        key(
            "last_known_good",
            Kind::Text,
            "off",
            "Managed mode: file that keeps the configuration, sealed, for a start while the control plane is away.",
        ),
    ],
};

/// `log`
pub static LOG: Table = Table {
    name: "config.Log",
    doc: "The log.",
    keys: &[key("level", Kind::Choice(&["debug", "info", "warn", "error"]), "info", "Lowest level written.")],
};

/// The JSON Schema (draft 2020-12) of the file.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    let mut root = CONFIG.schema(&mut definitions);
    let transform = transform_schema(&mut definitions);
    definitions.insert(TRANSFORM.name.to_owned(), transform);
    if let Value::Object(fields) = &mut root {
        fields.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        fields.insert("title".to_owned(), "iron-proxy".into());
        fields.insert("$defs".to_owned(), definitions.into());
    }
    root
}
