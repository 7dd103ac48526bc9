//! The agent of the demonstration: a process that knows a proxy and a placeholder.

use std::ffi::OsString;
use std::fs;
use std::io;

use super::KEY;
use crate::loopback::Proxy;
use crate::printer;

/// Name of the hidden command.
pub const AGENT: &str = "__demo_agent";

/// Runs the hidden command, if `args` ask for it: one call, whose answer goes to standard output.
pub fn run_agent(args: &mut dyn Iterator<Item = OsString>) -> Option<u8> {
    if args.next()? != AGENT {
        return None;
    }
    let words: Vec<String> = args.filter_map(|arg| arg.into_string().ok()).collect();
    match call(&words) {
        Ok(answer) => {
            printer::out_raw(&answer);
            Some(0)
        }
        Err(error) => {
            printer::error(format_args!("agent: {error}"));
            Some(1)
        }
    }
}

fn call(words: &[String]) -> io::Result<String> {
    let [proxy, ca_file, authority, path, with_key] = words else {
        return Err(io::Error::other("five words expected"));
    };
    let ca_pem = fs::read_to_string(ca_file)?;
    let address = proxy.parse().map_err(io::Error::other)?;
    let proxy = Proxy { address, credentials: None, ca_pem: &ca_pem };
    // What any program does with its key.
    let key = std::env::var(KEY).map_err(io::Error::other)?;
    let bearer = format!("Bearer {key}");
    let fields: &[(&str, &str)] = if with_key == "with-key" { &[("Authorization", &bearer)] } else { &[] };
    proxy.get(authority, path, fields)
}
