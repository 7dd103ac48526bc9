//! What the program runs with: the file, the environment and the defaults put together and checked. No `Option`
//! here means "default"; it means "off" or "not given".
//!
//! [`Config::load`] makes it, [`check`] says all that is wrong or odd, [`schema`] and `docs/configuration.md` follow
//! from the same tables. To add a key: a row in [`tables`], a field here, a line in the file that reads its section,
//! and the row in the document.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use centaur_policies::spec::TransformSpec;
use ipnet::IpNet;

use crate::harness::HarnessLogins;

mod client_auth;
mod dns;
mod env;
mod error;
mod formatters;
mod harness;
mod inert;
mod limits;
mod listen;
mod load;
pub mod tables;
mod upstream_proxy;

pub use env::{Env, OVERRIDES};
pub use error::ConfigErrors;
pub use harness::HARNESS_LOGINS_ENV;
pub use load::{LIFETIME_HOURS, Loaded, MANAGEMENT_KEY_ENV, Report, check};
pub use tables::schema;

/// A whole configuration.
#[derive(Debug)]
pub struct Config {
    /// `dns`
    pub dns: DnsConfig,
    /// `proxy`
    pub proxy: ProxyConfig,
    /// `tls`
    pub tls: TlsConfig,
    /// `transforms`, in order, with the registry name of each.
    pub transforms: Vec<(String, TransformSpec)>,
    /// `metrics.listen`
    pub metrics_listen: String,
    /// `management`, when it is on.
    pub management: Option<ManagementConfig>,
    /// `control_plane.poll_interval`; managed mode alone.
    pub poll_interval: Duration,
    /// `control_plane.last_known_good`; managed mode alone, `None` is off.
    pub last_known_good: Option<PathBuf>,
    /// `log.level`
    pub log_level: tracing::Level,
}

/// `dns`
#[derive(Debug, Clone)]
pub struct DnsConfig {
    /// Whether the DNS server runs.
    pub enabled: bool,
    /// Address for UDP and TCP.
    pub listen: String,
    /// The address every intercepted name resolves to.
    pub proxy_ip: Option<Ipv4Addr>,
    /// `host:port` of the DNS server used for passthrough lookups and upstream dials; system resolver if absent.
    pub upstream_resolver: Option<String>,
    /// Globs of names that are looked up for real.
    pub passthrough: Vec<String>,
    /// Static answers.
    pub records: Vec<DnsRecord>,
}

/// One of `dns.records`.
#[derive(Debug, Clone)]
pub struct DnsRecord {
    /// Name, as configured.
    pub name: String,
    /// What it answers.
    pub value: DnsRecordValue,
}

/// Type and value of a static record.
#[derive(Debug, Clone)]
pub enum DnsRecordValue {
    /// `A`; the text as configured, which may not be an IPv4 address (such a record is skipped with a warning).
    A(String),
    /// `CNAME`
    Cname(String),
}

/// `proxy`
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// Cleartext HTTP.
    pub http_listen: String,
    /// TLS.
    pub https_listen: String,
    /// CONNECT, SOCKS5 and absolute-form requests.
    pub tunnel_listen: Option<String>,
    /// Connections redirected by nftables or TPROXY.
    pub transparent_listen: Option<String>,
    /// Cap on what a transform that buffers request bodies reads, in bytes, default 1 MiB; negative means none. This
    /// build has no such transform, so it has no effect.
    pub max_request_body_bytes: i64,
    /// The same for responses, default 0; zero or negative means none.
    pub max_response_body_bytes: i64,
    /// From the end of the request to the head of the response.
    pub upstream_response_header_timeout: Duration,
    /// Addresses that are never dialled, as configured (already checked).
    pub upstream_deny_cidrs: Vec<String>,
    /// `upstream_proxy` after the environment was applied.
    pub upstream_proxy: UpstreamProxyConfig,
    /// Who may use the proxy at all; `None` means everyone who can connect.
    pub client_auth: Option<ClientAuthConfig>,
    /// Ours: whose token calls are answered here.
    pub harness_logins: Arc<HarnessLogins>,
    /// Ours: time limits.
    pub timeouts: Timeouts,
    /// Ours: limits on what one client or all clients may use.
    pub limits: Limits,
}

