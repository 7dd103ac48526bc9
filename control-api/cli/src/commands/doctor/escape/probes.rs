//! The inside: every way out is tried in turn, and what stopped it is printed.

use std::ffi::OsString;
use std::path::PathBuf;

use super::ways;
use crate::printer;

/// Where the baits are.
pub(super) struct Targets {
    /// Port of a TCP service on the host's loopback.
    pub(super) tcp: u16,
    /// Port of a UDP service on the host's loopback; also the proxy's resolver.
    pub(super) udp: u16,
    /// Port of the origin that the proxy may reach.
    pub(super) origin: u16,
    /// A listening UNIX socket.
    pub(super) socket: PathBuf,
    /// An abstract one.
    pub(super) abstract_name: String,
    /// Process id of the parent, on the host.
    pub(super) parent: u32,
}

impl Targets {
    pub(super) fn to_args(&self) -> Vec<OsString> {
        let numbers = [self.tcp.into(), self.udp.into(), self.origin.into(), self.parent];
        let mut args: Vec<OsString> = numbers.iter().map(|n: &u32| n.to_string().into()).collect();
        args.push(self.abstract_name.clone().into());
        args.push(self.socket.clone().into());
        args
    }

    pub(super) fn from_args(args: &mut dyn Iterator<Item = OsString>) -> Option<Self> {
        let mut number = || args.next()?.to_str()?.parse::<u32>().ok();
        let (tcp, udp, origin, parent) = (number()?, number()?, number()?, number()?);
        Some(Self {
            tcp: u16::try_from(tcp).ok()?,
            udp: u16::try_from(udp).ok()?,
            origin: u16::try_from(origin).ok()?,
            parent,
            abstract_name: args.next()?.into_string().ok()?,
            socket: args.next()?.into(),
        })
    }
}

/// What became of one attempt.
pub(super) enum Outcome {
    /// It failed, as it must; with what stopped it.
    Contained(String),
    /// It got somewhere.
    Escaped(String),
}

/// Tries everything and prints a table; whether all is as it must be.
pub(super) fn run(targets: &Targets) -> bool {
    let mut rows = vec![vec!["result".to_owned(), "way".to_owned(), "what stopped it".to_owned()]];
    let mut good = true;
    let mut push = |name: &str, outcome: Outcome| {
        let (word, detail) = match outcome {
            Outcome::Contained(detail) => ("ok", detail),
            Outcome::Escaped(detail) => {
                good = false;
                ("ESCAPED", detail)
            }
        };
        rows.push(vec![word.to_owned(), name.to_owned(), detail]);
    };
    let interfaces = ways::interfaces();
    let only_loopback = matches!(interfaces, Outcome::Contained(_));
    push("network interfaces", interfaces);
    if only_loopback {
        for (name, way) in ways::NETWORK {
            push(name, way());
        }
    }
    push("DNS labels to a resolver outside", ways::dns_labels());
    push("TCP service on the host's loopback", ways::tcp(([127, 0, 0, 1], targets.tcp).into()));
    push("UDP service on the host's loopback", ways::udp_loopback(targets.udp));
    push("UNIX socket of the host", ways::unix_path(&targets.socket));
    push("abstract UNIX socket", ways::unix_abstract(&targets.abstract_name));
    for (name, way) in ways::KERNEL {
        push(name, way());
    }
    push("the parent's environment and memory", ways::parent(targets.parent));
    push("masks lifted from a nested user namespace", ways::from_nested(&targets.socket));
    for (name, outcome) in ways::twins(targets.origin) {
        match outcome {
            Ok(detail) => rows.push(vec!["ok".to_owned(), name.to_owned(), detail]),
            Err(detail) => {
                good = false;
                rows.push(vec!["FAILED".to_owned(), name.to_owned(), detail]);
            }
        }
    }
    printer::table(&rows);
    good
}
