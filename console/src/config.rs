//! Settings from the environment: all are read and checked before anything is opened, and all that is wrong with them
//! is said at once.
//!
//! A name with the prefix `CENTAUR_CONSOLE_` is also read with the older `IRON_CONTROL_`, when the first is not set at
//! all; set and empty, it hides the older one (console-api.md, section 18).

mod broker;
mod keys;
mod sign_in;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use centaur_base::Secret;
use centaur_identity::Keys;
use centaur_oauth::EndpointRules;
use centaur_store::KeyRing;

pub use broker::{BrokerSettings, Webhook};
pub use sign_in::{LoginProvider, LoginProviderKind, SignInSettings};

use crate::effective::{ApiServer, FallbackMode, HashKey};
use crate::sign_in::password;

/// All settings.
#[derive(Debug)]
pub struct Config {
    /// Where to listen: `CENTAUR_CONSOLE_LISTEN`, default `0.0.0.0`, and `PORT`, default 3000, 0 for any.
    pub listen: SocketAddr,
    /// `DATABASE_URL`, else `CENTAUR_CONSOLE_DATABASE_URL`; default `sqlite:centaur-console.db`.
    pub database: Secret<String>,
    /// The keys that seal sensitive columns.
    pub keys: Arc<KeyRing>,
    /// The key of configuration hashes.
    pub hash_key: HashKey,
    /// What the keys of browser flows and sessions are derived from: `CENTAUR_CONSOLE_SECRET_KEY_BASE`.
    pub browser_keys: Keys,
    /// Who is made when there is no user yet.
    pub first_user: Option<FirstUser>,
    /// The generated entry for the API server; `None` without `CENTAUR_JWT_SIGNING_SECRET`.
    pub api_server: Option<ApiServer>,
    /// Foreign ids of the roles that every principal is seeded with: `CENTAUR_DEFAULT_ROLES`, default `infra`.
    pub default_roles: Vec<String>,
    /// `CENTAUR_CHANNEL_USER_FALLBACK`, default `per-target`.
    pub fallback: FallbackMode,
    /// For how long a proxy may use credentials without a further answer: `CENTAUR_CONSOLE_CONFIG_MAX_AGE_SECONDS`,
    /// default 900.
    pub max_age: Duration,
    /// Where token endpoints may be: `CENTAUR_CONSOLE_TOKEN_ENDPOINT_ALLOW` and
    /// `CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS`, default none and no.
    pub token_endpoints: EndpointRules,
    /// How credentials are refreshed.
    pub broker: BrokerSettings,
    /// One line per request: `CENTAUR_CONSOLE_ACCESS_LOG`, default yes.
    pub access_log: bool,
    /// Who gets `/metrics`: `CENTAUR_CONSOLE_METRICS`, `private` (default), `keys` or `off`.
    pub metrics: MetricsFor,
    /// Whether replicas tell each other of changes (PostgreSQL): `CENTAUR_CONSOLE_NOTIFY`, default yes. Without it they
    /// hear of them by polling alone.
    pub notices: bool,
    /// How much is kept of the configurations that proxies were sent, in bytes: `CENTAUR_CONSOLE_SYNC_MEMORY_MIB`,
    /// default 64.
    pub sync_memory: usize,
    /// Where browsers reach the console, without a slash at the end: `CENTAUR_CONSOLE_PUBLIC_URL`.
    pub public_url: Option<String>,
    /// How people sign in.
    pub sign_in: SignInSettings,
}

/// Who gets `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFor {
    /// Whoever is in a private network, and everybody with an API key that is held to no namespace.
    PrivateNetworks,
    /// Those with such a key.
    Keys,
    /// Nobody: there is no such route.
    Nobody,
}

/// The first user and its API key.
#[derive(Debug)]
pub struct FirstUser {
    /// `CENTAUR_CONSOLE_INITIAL_USER_EMAIL`
    pub email: String,
    /// `CENTAUR_CONSOLE_INITIAL_USER_PASSWORD`, at least 12 characters.
    pub password: Secret<String>,
    /// `CENTAUR_CONSOLE_INITIAL_API_KEY`; one is made up without it.
    pub api_key: Option<Secret<String>>,
    /// `CENTAUR_CONSOLE_INITIAL_API_KEY_FILE`: where a made-up key is written.
    pub api_key_file: Option<PathBuf>,
}

