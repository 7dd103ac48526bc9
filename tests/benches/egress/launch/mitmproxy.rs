//! mitmproxy: `mitmdump` with a small add-on that swaps.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::Site;
use crate::origin::{KEY, PLACEHOLDER};
use crate::pki::{HOST, ZONE, ca_stem};

/// Does what a `secrets` entry with `match_headers: [Authorization]` does. One look-up by host finds the binding, so
/// the number of bindings costs it nothing.
const ADD_ON: &str = r#"import os

bindings = {}
for line in open(os.environ["BENCH_BINDINGS"]):
    host, variable, placeholder = line.split()
    bindings[host] = (placeholder, os.environ[variable])


class Swap:
    def requestheaders(self, flow):
        host = flow.request.host
        found = bindings.get(host) or bindings.get(host.partition(".")[2])
        if found is None:
            flow.kill()
            return
        value = flow.request.headers.get("authorization")
        if value is not None:
            flow.request.headers["authorization"] = value.replace(*found)


addons = [Swap()]
"#;

/// Does not look at the upstream before it answers, streams what is long, prints nothing.
pub(super) fn command(site: &Site<'_>, program: &Path) -> anyhow::Result<Command> {
    let add_on = site.dir.join("swap.py");
    std::fs::write(&add_on, ADD_ON)?;
    let stem = ca_stem(site.variant.ca);
    std::fs::copy(site.spec.pki.join(format!("{stem}-both.pem")), site.dir.join("mitmproxy-ca.pem"))?;
    let mut bindings = format!("{HOST} BENCH_KEY {PLACEHOLDER}\n{ZONE} BENCH_KEY {PLACEHOLDER}\n");
    let mut command = Command::new(program);
    for binding in 1..site.variant.bindings {
        let variable = format!("BENCH_KEY_{binding}");
        writeln!(bindings, "api{binding}.other.test {variable} bench-other-placeholder-{binding:06}")?;
        command.env(variable, format!("bench-other-key-{binding:06}"));
    }
    let list = site.dir.join("bindings");
    std::fs::write(&list, bindings)?;
    command.env("BENCH_KEY", KEY).env("BENCH_BINDINGS", list);
    command.args(["--quiet", "--set", "flow_detail=0", "--listen-host", "127.0.0.1", "--listen-port"]);
    command.arg(site.port.to_string()).arg("--scripts").arg(add_on);
    for option in ["connection_strategy=lazy", "upstream_cert=false", "stream_large_bodies=1m"] {
        command.args(["--set", option]);
    }
    command.arg("--set").arg(format!("confdir={}", site.dir.display()));
    let roots = site.spec.pki.join("origin-ca.pem");
    command.arg("--set").arg(format!("ssl_verify_upstream_trusted_ca={}", roots.display()));
    Ok(command)
}
