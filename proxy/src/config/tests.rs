use std::collections::HashMap;

use serde_json::Value;

use super::*;

/// Loads a text with a few variables set.
fn load_with(text: &str, vars: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let vars: HashMap<String, String> =
        vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::parse(text, &|name| vars.get(name).cloned())
}

/// The smallest text that loads, with more at its end.
fn loads(more: &str) -> Loaded {
    let text = format!("{BASE}{more}");
    load_with(&text, &[]).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

fn fails(more: &str) -> String {
    load_with(&format!("{BASE}{more}"), &[]).unwrap_err().to_string()
}

const BASE: &str = "dns: {proxy_ip: 10.0.0.1}\ntls: {ca_cert: /ca.crt, ca_key: /ca.key}\n";

#[test]
fn defaults_fill_what_is_not_set() {
    let config = loads("").config;
    assert!(config.dns.enabled);
    assert_eq!(config.dns.listen, ":53");
    assert_eq!(config.dns.proxy_ip, Some(Ipv4Addr::new(10, 0, 0, 1)));
    assert_eq!(config.dns.upstream_resolver, None);
    assert_eq!((config.proxy.http_listen.as_str(), config.proxy.https_listen.as_str()), (":80", ":443"));
    assert_eq!((&config.proxy.tunnel_listen, &config.proxy.transparent_listen), (&None, &None));
    assert_eq!((config.proxy.max_request_body_bytes, config.proxy.max_response_body_bytes), (1_048_576, 0));
    assert_eq!(config.proxy.upstream_response_header_timeout, Duration::from_secs(30));
    assert_eq!(config.proxy.upstream_deny_cidrs, centaur_net::guard::DEFAULT_DENY_CIDRS);
    assert_eq!(
        (config.tls.mode, config.tls.cert_cache_size, config.tls.leaf_cert_expiry_hours),
        (TlsMode::Mitm, 1_000, 72)
    );
    assert_eq!(config.metrics_listen, ":9090");
    assert!(config.management.is_none() && config.proxy.client_auth.is_none());
    assert_eq!((config.poll_interval, config.log_level), (Duration::from_secs(10), tracing::Level::INFO));
    assert_eq!(config.proxy.timeouts.idle_tunnel, Duration::from_hours(1));
    assert_eq!(config.proxy.limits.max_connections, 10_000);
}

#[test]
fn zero_equals_not_set() {
    let config = loads(
        "proxy: {max_request_body_bytes: 0, upstream_response_header_timeout: 0s, http_listen: ''}
control_plane: {poll_interval: \"0s\"}\n",
    )
    .config;
    assert_eq!(config.proxy.max_request_body_bytes, 1_048_576);
    assert_eq!(config.proxy.upstream_response_header_timeout, Duration::from_secs(30));
    assert_eq!(config.proxy.http_listen, ":80");
    assert_eq!(config.poll_interval, Duration::from_secs(10));
}

#[test]
fn the_file_is_read_whole() {
    let text = "compat: strict
dns:
  enabled: no
  listen: 127.0.0.1:0
  upstream_resolver: 127.0.0.1:53
  passthrough: ['*.internal', a.example]
  records: [{name: a.example, type: A, value: 10.0.0.2}, {name: b.example, type: CNAME, value: c.example}]
proxy:
  http_listen: 127.0.0.1:80
  tunnel_listen: 127.0.0.1:1080
  transparent_listen: 127.0.0.1:1081
  max_request_body_bytes: -1
  max_response_body_bytes: 1_000
  upstream_deny_cidrs: []
  upstream_proxy: {http_proxy: p:1, https_proxy: q:2, no_proxy: a}
  client_auth: {token_file: /run/token, client_ca: /ca.pem, allow_cidrs: [10.0.0.0/8]}
  timeouts: {dial: 5s}
  limits: {max_connections: 0}
tls: {mode: sni-only, ca_cert: 1.50}
metrics: {listen: 127.0.0.1:0}
control_plane: {poll_interval: 1m}
log: {level: debug}
transforms: [{name: allowlist, config: {domains: ['*']}}]
";
    let loaded = load_with(text, &[]).unwrap();
    let config = loaded.config;
    assert!(!loaded.allow_all && loaded.warnings.is_empty());
    assert!(!config.dns.enabled && config.dns.proxy_ip.is_none());
    assert_eq!(config.dns.records.len(), 2);
    assert!(matches!(&config.dns.records[1].value, DnsRecordValue::Cname(name) if name == "c.example"));
    assert_eq!(config.proxy.http_listen, "127.0.0.1:80");
    assert_eq!(config.tls.ca_cert, Some(PathBuf::from("1.50")), "a text takes any scalar");
    assert_eq!((config.proxy.max_request_body_bytes, config.proxy.max_response_body_bytes), (-1, 1_000));
    assert!(config.proxy.upstream_deny_cidrs.is_empty());
    assert_eq!(config.proxy.upstream_proxy.https_proxy, "q:2");
    let auth = config.proxy.client_auth.unwrap();
    assert!(matches!(auth.token, Some(TokenSource::File(_))) && auth.allow_cidrs.len() == 1);
    assert_eq!(config.proxy.timeouts.dial, Duration::from_secs(5));
    assert_eq!(config.proxy.limits.max_connections, 0);
    assert_eq!((config.tls.mode, config.log_level), (TlsMode::SniOnly, tracing::Level::DEBUG));
    assert_eq!(config.transforms[0].0, "allowlist");
}

#[test]
fn a_file_without_an_allowlist_loads_and_says_that_it_allows_all() {
    assert!(loads("").allow_all);
    assert!(!loads("transforms: [{name: allowlist}]\n").allow_all);
}

#[test]
fn variables_win_over_the_file_and_empty_ones_do_nothing() {
    let text = format!("{BASE}proxy: {{http_listen: ':1'}}\nlog: {{level: warn}}\n");
    let vars = [
        ("IRON_DNS_ENABLED", "f"),
        ("IRON_DNS_LISTEN", "a:1"),
        ("IRON_DNS_PROXY_IP", "::ffff:10.0.0.9"),
        ("IRON_DNS_UPSTREAM_RESOLVER", "a:2"),
        ("IRON_PROXY_HTTP_LISTEN", "a:3"),
        ("IRON_PROXY_HTTPS_LISTEN", "a:4"),
        ("IRON_PROXY_TUNNEL_LISTEN", "a:5"),
        ("IRON_PROXY_MAX_REQUEST_BODY_BYTES", "7"),
        ("IRON_PROXY_MAX_RESPONSE_BODY_BYTES", "-8"),
        ("IRON_PROXY_UPSTREAM_RESPONSE_HEADER_TIMEOUT", "9s"),
        ("IRON_TLS_MODE", "sni-only"),
        ("IRON_TLS_CA_CERT", "/b.crt"),
        ("IRON_TLS_CA_KEY", "/b.key"),
        ("IRON_TLS_CERT_CACHE_SIZE", "10"),
        ("IRON_TLS_LEAF_CERT_EXPIRY_HOURS", "11"),
        ("IRON_METRICS_LISTEN", "a:12"),
        ("IRON_MANAGEMENT_LISTEN", "a:13"),
        ("IRON_MANAGEMENT_API_KEY", "fake-key-for-test"),
        ("IRON_CONTROL_PLANE_POLL_INTERVAL", "14s"),
        ("IRON_CONTROL_PLANE_LAST_KNOWN_GOOD", "/b.lkg"),
        ("IRON_LOG_LEVEL", "error"),
    ];
    for (var, _) in OVERRIDES {
        assert!(vars.iter().any(|(name, _)| *name == var), "{var} is not tested");
    }
    let config = load_with(&text, &vars).unwrap().config;
    assert!(!config.dns.enabled);
    assert_eq!((config.dns.listen.as_str(), config.dns.proxy_ip), ("a:1", Some(Ipv4Addr::new(10, 0, 0, 9))));
    assert_eq!(config.dns.upstream_resolver.as_deref(), Some("a:2"));
    assert_eq!((config.proxy.http_listen.as_str(), config.proxy.https_listen.as_str()), ("a:3", "a:4"));
    assert_eq!(config.proxy.tunnel_listen.as_deref(), Some("a:5"));
    assert_eq!((config.proxy.max_request_body_bytes, config.proxy.max_response_body_bytes), (7, -8));
    assert_eq!(config.proxy.upstream_response_header_timeout, Duration::from_secs(9));
    assert_eq!(
        (config.tls.mode, config.tls.cert_cache_size, config.tls.leaf_cert_expiry_hours),
        (TlsMode::SniOnly, 10, 11)
    );
    assert_eq!(config.tls.ca_cert.as_deref(), Some(std::path::Path::new("/b.crt")));
    assert_eq!(config.tls.ca_key.as_deref(), Some(std::path::Path::new("/b.key")));
    assert_eq!(
        (config.metrics_listen.as_str(), config.management.unwrap().listen.as_str()),
        ("a:12", "a:13")
    );
    assert_eq!((config.poll_interval, config.log_level), (Duration::from_secs(14), tracing::Level::ERROR));
    assert_eq!(config.last_known_good.as_deref(), Some(std::path::Path::new("/b.lkg")));

    let empty: Vec<(&str, &str)> = vars.iter().map(|(name, _)| (*name, "")).collect();
    let config = load_with(&text, &empty).unwrap().config;
    assert_eq!((config.proxy.http_listen.as_str(), config.log_level), (":1", tracing::Level::WARN));
}

#[test]
fn variables_that_cannot_be_read_are_named_as_go_names_them() {
    for (var, value, want) in [
        ("IRON_TLS_CERT_CACHE_SIZE", "1.5", "strconv.Atoi: parsing \"1.5\": invalid syntax"),
        ("IRON_PROXY_MAX_REQUEST_BODY_BYTES", "1_0", "strconv.ParseInt: parsing \"1_0\": invalid syntax"),
        (
            "IRON_PROXY_MAX_RESPONSE_BODY_BYTES",
            "9223372036854775808",
            "strconv.ParseInt: parsing \"9223372036854775808\": value out of range",
        ),
        ("IRON_DNS_ENABLED", "maybe", "strconv.ParseBool: parsing \"maybe\": invalid syntax"),
        ("IRON_CONTROL_PLANE_POLL_INTERVAL", "30", "time: missing unit in duration \"30\""),
    ] {
        assert_eq!(load_with(BASE, &[(var, value)]).unwrap_err().to_string(), format!("{var}: {want}"));
    }
    let vars = [("IRON_PROXY_HTTP_LISTEN", "a"), ("IRON_DNS_UPSTREAM_RESOLVER", "b")];
    let error = load_with(&format!("{BASE}metrics: {{listen: c}}"), &vars).unwrap_err().to_string();
    for named in
        ["IRON_PROXY_HTTP_LISTEN: address a:", "IRON_DNS_UPSTREAM_RESOLVER: ", "metrics.listen: address c:"]
    {
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn what_does_not_fit_together_is_said_in_the_words_of_the_reference() {
    let error = |text: &str| load_with(text, &[]).unwrap_err().to_string();
    assert_eq!(error("{}"), "dns.proxy_ip is required\ntls.ca_cert is required\ntls.ca_key is required");
    assert_eq!(error("dns: {enabled: false}\ntls: {ca_cert: a}"), "tls.ca_key is required");
    for hours in [-5, 8_760_001] {
        assert_eq!(
            error(&format!(
                "dns: {{enabled: false}}\ntls: {{mode: sni-only, leaf_cert_expiry_hours: {hours}}}"
            )),
            format!("tls.leaf_cert_expiry_hours must be from 1 to 8760000; got {hours}")
        );
    }
    assert_eq!(
        error("dns: {enabled: false}\ntls: {mode: foo}"),
        "tls.mode must be \"mitm\" or \"sni-only\"; got \"foo\""
    );
    assert!(load_with("dns: {enabled: false}\ntls: {mode: sni-only}", &[]).is_ok());
    for (more, want) in [
        ("log: {level: trace}", "unknown log level: \"trace\""),
        (
            "proxy: {upstream_response_header_timeout: -5s}",
            "proxy.upstream_response_header_timeout must be positive; got -5s",
        ),
        ("control_plane: {poll_interval: -5s}", "control_plane.poll_interval must be positive; got -5s"),
        (
            "proxy: {upstream_deny_cidrs: [1.2.3.4]}",
            "proxy.upstream_deny_cidrs: invalid CIDR \"1.2.3.4\": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128",
        ),
        ("proxy: {upstream_deny_cidrs: [' ']}", "proxy.upstream_deny_cidrs: empty CIDR entry"),
        (
            "proxy: {upstream_deny_cidrs: [10.0.0.0/8, 1.2.3.4/33, '::1/129']}",
            "proxy.upstream_deny_cidrs: invalid CIDR \"1.2.3.4/33\": prefix length must be a number from 0 to 32
proxy.upstream_deny_cidrs: invalid CIDR \"::1/129\": prefix length must be a number from 0 to 128",
        ),
        (
            "proxy: {http_listen: 80, tunnel_listen: '127.0.0.1:x'}\nmetrics: {listen: ':65536'}",
            "proxy.http_listen: address 80: missing port in address; write host:port, or :port for every address
proxy.tunnel_listen: address 127.0.0.1:x: invalid port \"x\"; write host:port, or :port for every address
metrics.listen: address :65536: invalid port \"65536\"; write host:port, or :port for every address",
        ),
        (
            "proxy: {upstream_proxy: {http_proxy: 'ftp://u:fake@p.test', https_proxy: 'p.test/x'}}",
            "proxy.upstream_proxy.http_proxy: unknown scheme \"ftp\": use http, https, socks5 or socks5h
proxy.upstream_proxy.https_proxy: a proxy URL has nothing behind the port",
        ),
        (
            "management: {listen: ':0'}",
            "management.api_key_env \"IRON_MANAGEMENT_API_KEY\" is not set in the environment",
        ),
        (
            "management: {listen: ':0', api_key_env: K}",
            "management.api_key_env \"K\" is not set in the environment",
        ),
        (
            "transforms: [{name: secrets, config: {secrets: [
  {source: {type: env, var: V}, inject: {header: a, formatter: '{{ .Value }'}},
  {source: {type: env, var: V}, inject: {query_param: a, formatter: '{{ nope .Value }}'}}]}}]",
            "initializing transform \"secrets\": secrets[0]: inject: formatter: line 1: unexpected character (line 4: transforms[0].config.secrets[0].inject.formatter)
initializing transform \"secrets\": secrets[1]: inject: formatter: line 1: function \"nope\" is not defined (line 5: transforms[0].config.secrets[1].inject.formatter)",
        ),
        ("mcp: {}", "mcp is not available in this build (line 3: mcp)"),
        ("postgres: []", "postgres is not available in this build (line 3: postgres)"),
        ("proxy: {timeouts: {dial: 0s}}", "proxy.timeouts.dial must be positive; got 0s"),
        (
            "proxy: {limits: {max_connections: -1}}",
            "proxy.limits.max_connections must not be negative; got -1",
        ),
        (
            "proxy: {client_auth: {}}",
            "proxy.client_auth: one of token_env, token_file, client_ca or allow_cidrs is required",
        ),
        (
            "proxy: {client_auth: {token_env: T}}",
            "proxy.client_auth.token_env \"T\" is not set in the environment",
        ),
        (
            "proxy: {client_auth: {token_env: T, token_file: /t}}",
            "proxy.client_auth: token_env and token_file are mutually exclusive",
        ),
        (
            "proxy: {client_auth: {allow_cidrs: [a]}}",
            "proxy.client_auth.allow_cidrs: invalid CIDR \"a\": must be CIDR notation, e.g. 1.2.3.4/32 or ::1/128",
        ),
        (
            "compat: loose",
            "parsing config: compat must be \"strict\" or \"lenient\"; got \"loose\" (line 3: compat)",
        ),
    ] {
        assert_eq!(fails(more), want, "{more}");
    }
    loads("mcp: null\nmcp_gateway:\npostgres: ~\n");
    let records =
        "dns: {enabled: false, records: [{}, {name: a, type: MX, value: b}]}\ntls: {mode: sni-only}";
    assert_eq!(
        error(records),
        "dns.records[0].name is required\ndns.records[0].type must be A or CNAME; got \"\"\ndns.records[0].value is required\ndns.records[1].type must be A or CNAME; got \"MX\""
    );
    assert_eq!(
        error("dns: {proxy_ip: '::1'}\ntls: {mode: sni-only}"),
        "invalid proxy_ip (must be IPv4): \"::1\""
    );
    assert_eq!(
        error("dns: {proxy_ip: 10.0.0.1, upstream_resolver: 10.0.0.53}\ntls: {mode: sni-only}"),
        "dns.upstream_resolver: invalid DNS server \"10.0.0.53\": must be host:port, e.g. 10.0.0.53:53"
    );
    assert!(
        error("dns: {proxy_ip: 10.0.0.1, passthrough: ['[a']}\ntls: {mode: sni-only}")
            .starts_with("dns.passthrough[0]: \"[a\" malformed glob")
    );
}

