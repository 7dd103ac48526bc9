//! Where the endpoints of an issuer are (OpenID Connect Discovery).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use centaur_oauth::{Client, ClientAuth};
use serde::Deserialize;
use tokio::time::Instant;

/// Reads the documents of issuers, and keeps each for an hour. Clones share them.
#[derive(Debug, Clone)]
pub struct Discovery {
    client: Client,
    known: Arc<Mutex<BTreeMap<String, (Instant, Document)>>>,
}

/// What an issuer says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Document {
    /// The issuer, as it stands in its tokens.
    pub issuer: String,
    /// Where a browser is sent.
    pub authorization_endpoint: String,
    /// Where codes are redeemed.
    pub token_endpoint: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where a profile is.
    pub userinfo_endpoint: Option<String>,
    /// How clients may say who they are; none is the default of the protocol.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// The scopes it tells of.
    pub scopes_supported: Option<Vec<String>>,
}

impl Document {
    /// How a client with a secret says who it is: by the header, which is also what an issuer takes that names nothing
    /// (OpenID Connect Discovery, section 3), and by the form where it does not take the header.
    pub fn client_auth(&self) -> ClientAuth {
        let methods = self.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
        let takes = |method: &str| methods.iter().any(|known| known == method);
        let by_form = !takes("client_secret_basic") && takes("client_secret_post");
        if by_form { ClientAuth::Post } else { ClientAuth::Basic }
    }
}

/// Why there is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// The issuer does not answer, or not with a success.
    #[error("the issuer's configuration cannot be read")]
    Unavailable,
    /// The answer is no document, or an address in it is none.
    #[error("the issuer's configuration is not one")]
    Malformed,
    /// The document is that of another issuer.
    #[error("the configuration is that of another issuer")]
    Foreign,
}

const FRESH: Duration = Duration::from_hours(1);
const WITHIN: Duration = Duration::from_secs(5);
const MOST: usize = 256;

impl Discovery {
    /// None yet.
    pub fn new(client: Client) -> Self {
        Self { client, known: Arc::default() }
    }

    /// The document of an issuer, whose name has to be exactly the one in it.
    ///
    /// # Errors
    /// [`DiscoveryError`]
    pub async fn document(&self, issuer: &str) -> Result<Document, DiscoveryError> {
        let now = Instant::now();
        if let Some(known) = self.known(issuer, now) {
            return Ok(known);
        }
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let body = self.client.fetch(&url, None, WITHIN).await.map_err(|_| DiscoveryError::Unavailable)?;
        let document: Document = serde_json::from_slice(&body).map_err(|_| DiscoveryError::Malformed)?;
        if document.issuer != issuer {
            return Err(DiscoveryError::Foreign);
        }
        // The browser is sent to the first; the others are called from here, under the rules of token endpoints.
        let is_address = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        let called = [&document.token_endpoint, &document.jwks_uri];
        if !is_address(&document.authorization_endpoint)
            || called
                .into_iter()
                .chain(&document.userinfo_endpoint)
                .any(|url| self.client.check(url).is_err())
        {
            return Err(DiscoveryError::Malformed);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(issuer.to_owned(), (now, document.clone()));
        Ok(document)
    }

    fn known(&self, issuer: &str, now: Instant) -> Option<Document> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, document) = known.get(issuer)?;
        (now.duration_since(*at) < FRESH).then(|| document.clone())
    }
}

#[cfg(test)]
mod tests {
    use centaur_oauth::{ClientOptions, EndpointRules};
    use centaur_test_issuer::Issuer;
    use serde_json::{Value, json};

    use super::*;

    async fn world() -> (Issuer, Discovery) {
        let rules = EndpointRules::parse("", true).expect("rules");
        let client = Client::new(ClientOptions { rules, ..ClientOptions::default() }).expect("a client");
        (Issuer::start().await, Discovery::new(client))
    }

    fn document(issuer: &Issuer) -> Value {
        json!({"issuer":issuer.origin(),"authorization_endpoint":issuer.url("/authorize"),
            "token_endpoint":issuer.url("/token"),"jwks_uri":issuer.url("/jwks"),"extra":[1]})
    }

    const PATH: &str = "/.well-known/openid-configuration";

    #[tokio::test]
    async fn a_document_is_read_once_and_is_that_of_the_issuer() {
        let (issuer, discovery) = world().await;
        issuer.answer(PATH, 200, document(&issuer));
        let read = discovery.document(&issuer.origin()).await.expect("a document");
        assert_eq!((read.token_endpoint, read.userinfo_endpoint), (issuer.url("/token"), None));
        discovery.document(&issuer.origin()).await.expect("the same");
        assert_eq!(issuer.seen(PATH).len(), 1);
        let slash = format!("{}/", issuer.origin());
        assert_eq!(discovery.document(&slash).await, Err(DiscoveryError::Foreign), "exactly");
    }

    #[tokio::test]
    async fn a_client_says_who_it_is_in_a_way_that_the_issuer_takes() {
        for (methods, want) in [
            (json!("absent"), ClientAuth::Basic),
            (json!(null), ClientAuth::Basic),
            (json!([]), ClientAuth::Basic),
            (json!(["client_secret_post"]), ClientAuth::Post),
            (json!(["private_key_jwt"]), ClientAuth::Basic),
            (json!(["client_secret_post", "client_secret_basic"]), ClientAuth::Basic),
        ] {
            let (issuer, discovery) = world().await;
            let mut body = document(&issuer);
            if methods != "absent" {
                body["token_endpoint_auth_methods_supported"] = methods.clone();
            }
            issuer.answer(PATH, 200, body);
            let read = discovery.document(&issuer.origin()).await.expect("a document");
            assert_eq!(read.client_auth(), want, "{methods}");
        }
    }

    #[tokio::test]
    async fn what_is_no_document_is_refused_and_not_kept() {
        let (issuer, discovery) = world().await;
        for (status, change, want) in [
            (404, json!({}), DiscoveryError::Unavailable),
            (200, json!({"issuer":"https://other.example"}), DiscoveryError::Foreign),
            (200, json!({"jwks_uri":null}), DiscoveryError::Malformed),
            (200, json!({"jwks_uri":"http://10.0.0.1/jwks"}), DiscoveryError::Malformed),
            (200, json!({"token_endpoint":"file:///etc/passwd"}), DiscoveryError::Malformed),
            (200, json!({"authorization_endpoint":"javascript:alert(1)"}), DiscoveryError::Malformed),
        ] {
            let mut body = document(&issuer);
            change.as_object().expect("members").iter().for_each(|(key, value)| body[key] = value.clone());
            issuer.answer(PATH, status, body);
            assert_eq!(discovery.document(&issuer.origin()).await, Err(want), "{change}");
        }
        issuer.answer(PATH, 200, document(&issuer));
        assert!(discovery.document(&issuer.origin()).await.is_ok());
    }
}
