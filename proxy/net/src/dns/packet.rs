//! Packets: what a question must look like, and how an answer is put on the wire.

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::{TTL, Transport};

/// What a packet says.
pub(super) enum Heard {
    /// Not a question: an answer, or too short to tell.
    Nothing,
    /// A question that cannot be answered, and the answer to that.
    Bad(Vec<u8>),
    /// A question.
    Ask(Ask),
}

/// One question.
#[derive(Debug)]
pub(super) struct Ask {
    asked: Metadata,
    query: Query,
    edns: Option<Edns>,
}

const HEADER_LEN: usize = 12;

/// Octets an EDNS answer over UDP may have: what passes every common link in one piece (DNS flag day 2020).
const MAX_UDP: u16 = 1232;

/// Octets a UDP answer may have for a client that offers nothing (RFC 1035 2.3.4).
const MIN_UDP: u16 = 512;

/// Reads a packet. The rules are the reference's: opcode QUERY or NOTIFY, one question, at most one answer, one
/// authority and two additional records. Ours adds the EDNS version (RFC 6891 6.1.3).
pub(super) fn hear(packet: &[u8]) -> Heard {
    let Some(header) = packet.first_chunk::<HEADER_LEN>() else { return Heard::Nothing };
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (id, flags) = (word(0), word(2));
    if flags & 0x8000 != 0 {
        return Heard::Nothing;
    }
    let op_code = OpCode::from_u8((flags >> 11) as u8 & 0x0f);
    let mut asked = Metadata::new(id, MessageType::Query, op_code);
    asked.recursion_desired = flags & 0x0100 != 0;
    asked.checking_disabled = flags & 0x0010 != 0;
    if !matches!(op_code, OpCode::Query | OpCode::Notify) {
        return Heard::Bad(error(&asked, ResponseCode::NotImp));
    }
    let (questions, answers, authorities, additionals) = (word(4), word(6), word(8), word(10));
    if questions != 1 || answers > 1 || authorities > 1 || additionals > 2 {
        return Heard::Bad(error(&asked, ResponseCode::FormErr));
    }
    let Ok(mut message) = Message::from_vec(packet) else {
        return Heard::Bad(error(&asked, ResponseCode::FormErr));
    };
    let Some(query) = message.queries.pop() else {
        return Heard::Bad(error(&asked, ResponseCode::FormErr));
    };
    let ask = Ask { asked, query, edns: message.edns };
    if ask.edns.as_ref().is_some_and(|edns| edns.version() != 0) {
        return Heard::Bad(ask.failure(ResponseCode::BADVERS, None, Transport::Udp));
    }
    Heard::Ask(ask)
}

impl Ask {
    pub(super) fn name(&self) -> &Name {
        self.query.name()
    }

    pub(super) fn kind(&self) -> RecordType {
        self.query.query_type()
    }

    /// The answer with these records; without any, an empty one that may be kept for a while (RFC 2308 section 3).
    pub(super) fn reply(&self, answers: Vec<Record>, transport: Transport) -> Vec<u8> {
        let mut message = self.begin(ResponseCode::NoError);
        if answers.is_empty() {
            message.add_authority(nothing_here(self.name()));
        }
        message.insert_answers(answers);
        self.encode(&message, transport)
    }

    /// An answer without records, with the SOA that says how long that holds, if there is one.
    pub(super) fn failure(&self, code: ResponseCode, soa: Option<Record>, transport: Transport) -> Vec<u8> {
        let mut message = self.begin(code);
        if let Some(soa) = soa {
            message.add_authority(soa);
        }
        self.encode(&message, transport)
    }

    fn begin(&self, code: ResponseCode) -> Message {
        let mut message = begin(&self.asked, code);
        message.metadata.authoritative = true;
        // Spelled as asked: clients that vary letter case against forgery compare it.
        message.add_query(self.query.clone());
        if let Some(edns) = &self.edns {
            let mut ours = Edns::new();
            ours.set_max_payload(MAX_UDP).set_dnssec_ok(edns.flags().dnssec_ok);
            message.set_edns(ours);
        }
        message
    }

    fn encode(&self, message: &Message, transport: Transport) -> Vec<u8> {
        let limit = match transport {
            Transport::Tcp => usize::from(u16::MAX),
            Transport::Udp => {
                self.edns.as_ref().map_or(MIN_UDP, |edns| edns.max_payload().clamp(MIN_UDP, MAX_UDP)).into()
            }
        };
        let encoded = message.to_vec().ok().filter(|bytes| bytes.len() <= limit);
        encoded.unwrap_or_else(|| bytes(&message.truncate(), &self.asked))
    }
}

/// An answer that does not repeat the question.
fn error(asked: &Metadata, code: ResponseCode) -> Vec<u8> {
    bytes(&begin(asked, code), asked)
}

fn begin(asked: &Metadata, code: ResponseCode) -> Message {
    let mut message = Message::response(asked.id, asked.op_code);
    message.metadata = Metadata::response_from_request(asked);
    message.metadata.response_code = code;
    message
}

/// Encodes what is small enough to be encoded; should that fail all the same, the bare header says SERVFAIL.
fn bytes(message: &Message, asked: &Metadata) -> Vec<u8> {
    message.to_vec().unwrap_or_else(|_| {
        let [high, low] = asked.id.to_be_bytes();
        let op_code = u8::from(asked.op_code) << 3;
        vec![high, low, 0x80 | op_code, 2, 0, 0, 0, 0, 0, 0, 0, 0]
    })
}

/// "This name exists and has nothing of that kind", for as long as our other answers hold. The name stands for its
/// own zone, as there is no real one.
fn nothing_here(name: &Name) -> Record {
    let minimum = TTL;
    let (refresh, retry, expire) = (3600, 600, 86_400);
    let soa = SOA::new(name.clone(), Name::root(), 1, refresh, retry, expire, minimum);
    Record::from_rdata(name.clone(), TTL, RData::SOA(soa))
}