#[test]
fn what_cannot_be_read_comes_first_and_all_at_once() {
    assert_eq!(load_with("", &[]).unwrap_err().to_string(), "parsing config: EOF");
    assert!(load_with("a: [", &[]).unwrap_err().to_string().starts_with("parsing config: yaml: line "));
    let errors = load_with(
        "prxoy: {}\ndns: {proxy_ip: 10.0.0.1, lisen: a}\ndns: {}\ncontrol_plane: {poll_interval: 30}\ntransforms: [{name: nope}, {name: secrets, config: {secret: []}}]\n",
        &[("IRON_DNS_ENABLED", "x")],
    )
    .unwrap_err();
    assert_eq!(
        errors.to_string(),
        "parsing config: yaml: unmarshal errors:
  line 3: mapping key \"dns\" already defined at line 2 (dns)
  line 1: field prxoy not found in type config.Config; did you mean \"proxy\"? (prxoy)
  line 5: field secret not found in type secrets.config; did you mean \"secrets\"? (transforms[1].config.secret)
  line 2: field lisen not found in type config.DNS; did you mean \"listen\"? (dns.lisen)
parsing config: time: missing unit in duration \"30\" (line 4: control_plane.poll_interval)
IRON_DNS_ENABLED: strconv.ParseBool: parsing \"x\": invalid syntax
unknown transform \"nope\": unknown transform: \"nope\" (line 5: transforms[0].name)
tls.ca_cert is required
tls.ca_key is required"
    );
    assert_eq!(errors.lines().len(), 9);
}

