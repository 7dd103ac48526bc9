//! File, environment and defaults put together and checked.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use centaur_net::guard::{DEFAULT_DENY_CIDRS, DialGuard};
use centaur_net::resolve::Resolver;
use centaur_policies::schema::Kind;
use centaur_policies::spec::{TransformSpec, lint, parse_transforms};
use centaur_policies::yaml::{self, Class, Cursor, Fields, GoDuration, Node, Problem, Problems};
use tracing::Level;

use super::env::{Context, Env, Section};
use super::error::ConfigErrors;
use super::{
    Config, ManagementConfig, ProxyConfig, TlsConfig, TlsMode, client_auth, dns, formatters, harness, inert,
    limits, listen, tables, upstream_proxy,
};

/// Variable of the management key, unless another is named.
pub const MANAGEMENT_KEY_ENV: &str = "IRON_MANAGEMENT_API_KEY";

/// Variable with further ranges that are never dialled, separated by commas.
const DENY_CIDRS_ENV: &str = "IRON_PROXY_UPSTREAM_DENY_CIDRS";

const HTTP_LISTEN: &str = ":80";
const HTTPS_LISTEN: &str = ":443";
const METRICS_LISTEN: &str = ":9090";
/// Enough for the JSON of an API call.
const REQUEST_BODY_BYTES: i64 = 1 << 20;
const RESPONSE_HEADER_TIMEOUT: &str = "30s";
const POLL_INTERVAL: &str = "10s";
const CERT_CACHE_SIZE: i64 = 1_000;
const LEAF_HOURS: i64 = 72;
/// How long a certificate may live: a thousand years, which every date format of certificates can say.
pub const LIFETIME_HOURS: RangeInclusive<i64> = 1..=8_760_000;

/// A configuration that can be run, and what should be said about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Lines for the log at start, as unknown keys under `compat: lenient`.
    pub warnings: Vec<String>,
    /// There is no `allowlist`, so every request is allowed, as in the reference.
    pub allow_all: bool,
}

/// When a configuration is loaded; the reference words one error differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Start,
    Reload,
}

impl Config {
    /// Loads the file, if there is one, with the environment over it and defaults under it.
    ///
    /// # Errors
    /// [`ConfigErrors`], with everything that is wrong.
    pub fn load(path: Option<&Path>, env: Env<'_>) -> Result<Loaded, ConfigErrors> {
        load(path, env, Occasion::Start)
    }

    /// [`Self::load`] for a program that runs: the same but for the words about an unknown log level.
    ///
    /// # Errors
    /// See [`Self::load`].
    pub fn reload(path: Option<&Path>, env: Env<'_>) -> Result<Loaded, ConfigErrors> {
        load(path, env, Occasion::Reload)
    }

    /// The same for a text that was read already.
    ///
    /// # Errors
    /// See [`Self::load`].
    pub fn parse(text: &str, env: Env<'_>) -> Result<Loaded, ConfigErrors> {
        parse(Some(text), env, Occasion::Start).0
    }
}

/// All that can be said about a configuration.
#[derive(Debug)]
pub struct Report {
    /// Why it does not load; `None` when it does.
    pub errors: Option<ConfigErrors>,
    /// What its author probably did not mean.
    pub warnings: Vec<String>,
    /// What is set and does nothing.
    pub notes: Vec<String>,
}

/// Checks a text: everything that stops the start, and lints over what could be read in spite of it.
pub fn check(text: &str, env: Env<'_>) -> Report {
    let (result, lints) = parse(Some(text), env, Occasion::Start);
    let notes = inert::notes(yaml::parse(text, &Problems::default()).as_ref(), env);
    let (errors, mut warnings) = match result {
        Ok(loaded) => (None, loaded.warnings),
        Err(errors) => (Some(errors), Vec::new()),
    };
    warnings.extend(lints);
    Report { errors, warnings, notes }
}

fn load(path: Option<&Path>, env: Env<'_>, occasion: Occasion) -> Result<Loaded, ConfigErrors> {
    let Some(path) = path else { return parse(None, env, occasion).0 };
    if let Some(url) = path.to_str().filter(|text| text.starts_with("s3://")) {
        return Err(ConfigErrors::Remote(url.to_owned()));
    }
    let bytes =
        std::fs::read(path).map_err(|source| ConfigErrors::Open { path: PathBuf::from(path), source })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let readable = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = readable.split(|byte| *byte == b'\n').count();
        let at = yaml::Position { line, column: 1 };
        let text = "invalid UTF-8".to_owned();
        ConfigErrors::Problems(vec![Problem { class: Class::Syntax, at, path: String::new(), text }])
    })?;
    parse(Some(&text), env, occasion).0
}