/// `proxy.upstream_proxy`; empty texts mean direct.
#[derive(Clone, Default)]
#[expect(clippy::struct_field_names, reason = "the names are those of the keys")]
pub struct UpstreamProxyConfig {
    /// For `http` upstreams. May hold a password.
    pub http_proxy: String,
    /// For `https` upstreams.
    pub https_proxy: String,
    /// Exceptions.
    pub no_proxy: String,
}

impl std::fmt::Debug for UpstreamProxyConfig {
    /// Shows which are set; the URLs may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamProxyConfig")
            .field("http_proxy", &!self.http_proxy.is_empty())
            .field("https_proxy", &!self.https_proxy.is_empty())
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// `proxy.client_auth`
#[derive(Debug, Clone)]
pub struct ClientAuthConfig {
    /// `token_env` / `token_file`: the token expected as the password of `Proxy-Authorization: Basic`, or as
    /// `Bearer`. Read at start and on reload.
    pub token: Option<TokenSource>,
    /// `client_ca`: PEM file of roots; a TLS client certificate under one of them identifies the client.
    pub client_ca: Option<PathBuf>,
    /// `allow_cidrs`: client addresses that need neither.
    pub allow_cidrs: Vec<IpNet>,
}

/// Where a client token is read.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// A variable.
    Env(String),
    /// A file; surrounding white space is dropped.
    File(PathBuf),
}

/// `proxy.timeouts`. All positive.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// `tls_handshake`, default 10 s, both legs.
    pub tls_handshake: Duration,
    /// `request_head`, default 15 s.
    pub request_head: Duration,
    /// `tunnel_first_byte`, default 15 s.
    pub tunnel_first_byte: Duration,
    /// `idle_keep_alive`, default 120 s.
    pub idle_keep_alive: Duration,
    /// `idle_tunnel`, default 1 h: tunnels that relay bytes, and WebSockets.
    pub idle_tunnel: Duration,
    /// `stalled_body`, default 300 s without progress.
    pub stalled_body: Duration,
    /// `dial`, default 30 s.
    pub dial: Duration,
    /// `shutdown`, default 10 s.
    pub shutdown: Duration,
}

/// `proxy.limits`. Zero means no limit.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "the names are those of the keys")]
pub struct Limits {
    /// `max_connections`, default 10,000, all listeners together.
    pub max_connections: usize,
    /// `max_connections_per_client`, default 0 (one proxy serves one sandbox).
    pub max_connections_per_client: usize,
    /// `max_requests_in_flight_per_client`, default 1,000.
    pub max_requests_in_flight_per_client: usize,
    /// `max_new_names_per_second_per_client`, default 100: leaf certificates minted for names not seen before.
    pub max_new_names_per_second_per_client: usize,
    /// `max_request_head_bytes`, default 1 MiB.
    pub max_request_head_bytes: usize,
    /// `max_connect_head_bytes`, default 64 KiB.
    pub max_connect_head_bytes: usize,
}

/// `tls`
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// `mode`
    pub mode: TlsMode,
    /// Present in mitm mode.
    pub ca_cert: Option<PathBuf>,
    /// Present in mitm mode.
    pub ca_key: Option<PathBuf>,
    /// Entries of the leaf cache; negative means unbounded.
    pub cert_cache_size: i64,
    /// Lifetime of a leaf in hours; within [`LIFETIME_HOURS`].
    pub leaf_cert_expiry_hours: i64,
}

/// `tls.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Terminate TLS with a minted certificate.
    Mitm,
    /// Look at the SNI only and relay.
    SniOnly,
}

/// `management`
#[derive(Debug, Clone)]
pub struct ManagementConfig {
    /// Address.
    pub listen: String,
    /// Name of the variable that holds the key; checked to be set.
    pub api_key_env: String,
}

#[cfg(test)]
mod tests;