/// Whether a text could be an e-mail address, with white space around it or not.
pub(crate) fn is_address(text: &str) -> bool {
    let text = text.trim();
    let parts = text.split_once('@').filter(|(name, domain)| !name.is_empty() && !domain.is_empty());
    parts.is_some_and(|(_, domain)| !domain.contains('@'))
        && text.len() <= LONGEST_ADDRESS
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Bytes of an e-mail address.
const LONGEST_ADDRESS: usize = 320;

/// What is wrong with the environment: variable and sentence, never a value.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors(Vec<(String, String)>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are not usable")?;
        self.0.iter().try_for_each(|(variable, problem)| write!(f, "\n  {variable}: {problem}"))
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// Reads the settings. `dev` allows a fixed sealing key where none is set.
    ///
    /// # Errors
    /// Every problem.
    pub fn from_env(get: impl Fn(&str) -> Option<String>, dev: bool) -> Result<Self, ConfigErrors> {
        let mut env = Env { get: &get, errors: ConfigErrors::default() };
        let listen = env.listen();
        let database = env.database();
        let keys = keys::read(&mut env, dev);
        let first_user = env.first_user();
        let api_server = env.api_server();
        let default_roles = env.plain("CENTAUR_DEFAULT_ROLES").unwrap_or_else(|| "infra".to_owned());
        let default_roles = default_roles
            .split(',')
            .map(str::trim)
            .filter(|role| !role.is_empty())
            .map(str::to_owned)
            .collect();
        let fallback = env.fallback();
        let max_age = env.max_age();
        let token_endpoints = env.token_endpoints();
        let public_url = env.public_url();
        let sign_in = sign_in::read(&mut env);
        let metrics = env.metrics();
        let broker = broker::read(&mut env);
        let access_log = env.switch("ACCESS_LOG", true);
        let notices = env.switch("NOTIFY", true);
        let sync_memory = env.sync_memory();
        if let Some((variable, _)) = env.prefixed("RESOLVE_SOURCES") {
            env.reject(variable, "sources are resolved by the proxies; resolving here is not built yet");
        }
        match keys {
            Some((keys, hash_key, browser_keys)) if env.errors.0.is_empty() => Ok(Self {
                listen,
                database,
                keys: Arc::new(keys),
                hash_key,
                browser_keys,
                first_user,
                api_server,
                default_roles,
                fallback,
                max_age,
                token_endpoints,
                metrics,
                broker,
                access_log,
                notices,
                sync_memory,
                public_url,
                sign_in,
            }),
            _ => Err(env.errors),
        }
    }
}

/// The environment, and what is wrong with it so far.
struct Env<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    errors: ConfigErrors,
}

