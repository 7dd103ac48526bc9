//! A loopback DNS server for `dns.upstream_resolver`: every name is 127.0.0.1 unless told otherwise.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;

/// A running server; it stops with the runtime.
#[derive(Clone)]
pub struct Dns {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    names: HashMap<String, Vec<Vec<IpAddr>>>,
    missing: Vec<String>,
    asked: Vec<String>,
}

impl Dns {
    /// Binds a free loopback port.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        let addr = socket.local_addr().expect("address");
        let state = Arc::new(Mutex::new(State::default()));
        tokio::spawn(serve(socket, state.clone()));
        Self { addr, state }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers `name` with `addresses`.
    pub fn set(&self, name: &str, addresses: &[IpAddr]) {
        self.set_sequence(name, &[addresses]);
    }

    /// Answers `name` with the first list, then the second, …; the last one for ever. For rebinding.
    pub fn set_sequence(&self, name: &str, answers: &[&[IpAddr]]) {
        let answers = answers.iter().map(|list| list.to_vec()).collect();
        self.state.lock().expect("lock").names.insert(name.to_owned(), answers);
    }

    /// Answers `name` with NXDOMAIN.
    pub fn remove(&self, name: &str) {
        self.state.lock().expect("lock").missing.push(name.to_owned());
    }

    /// The names asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().expect("lock").asked.clone()
    }
}

async fn serve(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut buf = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut buf).await {
        let Ok(query) = Message::from_vec(&buf[..length]) else { continue };
        if let Some(answer) = answer(&query, &state).and_then(|message| message.to_vec().ok()) {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

fn answer(query: &Message, state: &Mutex<State>) -> Option<Message> {
    let question = query.queries.first()?.clone();
    let name = question.name().to_string().trim_end_matches('.').to_ascii_lowercase();
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_desired = true;
    reply.metadata.recursion_available = true;
    reply.add_query(question.clone());

    let mut state = state.lock().expect("lock");
    state.asked.push(name.clone());
    if state.missing.contains(&name) {
        reply.metadata.response_code = ResponseCode::NXDomain;
        return Some(reply);
    }
    let addresses = match state.names.get_mut(&name) {
        // Only A questions advance a sequence, so that an AAAA question beside it does not eat a step.
        Some(answers) if answers.len() > 1 && question.query_type() == RecordType::A => answers.remove(0),
        Some(answers) => answers[0].clone(),
        None => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
    };
    for address in addresses {
        let data = match (address, question.query_type()) {
            (IpAddr::V4(ip), RecordType::A) => RData::A(A(ip)),
            (IpAddr::V6(ip), RecordType::AAAA) => RData::AAAA(AAAA(ip)),
            _ => continue,
        };
        reply.add_answer(Record::from_rdata(question.name().clone(), 0, data));
    }
    Some(reply)
}
