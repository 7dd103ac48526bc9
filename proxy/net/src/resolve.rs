//! Names to addresses: `/etc/hosts` first, then DNS, with a cache that keeps to the TTLs.
//!
//! The machinery is built at the first lookup, so that a proxy nobody uses costs neither memory nor start-up time,
//! and rebuilt when `/etc/resolv.conf` or `/etc/hosts` changes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, Record, RecordType};
use hickory_resolver::net::{DnsError, NetError};
use smallvec::SmallVec;
use thiserror::Error;
use tokio::time::timeout;

use crate::guard::parse_literal;

mod system;

use system::System;
pub(crate) use system::SystemFiles;

/// Addresses of one name; rarely more than a few.
pub type Addresses = SmallVec<[IpAddr; 4]>;

/// Looks names up. Shared by everything that dials and by the DNS server.
#[derive(Debug)]
pub struct Resolver {
    system: System,
    limit: Duration,
}

/// How long one lookup may take, all attempts and search domains together.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);

/// More addresses than this are not tried; an answer can hold thousands.
const MAX_ADDRESSES: usize = 32;

impl Resolver {
    /// A resolver that asks `server` (`host:port`), over UDP and over TCP when an answer is truncated, or the
    /// servers of `/etc/resolv.conf`. `/etc/hosts` and the machine's search domains apply either way. Does nothing
    /// until the first lookup.
    ///
    /// # Errors
    /// `server` is not `host:port`.
    pub fn new(server: Option<&str>) -> Result<Self, ServerError> {
        Self::with_files(server, SystemFiles::default())
    }

    pub(crate) fn with_files(server: Option<&str>, files: SystemFiles) -> Result<Self, ServerError> {
        if let Some(server) = server {
            let valid = server.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
            });
            if !valid {
                return Err(ServerError(server.to_owned()));
            }
        }
        Ok(Self { system: System::new(server.map(Into::into), files), limit: LOOKUP_LIMIT })
    }

    /// The addresses of a host, in the order they should be tried. A literal is its own answer; `localhost` and names
    /// below it are loopback whatever DNS says (RFC 6761 6.3).
    ///
    /// # Errors
    /// No such name, no address, or no answer within five seconds.
    pub async fn addresses(&self, host: &str) -> Result<Addresses, LookupError> {
        if let Some(ip) = parse_literal(host) {
            return Ok([ip].into_iter().collect());
        }
        if is_localhost(host) {
            return Ok([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].into_iter().collect());
        }
        let fail = |kind| LookupError { host: host.to_owned(), server: self.system.server(), kind };
        let name = parse_name(host).ok_or_else(|| fail(LookupErrorKind::BadName))?;
        let looked_up = timeout(self.limit, async {
            let state = self.system.state().await.map_err(LookupErrorKind::Unavailable)?;
            if let Some(pinned) = state.pinned(&name) {
                return Ok(pinned);
            }
            let found = state.client.lookup_ip(name).await.map_err(LookupErrorKind::from)?;
            let mut addresses = Addresses::new();
            for ip in found.iter().take(MAX_ADDRESSES) {
                if !addresses.contains(&ip) {
                    addresses.push(ip);
                }
            }
            if addresses.is_empty() { Err(LookupErrorKind::NoData(None)) } else { Ok(addresses) }
        })
        .await;
        looked_up.unwrap_or(Err(LookupErrorKind::Timeout)).map_err(fail)
    }

    /// The records of one address family, for a DNS client that wants to know how long they hold.
    ///
    /// # Errors
    /// As [`Resolver::addresses`]; the kind tells a name that does not exist from one without such a record.
    pub async fn records(&self, name: &Name, family: Family) -> Result<Records, LookupError> {
        let fail = |kind| LookupError { host: display_name(name), server: self.system.server(), kind };
        if is_localhost(&display_name(name)) {
            let ip = match family {
                Family::V4 => IpAddr::from(Ipv4Addr::LOCALHOST),
                Family::V6 => Ipv6Addr::LOCALHOST.into(),
            };
            return Ok(Records { addresses: [ip].into_iter().collect(), ttl: PINNED_TTL });
        }
        let looked_up = timeout(self.limit, async {
            let state = self.system.state().await.map_err(LookupErrorKind::Unavailable)?;
            if let Some(pinned) = state.pinned(name) {
                let addresses: Addresses = pinned.into_iter().filter(|ip| family.holds(*ip)).collect();
                let found = Records { addresses, ttl: PINNED_TTL };
                return if found.addresses.is_empty() {
                    Err(LookupErrorKind::NoData(None))
                } else {
                    Ok(found)
                };
            }
            let kind = match family {
                Family::V4 => RecordType::A,
                Family::V6 => RecordType::AAAA,
            };
            // A name of one label is a local one: the machine's search domains are part of it.
            let mut name = name.to_lowercase();
            name.set_fqdn(name.num_labels() > 1);
            let found = state.client.lookup(name, kind).await.map_err(LookupErrorKind::from)?;
            let addresses: Addresses = found
                .answers()
                .iter()
                .filter_map(|record| record.data.ip_addr())
                .filter(|ip| family.holds(*ip))
                .take(MAX_ADDRESSES)
                .collect();
            if addresses.is_empty() {
                return Err(LookupErrorKind::NoData(None));
            }
            let ttl = found.valid_until().saturating_duration_since(std::time::Instant::now());
            Ok(Records { addresses, ttl })
        })
        .await;
        looked_up.unwrap_or(Err(LookupErrorKind::Timeout)).map_err(fail)
    }
}