#[test]
fn the_headline_is_the_text_of_the_reference() {
    let headline = |more: &str| load_with(&format!("{BASE}{more}"), &[]).unwrap_err();
    let errors = headline("transforms: [{name: allowlist, config: {rules: [{}]}}, {name: nope}]\n");
    assert!(errors.is_build());
    assert_eq!(
        errors.headline(),
        "initializing transform \"allowlist\": allowlist: rules[0]: one of host or cidr is required"
    );
    assert_eq!(
        headline("control_plane: {poll_interval: 1x}\n").headline(),
        "parsing config: time: unknown unit \"x\" in duration \"1x\""
    );
    assert_eq!(
        headline("x: 1\ncontrol_plane: {poll_interval: 1x}\n").headline(),
        "parsing config: yaml: unmarshal errors:\n  line 3: field x not found in type config.Config (x)"
    );
    assert!(!headline("log: {level: zzz}").is_build());
}

#[test]
fn lenient_files_keep_their_unknown_keys_inside_transforms_only() {
    let transforms = "transforms: [{name: allowlist, config: {domain: [a]}}]\n";
    assert!(
        fails(transforms)
            .contains("field domain not found in type allowlist.config; did you mean \"domains\"?")
    );
    let loaded = loads(&format!("compat: lenient\n{transforms}"));
    assert_eq!((loaded.warnings.len(), loaded.allow_all), (1, false));
    assert!(loaded.warnings[0].contains("field domain not found"), "{:?}", loaded.warnings);
    assert!(fails("compat: lenient\nproxy: {htp_listen: a}\n").contains("field htp_listen not found"));
}

