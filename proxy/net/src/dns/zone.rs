//! Static records.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};

use super::{RecordValue, StaticRecord, TTL};

/// What is configured for some names.
#[derive(Debug, Default)]
pub(super) struct Zone {
    names: HashMap<LowerName, Values>,
}

#[derive(Debug, Default)]
struct Values {
    addresses: Vec<Ipv4Addr>,
    alias: Option<Name>,
}

impl Zone {
    pub(super) fn new(records: Vec<StaticRecord>) -> Self {
        let mut zone = Self::default();
        for record in &records {
            if let Err(problem) = zone.add(record) {
                let value = match &record.value {
                    RecordValue::A(value) | RecordValue::Cname(value) => value,
                };
                tracing::warn!(name = record.name, value, problem, "dns record is left out");
            }
        }
        zone
    }

    fn add(&mut self, record: &StaticRecord) -> Result<(), &'static str> {
        let owner = LowerName::from(absolute(&record.name).ok_or("its name is not a domain name")?);
        match &record.value {
            RecordValue::A(text) => {
                let address = text.trim().parse().map_err(|_| "its value is not an IPv4 address")?;
                let addresses = &mut self.names.entry(owner).or_default().addresses;
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            RecordValue::Cname(text) => {
                let target = absolute(text.trim()).ok_or("its value is not a domain name")?;
                self.names.entry(owner).or_default().alias = Some(target);
            }
        }
        Ok(())
    }

    /// The answers, or `None` when the question is not ours. A name with addresses has no IPv6 ones: a pin to an
    /// IPv4 address must not be undone by an AAAA record that is passed through.
    pub(super) fn answers(&self, name: &Name, kind: RecordType) -> Option<Vec<Record>> {
        if self.names.is_empty() {
            return None;
        }
        let values = self.names.get(&LowerName::from(name))?;
        let record = |data| Record::from_rdata(name.clone(), TTL, data);
        match kind {
            RecordType::A if !values.addresses.is_empty() => {
                Some(values.addresses.iter().map(|ip| record(RData::A((*ip).into()))).collect())
            }
            RecordType::AAAA if !values.addresses.is_empty() => Some(Vec::new()),
            RecordType::CNAME => values.alias.clone().map(|target| vec![record(RData::CNAME(CNAME(target)))]),
            _ => None,
        }
    }
}

fn absolute(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}
