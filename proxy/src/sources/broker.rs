//! `token_broker`: an access token from `iron-token-broker` (broker.md, section 21.4).

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use centaur_base::Secret;
use centaur_client::base::BaseUrl;
use centaur_client::token_broker::TokenBroker;
use tokio::time::Instant;

use super::origin::Fetched;

/// Where the broker is.
const URL: &str = "IRON_BROKER_URL";
/// The variable that holds what it wants to be shown.
pub const BROKER_TOKEN_ENV: &str = "IRON_BROKER_TOKEN";

/// The broker of this process: one for all sources, found when a token is first needed.
#[derive(Debug, Default)]
pub(super) struct Broker(OnceLock<TokenBroker>);

/// A credential at the broker.
#[derive(Debug, Clone)]
pub(super) struct Brokered {
    pub(super) broker: Arc<Broker>,
    pub(super) credential_id: String,
    /// How much longer than this a token has to last: it is used for that long.
    pub(super) ttl: Duration,
}

impl Broker {
    /// The broker that the variables name.
    fn client(&self, env: impl Fn(&str) -> Option<String>) -> Result<&TokenBroker, String> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let var = |name| env(name).filter(|value| !value.trim().is_empty()).ok_or(name);
        let missing = |name| format!("{name} is not set, and the source is a token broker");
        let url = var(URL).map_err(missing)?;
        let token = Secret::new(var(BROKER_TOKEN_ENV).map_err(missing)?.trim().to_owned());
        if !token.expose().bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return Err(format!("{BROKER_TOKEN_ENV} holds characters that cannot stand in a header"));
        }
        let base = BaseUrl::parse(&url).map_err(|error| format!("{URL} {error}"))?;
        let agent = concat!("iron-proxy/", env!("CARGO_PKG_VERSION"));
        let client = TokenBroker::new(base, token, agent).map_err(|error| error.to_string())?;
        Ok(self.0.get_or_init(|| client))
    }

    #[cfg(test)]
    pub(super) fn at(url: &str, token: &str) -> Self {
        let broker = Self::default();
        let env = |name: &str| Some(if name == URL { url } else { token }.to_owned());
        broker.client(env).expect("an address");
        broker
    }
}

impl Brokered {
    pub(super) async fn fetch(&self) -> Result<Fetched, String> {
        let client = self.broker.client(|name| std::env::var(name).ok())?;
        let found = client.access_token(&self.credential_id).await.map_err(|error| error.to_string())?;
        let left = found.expires_at.duration_since(SystemTime::now()).unwrap_or_default();
        if left <= self.ttl {
            let (left, ttl) = (left.as_secs(), self.ttl.as_secs());
            return Err(format!("the token ends in {left} s, which is within the ttl of {ttl} s"));
        }
        Ok(Fetched { text: found.token, ends: Some(Instant::now() + left) })
    }
}

/// The broker is the same for all of a process.
impl PartialEq for Brokered {
    fn eq(&self, other: &Self) -> bool {
        (&self.credential_id, self.ttl) == (&other.credential_id, other.ttl)
    }
}

impl Eq for Brokered {}

impl Hash for Brokered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.credential_id, self.ttl).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(vars: &[(&str, &str)]) -> String {
        let env = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        Broker::default().client(env).expect_err("refused")
    }

    #[test]
    fn what_is_missing_or_wrong_in_the_environment_is_named_and_not_shown() {
        let url = (URL, "http://127.0.0.1:8181");
        assert_eq!(refused(&[]), "IRON_BROKER_URL is not set, and the source is a token broker");
        assert_eq!(
            refused(&[url, (BROKER_TOKEN_ENV, " ")]),
            "IRON_BROKER_TOKEN is not set, and the source is a token broker"
        );
        for (vars, want) in [
            ([(URL, "fake-host"), (BROKER_TOKEN_ENV, "fake-token")], "IRON_BROKER_URL is not a URL"),
            ([url, (BROKER_TOKEN_ENV, "fake\u{7f}token")], "IRON_BROKER_TOKEN holds characters"),
        ] {
            let error = refused(&vars);
            assert!(error.starts_with(want) && !error.contains("fake"), "{error}");
        }
    }
}
