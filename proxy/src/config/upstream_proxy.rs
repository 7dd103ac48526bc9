//! `proxy.upstream_proxy`

use centaur_net::chain::Chain;
use centaur_policies::yaml::Cursor;

use super::env::Context;
use super::{UpstreamProxyConfig, tables};

/// The usual variables, upper case before lower, win over the file, each on its own and without any section.
pub(super) fn read(section: Option<Cursor<'_>>, context: Context<'_>) -> UpstreamProxyConfig {
    let fields = section.and_then(|cursor| cursor.fields(&tables::UPSTREAM_PROXY));
    // The setting, and the variable or key it is from.
    let pick = |var: &'static str, key: &str| {
        for var in [var.to_owned(), var.to_ascii_lowercase()] {
            if let Some(value) = context.var(&var) {
                return (value, var);
            }
        }
        let in_file = fields.as_ref().map(|fields| fields.text(key).to_owned());
        (in_file.unwrap_or_default(), format!("proxy.upstream_proxy.{key}"))
    };
    // `no_proxy` is not looked at here: what it cannot use is left out with a warning at start.
    let url = |var, key| {
        let (url, from) = pick(var, key);
        if let Err(error) = Chain::parse(&url, "", "") {
            context.invalid(format!("{from}: {}", error.source));
        }
        url
    };
    UpstreamProxyConfig {
        http_proxy: url("HTTP_PROXY", "http_proxy"),
        https_proxy: url("HTTPS_PROXY", "https_proxy"),
        no_proxy: pick("NO_PROXY", "no_proxy").0,
    }
}
