//! What the machine says about names: `/etc/resolv.conf` and `/etc/hosts`, read again when they change.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use hickory_proto::op::Query;
use hickory_proto::rr::{Name, RecordType};
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, TokioResolver};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Addresses;

/// Where the machine's settings stand.
#[derive(Debug, Clone)]
pub(crate) struct SystemFiles {
    pub(crate) resolv_conf: PathBuf,
    pub(crate) hosts: PathBuf,
}

impl Default for SystemFiles {
    fn default() -> Self {
        Self { resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into() }
    }
}

/// The resolver's machinery, built when first needed.
pub(super) struct System {
    server: Option<Arc<str>>,
    files: SystemFiles,
    state: ArcSwapOption<State>,
    /// Held while the state is built, so that a burst of first lookups builds it once.
    building: Mutex<()>,
}

/// One reading of the files.
pub(super) struct State {
    pub(super) client: TokioResolver,
    hosts: Arc<Hosts>,
    stamps: [Option<Stamp>; 2],
    checked: Instant,
}

/// How often the files are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Answers kept; an agent talks to tens of hosts, not thousands.
const CACHE_ENTRIES: u64 = 1024;

/// Longest time an answer is kept, whatever its TTL.
const MAX_TTL: Duration = Duration::from_hours(1);

/// Longest time a "no such name" is kept, so that a record just created is soon seen.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(30);

/// One attempt. Two of them, and the TCP fallback, fit into the limit of a whole lookup.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);

impl System {
    pub(super) fn new(server: Option<Arc<str>>, files: SystemFiles) -> Self {
        Self { server, files, state: ArcSwapOption::empty(), building: Mutex::new(()) }
    }

    pub(super) fn server(&self) -> Option<Arc<str>> {
        self.server.clone()
    }

    /// The current state; builds it when there is none or a file has changed.
    pub(super) async fn state(&self) -> Result<Arc<State>, String> {
        if let Some(state) = self.fresh() {
            return Ok(state);
        }
        let _building = self.building.lock().await;
        if let Some(state) = self.fresh() {
            return Ok(state);
        }
        let stamps = self.stamps();
        if let Some(old) = self.state.load_full()
            && old.stamps == stamps
        {
            let state = Arc::new(old.rechecked());
            self.state.store(Some(Arc::clone(&state)));
            return Ok(state);
        }
        let state = Arc::new(self.build(stamps).await?);
        self.state.store(Some(Arc::clone(&state)));
        Ok(state)
    }

    fn fresh(&self) -> Option<Arc<State>> {
        self.state.load_full().filter(|state| state.checked.elapsed() < CHECK_EVERY)
    }

    fn stamps(&self) -> [Option<Stamp>; 2] {
        [&self.files.resolv_conf, &self.files.hosts].map(Stamp::of)
    }

    async fn build(&self, stamps: [Option<Stamp>; 2]) -> Result<State, String> {
        let (config, options) = self.read_resolv_conf();
        let config = match &self.server {
            None => config,
            Some(server) => {
                let address = server_address(server).await?;
                ResolverConfig::from_parts(
                    config.domain().cloned(),
                    config.search().to_vec(),
                    vec![name_server(address)],
                )
            }
        };
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = tuned(options);
        let client = builder.build().map_err(|e| e.to_string())?;
        Ok(State { client, hosts: Arc::new(self.read_hosts()), stamps, checked: Instant::now() })
    }

    /// Without a usable file: a server on this machine, as libc does, or just the configured one.
    fn read_resolv_conf(&self) -> (ResolverConfig, ResolverOpts) {
        let text = std::fs::read(&self.files.resolv_conf).unwrap_or_default();
        parse_resolv_conf(&text).unwrap_or_else(|_| {
            let local = name_server(SocketAddr::from(([127, 0, 0, 1], 53)));
            (ResolverConfig::from_name_servers(vec![local]), ResolverOpts::default())
        })
    }

    fn read_hosts(&self) -> Hosts {
        let mut hosts = Hosts::default();
        if let Ok(file) = std::fs::File::open(&self.files.hosts)
            && let Err(error) = hosts.read_hosts_conf(file)
        {
            tracing::warn!(path = %self.files.hosts.display(), %error, "hosts file cannot be read");
        }
        hosts
    }
}

impl State {
    fn rechecked(&self) -> Self {
        Self {
            client: self.client.clone(),
            hosts: Arc::clone(&self.hosts),
            stamps: self.stamps,
            checked: Instant::now(),
        }
    }

    /// What `/etc/hosts` says. A name it knows is answered from it alone, in both families: a pin to an IPv4 address
    /// must not be undone by an AAAA record.
    pub(super) fn pinned(&self, name: &Name) -> Option<Addresses> {
        let lower = name.to_lowercase();
        let mut addresses = Addresses::new();
        for kind in [RecordType::AAAA, RecordType::A] {
            let Some(found) = self.hosts.lookup_static_host(&Query::query(lower.clone(), kind)) else {
                continue;
            };
            addresses.extend(found.answers().iter().filter_map(|record| record.data.ip_addr()));
        }
        (!addresses.is_empty()).then_some(addresses)
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Enough of a file's metadata to see that it was replaced or edited.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

impl Stamp {
    fn of(path: &PathBuf) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok()?, length: metadata.len() })
    }
}

async fn server_address(server: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = server.parse() {
        return Ok(address);
    }
    let mut found = tokio::net::lookup_host(server).await.map_err(|e| format!("DNS server {server}: {e}"))?;
    found.next().ok_or_else(|| format!("DNS server {server} has no address"))
}

/// UDP first; TCP when an answer is truncated.
fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

fn tuned(mut options: ResolverOpts) -> ResolverOpts {
    options.timeout = ATTEMPT_LIMIT;
    options.attempts = 1;
    options.edns0 = true;
    options.cache_size = CACHE_ENTRIES;
    options.positive_max_ttl = Some(MAX_TTL);
    options.negative_max_ttl = Some(MAX_NEGATIVE_TTL);
    // Ours is read by `read_hosts`, which answers a pinned name in both families.
    options.use_hosts_file = ResolveHosts::Never;
    options.try_tcp_on_error = true;
    options
}
