//! The configuration file (broker.md, section 21.2): YAML, with everything that is wrong named at once, with its line
//! and path.

mod credential;
mod parse;
pub mod tables;

use std::path::PathBuf;

use centaur_base::Secret;
use centaur_broker::Timing;
use centaur_oauth::EndpointRules;
use centaur_policies::spec::SourceSpec;

use crate::log::{Format, Level};

/// What the broker works by.
#[derive(Debug)]
pub struct Config {
    /// Where tokens are asked for: `host:port`, or `:port` for every address.
    pub listen: String,
    /// Where metrics are asked for; `None` is nowhere.
    pub metrics_listen: Option<String>,
    /// The variable that holds the token of clients; `None` switches authentication off.
    pub bearer_auth_env: Option<String>,
    /// From which level on lines are written.
    pub log_level: Level,
    /// How they look.
    pub log_format: Format,
    /// The proxy that token endpoints are called through.
    pub https_proxy: Option<Secret<String>>,
    /// Hosts that are called without it, with commas between them.
    pub no_proxy: Option<String>,
    /// Where token endpoints may be.
    pub endpoints: EndpointRules,
    /// The credentials, by unique ids.
    pub credentials: Vec<CredentialConfig>,
}

/// One credential.
#[derive(Debug)]
pub struct CredentialConfig {
    /// Its name in the API.
    pub id: String,
    /// Where it is refreshed.
    pub token_endpoint: String,
    /// The client's id.
    pub client_id: SourceSpec,
    /// The client's secret; public clients have none.
    pub client_secret: Option<SourceSpec>,
    /// Scopes that are sent.
    pub scopes: Vec<String>,
    /// Headers that are set last.
    pub headers: Vec<(String, SourceSpec)>,
    /// Where its document is kept.
    pub store: StoreConfig,
    /// When it is refreshed.
    pub timing: Timing,
}

/// Where a document is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// `file`
    File {
        /// Absolute.
        path: PathBuf,
    },
    /// `kubernetes_secret`
    KubernetesSecret {
        /// Of the Secret.
        namespace: String,
        /// The Secret.
        name: String,
        /// The key in it.
        key: String,
    },
}

impl Config {
    /// Reads a file's text.
    ///
    /// # Errors
    /// All that is wrong, a line each; never a value of a secret.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        parse::config(text)
    }
}

#[cfg(test)]
mod tests;