#[test]
fn the_usual_proxy_variables_win_each_on_its_own() {
    let text = format!("{BASE}proxy: {{upstream_proxy: {{http_proxy: file:1, https_proxy: file:2}}}}\n");
    let vars = [("https_proxy", "lower:2"), ("HTTPS_PROXY", "upper:2"), ("no_proxy", "lower")];
    let found = load_with(&text, &vars).unwrap().config.proxy.upstream_proxy;
    assert_eq!(
        (found.http_proxy.as_str(), found.https_proxy.as_str(), found.no_proxy.as_str()),
        ("file:1", "upper:2", "lower")
    );
    assert!(!format!("{found:?}").contains("upper:2"), "a URL may hold a password");
    let error = load_with(&text, &[("https_proxy", "ftp://fake-password@p.test")]).unwrap_err().to_string();
    assert_eq!(error, "https_proxy: unknown scheme \"ftp\": use http, https, socks5 or socks5h");
    let found = load_with(BASE, &[("HTTP_PROXY", "upper:1")]).unwrap().config.proxy.upstream_proxy;
    assert_eq!((found.http_proxy.as_str(), found.https_proxy.as_str()), ("upper:1", ""));
}

#[test]
fn files_that_cannot_be_opened_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let none = |_: &str| None;
    let path = dir.path().join("nope.yaml");
    let error = Config::load(Some(&path), &none).unwrap_err().to_string();
    assert_eq!(error, format!("opening config file: open {0}: no such file or directory", path.display()));
    let error = Config::load(Some(std::path::Path::new("s3://b/k")), &none).unwrap_err().to_string();
    assert_eq!(error, "s3://b/k: configuration from S3 is not available in this build");
    std::fs::write(&path, b"a: 1\nb: \xff\n").unwrap();
    assert_eq!(
        Config::load(Some(&path), &none).unwrap_err().to_string(),
        "parsing config: yaml: line 2: invalid UTF-8"
    );
    std::fs::write(&path, format!("{BASE}log: {{level: zzz}}")).unwrap();
    assert_eq!(Config::load(Some(&path), &none).unwrap_err().to_string(), "unknown log level: \"zzz\"");
    assert_eq!(
        Config::reload(Some(&path), &none).unwrap_err().to_string(),
        "log.level: unknown log level: \"zzz\""
    );
    std::fs::write(&path, BASE).unwrap();
    assert!(Config::load(Some(&path), &none).is_ok());
    assert_eq!(
        Config::load(None, &none).unwrap_err().to_string(),
        "dns.proxy_ip is required\ntls.ca_cert is required\ntls.ca_key is required"
    );
}

