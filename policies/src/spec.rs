//! The transforms of a configuration as data. What runs them lives in `centaur-transform` and `iron-proxy`.
//!
//! [`parse_transforms`] reads them; [`tables`] says which keys there are. To add a transform: a variant of
//! [`TransformSpec`], a table, a function beside the others that reads it, and a row in
//! [`tables::CONFIGS`].

use std::net::IpAddr;
use std::time::Duration;

mod headers;
mod lint;
mod parse;
mod rules;
mod secrets;
mod source;
pub mod tables;

pub use lint::lint;
pub use parse::{parse_transform, parse_transforms};
pub use rules::parse_rules;
pub use source::parse_source;

use centaur_base::Secret;

use crate::host::CanonicalHost;
use crate::rule::{Destination, RuleSet};

/// One entry of the `transforms` list, in list order.
#[derive(Debug)]
pub enum TransformSpec {
    /// `allowlist`
    Allowlist(AllowlistSpec),
    /// `annotate`
    Annotate(Vec<AnnotateGroup>),
    /// `header_allowlist`
    HeaderAllowlist(HeaderAllowlistSpec),
    /// `body_capture`
    BodyCapture(BodyCaptureSpec),
    /// `secrets`
    Secrets(Vec<SecretSpec>),
}

/// `allowlist`: a request that no rule matches is refused.
#[derive(Debug)]
pub struct AllowlistSpec {
    /// `domains`, `cidrs` and `rules` together, in that order.
    pub rules: RuleSet,
    /// Observe instead of enforce.
    pub warn: bool,
}

/// One group of `annotate`.
#[derive(Debug)]
pub struct AnnotateGroup {
    /// When the group applies; never empty.
    pub rules: RuleSet,
    /// Header names as configured; never empty.
    pub headers: Vec<String>,
}

/// `header_allowlist`: headers that match nothing are removed.
#[derive(Debug)]
pub struct HeaderAllowlistSpec {
    /// When it applies; empty means always.
    pub rules: RuleSet,
    /// Which headers stay.
    pub headers: Vec<HeaderMatcher>,
}

/// `body_capture`: the first bytes of a request body go to the audit line.
#[derive(Debug)]
pub struct BodyCaptureSpec {
    /// When it applies; empty means never.
    pub rules: RuleSet,
    /// Cap in bytes, default 16,384.
    pub max_request_body_bytes: usize,
}

/// A header name, or a pattern over header names (`/regex/`).
#[derive(Debug, Clone)]
pub enum HeaderMatcher {
    /// A literal name, spelled as configured; compared without regard to case.
    Name(String),
    /// A regular expression, unanchored, case-insensitive, applied to the canonical name (`X-Api-Key`).
    Pattern(regex::Regex),
}

/// One entry of `secrets`.
#[derive(Debug)]
pub struct SecretSpec {
    /// Where the value comes from.
    pub source: SourceSpec,
    /// When the entry applies; empty means never.
    pub rules: RuleSet,
    /// What is done with the value.
    pub mode: SecretMode,
    /// The value may travel over cleartext HTTP.
    pub allow_plaintext: bool,
    /// The value is replaced by the placeholder in responses. Default true.
    pub scrub_responses: bool,
    /// The value may be placed in a WebSocket upgrade. Default true.
    pub websocket: bool,
}

impl SecretSpec {
    /// Whether the value may travel over cleartext HTTP to `host`, for which rule `rule` of the entry matched: the
    /// entry says so, or the rule names the range of private or loopback addresses that the host is in. A value that
    /// may not still goes to an address that turns out to be one of loopback.
    pub fn may_go_in_clear(&self, rule: usize, host: &CanonicalHost) -> bool {
        let names_its_range = || {
            let rule = self.rules.rules().get(rule);
            let by_range = rule.is_some_and(|rule| matches!(rule.destination(), Destination::Cidr(_)));
            by_range && host.as_ip().is_some_and(is_private)
        };
        self.allow_plaintext || names_its_range()
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

/// What a `secrets` entry does.
#[derive(Debug)]
pub enum SecretMode {
    /// Put the value where the client wrote the placeholder.
    Replace(ReplaceSpec),
    /// Set the value, whatever the client sent.
    Inject(InjectSpec),
}

/// `replace`.
#[derive(Debug)]
pub struct ReplaceSpec {
    /// The placeholder (`proxy_value`), never empty.
    pub placeholder: String,
    /// Headers searched; empty means all.
    pub match_headers: Vec<HeaderMatcher>,
    /// Search the body.
    pub match_body: bool,
    /// Search the values of all query parameters.
    pub match_query: bool,
    /// Search the values of these query parameters; decoded names, compared exactly. Empty with `match_query`. Ours.
    pub match_query_params: Vec<String>,
    /// Search the path.
    pub match_path: bool,
    /// Refuse a request in which the placeholder does not stand where the credential belongs.
    pub require: bool,
}

/// `inject`.
#[derive(Debug)]
pub struct InjectSpec {
    /// Where the value is set.
    pub place: InjectPlace,
    /// Source text of the formatter; `None` means the raw value.
    pub formatter: Option<String>,
    /// Refuse when the value is unavailable.
    pub require: bool,
}

/// Where an injected value goes.
#[derive(Debug, Clone)]
pub enum InjectPlace {
    /// A header, spelled as configured.
    Header(String),
    /// A query parameter.
    Query(String),
}

/// Where a secret's value comes from.
#[derive(Debug)]
pub struct SourceSpec {
    /// The source itself.
    pub kind: SourceKind,
    /// Take the top-level string at this key of a JSON object.
    pub json_key: Option<String>,
    /// How long a good value is used; `None` means for ever, zero means not at all.
    pub ttl: Option<Duration>,
    /// How long a failed first fetch is remembered, default one minute; zero means not at all.
    pub failure_ttl: Duration,
}

/// The kinds of source this build knows.
#[derive(Debug)]
pub enum SourceKind {
    /// `env`: a variable of the proxy's environment.
    Env {
        /// Variable name.
        var: String,
    },
    /// `file`: the whole file, byte for byte.
    File {
        /// Path.
        path: std::path::PathBuf,
    },
    /// `cmd`: standard output of a program, without the trailing newline.
    Cmd {
        /// Program and arguments; run without a shell.
        argv: Vec<String>,
    },
    /// `control_plane`: delivered inline.
    ControlPlane {
        /// The value.
        value: Secret<String>,
    },
    /// `token_broker`: an access token that `iron-token-broker` keeps fresh.
    TokenBroker {
        /// The credential's id at the broker.
        credential_id: String,
    },
}

impl SourceSpec {
    /// The name shown in audit lines and errors; never the value.
    pub fn display_name(&self) -> String {
        match &self.kind {
            SourceKind::Env { var } => var.clone(),
            SourceKind::File { path } => path.display().to_string(),
            SourceKind::Cmd { argv } => argv.first().cloned().unwrap_or_default(),
            SourceKind::ControlPlane { .. } => "control_plane".to_owned(),
            SourceKind::TokenBroker { credential_id } => credential_id.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
