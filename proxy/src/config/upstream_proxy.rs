//! `proxy.upstream_proxy`

use super::env::Context;
use super::{UpstreamProxyConfig, tables};
use centaur_policies::yaml::Cursor;

/// The usual variables, upper case before lower, win over the file, each on its own and without any section.
pub(super) fn read(section: Option<Cursor<'_>>, context: Context<'_>) -> UpstreamProxyConfig {
    let fields = section.and_then(|cursor| cursor.fields(&tables::UPSTREAM_PROXY));
    let pick = |var: &str, key: &str| {
        let in_file = || fields.as_ref().map(|fields| fields.text(key).to_owned());
        let from_env = context.var(var).or_else(|| context.var(&var.to_ascii_lowercase()));
        from_env.or_else(in_file).unwrap_or_default()
    };
    UpstreamProxyConfig {
        http_proxy: pick("HTTP_PROXY", "http_proxy"),
        https_proxy: pick("HTTPS_PROXY", "https_proxy"),
        no_proxy: pick("NO_PROXY", "no_proxy"),
    }
}
