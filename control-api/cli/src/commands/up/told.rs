//! What `centaur up` says once it is ready.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use super::edge::PRINCIPAL;
use crate::home::{Addresses, Home, Secrets};
use crate::printer;

/// Where everything is and what to do next. Password and key are shown once, and on a terminal alone: what goes to a
/// file or a log names the file that has them.
pub(super) fn tell(home: &Home, secrets: &Secrets, addresses: &Addresses, took: Duration) {
    let dir = home.dir().display();
    let [email, password, key] = secrets.operator();
    printer::out(format_args!("ready in {:.2} s", took.as_secs_f64()));
    printer::out(format_args!("\n  console   {}", addresses.console));
    printer::out(format_args!("  proxy     {}, for the principal \"{PRINCIPAL}\"", addresses.proxy));
    printer::out(format_args!("  data      {dir}"));
    if secrets.new && io::stdout().is_terminal() {
        printer::out(format_args!("  operator  {email}, password {password}"));
        printer::out(format_args!("  API key   {key}"));
        printer::out(format_args!("            shown this once; both are in {dir}/secrets.env"));
    } else {
        printer::out(format_args!("  operator  {email}; password and API key are in {dir}/secrets.env"));
    }
    printer::out(format_args!(
        "\nManage who may use what, from another terminal:\n\n  \
         export IRON_CONTROL_URL={}\n  \
         export IRON_CONTROL_API_KEY=$(sed -n 's/^CENTAUR_CONSOLE_INITIAL_API_KEY=//p' '{dir}/secrets.env')\n  \
         centaur perms principals list\n\n\
         Run a program with what a principal was granted:\n\n  \
         centaur run --principal {PRINCIPAL} -- your-program its arguments\n\n\
         Or point a program at the proxy:\n\n  \
         HTTPS_PROXY=$(cat '{dir}/proxy/url') SSL_CERT_FILE='{dir}/ca/ca.crt' your-program\n\n\
         Ctrl-C stops it; the next start finds everything as it was.",
        addresses.console,
    ));
}
