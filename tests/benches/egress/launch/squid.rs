//! Squid: interception alone (`ssl_bump bump`), no cache, no access log. It cannot swap, so the client sends the key.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::Site;
use crate::pki::ca_stem;

/// Where Debian's package puts the helper that mints certificates.
const CERTGEN: &str = "/usr/lib/squid/security_file_certgen";

/// Squid gives up its rights to a user it does not find in the namespace, unless it has none to begin with: so it is
/// started as an ordinary user, inside a user namespace of its own.
pub(super) fn command(site: &Site<'_>, program: &Path) -> anyhow::Result<Command> {
    let dir = site.dir.display();
    let db = site.dir.join("certificates");
    let made = as_user(CERTGEN.as_ref())
        .args(["-c", "-s"])
        .arg(&db)
        .args(["-M", "16MB"])
        .output()
        .with_context(|| format!("{CERTGEN}: install squid-openssl"))?;
    ensure!(made.status.success(), "{CERTGEN}: {}", String::from_utf8_lossy(&made.stderr).trim());
    let pki = site.spec.pki.display();
    let stem = ca_stem(site.variant.ca);
    let resolver = if site.spec.private { "dns_nameservers 127.0.0.1\n" } else { "" };
    let config = format!(
        "http_port 127.0.0.1:{port} ssl-bump generate-host-certificates=on \
         dynamic_cert_mem_cache_size=16MB tls-cert={pki}/{stem}.pem tls-key={pki}/{stem}.key\n\
         sslcrtd_program {CERTGEN} -s {db} -M 16MB\n\
         sslcrtd_children 8 startup=2 idle=1\n\
         ssl_bump bump all\n\
         tls_outgoing_options cafile={pki}/origin-ca.pem\n\
         http_access allow all\n\
         cache deny all\n\
         {resolver}\
         access_log none\n\
         cache_log /dev/stderr\n\
         pid_filename {dir}/squid.pid\n\
         coredump_dir {dir}\n\
         pinger_enable off\n\
         memory_cache_shared off\n\
         max_filedescriptors 16384\n\
         shutdown_lifetime 0 seconds\n",
        port = site.port,
        db = db.display(),
    );
    let path = site.dir.join("squid.conf");
    std::fs::write(&path, config)?;
    let mut command = as_user(program);
    command.args(["-N", "-f"]).arg(path);
    Ok(command)
}

fn as_user(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=1000", "--map-group=1000", "--"]).arg(program);
    command
}
