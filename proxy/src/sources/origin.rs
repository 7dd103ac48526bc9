//! Where a source's value comes from, and until when it may be used.

use std::sync::Arc;
use std::time::Duration;

use centaur_base::Secret;
use tokio::time::Instant;

use super::broker::{Broker, Brokered};

/// Where a fetch goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// A variable, a file or a program.
    Plain(centaur_fetch::Origin),
    /// The token broker.
    Broker(Brokered),
    /// A script of the tests, by number.
    #[cfg(test)]
    Script(super::tests::Script),
}

/// What a fetch gives.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The value.
    pub(super) text: Secret<String>,
    /// From then on it is no use to anybody.
    pub(super) ends: Option<Instant>,
}

impl Origin {
    /// A credential at the token broker, whose tokens are used for `ttl`.
    pub(super) fn broker(broker: &Arc<Broker>, credential_id: &str, ttl: Option<Duration>) -> Self {
        let ttl = ttl.unwrap_or_default();
        Self::Broker(Brokered { broker: broker.clone(), credential_id: credential_id.to_owned(), ttl })
    }

    /// Fetches the value, or says why there is none. May take for ever; the caller has the deadline.
    pub(super) async fn fetch(&self, json_key: Option<&str>) -> Result<Fetched, String> {
        let text = match self {
            Self::Plain(origin) => origin.fetch(json_key).await?,
            Self::Broker(brokered) => return brokered.fetch().await,
            #[cfg(test)]
            Self::Script(script) => return script.play().await,
        };
        Ok(Fetched { text, ends: None })
    }
}