/// The result, and lints over the transforms that could be read.
fn parse(
    text: Option<&str>,
    env: Env<'_>,
    occasion: Occasion,
) -> (Result<Loaded, ConfigErrors>, Vec<String>) {
    let problems = Problems::default();
    let root = match text {
        Some(text) => yaml::parse(text, &problems),
        None => Some(Node::from_json(&serde_json::Value::Null)),
    };
    let config = root.as_ref().and_then(|root| read(root, Context { env, problems: &problems }, occasion));
    let lints = config
        .as_ref()
        .map(|config| lint(config.transforms.iter().map(|(_, spec)| spec)))
        .unwrap_or_default();
    let (errors, warnings) = problems.into_parts();
    let Some(config) = config.filter(|_| errors.is_empty()) else {
        return (Err(ConfigErrors::Problems(errors)), lints);
    };
    let warnings = warnings.iter().map(ToString::to_string).collect();
    let allow_all = !config.transforms.iter().any(|(_, spec)| matches!(spec, TransformSpec::Allowlist(_)));
    (Ok(Loaded { config, warnings, allow_all }), lints)
}

/// The whole file. The order of the checks is that of the reference, so that its error comes first.
fn read(root: &Node, context: Context<'_>, occasion: Occasion) -> Option<Config> {
    let root = Cursor::new(root, context.problems);
    let fields = root.fields(&tables::CONFIG)?;
    let section = |name: &'static str, table| {
        Section::new(name, fields.key(name).and_then(|cursor| cursor.fields(table)), context)
    };
    let lenient = compat(&fields) == Some(true);
    let transforms =
        fields.key("transforms").map(|list| parse_transforms(&list, lenient)).unwrap_or_default();
    formatters::check(root.node(), context);
    for absent in tables::CONFIG.keys.iter().filter(|key| matches!(key.kind, Kind::Absent)) {
        if let Some(cursor) = fields.key(absent.name) {
            cursor.report::<()>(Class::Build, format!("{} is not available in this build", absent.name));
        }
    }

    let dns_section = section("dns", &tables::DNS);
    let (mut dns, proxy_ip) = dns::read(&dns_section);
    if dns.enabled && proxy_ip.is_none() {
        context.invalid("dns.proxy_ip is required");
    }
    let tls = tls(&section("tls", &tables::TLS), context);
    let log_level = log_level(&section("log", &tables::LOG), context, occasion);
    let proxy_section = section("proxy", &tables::PROXY);
    let header_timeout = positive(
        &proxy_section,
        "upstream_response_header_timeout",
        "proxy.upstream_response_header_timeout",
        RESPONSE_HEADER_TIMEOUT,
        context,
    );
    let control_plane = section("control_plane", &tables::CONTROL_PLANE);
    let poll_interval =
        positive(&control_plane, "poll_interval", "control_plane.poll_interval", POLL_INTERVAL, context);
    let last_known_good = control_plane.text("last_known_good").map(PathBuf::from);
    let upstream_deny_cidrs = deny_cidrs(&proxy_section, context);
    let management = management(&section("management", &tables::MANAGEMENT), context);
    dns.records = dns::records(&dns_section, context);
    dns::check(&dns, proxy_ip.as_deref(), context);

    let proxy = ProxyConfig {
        http_listen: proxy_section.text("http_listen").unwrap_or_else(|| HTTP_LISTEN.to_owned()),
        https_listen: proxy_section.text("https_listen").unwrap_or_else(|| HTTPS_LISTEN.to_owned()),
        tunnel_listen: proxy_section.text("tunnel_listen"),
        transparent_listen: proxy_section.text("transparent_listen"),
        max_request_body_bytes: proxy_section
            .int("max_request_body_bytes", "ParseInt")
            .unwrap_or(REQUEST_BODY_BYTES),
        max_response_body_bytes: proxy_section.int("max_response_body_bytes", "ParseInt").unwrap_or(0),
        upstream_response_header_timeout: header_timeout,
        upstream_deny_cidrs,
        upstream_proxy: upstream_proxy::read(proxy_section.key("upstream_proxy"), context),
        client_auth: proxy_section.key("client_auth").and_then(|cursor| client_auth::read(&cursor, context)),
        harness_logins: Arc::new(harness::read(proxy_section.key("harness_logins"), context)),
        timeouts: limits::timeouts(proxy_section.key("timeouts"), context),
        limits: limits::limits(proxy_section.key("limits"), context),
    };
    let metrics = section("metrics", &tables::METRICS);
    let metrics_listen = metrics.text("listen").unwrap_or_else(|| METRICS_LISTEN.to_owned());
    let config = Config {
        dns,
        proxy,
        tls,
        transforms,
        metrics_listen,
        management,
        poll_interval,
        last_known_good,
        log_level,
    };
    // What the reference finds only when it opens its sockets.
    listen::check(&config, context);
    if let Err(error) = Resolver::new(config.dns.upstream_resolver.as_deref()) {
        context.invalid(format!("{}: {error}", context.origin("dns.upstream_resolver")));
    }
    Some(config)
}

