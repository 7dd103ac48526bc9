//! Addresses to listen on: whether they can be read at all. Names are looked up when they are bound.

use super::Config;
use super::env::Context;

/// Reports every address that could never be bound.
pub(super) fn check(config: &Config, context: Context<'_>) {
    let proxy = &config.proxy;
    let addresses = [
        ("dns.listen", config.dns.enabled.then_some(&config.dns.listen)),
        ("proxy.http_listen", Some(&proxy.http_listen)),
        ("proxy.https_listen", Some(&proxy.https_listen)),
        ("proxy.tunnel_listen", proxy.tunnel_listen.as_ref()),
        ("proxy.transparent_listen", proxy.transparent_listen.as_ref()),
        ("metrics.listen", Some(&config.metrics_listen)),
        ("management.listen", config.management.as_ref().map(|management| &management.listen)),
    ];
    for (key, address) in addresses {
        if let Some(problem) = address.and_then(|address| problem(address)) {
            let from = context.origin(key);
            context.invalid(format!("{from}: {problem}; write host:port, or :port for every address"));
        }
    }
}

fn problem(address: &str) -> Option<String> {
    let Some((_, port)) = address.rsplit_once(':') else {
        return Some(format!("address {address}: missing port in address"));
    };
    port.parse::<u16>().is_err().then(|| format!("address {address}: invalid port {port:?}"))
}
