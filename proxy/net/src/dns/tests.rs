use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, OpCode, Query};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::*;
use crate::resolve::SystemFiles;

const PROXY: Ipv4Addr = Ipv4Addr::new(172, 20, 0, 2);

fn a(name: &str, value: &str) -> StaticRecord {
    StaticRecord { name: name.to_owned(), value: RecordValue::A(value.to_owned()) }
}

fn cname(name: &str, value: &str) -> StaticRecord {
    StaticRecord { name: name.to_owned(), value: RecordValue::Cname(value.to_owned()) }
}

/// A server with these settings in front of `upstream` (no DNS server at all by default).
fn server_before(upstream: &str, passthrough: &[&str], records: Vec<StaticRecord>) -> DnsServer {
    let nowhere = std::path::PathBuf::from("/nonexistent");
    let files = SystemFiles { resolv_conf: nowhere.join("resolv.conf"), hosts: nowhere.join("hosts") };
    let resolver = Resolver::with_files(Some(upstream), files).unwrap();
    let passthrough = passthrough.iter().map(|text| (*text).to_owned()).collect();
    DnsServer::new(DnsSettings { proxy_ip: PROXY, passthrough, records }, Arc::new(resolver))
}

fn server(records: Vec<StaticRecord>) -> DnsServer {
    server_before("127.0.0.1:1", &[], records)
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

async fn ask(server: &DnsServer, message: &Message) -> Message {
    let reply = server.answer(&message.to_vec().unwrap(), Transport::Udp).await.unwrap();
    Message::from_vec(&reply).unwrap()
}

async fn answers(server: &DnsServer, name: &str, kind: RecordType) -> Vec<String> {
    let reply = ask(server, &question(name, kind)).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{name} {kind}");
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

#[tokio::test]
async fn every_name_is_the_proxy() {
    let server = server(vec![]);
    for name in ["api.example.com.", "x.", ".", "_sip._tcp.example.com.", "1.2.3.4."] {
        assert_eq!(answers(&server, name, RecordType::A).await, ["172.20.0.2"], "{name}");
    }
}

#[tokio::test]
async fn an_answer_echoes_the_question_as_it_was_spelled() {
    let mut asked = question("ApI.ExAmPlE.cOm.", RecordType::A);
    asked.metadata.checking_disabled = true;
    let reply = ask(&server(vec![]), &asked).await;
    assert_eq!(reply.metadata.id, asked.metadata.id);
    assert_eq!(reply.queries[0].name().to_ascii(), "ApI.ExAmPlE.cOm.");
    assert!(reply.metadata.authoritative && !reply.metadata.recursion_available);
    assert!(reply.metadata.recursion_desired && reply.metadata.checking_disabled);
    assert!(!reply.metadata.truncation && reply.edns.is_none());
    assert_eq!(reply.answers[0].ttl, 60);
    assert_eq!(reply.answers[0].name.to_ascii(), "ApI.ExAmPlE.cOm.");
    assert!(reply.authorities.is_empty());
}

#[tokio::test]
async fn other_types_of_an_intercepted_name_are_empty_and_may_be_kept() {
    let server = server(vec![]);
    for kind in [RecordType::AAAA, RecordType::HTTPS, RecordType::ANY, RecordType::TXT, RecordType::MX] {
        let reply = ask(&server, &question("api.example.com.", kind)).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
        assert!(reply.answers.is_empty(), "{kind}");
        let soa = &reply.authorities[0];
        assert_eq!((soa.record_type(), soa.ttl), (RecordType::SOA, 60));
    }
}

#[tokio::test]
async fn static_records_come_before_interception() {
    let server = server(vec![
        a("Pin.Example.com.", "192.0.2.1"),
        a("pin.example.com", "192.0.2.2"),
        a("pin.example.com", "192.0.2.1"),
        cname("alias.example.com", "first.test"),
        cname("alias.example.com", "last.test"),
    ]);
    assert_eq!(answers(&server, "piN.example.COM.", RecordType::A).await, ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(answers(&server, "alias.example.com.", RecordType::CNAME).await, ["last.test."]);
    // Other types fall through.
    assert_eq!(answers(&server, "pin.example.com.", RecordType::AAAA).await, [""; 0]);
    assert_eq!(answers(&server, "alias.example.com.", RecordType::A).await, ["172.20.0.2"]);
    assert_eq!(answers(&server, "x.pin.example.com.", RecordType::A).await, ["172.20.0.2"]);
}

#[tokio::test]
async fn a_record_that_says_nothing_is_left_out() {
    let server = server(vec![a("six.test", "2001:db8::1"), a("text.test", "nope"), a("a..b", "192.0.2.1")]);
    assert_eq!(answers(&server, "six.test.", RecordType::A).await, ["172.20.0.2"]);
    assert_eq!(answers(&server, "text.test.", RecordType::A).await, ["172.20.0.2"]);
}

#[tokio::test]
async fn what_is_not_a_question_gets_no_answer() {
    let server = server(vec![]);
    let mut answer = question("a.test.", RecordType::A).to_vec().unwrap();
    answer[2] |= 0x80;
    for packet in [&b""[..], b"\0", &answer[..11], &answer] {
        assert_eq!(server.answer(packet, Transport::Udp).await, None, "{packet:?}");
    }
}

#[tokio::test]
async fn a_malformed_question_is_told_so_without_repeating_it() {
    let server = server(vec![]);
    let good = question("a.test.", RecordType::A).to_vec().unwrap();
    let changed = |at: usize, value: u8| {
        let mut packet = good.clone();
        packet[at] = value;
        packet
    };
    for (packet, code) in [
        (changed(2, 2 << 3), 4), // STATUS
        (changed(2, 5 << 3), 4), // UPDATE
        (changed(2, 9 << 3), 4), // unassigned
        (changed(5, 0), 1),      // no question
        (changed(5, 2), 1),      // two
        (changed(7, 2), 1),      // two answers
        (changed(9, 2), 1),      // two authorities
        (changed(11, 3), 1),     // three additional records
        (changed(11, 1), 1),     // one that is not there
        (good[..good.len() - 1].to_vec(), 1),
        (changed(12, 0xc0), 1), // a pointer to nowhere
    ] {
        let reply = server.answer(&packet, Transport::Udp).await.unwrap();
        assert_eq!(reply.len(), 12, "{packet:?}");
        assert_eq!(reply[..2], packet[..2]);
        assert_eq!((reply[2] & 0xf8, reply[3] & 0x0f), (0x80 | (packet[2] & 0x78), code), "{packet:?}");
        assert_eq!(reply[4..], [0; 8]);
    }
}

#[tokio::test]
async fn notify_is_answered_like_a_question() {
    let mut asked = question("a.test.", RecordType::A);
    asked.metadata.op_code = OpCode::Notify;
    let reply = ask(&server(vec![]), &asked).await;
    assert_eq!((reply.metadata.op_code, reply.answers.len()), (OpCode::Notify, 1));
}

#[tokio::test]
async fn edns_is_answered_with_edns_and_an_unknown_version_is_refused() {
    let mut asked = question("a.test.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(4096).set_dnssec_ok(true);
    asked.set_edns(edns.clone());
    let reply = ask(&server(vec![]), &asked).await;
    let ours = reply.edns.unwrap();
    assert_eq!((ours.version(), ours.max_payload(), ours.flags().dnssec_ok), (0, 1232, true));
    assert_eq!(reply.answers.len(), 1);

    edns.set_version(1);
    asked.set_edns(edns);
    let reply = ask(&server(vec![]), &asked).await;
    // BADVERS; BADSIG has the same number.
    assert_eq!(u16::from(reply.metadata.response_code), 16);
    assert!(reply.answers.is_empty() && reply.edns.is_some());
}

#[tokio::test]
async fn an_answer_too_long_for_udp_is_truncated_and_whole_over_tcp() {
    let records: Vec<_> = (0..60).map(|n| a("many.test", &format!("192.0.2.{n}"))).collect();
    let server = server(records);
    let mut asked = question("many.test.", RecordType::A);
    let reply = ask(&server, &asked).await;
    assert!(reply.metadata.truncation && reply.answers.is_empty());
    let packet = asked.to_vec().unwrap();
    let whole = Message::from_vec(&server.answer(&packet, Transport::Tcp).await.unwrap()).unwrap();
    assert_eq!((whole.answers.len(), whole.metadata.truncation), (60, false));
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    asked.set_edns(edns);
    let reply = ask(&server, &asked).await;
    assert_eq!((reply.answers.len(), reply.metadata.truncation), (60, false));
}

/// A DNS server for the tests: knows `zone`, says SERVFAIL to `broken.test`, truncates `long.test` over UDP, and
/// NXDOMAIN with an SOA to all else. Returns its address.
async fn upstream(zone: HashMap<(&'static str, RecordType), Vec<RData>>) -> String {
    counting_upstream(zone).await.0
}

/// A port that is free for UDP and TCP alike; the one chosen for UDP may be taken for TCP.
async fn one_port() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

/// The same with the number of questions it was asked.
async fn counting_upstream(
    zone: HashMap<(&'static str, RecordType), Vec<RData>>,
) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    let (udp, tcp) = one_port().await;
    let address = udp.local_addr().unwrap();
    let reply = move |packet: &[u8], is_udp: bool| {
        count.fetch_add(1, Ordering::SeqCst);
        let asked = Message::from_vec(packet).unwrap();
        let mut reply = Message::response(asked.metadata.id, OpCode::Query);
        reply.metadata = hickory_proto::op::Metadata::response_from_request(&asked.metadata);
        let query = asked.queries[0].clone();
        let name = query.name().to_ascii();
        reply.add_query(query.clone());
        if name == "long.test." && is_udp {
            reply.metadata.truncation = true;
            return reply.to_vec().unwrap();
        }
        match zone.get(&(name.as_str(), query.query_type())) {
            Some(data) => {
                reply.add_answers(
                    data.iter().map(|d| Record::from_rdata(query.name().clone(), 300, d.clone())),
                );
            }
            None if name == "broken.test." => reply.metadata.response_code = ResponseCode::ServFail,
            None => {
                if !zone.keys().any(|(known, _)| *known == name) {
                    reply.metadata.response_code = ResponseCode::NXDomain;
                }
                let soa = SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, 7);
                reply.add_authority(Record::from_rdata(Name::root(), 7, RData::SOA(soa)));
            }
        }
        reply.to_vec().unwrap()
    };
    tokio::spawn(async move {
        let mut packet = [0; 512];
        loop {
            tokio::select! {
                Ok((length, client)) = udp.recv_from(&mut packet) => {
                    udp.send_to(&reply(&packet[..length], true), client).await.unwrap();
                }
                Ok((mut stream, _)) = tcp.accept() => {
                    let length = stream.read_u16().await.unwrap();
                    stream.read_exact(&mut packet[..length.into()]).await.unwrap();
                    let reply = reply(&packet[..length.into()], false);
                    stream.write_u16(reply.len() as u16).await.unwrap();
                    stream.write_all(&reply).await.unwrap();
                }
            }
        }
    });
    (address.to_string(), asked)
}

fn v4(last: u8) -> RData {
    RData::A(Ipv4Addr::new(192, 0, 2, last).into())
}

fn known() -> HashMap<(&'static str, RecordType), Vec<RData>> {
    let v6 = RData::AAAA("2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().into());
    HashMap::from([
        (("real.test.", RecordType::A), vec![v4(7), v4(8)]),
        (("real.test.", RecordType::AAAA), vec![v6]),
        (("four.test.", RecordType::A), vec![v4(4)]),
        (("long.test.", RecordType::A), vec![v4(9)]),
    ])
}

#[tokio::test]
async fn a_passthrough_name_is_answered_in_both_families_with_its_own_ttl() {
    let server = server_before(&upstream(known()).await, &["*.TEST"], vec![a("pin.test", "192.0.2.99")]);
    assert_eq!(answers(&server, "REAL.test.", RecordType::A).await, ["192.0.2.7", "192.0.2.8"]);
    assert_eq!(answers(&server, "real.test.", RecordType::AAAA).await, ["2001:db8::7"]);
    let reply = ask(&server, &question("Four.test.", RecordType::A)).await;
    assert!((290..=300).contains(&reply.answers[0].ttl), "{}", reply.answers[0].ttl);
    assert_eq!(reply.answers[0].name.to_ascii(), "Four.test.");
    // Truncated over UDP, so asked again over TCP.
    assert_eq!(answers(&server, "long.test.", RecordType::A).await, ["192.0.2.9"]);
    // Static records come first, and other names are the proxy.
    assert_eq!(answers(&server, "pin.test.", RecordType::A).await, ["192.0.2.99"]);
    assert_eq!(answers(&server, "pin.test.", RecordType::AAAA).await, [""; 0]);
    assert_eq!(answers(&server, "real.example.", RecordType::A).await, ["172.20.0.2"]);
    // Types other than addresses are not looked up.
    assert_eq!(answers(&server, "real.test.", RecordType::TXT).await, [""; 0]);
}

#[tokio::test]
async fn an_answer_is_kept_for_its_ttl_and_so_is_that_there_is_none() {
    let (address, asked) = counting_upstream(known()).await;
    let server = server_before(&address, &["*.test"], vec![]);
    for name in ["real.test.", "REAL.test.", "real.test."] {
        assert_eq!(answers(&server, name, RecordType::A).await.len(), 2);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    for _ in 0..3 {
        let missing = ask(&server, &question("missing.test.", RecordType::A)).await;
        assert_eq!(missing.metadata.response_code, ResponseCode::NXDomain);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_failed_lookup_is_passed_on_as_it_is() {
    let server = server_before(&upstream(known()).await, &["*.test"], vec![]);
    let missing = ask(&server, &question("missing.test.", RecordType::A)).await;
    assert_eq!(missing.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(missing.authorities[0].record_type(), RecordType::SOA);
    let empty = ask(&server, &question("four.test.", RecordType::AAAA)).await;
    assert_eq!(empty.metadata.response_code, ResponseCode::NoError);
    assert!(empty.answers.is_empty());
    assert_eq!(empty.authorities[0].record_type(), RecordType::SOA);
    let broken = ask(&server, &question("broken.test.", RecordType::A)).await;
    assert_eq!(broken.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test(start_paused = true)]
async fn a_passthrough_name_without_a_server_is_servfail() {
    let server = server_before("127.0.0.1:1", &["*"], vec![]);
    let reply = ask(&server, &question("real.test.", RecordType::A)).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn both_sockets_are_served_until_shutdown() {
    let server = Arc::new(server_before(&upstream(known()).await, &["*.test"], vec![]));
    let (udp, tcp) = one_port().await;
    let address = udp.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(Arc::clone(&server).serve(udp, tcp, async { drop(stopped.await) }));

    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = [0; 512];
    for (name, answer) in [("x.example.", "172.20.0.2"), ("four.test.", "192.0.2.4")] {
        client.send_to(&question(name, RecordType::A).to_vec().unwrap(), address).await.unwrap();
        let length = client.recv(&mut buffer).await.unwrap();
        let reply = Message::from_vec(&buffer[..length]).unwrap();
        assert_eq!(reply.answers[0].data.to_string(), answer);
    }
    // Two questions over one connection.
    let mut stream = TcpStream::connect(address).await.unwrap();
    for (name, answer) in [("x.example.", "172.20.0.2"), ("four.test.", "192.0.2.4")] {
        let packet = question(name, RecordType::A).to_vec().unwrap();
        stream.write_u16(packet.len() as u16).await.unwrap();
        stream.write_all(&packet).await.unwrap();
        let length = usize::from(stream.read_u16().await.unwrap());
        stream.read_exact(&mut buffer[..length]).await.unwrap();
        let reply = Message::from_vec(&buffer[..length]).unwrap();
        assert_eq!(reply.answers[0].data.to_string(), answer);
    }
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
    assert_eq!(stream.read(&mut buffer).await.unwrap_or(0), 0, "the connection must end with the server");
}

#[tokio::test]
async fn any_bytes_are_survived() {
    let server = server(vec![]);
    let mut packet = Vec::new();
    let asked = question("a.b.c.example.com.", RecordType::A);
    asked.emit(&mut BinEncoder::new(&mut packet)).unwrap();
    for at in 0..packet.len() {
        for value in [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff] {
            let mut changed = packet.clone();
            changed[at] = value;
            for end in [changed.len(), changed.len() / 2] {
                if let Some(reply) = server.answer(&changed[..end], Transport::Udp).await {
                    assert_eq!(reply[..2], changed[..2]);
                    assert!(reply.len() <= 1232);
                }
            }
        }
    }
}
