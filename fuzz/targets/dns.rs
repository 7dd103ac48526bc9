//! Any packet is ignored or answered with an answer to it, within the limit of its transport.
#![no_main]

use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

use centaur_net::dns::{DnsServer, DnsSettings, RecordValue, StaticRecord, Transport};
use centaur_net::resolve::Resolver;
use futures_util::FutureExt as _;
use libfuzzer_sys::fuzz_target;

static SERVER: LazyLock<DnsServer> = LazyLock::new(|| {
    let record = |n: u8| StaticRecord {
        name: "many.test".to_owned(),
        value: RecordValue::A(Ipv4Addr::new(192, 0, 2, n).to_string()),
    };
    let alias =
        StaticRecord { name: "alias.test".to_owned(), value: RecordValue::Cname("x.test".to_owned()) };
    let settings = DnsSettings {
        proxy_ip: Ipv4Addr::new(192, 0, 2, 1),
        passthrough: Vec::new(),
        records: (0..200).map(record).chain([alias]).collect(),
    };
    DnsServer::new(settings, Arc::new(Resolver::new(None).expect("no server to be wrong")))
});

fuzz_target!(|packet: &[u8]| {
    let answer = |transport| SERVER.answer(packet, transport).now_or_never().expect("nothing to wait for");
    for (transport, limit) in [(Transport::Udp, 1232), (Transport::Tcp, 65535)] {
        let Some(reply) = answer(transport) else {
            assert!(packet.len() < 12 || packet[2] & 0x80 != 0, "a question must be answered");
            continue;
        };
        assert!((12..=limit).contains(&reply.len()), "{}", reply.len());
        assert_eq!(reply[..2], packet[..2], "the id is echoed");
        assert_eq!(reply[2] & 0xf9, 0x80 | (packet[2] & 0x79), "opcode and RD are echoed");
        assert_eq!(answer(transport).as_ref(), Some(&reply), "the same question has the same answer");
        // An answer is not a question, so two servers cannot keep each other busy.
        assert_eq!(SERVER.answer(&reply, transport).now_or_never().expect("nothing to wait for"), None);
    }
});
