//! The program of the second part: it uses its key over and over, as an agent at work does, until it is refused.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::KEY;
use crate::loopback::{Proxy, body, header, status};
use crate::printer;

/// Name of the hidden command.
pub const WORKER: &str = "__demo_worker";
/// Between two requests.
const PAUSE: Duration = Duration::from_millis(1);
/// Nobody refuses it: then something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the hidden command, if `args` ask for it. Prints a line for every answer that differs from the one before, and
/// ends with the first refusal.
pub fn run_worker(args: &mut dyn Iterator<Item = OsString>) -> Option<u8> {
    if args.next()? != WORKER {
        return None;
    }
    let authority = args.next().and_then(|word| word.into_string().ok()).unwrap_or_default();
    match work(&authority) {
        Ok(()) => Some(0),
        Err(error) => {
            printer::error(format_args!("worker: {error}"));
            Some(1)
        }
    }
}

fn work(authority: &str) -> io::Result<()> {
    let variable = |name: &str| std::env::var(name).map_err(|e| io::Error::other(format!("{name}: {e}")));
    let url = variable("HTTPS_PROXY")?;
    let (credentials, address) = parts(&url).ok_or_else(|| io::Error::other("HTTPS_PROXY"))?;
    let ca_pem = fs::read_to_string(variable("SSL_CERT_FILE")?)?;
    let proxy = Proxy { address, credentials: Some(credentials), ca_pem: &ca_pem };
    let bearer = format!("Bearer {}", variable(KEY)?);
    let (until, mut last) = (Instant::now() + PATIENCE, String::new());
    while Instant::now() < until {
        let answer = match proxy.get(authority, "/hello", &[("Authorization", &bearer)]) {
            Ok(answer) => answer,
            // It was under way when the grant went, and was cut off.
            Err(_) if !last.is_empty() => continue,
            Err(error) => return Err(error),
        };
        let reason = header(&answer, "x-iron-reason").map(|reason| format!(" x-iron-reason: {reason}"));
        if reason.is_none() && !last.is_empty() && body(&answer).is_empty() {
            // Cut off after its head.
            continue;
        }
        let said = if reason.is_some() { String::new() } else { format!(" {}", body(&answer)) };
        let line = format!("{}{}{said}", status(&answer).unwrap_or(0), reason.as_deref().unwrap_or_default());
        if line != last {
            printer::out_raw(&format!("{line}\n"));
        }
        if reason.is_some() {
            return Ok(());
        }
        last = line;
        std::thread::sleep(PAUSE);
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// `http://USER:PASSWORD@ADDRESS:PORT`
fn parts(url: &str) -> Option<(&str, SocketAddr)> {
    let (credentials, address) = url.strip_prefix("http://")?.trim_end_matches('/').rsplit_once('@')?;
    Some((credentials, address.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_where_the_variable_says() {
        let address = "127.0.0.1:3128".parse().unwrap();
        assert_eq!(parts("http://centaur:fake@127.0.0.1:3128"), Some(("centaur:fake", address)));
        assert_eq!(parts("http://127.0.0.1:3128"), None);
    }
}