impl Env<'_> {
    fn reject(&mut self, variable: impl Into<String>, problem: impl Into<String>) {
        self.errors.0.push((variable.into(), problem.into()));
    }

    /// A variable without prefix; empty is unset.
    fn plain(&self, name: &str) -> Option<String> {
        (self.get)(name).filter(|value| !value.trim().is_empty())
    }

    /// The name that counts, and its value when it has one.
    fn prefixed(&self, name: &str) -> Option<(String, String)> {
        ["CENTAUR_CONSOLE_", "IRON_CONTROL_"]
            .into_iter()
            .map(|prefix| format!("{prefix}{name}"))
            .find_map(|variable| (self.get)(&variable).map(|value| (variable, value)))
            .filter(|(_, value)| !value.trim().is_empty())
    }

    fn listen(&mut self) -> SocketAddr {
        let mut address = SocketAddr::from(([0, 0, 0, 0], 3000));
        if let Some((variable, text)) = self.prefixed("LISTEN") {
            match text.parse::<IpAddr>() {
                Ok(ip) => address.set_ip(ip),
                Err(_) => self.reject(variable, "must be an IP address; the port is PORT"),
            }
        }
        if let Some(text) = self.plain("PORT") {
            match text.parse() {
                Ok(port) => address.set_port(port),
                Err(_) => self.reject("PORT", "must be a port, 0 to 65535"),
            }
        }
        address
    }

    fn database(&mut self) -> Secret<String> {
        let named = self.plain("DATABASE_URL").map(|url| ("DATABASE_URL".to_owned(), url));
        let named = named.or_else(|| self.prefixed("DATABASE_URL"));
        let Some((variable, url)) = named else {
            if let Some((variable, _)) = self.prefixed("DB_HOST") {
                self.reject(variable, "is not read; set DATABASE_URL=postgres://user:password@host/database");
            }
            return Secret::new("sqlite:centaur-console.db".to_owned());
        };
        if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            self.reject(variable, "must begin with sqlite: or postgres://");
        }
        Secret::new(url)
    }

    fn first_user(&mut self) -> Option<FirstUser> {
        let (email_variable, email) = self.prefixed("INITIAL_USER_EMAIL")?;
        if !is_address(&email) {
            self.reject(&email_variable, "must be an e-mail address");
        }
        let password = match self.prefixed("INITIAL_USER_PASSWORD") {
            None => {
                let problem = format!("is required together with {email_variable}");
                self.reject("CENTAUR_CONSOLE_INITIAL_USER_PASSWORD", problem);
                String::new()
            }
            Some((variable, password)) => {
                if password.chars().count() < password::SHORTEST {
                    self.reject(variable, password::Unusable::TooShort.to_string());
                } else if password.len() > password::LONGEST {
                    self.reject(variable, password::Unusable::TooLong.to_string());
                }
                password
            }
        };
        let api_key = self.prefixed("INITIAL_API_KEY").map(|(variable, key)| {
            if !is_token(&key, "iak_") {
                self.reject(variable, "must be iak_ and 64 lower case hexadecimal digits");
            }
            Secret::new(key)
        });
        let api_key_file = self.prefixed("INITIAL_API_KEY_FILE").map(|(_, path)| PathBuf::from(path));
        Some(FirstUser { email, password: Secret::new(password), api_key, api_key_file })
    }

    fn api_server(&mut self) -> Option<ApiServer> {
        let signing_key = Secret::new(self.plain("CENTAUR_JWT_SIGNING_SECRET")?);
        let or = |value: Option<String>, default: &str| value.unwrap_or_else(|| default.to_owned());
        let listed = self.plain("CENTAUR_API_SERVER_PROXY_HOSTS").unwrap_or_default();
        let url = self.plain("CENTAUR_API_URL");
        Some(ApiServer {
            signing_key,
            issuer: or(self.plain("CENTAUR_API_JWT_ISSUER"), ApiServer::ISSUER),
            audience: or(self.plain("CENTAUR_API_JWT_AUDIENCE"), ApiServer::AUDIENCE),
            hosts: ApiServer::hosts(&listed, url.as_deref()),
        })
    }

    fn fallback(&mut self) -> FallbackMode {
        let name = "CENTAUR_CHANNEL_USER_FALLBACK";
        let Some(text) = self.plain(name) else { return FallbackMode::default() };
        let mode = FallbackMode::named(text.trim());
        if mode.is_none() {
            self.reject(name, "must be one of per-target, when-empty, never");
        }
        mode.unwrap_or(FallbackMode::Never)
    }

    fn metrics(&mut self) -> MetricsFor {
        let Some((variable, text)) = self.prefixed("METRICS") else { return MetricsFor::PrivateNetworks };
        match text.trim() {
            "private" => MetricsFor::PrivateNetworks,
            "keys" => MetricsFor::Keys,
            "off" => MetricsFor::Nobody,
            _ => {
                self.reject(variable, "must be one of private, keys, off");
                MetricsFor::Nobody
            }
        }
    }

    fn max_age(&mut self) -> Duration {
        let mut seconds = 900;
        if let Some((variable, text)) = self.prefixed("CONFIG_MAX_AGE_SECONDS") {
            match text.trim().parse::<u64>() {
                Ok(given @ 30..=86_400) => seconds = given,
                _ => self.reject(variable, "must be a number of seconds, 30 to 86400"),
            }
        }
        Duration::from_secs(seconds)
    }

    fn sync_memory(&mut self) -> usize {
        let mut mebibytes = 64;
        if let Some((variable, text)) = self.prefixed("SYNC_MEMORY_MIB") {
            match text.trim().parse::<usize>() {
                Ok(given @ 1..=16_384) => mebibytes = given,
                _ => self.reject(variable, "must be a number of mebibytes, 1 to 16384"),
            }
        }
        mebibytes * 1_048_576
    }

    fn token_endpoints(&mut self) -> EndpointRules {
        let insecure = self.switch("ALLOW_INSECURE_TOKEN_ENDPOINTS", false);
        let (variable, allow) = self.prefixed("TOKEN_ENDPOINT_ALLOW").unwrap_or_default();
        EndpointRules::parse(&allow, insecure).unwrap_or_else(|at| {
            self.reject(variable, format!("entry {at} is neither a host nor an address nor a CIDR"));
            EndpointRules::default()
        })
    }

    fn public_url(&mut self) -> Option<String> {
        self.origin("PUBLIC_URL")
    }

    fn origin(&mut self, name: &str) -> Option<String> {
        let (variable, url) = self.prefixed(name)?;
        let is_origin = url.trim().parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
                && uri.query().is_none()
        });
        if !is_origin {
            self.reject(variable, "must be an http or https URL without user name, query and fragment");
        }
        Some(url.trim().trim_end_matches('/').to_owned())
    }

    fn switch(&mut self, name: &str, default: bool) -> bool {
        let Some((variable, text)) = self.prefixed(name) else { return default };
        match text.trim() {
            "1" | "true" | "on" => true,
            "0" | "false" | "off" => false,
            _ => {
                self.reject(variable, "must be 1 or 0");
                default
            }
        }
    }
}

/// A prefix and 64 lower case hexadecimal digits: API keys and proxy tokens.
pub(crate) fn is_token(text: &str, prefix: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix(prefix).is_some_and(|rest| rest.len() == 64 && rest.bytes().all(is_digit))
}

#[cfg(test)]
mod tests;
