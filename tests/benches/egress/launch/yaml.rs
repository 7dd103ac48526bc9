//! Programs that take the reference's YAML.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::Site;
use crate::origin::{KEY, PLACEHOLDER};
use crate::pki::{HOST, ZONE, ca_stem};

/// `ours` decides whether keys that only our program knows are written.
pub(super) fn command(site: &Site<'_>, program: &Path, ours: bool) -> anyhow::Result<Command> {
    let path = site.dir.join("proxy.yaml");
    std::fs::write(&path, config(site, ours)?)?;
    let mut command = Command::new(program);
    command.arg("-config").arg(path).env("SSL_CERT_FILE", site.spec.pki.join("origin-ca.pem"));
    for binding in 1..site.variant.bindings {
        command.env(format!("BENCH_KEY_{binding}"), format!("bench-other-key-{binding:06}"));
    }
    command.env("BENCH_KEY", KEY);
    Ok(command)
}

fn config(site: &Site<'_>, ours: bool) -> Result<String, std::fmt::Error> {
    let stem = ca_stem(site.variant.ca);
    let pki = site.spec.pki.display();
    let mut text = String::new();
    writeln!(text, "dns:\n  enabled: false\n  upstream_resolver: \"127.0.0.1:{}\"", site.dns_port)?;
    writeln!(text, "proxy:\n  http_listen: \"127.0.0.1:0\"\n  https_listen: \"127.0.0.1:0\"")?;
    writeln!(text, "  tunnel_listen: \"127.0.0.1:{}\"\n  upstream_deny_cidrs: []", site.port)?;
    if ours && site.variant.many_names {
        writeln!(text, "  limits:\n    max_new_names_per_second_per_client: 0")?;
    }
    writeln!(text, "tls:\n  ca_cert: \"{pki}/{stem}.pem\"\n  ca_key: \"{pki}/{stem}.key\"")?;
    writeln!(text, "metrics:\n  listen: \"127.0.0.1:0\"")?;
    writeln!(text, "transforms:\n  - name: allowlist\n    config:\n      domains:")?;
    // What is called stands last, where it is worst for a program that searches the list from its beginning.
    for binding in 1..site.variant.bindings {
        writeln!(text, "        - \"api{binding}.other.test\"")?;
    }
    writeln!(text, "        - \"{HOST}\"\n        - \"*.{ZONE}\"")?;
    writeln!(text, "  - name: secrets\n    config:\n      secrets:")?;
    for binding in 1..site.variant.bindings {
        entry(
            &mut text,
            &format!("BENCH_KEY_{binding}"),
            &[&format!("api{binding}.other.test")],
            &format!("bench-other-placeholder-{binding:06}"),
        )?;
    }
    entry(&mut text, "BENCH_KEY", &[HOST, &format!("*.{ZONE}")], PLACEHOLDER)?;
    if ours && !site.variant.scrub {
        writeln!(text, "          scrub_responses: false")?;
    }
    Ok(text)
}

fn entry(text: &mut String, variable: &str, hosts: &[&str], placeholder: &str) -> std::fmt::Result {
    writeln!(text, "        - source: {{type: env, var: {variable}}}\n          rules:")?;
    for host in hosts {
        writeln!(text, "            - host: \"{host}\"")?;
    }
    writeln!(text, "          replace:\n            proxy_value: \"{placeholder}\"")?;
    writeln!(text, "            match_headers: [\"Authorization\"]")
}
