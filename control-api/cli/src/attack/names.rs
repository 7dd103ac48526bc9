//! The name server of a run: a table, and for some names a different answer each time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use super::{AttackError, io};

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;

/// A table of names. Names that are not in it do not exist.
#[derive(Debug, Default)]
pub struct Table(HashMap<String, Vec<Vec<IpAddr>>>);

impl Table {
    /// One answer.
    pub fn set(&mut self, name: &str, addresses: &[IpAddr]) {
        self.0.insert(name.to_owned(), vec![addresses.to_vec()]);
    }

    /// Answers that follow each other and start again, for rebinding.
    pub fn alternate(&mut self, name: &str, answers: &[&[IpAddr]]) {
        self.0.insert(name.to_owned(), answers.iter().map(|list| list.to_vec()).collect());
    }
}

/// Serves `table` at a free port of 127.0.0.1 until the program ends.
///
/// # Errors
/// A socket that cannot be had.
pub fn serve(table: Table) -> Result<SocketAddr, AttackError> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io("binding the name server"))?;
    let addr = socket.local_addr().map_err(io("binding the name server"))?;
    let table = Arc::new(Mutex::new(table));
    std::thread::spawn(move || {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            if let Some(reply) = answer(&packet[..length], &table) {
                let _ = socket.send_to(&reply, from);
            }
        }
    });
    Ok(addr)
}

fn answer(query: &[u8], table: &Mutex<Table>) -> Option<Vec<u8>> {
    let (name, end) = name(query)?;
    let question = query.get(HEADER..end + 4)?;
    let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    let mut table = table.lock().ok()?;
    let addresses = match table.0.get_mut(&name) {
        None => None,
        Some(answers) => {
            let now = answers.first().cloned().unwrap_or_default();
            // Only A questions turn the wheel, so that AAAA questions beside them do not.
            if answers.len() > 1 && kind == TYPE_A {
                answers.rotate_left(1);
            }
            Some(now)
        }
    };
    let missing = addresses.is_none();
    let records: Vec<Vec<u8>> = addresses
        .unwrap_or_default()
        .into_iter()
        .filter_map(|address| match (address, kind) {
            (IpAddr::V4(ip), TYPE_A) => Some(ip.octets().to_vec()),
            (IpAddr::V6(ip), TYPE_AAAA) => Some(ip.octets().to_vec()),
            _ => None,
        })
        .collect();

    let mut reply = query.get(..2)?.to_vec();
    // Response, recursion desired and available; NXDOMAIN or not.
    reply.extend_from_slice(&[
        0x81,
        0x80 | if missing { 3 } else { 0 },
        0,
        1,
        0,
        u8::try_from(records.len()).ok()?,
        0,
        0,
        0,
        0,
    ]);
    reply.extend_from_slice(question);
    for record in records {
        reply.extend_from_slice(&[0xc0, 0x0c]);
        reply.extend_from_slice(&kind.to_be_bytes());
        reply.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::try_from(record.len()).ok()?]);
        reply.extend_from_slice(&record);
    }
    Some(reply)
}

/// The name of the first question in lower case, and where it ends.
fn name(query: &[u8]) -> Option<(String, usize)> {
    let mut at = HEADER;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = query.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::{Table, answer};

    const QUERY: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01A\x04test\x00\x00\x01\x00\x01";

    #[test]
    fn a_known_name_is_answered_and_an_unknown_one_does_not_exist() {
        let mut table = Table::default();
        table.alternate("a.test", &[&[[192, 0, 2, 1].into()], &[[192, 0, 2, 2].into()]]);
        let table = Mutex::new(table);
        for last in [1, 2, 1] {
            let reply = answer(QUERY, &table).expect("reply");
            assert_eq!(reply[..4], [0x12, 0x34, 0x81, 0x80]);
            assert_eq!(reply[reply.len() - 4..], [192, 0, 2, last]);
        }
        let reply = answer(QUERY, &Mutex::new(Table::default())).expect("reply");
        assert_eq!(reply[3] & 15, 3);
        assert!(answer(&QUERY[..20], &table).is_none());
    }
}