#[test]
fn check_reports_errors_and_lints_together() {
    let text = "tls: {mode: sni-only}\ntransforms: [{name: secrets, config: {secrets: [{source: {type: env, var: V}, rules: [{host: '*'}], inject: {header: x-key}}]}}]\n";
    let report = check(text, &|_| None);
    assert_eq!(report.errors.unwrap().to_string(), "dns.proxy_ip is required");
    for want in ["no allowlist", "names no port", "reaches hosts of other owners"] {
        assert!(report.warnings.iter().any(|line| line.contains(want)), "{want}: {:?}", report.warnings);
    }
    let report =
        check(&format!("{BASE}transforms: [{{name: allowlist, config: {{domains: [a.example]}}}}]"), &|_| {
            None
        });
    assert!(report.errors.is_none() && report.warnings.is_empty());
}

#[test]
fn check_notes_what_is_set_and_does_nothing() {
    let notes = |more: &str, vars: &[(&str, &str)]| {
        check(&format!("{BASE}{more}"), &|name| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned())
        })
        .notes
    };
    let text = "proxy:\n  max_request_body_bytes: 5\n  max_response_body_bytes: null\n";
    assert_eq!(
        notes(text, &[("IRON_PROXY_MAX_RESPONSE_BODY_BYTES", "7")]),
        [
            "proxy.max_request_body_bytes has no effect: bodies are streamed and never cut (line 4)",
            "IRON_PROXY_MAX_RESPONSE_BODY_BYTES has no effect: bodies are streamed and never cut",
        ]
    );
    assert_eq!(notes("", &[]), [""; 0]);
    assert!(
        loads(text).warnings.iter().all(|warning| !warning.contains("no effect")),
        "not worth a log line"
    );
}

