//! `centaur doctor trust`: which runtimes found here believe the proxy's certificate.
//!
//! Each one fetches a page of an origin on loopback, from inside `centaur run`. It counts as trusting when the origin
//! received its request, whatever the runtime says about the answer.
//!
//! The origin is `https://trust.test` on port 443, so that runtimes that ignore proxy variables take part: inside,
//! the name is loopback, where the proxy listens; outside, the proxy is told that it goes through another proxy,
//! which is the origin itself. So no name is ever looked up and nothing leaves the machine.

mod runtimes;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::super::run::{RunError, run_program};
use crate::loopback::Origin;
use crate::printer;
use crate::sandbox::Ended;
use crate::settings::{Audit, Policy, RunSettings};
use runtimes::{RUNTIMES, Runtime};

/// Name of the hidden command that runs the runtimes inside.
const PROBE: &str = "__trust";
/// The host that is fetched.
const HOST: &str = "trust.test";
/// The file the inside reports in.
const SAID: &str = "said";

/// Runs the check; 0 if every runtime found trusts the proxy.
pub fn run() -> u8 {
    match check() {
        Ok(code) => code,
        Err(error) => {
            error.print();
            error.exit()
        }
    }
}

/// Runs the hidden command, if `args` ask for it: every runtime in turn. What they print goes nowhere; their names and
/// what they said last go to a file.
pub fn probe(args: &mut dyn Iterator<Item = OsString>) -> Option<u8> {
    if args.next()? != PROBE {
        return None;
    }
    let directory = PathBuf::from(args.next()?);
    let mut said = String::new();
    for runtime in RUNTIMES {
        if let Some(line) = runtime.fetch(HOST, &directory) {
            let _ = writeln!(said, "{}\t{line}", runtime.name);
        }
    }
    Some(u8::from(fs::write(directory.join(SAID), said).is_err()))
}

fn check() -> Result<u8, RunError> {
    let failed = |error| RunError::Io("prepare the check", error);
    let nothing = "nothing here, but you came through\n";
    let origin = Origin::start(&[HOST], |_| ("404 Not Found", nothing.to_owned())).map_err(failed)?;
    let directory = tempfile::Builder::new().prefix("centaur-trust-").tempdir().map_err(failed)?;
    let root = CertificateDer::from_pem_slice(origin.ca_pem().as_bytes())
        .map_err(|error| failed(io::Error::other(error)))?;
    let settings = RunSettings {
        policy: Policy::File { text: config_text(&origin) },
        audit: Audit::Off,
        explain: false,
        enforced: true,
        hidden: Vec::new(),
        program: std::env::current_exe().map_err(failed)?.into_os_string(),
        args: vec![PROBE.into(), directory.path().into()],
        extra_roots: vec![root],
    };
    if run_program(&settings)? != Ended::Code(0) {
        return Err(failed(io::Error::other("the inside did not finish")));
    }
    let said = fs::read_to_string(directory.path().join(SAID)).map_err(failed)?;
    Ok(report(&said, &origin))
}

fn report(said: &str, origin: &Origin) -> u8 {
    let received = origin.received();
    let mut rows = vec![vec!["runtime".to_owned(), "trusts".to_owned(), "fix".to_owned()]];
    let mut all = true;
    for runtime in RUNTIMES {
        let prefix = format!("{}\t", runtime.name);
        let Some(line) = said.lines().find_map(|line| line.strip_prefix(&prefix)) else { continue };
        let came = received.iter().any(|request| request.path().starts_with(&format!("/{}", runtime.path())));
        all &= came;
        let (word, fix) = if came {
            ("yes".to_owned(), String::new())
        } else {
            ("NO".to_owned(), format!("{} ({})", runtime.fix, line))
        };
        rows.push(vec![runtime.name.to_owned(), word, fix]);
    }
    printer::table(&rows);
    let missing: Vec<&str> = RUNTIMES
        .iter()
        .filter(|r| !rows.iter().any(|row| row[0] == r.name))
        .map(|r: &Runtime| r.name)
        .collect();
    if !missing.is_empty() {
        printer::out(format_args!("not found here: {}", missing.join(", ")));
    }
    u8::from(!all)
}

fn config_text(origin: &Origin) -> String {
    format!(
        "dns:\n  proxy_ip: \"127.0.0.1\"\nproxy:\n  upstream_deny_cidrs: []\n  \
         upstream_proxy:\n    https_proxy: \"http://{through}\"\n\
         metrics:\n  listen: \"127.0.0.1:0\"\nlog:\n  level: error\n\
         transforms:\n  - name: allowlist\n    config:\n      rules:\n        \
         - {{host: {HOST}, ports: [443], schemes: [https]}}\n",
        through = origin.address(),
    )
}
