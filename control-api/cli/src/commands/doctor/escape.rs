//! `centaur doctor escape`: runs this binary inside the isolation of `centaur run` and lets it try to get out.
//!
//! The host side lays baits, which are listeners of its own: one that is touched is an escape, whatever the inside
//! believes. The inside tries each way and prints what stopped it. Addresses outside are documentation ranges
//! (RFC 5737, RFC 3849) and are tried only after the inside has seen that it has no interface but loopback.

mod baits;
mod probes;
mod ways;

use std::ffi::OsString;

use super::super::run::{RunError, run_program};
use crate::printer;
use crate::sandbox::Ended;
use crate::settings::{Audit, Policy, RunSettings};
use baits::Baits;

/// Name of the hidden command that tries to get out.
const PROBE: &str = "__escape";
/// Name of the hidden command that tries again from a user namespace of its own.
const NESTED: &str = "__escape_nested";

/// Runs the check; 0 if nothing got out and the allowed twin went through.
pub fn run() -> u8 {
    match check() {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            error.print();
            error.exit()
        }
    }
}

/// Runs a hidden command of this check, if `args` ask for one.
pub fn probe(args: &mut dyn Iterator<Item = OsString>) -> Option<u8> {
    match args.next()?.to_str()? {
        PROBE => Some(u8::from(!probes::run(&probes::Targets::from_args(args)?))),
        NESTED => Some(u8::from(!ways::nested(&args.next()?))),
        _ => None,
    }
}

fn check() -> Result<bool, RunError> {
    let failed = |error| RunError::Io("lay the baits", error);
    let baits = Baits::lay().map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?.into_os_string();
    let mut args = vec![OsString::from(PROBE)];
    args.extend(baits.targets().to_args());
    let settings = RunSettings {
        policy: Policy::File { text: config(&baits) },
        audit: Audit::Off,
        explain: false,
        enforced: true,
        hidden: Vec::new(),
        program,
        args,
        extra_roots: Vec::new(),
    };
    let ended = run_program(&settings)?;
    let touched = baits.touched();
    for bait in &touched {
        printer::out(format_args!("ESCAPED  the host's {bait} was reached"));
    }
    let contained = touched.is_empty() && ended == Ended::Code(0);
    printer::out(if contained {
        "contained: no way out was found, and the allowed request went through the proxy"
    } else {
        "NOT contained: see the lines marked ESCAPED or FAILED"
    });
    Ok(contained)
}

/// One allowed host, on loopback; names are resolved, if at all, by a bait.
fn config(baits: &Baits) -> String {
    let origin = baits.targets().origin;
    format!(
        "dns:\n  proxy_ip: \"127.0.0.1\"\n  upstream_resolver: \"127.0.0.1:{dns}\"\n\
         proxy:\n  upstream_deny_cidrs: []\n\
         metrics:\n  listen: \"127.0.0.1:0\"\nlog:\n  level: warn\n\
         transforms:\n  - name: allowlist\n    config:\n      rules:\n        \
         - {{host: \"127.0.0.1\", ports: [{origin}], schemes: [http]}}\n",
        dns = baits.targets().udp,
    )
}