#[test]
fn a_formatter_that_fails_on_every_value_is_a_warning() {
    let warnings = |formatter: &str| {
        let secrets =
            format!("[{{source: {{type: env, var: V}}, inject: {{header: a, formatter: '{formatter}'}}}}]");
        loads(&format!(
            "transforms: [{{name: allowlist}}, {{name: secrets, config: {{secrets: {secrets}}}}}]"
        ))
        .warnings
    };
    assert_eq!(warnings("Bearer {{ .Value }}"), [""; 0]);
    let found = warnings("Bearer {{ .Token }}");
    assert!(found.len() == 1 && found[0].starts_with("secrets[0]: inject: formatter: "), "{found:?}");
}

/// Defaults stand in the tables as text and in the code as values.
#[test]
fn the_defaults_of_the_tables_are_those_of_the_program() {
    let spelled = |table: &centaur_policies::schema::Table| {
        let keys =
            table.keys.iter().filter(|key| !["", "off", "direct", "the system's"].contains(&key.default));
        let keys: Vec<String> = keys
            .map(|key| match key.kind {
                centaur_policies::schema::Kind::Text => format!("{}: '{}'", key.name, key.default),
                _ => format!("{}: {}", key.name, key.default.replace("::1/128", "'::1/128'")),
            })
            .collect();
        keys.join(", ")
    };
    let lines = [
        format!(
            "proxy: {{timeouts: {{{}}}, limits: {{{}}}, {}}}",
            spelled(&tables::TIMEOUTS),
            spelled(&tables::LIMITS),
            spelled(&tables::PROXY)
        ),
        format!("dns: {{proxy_ip: 10.0.0.1, {}}}", spelled(&tables::DNS)),
        format!("tls: {{ca_cert: /ca.crt, ca_key: /ca.key, {}}}", spelled(&tables::TLS)),
        format!("metrics: {{{}}}", spelled(&tables::METRICS)),
        format!("control_plane: {{{}}}", spelled(&tables::CONTROL_PLANE)),
        format!("log: {{{}}}", spelled(&tables::LOG)),
    ];
    let text = lines.join("\n");
    let spelled_out = load_with(&text, &[]).unwrap_or_else(|errors| panic!("{text}\n{errors}")).config;
    assert_eq!(format!("{spelled_out:?}"), format!("{:?}", loads("").config), "{text}");
    assert_eq!(tables::MANAGEMENT.keys[1].default, MANAGEMENT_KEY_ENV);
}