/// `compat`: whether it is lenient.
fn compat(fields: &Fields<'_>) -> Option<bool> {
    let cursor = fields.key("compat")?;
    match cursor.text()? {
        "lenient" => Some(true),
        "" | "strict" => Some(false),
        other => {
            cursor.report(Class::Value, format!("compat must be \"strict\" or \"lenient\"; got {other:?}"))
        }
    }
}

fn tls(section: &Section<'_>, context: Context<'_>) -> TlsConfig {
    let mode = section.text("mode").unwrap_or_else(|| "mitm".to_owned());
    let (ca_cert, ca_key) = (section.text("ca_cert"), section.text("ca_key"));
    if mode == "mitm" && ca_cert.is_none() {
        context.invalid("tls.ca_cert is required");
    }
    if mode == "mitm" && ca_key.is_none() {
        context.invalid("tls.ca_key is required");
    }
    if mode != "mitm" && mode != "sni-only" {
        context.invalid(format!("tls.mode must be \"mitm\" or \"sni-only\"; got {mode:?}"));
    }
    let leaf_cert_expiry_hours = section.int("leaf_cert_expiry_hours", "Atoi").unwrap_or(LEAF_HOURS);
    if !LIFETIME_HOURS.contains(&leaf_cert_expiry_hours) {
        let (from, to) = (LIFETIME_HOURS.start(), LIFETIME_HOURS.end());
        context.invalid(format!(
            "tls.leaf_cert_expiry_hours must be from {from} to {to}; got {leaf_cert_expiry_hours}"
        ));
    }
    TlsConfig {
        mode: if mode == "sni-only" { TlsMode::SniOnly } else { TlsMode::Mitm },
        ca_cert: ca_cert.map(PathBuf::from),
        ca_key: ca_key.map(PathBuf::from),
        cert_cache_size: section.int("cert_cache_size", "Atoi").unwrap_or(CERT_CACHE_SIZE),
        leaf_cert_expiry_hours,
    }
}

/// At start the logger is built before anything else is checked, so there the error comes early and without key.
fn log_level(section: &Section<'_>, context: Context<'_>, occasion: Occasion) -> Level {
    match section.text("level").as_deref() {
        Some("debug") => Level::DEBUG,
        None | Some("info") => Level::INFO,
        Some("warn") => Level::WARN,
        Some("error") => Level::ERROR,
        Some(other) => {
            match occasion {
                Occasion::Start => {
                    context.problem(Class::Environment, format!("unknown log level: {other:?}"));
                }
                Occasion::Reload => context.invalid(format!("log.level: unknown log level: {other:?}")),
            }
            Level::INFO
        }
    }
}

fn positive(
    section: &Section<'_>,
    key: &str,
    path: &str,
    default: &str,
    context: Context<'_>,
) -> std::time::Duration {
    let given = section.duration(key).or_else(|| GoDuration::parse(default).ok());
    let Some(positive) = given.and_then(GoDuration::to_std) else {
        let shown = given.map(|duration| duration.to_string()).unwrap_or_default();
        context.invalid(format!("{path} must be positive; got {shown}"));
        return std::time::Duration::ZERO;
    };
    positive
}

/// Absent means the default, an empty list means none. The variable adds to either: a deployment that denies its own
/// networks does not mean to open those of the default.
fn deny_cidrs(section: &Section<'_>, context: Context<'_>) -> Vec<String> {
    let mut ranges: Vec<String> = match section.key("upstream_deny_cidrs") {
        None => DEFAULT_DENY_CIDRS.map(str::to_owned).to_vec(),
        Some(list) => {
            list.items().iter().filter_map(|item| item.text().map(|text| text.trim().to_owned())).collect()
        }
    };
    for error in ranges.iter().filter_map(|text| DialGuard::parse(&[text]).err()) {
        context.invalid(format!("proxy.upstream_deny_cidrs: {error}"));
    }
    let more = context.var(DENY_CIDRS_ENV).unwrap_or_default();
    for text in more.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        if let Err(error) = DialGuard::parse(&[text]) {
            context.problem(Class::Environment, format!("{DENY_CIDRS_ENV}: {error}"));
        }
        if !ranges.iter().any(|range| range == text) {
            ranges.push(text.to_owned());
        }
    }
    ranges
}

fn management(section: &Section<'_>, context: Context<'_>) -> Option<ManagementConfig> {
    let listen = section.text("listen")?;
    let api_key_env = section.text("api_key_env").unwrap_or_else(|| MANAGEMENT_KEY_ENV.to_owned());
    if context.var(&api_key_env).is_none() {
        context.invalid(format!("management.api_key_env {api_key_env:?} is not set in the environment"));
    }
    Some(ManagementConfig { listen, api_key_env })
}
