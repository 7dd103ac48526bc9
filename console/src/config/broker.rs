//! How credentials are refreshed, and how their providers are reached.

use std::path::PathBuf;

use centaur_base::Secret;
use centaur_store::MovedProviders;

use super::Env;
use crate::provider::Provider;

/// The settings of the refresh engine.
#[derive(Debug)]
pub struct BrokerSettings {
    /// This replica refreshes: `CENTAUR_CONSOLE_BROKER`, default yes.
    pub works: bool,
    /// Where answers wait that the database did not take: `CENTAUR_CONSOLE_BROKER_SPOOL_DIR`, default nowhere.
    pub spool: Option<PathBuf>,
    /// Trust roots beside the system's, a PEM file: `CENTAUR_CONSOLE_EXTRA_CA_FILE`.
    pub extra_roots: Option<PathBuf>,
    /// `HTTPS_PROXY`
    pub https_proxy: Option<Secret<String>>,
    /// `NO_PROXY`
    pub no_proxy: Option<String>,
    /// Origins in place of those of providers: `CENTAUR_CONSOLE_PROVIDER_<NAME>_BASE_URL`.
    pub moved: MovedProviders,
}

pub(super) fn read(env: &mut Env<'_>) -> BrokerSettings {
    let path = |named: Option<(String, String)>| named.map(|(_, path)| PathBuf::from(path));
    let names = Provider::ALL.map(Provider::as_str).into_iter().chain(["preqin"]);
    let mut moved = MovedProviders::new();
    for name in names {
        let url = env.origin(&format!("PROVIDER_{}_BASE_URL", name.to_ascii_uppercase()));
        moved.extend(url.map(|url| (name.to_owned(), url)));
    }
    let either = |upper: &str| env.plain(upper).or_else(|| env.plain(&upper.to_ascii_lowercase()));
    let (https_proxy, no_proxy) = (either("HTTPS_PROXY").map(Secret::new), either("NO_PROXY"));
    BrokerSettings {
        works: env.switch("BROKER", true),
        spool: path(env.prefixed("BROKER_SPOOL_DIR")),
        extra_roots: path(env.prefixed("EXTRA_CA_FILE")),
        https_proxy,
        no_proxy,
        moved,
    }
}
