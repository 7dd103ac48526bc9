//! The netlink requests we need: bring the loopback interface up, and give it a second address.

use std::io;

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Index of `lo` in every network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: i32 = 1;
/// An address of `lo` beside 127.0.0.1. The C library's `AI_ADDRCONFIG` takes a machine that has no other address for
/// one without IPv4, and then refuses to look up any.
const SECOND_ADDRESS: [u8; 4] = [127, 0, 0, 2];
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const IFF_UP: u32 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const AF_INET: u8 = 2;
const RT_SCOPE_HOST: u8 = 254;

/// Brings `lo` of the current network namespace up, with its addresses.
pub(super) fn loopback_up() -> io::Result<()> {
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    ask(&socket, &link_up())?;
    ask(&socket, &second_address())
}

fn ask(socket: &OwnedFd, request: &[u8]) -> io::Result<()> {
    rustix::net::send(socket, request, SendFlags::empty())?;
    let mut answer = [0; 512];
    let (length, _) = rustix::net::recv(socket, &mut answer[..], RecvFlags::empty())?;
    outcome(&answer[..length])
}

/// `ifinfomsg` of rtnetlink(7).
fn link_up() -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(0_u16.to_ne_bytes());
    body.extend(LOOPBACK.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, &body)
}

/// `ifaddrmsg` and two attributes.
fn second_address() -> Vec<u8> {
    let mut body = vec![AF_INET, 8, 0, RT_SCOPE_HOST];
    body.extend(LOOPBACK.to_ne_bytes());
    for attribute in [IFA_LOCAL, IFA_ADDRESS] {
        body.extend(8_u16.to_ne_bytes());
        body.extend(attribute.to_ne_bytes());
        body.extend(SECOND_ADDRESS);
    }
    message(RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, &body)
}

/// `nlmsghdr` in front, in host byte order.
fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    message
}

/// An acknowledgement is an error message with code 0.
fn outcome(answer: &[u8]) -> io::Result<()> {
    let kind = answer.get(4..6).and_then(|b| b.try_into().ok()).map(u16::from_ne_bytes);
    let code = answer.get(16..20).and_then(|b| b.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, code) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(code)) => Err(io::Error::from_raw_os_error(-code)),
        _ => Err(io::Error::other("the kernel gave no acknowledgement")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_told_from_a_refusal() {
        let mut answer = vec![0; 20];
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        assert!(outcome(&answer).is_ok());
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(outcome(&answer).unwrap_err().raw_os_error(), Some(1));
        assert!(outcome(&answer[..10]).is_err());
    }

    #[test]
    fn requests_are_as_long_as_they_say() {
        for (request, length) in [(link_up(), 32_u32), (second_address(), 40)] {
            assert_eq!(request.len(), length as usize);
            assert_eq!(request[..4], length.to_ne_bytes());
        }
    }
}
