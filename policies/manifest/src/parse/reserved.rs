//! Variables of sandboxes that the platform owns, so that no manifest may claim them.

use super::log::{Log, Place};
use crate::problem::Code;

/// Exact names; the letter case of a variable counts.
const NAMES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "TERM",
    "LANG",
    "TMPDIR",
    "TZ",
    "IFS",
    "ENV",
    "BASH_ENV",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "FIREWALL_HOST",
    "FIREWALL_PROXY_PORT",
    "NODE_EXTRA_CA_CERTS",
    "NODE_OPTIONS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CODEX_AUTH_MODE",
    "CLAUDE_CODE_AUTH_MODE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "CODEX_BEDROCK_REGION",
    "CODEX_BEDROCK_SESSION_TOKEN",
    "TOOL_DIRS",
    "CENTAUR_POSTGRES_DSN",
];

/// What the names of the platform's other variables begin with.
const PREFIXES: &[&str] = &["CENTAUR_SANDBOX_", "CENTAUR_MCP_", "IRON_", "LD_", "PG_PROXY_PASSWORD_"];

/// Reports a name that would become a variable of the platform.
pub(super) fn check(log: &Log<'_>, place: &Place, key: Option<&str>, at: usize, name: &str) {
    if NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        let text = format!("{name} is a variable that the platform sets itself");
        log.report(Some(place), key.map(str::to_owned), at, Code::PlaceholderReserved, text);
    }
    if name.contains('=') {
        let text = format!("{name:?} has \"=\" in it, so that no variable can hold it");
        log.report(Some(place), key.map(str::to_owned), at, Code::PlaceholderNotEnvSafe, text);
    }
}
