//! `dns`

use std::net::{IpAddr, Ipv4Addr};

use centaur_policies::pattern::HostPattern;
use centaur_policies::yaml::Cursor;

use super::env::{Context, Section};
use super::{DnsConfig, DnsRecord, DnsRecordValue, tables};

/// The port of RFC 1035, where clients look.
const LISTEN: &str = ":53";

/// Reads the section. `proxy_ip` comes as text too, since the checks come later and in their own order.
pub(super) fn read(section: &Section<'_>) -> (DnsConfig, Option<String>) {
    let proxy_ip = section.text("proxy_ip");
    let config = DnsConfig {
        enabled: section.bool("enabled").unwrap_or(true),
        listen: section.text("listen").unwrap_or_else(|| LISTEN.to_owned()),
        proxy_ip: proxy_ip.as_deref().and_then(ipv4),
        upstream_resolver: section.text("upstream_resolver"),
        passthrough: section
            .items("passthrough")
            .iter()
            .filter_map(|item| item.text().map(str::to_owned))
            .collect(),
        records: Vec::new(),
    };
    (config, proxy_ip)
}

/// An IPv4 address, also in its IPv4-mapped form.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    match text.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// Reads and checks the static records.
pub(super) fn records(section: &Section<'_>, context: Context<'_>) -> Vec<DnsRecord> {
    let items = section.items("records");
    items.iter().enumerate().filter_map(|(at, item)| record(at, item, context)).collect()
}

fn record(at: usize, item: &Cursor<'_>, context: Context<'_>) -> Option<DnsRecord> {
    let fields = item.fields(&tables::RECORD)?;
    let (name, kind, value) = (fields.text("name"), fields.text("type"), fields.text("value"));
    let key = format!("dns.records[{at}]");
    if name.is_empty() {
        context.invalid(format!("{key}.name is required"));
    }
    if !matches!(kind, "A" | "CNAME") {
        context.invalid(format!("{key}.type must be A or CNAME; got {kind:?}"));
    }
    if value.is_empty() {
        context.invalid(format!("{key}.value is required"));
    }
    let value = value.to_owned();
    let value = if kind == "A" { DnsRecordValue::A(value) } else { DnsRecordValue::Cname(value) };
    Some(DnsRecord { name: name.to_owned(), value })
}

/// What the reference finds only when the server is built, or never.
pub(super) fn check(config: &DnsConfig, proxy_ip: Option<&str>, context: Context<'_>) {
    for (at, pattern) in config.passthrough.iter().enumerate() {
        if let Err(error) = HostPattern::parse(pattern) {
            context.invalid(format!("dns.passthrough[{at}]: {pattern:?} {error}"));
        }
    }
    if let Some(text) = proxy_ip.filter(|_| config.enabled && config.proxy_ip.is_none()) {
        context.invalid(format!("invalid proxy_ip (must be IPv4): {text:?}"));
    }
}
