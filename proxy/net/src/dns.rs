//! The DNS server of a sandbox: every name is the proxy, except for static records and for names that are passed
//! through.
//!
//! Read first: [`DnsServer::answer`], pure apart from the lookup of a passed-through name; [`DnsServer::serve`] puts it
//! behind UDP and TCP.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::HostPattern;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::resolve::{Family, LookupError, LookupErrorKind, Resolver};

mod packet;
mod serve;
mod zone;

use packet::{Ask, Heard};
use zone::Zone;

/// What the server answers with.
#[derive(Debug, Clone)]
pub struct DnsSettings {
    /// Answer to `A` of every intercepted name.
    pub proxy_ip: Ipv4Addr,
    /// Host patterns of names that are looked up for real.
    pub passthrough: Vec<String>,
    /// Static records, in order. Of several `CNAME`s of one name the last wins; `A`s add up.
    pub records: Vec<StaticRecord>,
}

/// A static record, as configured.
#[derive(Debug, Clone)]
pub struct StaticRecord {
    /// Owner; letter case and a trailing dot do not matter.
    pub name: String,
    /// Type and value.
    pub value: RecordValue,
}

/// Type and value of a static record.
#[derive(Debug, Clone)]
pub enum RecordValue {
    /// `A`. A value that is not an IPv4 address is left out with a warning.
    A(String),
    /// `CNAME`, not chased.
    Cname(String),
}

/// How a packet came; it decides how long an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// At most what the client offers (EDNS), 512 octets without an offer, never more than 1,232.
    Udp,
    /// At most 65,535 octets.
    Tcp,
}

/// The server, without its sockets.
#[derive(Debug)]
pub struct DnsServer {
    zone: Zone,
    passthrough: Vec<HostPattern>,
    proxy_ip: Ipv4Addr,
    resolver: Arc<Resolver>,
}

/// Seconds an answer of ours may be kept, negative ones too.
const TTL: u32 = 60;

/// What to do with a packet.
enum Plan {
    Silence,
    Reply(Vec<u8>),
    LookUp(Box<Ask>, Family),
}

impl DnsServer {
    /// Builds the server. What cannot be used in the settings is left out with a warning, as in the reference: a
    /// pattern that matches nothing, a record that says nothing.
    pub fn new(settings: DnsSettings, resolver: Arc<Resolver>) -> Self {
        let passthrough = settings.passthrough.iter().filter_map(|text| match HostPattern::parse(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                tracing::warn!(pattern = text, %error, "dns passthrough pattern matches nothing");
                None
            }
        });
        Self {
            passthrough: passthrough.collect(),
            zone: Zone::new(settings.records),
            proxy_ip: settings.proxy_ip,
            resolver,
        }
    }

    /// The answer to one packet, or `None` for what is not a question. Never fails: what cannot be understood is
    /// answered with an error code.
    pub async fn answer(&self, packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
        match self.plan(packet, transport) {
            Plan::Silence => None,
            Plan::Reply(reply) => Some(reply),
            Plan::LookUp(ask, family) => Some(self.look_up(*ask, family, transport).await),
        }
    }

    /// All that can be said without waiting.
    fn plan(&self, packet: &[u8], transport: Transport) -> Plan {
        let ask = match packet::hear(packet) {
            Heard::Nothing => return Plan::Silence,
            Heard::Bad(reply) => return Plan::Reply(reply),
            Heard::Ask(ask) => ask,
        };
        let (name, kind) = (ask.name(), ask.kind());
        if let Some(answers) = self.zone.answers(name, kind) {
            tracing::debug!(name = %shown(name), "dns static");
            return Plan::Reply(ask.reply(answers, transport));
        }
        if self.passes(name) {
            tracing::debug!(name = %shown(name), "dns passthrough");
            return match kind {
                RecordType::A => Plan::LookUp(Box::new(ask), Family::V4),
                RecordType::AAAA => Plan::LookUp(Box::new(ask), Family::V6),
                // Addresses are all that is passed through, so there is nothing to look up.
                _ => Plan::Reply(ask.reply(Vec::new(), transport)),
            };
        }
        tracing::debug!(name = %shown(name), "dns intercept");
        let answers = match kind {
            RecordType::A => vec![Record::from_rdata(name.clone(), TTL, RData::A(self.proxy_ip.into()))],
            _ => Vec::new(),
        };
        Plan::Reply(ask.reply(answers, transport))
    }

    fn passes(&self, name: &Name) -> bool {
        if self.passthrough.is_empty() {
            return false;
        }
        let Ok(host) = CanonicalHost::parse(&name.to_ascii()) else { return false };
        self.passthrough.iter().any(|pattern| pattern.matches(&host))
    }

    async fn look_up(&self, ask: Ask, family: Family, transport: Transport) -> Vec<u8> {
        let found = match self.resolver.records(ask.name(), family).await {
            Ok(found) => found,
            Err(error) => return failed(&ask, error, transport),
        };
        let ttl = found.ttl.as_secs().try_into().unwrap_or(u32::MAX);
        let record = |ip| {
            let data = match ip {
                IpAddr::V4(ip) => RData::A(ip.into()),
                IpAddr::V6(ip) => RData::AAAA(ip.into()),
            };
            Record::from_rdata(ask.name().clone(), ttl, data)
        };
        ask.reply(found.addresses.into_iter().map(record).collect(), transport)
    }
}

/// Passes the failure on as it is, so that a client sees what it would have seen without us.
fn failed(ask: &Ask, error: LookupError, transport: Transport) -> Vec<u8> {
    if !matches!(error.kind, LookupErrorKind::NoData(_)) {
        tracing::warn!(name = %shown(ask.name()), %error, "dns passthrough lookup failed");
    }
    let (code, soa) = match error.kind {
        LookupErrorKind::NoSuchHost(soa) => (ResponseCode::NXDomain, soa),
        LookupErrorKind::NoData(soa) => (ResponseCode::NoError, soa),
        LookupErrorKind::Server(code) => (code, None),
        _ => (ResponseCode::ServFail, None),
    };
    ask.failure(code, soa.map(|soa| soa.into_record_of_rdata()), transport)
}

/// Lower case with a trailing dot, as logged.
fn shown(name: &Name) -> String {
    let mut text = name.to_lowercase().to_ascii();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests;