fn as_json(text: &str) -> Value {
    use centaur_policies::yaml::{Kind, Node, Problems, parse};
    fn convert(node: &Node) -> Value {
        match &node.kind {
            Kind::Sequence(items) => items.iter().map(convert).collect(),
            Kind::Mapping(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.to_string(), convert(&entry.value))).collect(),
            ),
            Kind::Scalar(_) if node.is_null() => Value::Null,
            Kind::Scalar(scalar) => match (scalar.quoted, &*scalar.text) {
                (false, "true") => true.into(),
                (false, "false") => false.into(),
                (false, text) if text.parse::<i64>().is_ok() => text.parse::<i64>().unwrap().into(),
                (_, text) => text.into(),
            },
        }
    }
    convert(&parse(text, &Problems::default()).unwrap())
}

#[test]
fn the_schema_takes_what_loads_and_refuses_what_does_not() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let good = "dns: {enabled: yes, proxy_ip: 10.0.0.1, records: [{name: a, type: A, value: b}]}
proxy: {http_listen: ':80', upstream_deny_cidrs: [], timeouts: {dial: 1h30m}, limits: {max_connections: 5}, upstream_proxy: null}
tls: {mode: mitm, ca_cert: a, ca_key: b}
mcp: null
transforms:
- name: allowlist
  config: {domains: [a], rules: [{host: a, methods: [GET], ports: [443], schemes: [https]}]}
