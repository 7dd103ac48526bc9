//! A section of the file with the environment laid over it: a variable that is set and not empty wins.

use std::num::IntErrorKind;

use centaur_policies::yaml::{Class, Cursor, Fields, GoDuration, Position, Problem, Problems};

/// Every variable that stands for a key, with that key. None exists for lists and for `management.api_key_env`.
pub const OVERRIDES: [(&str, &str); 20] = [
    ("IRON_DNS_ENABLED", "dns.enabled"),
    ("IRON_DNS_LISTEN", "dns.listen"),
    ("IRON_DNS_PROXY_IP", "dns.proxy_ip"),
    ("IRON_DNS_UPSTREAM_RESOLVER", "dns.upstream_resolver"),
    ("IRON_PROXY_HTTP_LISTEN", "proxy.http_listen"),
    ("IRON_PROXY_HTTPS_LISTEN", "proxy.https_listen"),
    ("IRON_PROXY_TUNNEL_LISTEN", "proxy.tunnel_listen"),
    ("IRON_PROXY_MAX_REQUEST_BODY_BYTES", "proxy.max_request_body_bytes"),
    ("IRON_PROXY_MAX_RESPONSE_BODY_BYTES", "proxy.max_response_body_bytes"),
    ("IRON_PROXY_UPSTREAM_RESPONSE_HEADER_TIMEOUT", "proxy.upstream_response_header_timeout"),
    ("IRON_TLS_MODE", "tls.mode"),
    ("IRON_TLS_CA_CERT", "tls.ca_cert"),
    ("IRON_TLS_CA_KEY", "tls.ca_key"),
    ("IRON_TLS_CERT_CACHE_SIZE", "tls.cert_cache_size"),
    ("IRON_TLS_LEAF_CERT_EXPIRY_HOURS", "tls.leaf_cert_expiry_hours"),
    ("IRON_METRICS_LISTEN", "metrics.listen"),
    ("IRON_MANAGEMENT_LISTEN", "management.listen"),
    ("IRON_CONTROL_PLANE_POLL_INTERVAL", "control_plane.poll_interval"),
    ("IRON_CONTROL_PLANE_LAST_KNOWN_GOOD", "control_plane.last_known_good"),
    ("IRON_LOG_LEVEL", "log.level"),
];

/// How the environment is read.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What all sections need.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) env: Env<'a>,
    pub(super) problems: &'a Problems,
}

/// One section.
pub(super) struct Section<'a> {
    name: &'static str,
    fields: Option<Fields<'a>>,
    context: Context<'a>,
}

impl Context<'_> {
    /// A variable that is set and not empty.
    pub(super) fn var(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.is_empty())
    }

    /// Where the value of a key comes from: its variable if that is set, else the key itself.
    pub(super) fn origin(&self, path: &'static str) -> &'static str {
        let variable = OVERRIDES.into_iter().find(|(var, of)| *of == path && self.var(var).is_some());
        variable.map_or(path, |(var, _)| var)
    }

    /// A rule that the whole configuration breaks; in the words of the reference, which name the key.
    pub(super) fn invalid(&self, text: impl Into<String>) {
        self.problem(Class::Invalid, text.into());
    }

    pub(super) fn problem(&self, class: Class, text: String) {
        self.problems.error(Problem { class, at: Position::default(), path: String::new(), text });
    }
}

impl<'a> Section<'a> {
    /// The section of this name; `fields` is `None` when it could not be read, which was reported.
    pub(super) fn new(name: &'static str, fields: Option<Fields<'a>>, context: Context<'a>) -> Self {
        Self { name, fields, context }
    }

    /// The value in the file.
    pub(super) fn key(&self, key: &str) -> Option<Cursor<'a>> {
        self.fields.as_ref()?.key(key)
    }

    /// The items of a list in the file.
    pub(super) fn items(&self, key: &str) -> Vec<Cursor<'a>> {
        self.fields.as_ref().map(|fields| fields.items(key)).unwrap_or_default()
    }

    /// A text; `None` when it is empty, which means not set.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let in_file = || self.key(key).and_then(|cursor| cursor.text().map(str::to_owned));
        self.var(key).map(|(_, value)| value).or_else(in_file).filter(|text| !text.is_empty())
    }

    /// A boolean.
    pub(super) fn bool(&self, key: &str) -> Option<bool> {
        let Some((var, value)) = self.var(key) else { return self.key(key)?.bool() };
        match value.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
            _ => self.reject(var, format_args!("strconv.ParseBool: parsing {value:?}: invalid syntax")),
        }
    }

    /// An integer; zero means not set. `function` is the one the reference reads it with.
    pub(super) fn int(&self, key: &str, function: &str) -> Option<i64> {
        let Some((var, value)) = self.var(key) else {
            return self.key(key)?.int().filter(|number| *number != 0);
        };
        match value.parse::<i64>() {
            Ok(number) => Some(number).filter(|number| *number != 0),
            Err(error) => {
                let out_of_range =
                    matches!(error.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow);
                let reason = if out_of_range { "value out of range" } else { "invalid syntax" };
                self.reject(var, format_args!("strconv.{function}: parsing {value:?}: {reason}"))
            }
        }
    }

    /// A duration; zero means not set.
    pub(super) fn duration(&self, key: &str) -> Option<GoDuration> {
        let read = match self.var(key) {
            None => self.key(key)?.duration()?,
            Some((var, value)) => match GoDuration::parse(&value) {
                Ok(duration) => duration,
                Err(error) => return self.reject(var, error),
            },
        };
        Some(read).filter(|duration| duration.nanoseconds() != 0)
    }

    /// The variable that stands for the key, if it is set.
    fn var(&self, key: &str) -> Option<(&'static str, String)> {
        let is_it = |path: &str| path.split_once('.') == Some((self.name, key));
        let (var, _) = OVERRIDES.into_iter().find(|(_, path)| is_it(path))?;
        self.context.var(var).map(|value| (var, value))
    }

    fn reject<T>(&self, var: &str, reason: impl std::fmt::Display) -> Option<T> {
        self.context.problem(Class::Environment, format!("{var}: {reason}"));
        None
    }
}
