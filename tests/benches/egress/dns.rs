//! A DNS server to which every name is the loopback address.

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;

/// Seconds an answer may be kept.
const TTL: u32 = 60;

/// Answers until the process ends.
pub(crate) async fn serve(socket: UdpSocket) {
    let mut packet = [0; 1_500];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut packet).await else { continue };
        if let Some(answer) = answer(&packet[..length]) {
            // A lost answer is asked for again.
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

fn answer(packet: &[u8]) -> Option<Vec<u8>> {
    let query = Message::from_vec(packet).ok()?;
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.authoritative = true;
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    for question in &query.queries {
        if question.query_type() == RecordType::A {
            let address = RData::A(A::new(127, 0, 0, 1));
            answer.answers.push(Record::from_rdata(question.name().clone(), TTL, address));
        }
    }
    answer.queries = query.queries;
    answer.to_vec().ok()
}
