//! The DNS server that sends a sandbox's names to the proxy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use centaur_e2e::World;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

const KEYS: &str = "proxy_ip: \"10.9.8.7\", passthrough: [\"*.PASS.test\"], records: [\
    {name: static.test, type: A, value: 192.0.2.1}, {name: alias.test, type: CNAME, value: target.test}]";

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(77, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("name"), kind));
    message
}

async fn ask(server: SocketAddr, message: &Message) -> Message {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
    socket.send_to(&message.to_vec().expect("message"), server).await.expect("send");
    let mut buf = [0; 4096];
    let (length, _) =
        centaur_e2e::wait::within("a DNS answer", socket.recv_from(&mut buf)).await.expect("answer");
    Message::from_vec(&buf[..length]).expect("a message")
}

fn addresses(reply: &Message) -> Vec<IpAddr> {
    reply
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(a) => Some(IpAddr::V6(a.0)),
            _ => None,
        })
        .collect()
}

async fn a(server: SocketAddr, name: &str) -> Vec<IpAddr> {
    addresses(&ask(server, &query(name, RecordType::A)).await)
}

#[tokio::test]
async fn every_name_leads_to_the_proxy_unless_listed() {
    let w = World::usual().dns(KEYS).start().await;
    let server = w.addr("dns");
    let proxy: IpAddr = "10.9.8.7".parse().expect("address");
    for name in ["any.test.", "AnY.tEsT.", "deep.under.any.test.", "pass.nothere."] {
        assert_eq!(a(server, name).await, [proxy], "{name}");
    }
    assert_eq!(a(server, "static.test.").await, ["192.0.2.1".parse::<IpAddr>().expect("address")]);
    w.dns.set("x.pass.test", &["192.0.2.9".parse().expect("address")]);
    assert_eq!(a(server, "x.pass.test.").await, ["192.0.2.9".parse::<IpAddr>().expect("address")]);
    let alias = ask(server, &query("alias.test.", RecordType::CNAME)).await;
    assert!(matches!(&alias.answers[0].data, RData::CNAME(name) if name.to_string() == "target.test."));
    w.finish(0).await;
}

#[tokio::test]
async fn other_types_get_an_empty_answer_so_that_nothing_leads_around_the_proxy() {
    let w = World::usual().dns(KEYS).start().await;
    for kind in [RecordType::AAAA, RecordType::HTTPS, RecordType::SVCB, RecordType::TXT, RecordType::MX] {
        let reply = ask(w.addr("dns"), &query("any.test.", kind)).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{kind}");
        assert!(reply.answers.is_empty(), "{kind}: {reply:?}");
    }
    assert!(w.dns.asked().is_empty(), "intercepted names are not asked for outside: {:?}", w.dns.asked());
    w.finish(0).await;
}

#[tokio::test]
async fn the_answer_echoes_the_question_and_has_the_documented_flags() {
    let w = World::usual().dns(KEYS).start().await;
    let reply = ask(w.addr("dns"), &query("CaSe.TeSt.", RecordType::A)).await;
    assert_eq!(reply.metadata.id, 77);
    assert!(reply.metadata.authoritative && reply.metadata.recursion_desired);
    assert_eq!(reply.queries[0].name().to_string(), "CaSe.TeSt.");
    assert_eq!(reply.answers[0].ttl, 60);
    w.finish(0).await;
}

#[tokio::test]
async fn malformed_traffic_is_told_so_or_ignored() {
    let w = World::usual().dns(KEYS).start().await;
    let server = w.addr("dns");
    let mut update = query("any.test.", RecordType::A);
    update.metadata.op_code = OpCode::Status;
    assert_eq!(ask(server, &update).await.metadata.response_code, ResponseCode::NotImp);
    let mut two = query("any.test.", RecordType::A);
    two.add_query(Query::query(Name::from_ascii("b.test.").expect("name"), RecordType::A));
    assert_eq!(ask(server, &two).await.metadata.response_code, ResponseCode::FormErr);
    // Too short, and an answer instead of a question: no reply. The next good question is answered.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
    socket.send_to(&[1, 2, 3], server).await.expect("send");
    let mut answer = query("any.test.", RecordType::A);
    answer.metadata.message_type = MessageType::Response;
    socket.send_to(&answer.to_vec().expect("message"), server).await.expect("send");
    let mut good = query("any.test.", RecordType::A);
    good.metadata.id = 99;
    socket.send_to(&good.to_vec().expect("message"), server).await.expect("send");
    let mut buf = [0; 512];
    let (length, _) =
        centaur_e2e::wait::within("an answer", socket.recv_from(&mut buf)).await.expect("answer");
    assert_eq!(Message::from_vec(&buf[..length]).expect("message").metadata.id, 99);
    w.finish(0).await;
}

#[tokio::test]
async fn a_name_that_is_not_there_is_not_there() {
    let w = World::usual().dns(KEYS).start().await;
    w.dns.remove("gone.pass.test");
    let reply = ask(w.addr("dns"), &query("gone.pass.test.", RecordType::A)).await;
    assert!(reply.answers.is_empty());
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    w.finish(0).await;
}

#[tokio::test]
async fn tcp_is_served_as_well() {
    let w = World::usual().dns(KEYS).start().await;
    let mut stream = TcpStream::connect(w.addr("dns")).await.expect("connect");
    let message = query("any.test.", RecordType::A).to_vec().expect("message");
    stream.write_all(&u16::try_from(message.len()).expect("short").to_be_bytes()).await.expect("send");
    stream.write_all(&message).await.expect("send");
    let reply = centaur_e2e::wait::within("an answer", async {
        let length = stream.read_u16().await.expect("length");
        let mut reply = vec![0; usize::from(length)];
        stream.read_exact(&mut reply).await.expect("reply");
        reply
    })
    .await;
    assert_eq!(
        addresses(&Message::from_vec(&reply).expect("message")),
        ["10.9.8.7".parse::<IpAddr>().expect("ip")]
    );
    drop(stream);
    w.finish(0).await;
}
