//! How credentials are refreshed, and how their providers are reached.

use std::path::PathBuf;
use std::sync::Arc;

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
    /// Who is told of deaths: `CENTAUR_CONSOLE_BROKER_WEBHOOK_URL`, default nobody.
    pub webhook: Option<Arc<Webhook>>,
    /// Origins in place of those of providers: `CENTAUR_CONSOLE_PROVIDER_<NAME>_BASE_URL`.
    pub moved: MovedProviders,
}

/// Who is told when a credential dies.
#[derive(Debug)]
pub struct Webhook {
    /// A URL; the path may be a secret.
    pub url: Secret<String>,
    /// What notices are signed with: `CENTAUR_CONSOLE_BROKER_WEBHOOK_SECRET`, default unsigned.
    pub secret: Option<Secret<String>>,
}

fn webhook(env: &mut Env<'_>) -> Option<Webhook> {
    let (named, secret) = (env.prefixed("BROKER_WEBHOOK_URL"), env.prefixed("BROKER_WEBHOOK_SECRET"));
    if let Some((variable, secret)) = &secret {
        if named.is_none() {
            env.reject(variable, "is of no use without CENTAUR_CONSOLE_BROKER_WEBHOOK_URL");
        } else if secret.chars().count() < 16 {
            env.reject(variable, "is too short (minimum is 16 characters)");
        }
    }
    let (variable, url) = named?;
    let url = url.trim().to_owned();
    let is_url = url.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    if !is_url {
        env.reject(variable, "must be an http or https URL without user name");
    }
    Some(Webhook { url: Secret::new(url), secret: secret.map(|(_, secret)| Secret::new(secret)) })
}

pub(super) fn read(env: &mut Env<'_>) -> BrokerSettings {
    let path = |named: Option<(String, String)>| named.map(|(_, path)| PathBuf::from(path));
    let known = Provider::ALL.into_iter().filter(|provider| *provider != Provider::Generic);
    let names = known.map(Provider::as_str).chain(["preqin"]);
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
        webhook: webhook(env).map(Arc::new),
        moved,
    }
}