/// TTL told for what does not come from DNS.
const PINNED_TTL: Duration = Duration::from_mins(1);

/// Which kind of address a DNS client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `A`
    V4,
    /// `AAAA`
    V6,
}

impl Family {
    fn holds(self, ip: IpAddr) -> bool {
        ip.is_ipv4() == (self == Self::V4)
    }
}

/// An answer and how long it may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// Never empty, of one family.
    pub addresses: Addresses,
    /// What is left of the TTL.
    pub ttl: Duration,
}

/// A DNS server address that is not `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid DNS server {0:?}: must be host:port, e.g. 10.0.0.53:53")]
pub struct ServerError(String);

/// Why a host has no address.
#[derive(Debug, Clone, Error)]
#[error("lookup {host}{on}: {kind}", on = server.as_deref().map(|s| format!(" on {s}")).unwrap_or_default())]
pub struct LookupError {
    /// What was looked up.
    pub host: String,
    /// The configured server, if there is one.
    pub server: Option<Arc<str>>,
    /// What went wrong.
    pub kind: LookupErrorKind,
}

/// What went wrong in a lookup.
#[derive(Debug, Clone, Error)]
pub enum LookupErrorKind {
    /// The name does not exist (NXDOMAIN); with the SOA record that says for how long.
    #[error("no such host")]
    NoSuchHost(Option<Box<Record<SOA>>>),
    /// The name exists but has no such record.
    #[error("no such host (the name has no address)")]
    NoData(Option<Box<Record<SOA>>>),
    /// Not a DNS name: too long, an empty label, a character that no host has.
    #[error("not a host name")]
    BadName,
    /// The server answered with an error.
    #[error("server misbehaving: {0}")]
    Server(ResponseCode),
    /// No answer in time.
    #[error("i/o timeout")]
    Timeout,
    /// The resolver could not be set up.
    #[error("resolver unavailable: {0}")]
    Unavailable(String),
    /// The server could not be asked.
    #[error("{0}")]
    Transport(String),
}

impl From<NetError> for LookupErrorKind {
    fn from(error: NetError) -> Self {
        match error {
            NetError::Dns(DnsError::NoRecordsFound(missing)) => match missing.response_code {
                ResponseCode::NXDomain => Self::NoSuchHost(missing.soa),
                _ => Self::NoData(missing.soa),
            },
            NetError::Dns(DnsError::ResponseCode(code)) => Self::Server(code),
            NetError::Timeout => Self::Timeout,
            other => Self::Transport(other.to_string()),
        }
    }
}

fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or(host);
    last.eq_ignore_ascii_case("localhost")
}

/// A name as DNS sends it. The escapes of zone files mean nothing in a host, and IDNA was done where the host was
/// canonicalised.
fn parse_name(host: &str) -> Option<Name> {
    let plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if plain { Name::from_ascii(host).ok().filter(|name| !name.is_root()) } else { None }
}

fn display_name(name: &Name) -> String {
    let mut text = name.to_ascii();
    if text.len() > 1 && text.ends_with('.') {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests;
