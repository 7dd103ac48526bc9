//! The DNS server of this configuration; the server itself is `centaur_net::dns`.

use std::sync::Arc;

use centaur_net::dns::{DnsServer, DnsSettings, RecordValue, StaticRecord};
use centaur_net::resolve::Resolver;

use crate::config::{DnsConfig, DnsRecord, DnsRecordValue};

/// Builds the server; `None` when it is off.
pub fn server(config: &DnsConfig, resolver: &Arc<Resolver>) -> Option<Arc<DnsServer>> {
    let proxy_ip = config.proxy_ip.filter(|_| config.enabled)?;
    let record = |record: &DnsRecord| StaticRecord {
        name: record.name.clone(),
        value: match &record.value {
            DnsRecordValue::A(value) => RecordValue::A(value.clone()),
            DnsRecordValue::Cname(value) => RecordValue::Cname(value.clone()),
        },
    };
    let settings = DnsSettings {
        proxy_ip,
        passthrough: config.passthrough.clone(),
        records: config.records.iter().map(record).collect(),
    };
    Some(Arc::new(DnsServer::new(settings, resolver.clone())))
}