- name: body_capture
- name: secrets
  config: {secrets: [{source: {type: file, path: /x, ttl: 5m}, rules: [{host: a}], replace: {proxy_value: p, match_query: true}}]}
";
    let valid = |text: &str| validator.is_valid(&as_json(text));
    assert!(load_with(good, &[]).is_ok());
    assert!(
        valid(good),
        "{:?}",
        validator.iter_errors(&as_json(good)).map(|e| e.to_string()).collect::<Vec<_>>()
    );
    for (from, to) in [
        ("enabled: yes", "enabled: 1"),
        ("http_listen", "htp_listen"),
        ("1h30m", "30"),
        ("1h30m", "1x"),
        ("max_connections: 5", "max_connections: five"),
        ("mode: mitm", "mode: foo"),
        ("mcp: null", "mcp: {}"),
        ("domains: [a]", "domains: a"),
        ("methods: [GET]", "method: [GET]"),
        ("schemes: [https]", "schemes: [ftp]"),
        ("match_query: true", "match_qery: true"),
        ("name: body_capture", "name: judge"),
        ("type: A,", "type: MX,"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert!(!valid(&bad), "{to}");
        assert!(load_with(&bad, &[]).is_err(), "{to}");
    }
}

#[test]
fn the_document_names_every_key_and_variable() {
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md")).unwrap();
    let mut tables = tables::CONFIG.all();
    for (_, table) in centaur_policies::spec::tables::CONFIGS {
        tables.extend(table.all());
    }
    for table in tables {
        assert!(document.contains(&table.markdown()), "docs/configuration.md lacks:\n{}", table.markdown());
    }
    for (var, key) in OVERRIDES {
        assert!(document.contains(&format!("| `{var}` | `{key}` |")), "{var}");
    }
}

#[test]
fn denied_ranges_of_the_environment_are_added_to_those_of_the_file_and_to_the_default() {
    let ranges = |more: &str, list: &str| {
        load_with(&format!("{BASE}{more}"), &[("IRON_PROXY_UPSTREAM_DENY_CIDRS", list)])
            .map(|loaded| loaded.config.proxy.upstream_deny_cidrs)
            .map_err(|error| error.to_string())
    };
    let default = ranges("", "").unwrap();
    assert!(default.contains(&"127.0.0.0/8".to_owned()));
    assert_eq!(
        ranges("", " 10.0.0.0/8, ,127.0.0.0/8,").unwrap(),
        [&default[..], &["10.0.0.0/8".to_owned()]].concat()
    );
    assert_eq!(ranges("proxy: {upstream_deny_cidrs: []}\n", "10.0.0.0/8").unwrap(), ["10.0.0.0/8"]);
    let error = ranges("", "10.0.0.0").unwrap_err();
    assert!(error.starts_with("IRON_PROXY_UPSTREAM_DENY_CIDRS: "), "{error}");
}
