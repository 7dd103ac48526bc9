//! The HTTP client of token endpoints: no redirects, one deadline for a call, limits on size, and no connection to where
//! the rules do not allow one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use centaur_base::Secret;
use http::header::{HeaderMap, RETRY_AFTER};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{NoProxy, Proxy};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::answer::{Answer, Head, Reading, Retryable, classify};
use crate::credential::{Ask, Credential, Grant};
use crate::destination::{EndpointError, EndpointRules};
use crate::form::{self, Form};

/// The largest answer that is read, in bytes.
const LIMIT: usize = 64 * 1024;
/// Longest time until a connection stands.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// The code of a call that the rules do not allow.
const ENDPOINT_REFUSED: &str = "endpoint_refused";

/// What a client is made with.
#[derive(Debug, Default)]
pub struct ClientOptions {
    /// Where it may connect.
    pub rules: EndpointRules,
    /// A proxy for `https`, a URL that may hold a password. Behind one, names are resolved by the proxy: then only
    /// addresses that stand in a URL are judged.
    pub https_proxy: Option<Secret<String>>,
    /// Hosts that are reached without the proxy, with commas between them.
    pub no_proxy: Option<String>,
    /// Trust roots beside the system's, as PEM.
    pub extra_roots: Vec<u8>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The additional roots hold no certificate, or one that does not parse.
    #[error("the extra trust roots are not certificates in PEM form")]
    Roots,
    /// The proxy is no URL.
    #[error("the proxy is not an http or https URL")]
    Proxy,
    /// The TLS or HTTP library refuses its settings.
    #[error("setting up the HTTP client: {0}")]
    Library(String),
}

/// Asks token endpoints. Each call has a connection of its own: no request can be sent twice by a library that finds a
/// kept connection dead.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    rules: Arc<EndpointRules>,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    /// [`SetupError`]
    pub fn new(options: ClientOptions) -> Result<Self, SetupError> {
        let rules = Arc::new(options.rules);
        let mut resolver = Guarded { rules: rules.clone(), proxy: None };
        let mut builder = reqwest::Client::builder().no_proxy();
        if let Some(url) = &options.https_proxy {
            let is_http = url.expose().starts_with("http://") || url.expose().starts_with("https://");
            let proxy = Proxy::https(url.expose().as_str()).ok().filter(|_| is_http);
            let except = options.no_proxy.as_deref().and_then(NoProxy::from_string);
            builder = builder.proxy(proxy.ok_or(SetupError::Proxy)?.no_proxy(except));
            resolver.proxy =
                reqwest::Url::parse(url.expose()).ok().and_then(|url| url.host_str().map(str::to_owned));
        }
        let http = builder
            .tls_backend_preconfigured(tls(&options.extra_roots)?)
            .dns_resolver(Arc::new(resolver))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .user_agent(concat!("centaur-broker/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SetupError::Library(error.without_url().to_string()))?;
        Ok(Self { http, rules })
    }

    /// Asks for a token. It answers within the credential's time; a call that is dropped may still reach the provider.
    pub async fn ask(&self, credential: &Credential, ask: Ask) -> Answer {
        let form = match form::build(credential, ask) {
            Ok(form) => form,
            Err(code) => return Answer::Refused(code.to_owned()),
        };
        let reading =
            Reading { strict: credential.grant == Grant::Preqin, subject: credential.subject.as_deref() };
        match self.send(form, credential.timeout).await {
            Ok((head, body)) => classify(head, &body, reading),
            Err(failed) => Answer::Retryable(failed),
        }
    }

    /// Reads a document of a provider with `GET`: its keys, its endpoints, a profile. The answer is whole, 64 KiB at most.
    ///
    /// # Errors
    /// A code: `endpoint_refused`, `network`, `http` for a status that is no success, `invalid_header`.
    pub async fn fetch(
        &self,
        url: &str,
        bearer: Option<&Secret<String>>,
        within: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let form = form::get(url, bearer)?;
        self.document(form, within).await
    }

    /// As [`Client::fetch`], with a `POST` of JSON.
    ///
    /// # Errors
    /// As [`Client::fetch`].
    pub async fn post_json(
        &self,
        url: &str,
        bearer: &Secret<String>,
        body: &serde_json::Value,
        within: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let form = form::json(url, bearer, body)?;
        self.document(form, within).await
    }

    async fn document(&self, form: Form, within: Duration) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        match self.send(form, within).await {
            Ok((head, body)) if (200..300).contains(&head.status) && !body.is_empty() => Ok(body),
            Ok(_) => Err("http"),
            Err(failed) if failed.code == ENDPOINT_REFUSED => Err(ENDPOINT_REFUSED),
            Err(_) => Err("network"),
        }
    }

    /// Whether the rules allow a URL as it is written.
    ///
    /// # Errors
    /// [`EndpointError`]
    pub fn check(&self, url: &str) -> Result<(), EndpointError> {
        self.rules.check(url)
    }

    /// One request. The error says whether the request may have reached the provider.
    pub(crate) async fn send(
        &self,
        form: Form,
        within: Duration,
    ) -> Result<(Head, Zeroizing<Vec<u8>>), Retryable> {
        self.rules.check(&form.url).map_err(|_| Retryable::new(ENDPOINT_REFUSED, false))?;
        let call = async {
            let request =
                self.http.request(form.method, &form.url).headers(form.headers).body(form.body.to_vec());
            let mut response = request.send().await.map_err(|error| {
                let never_sent = error.is_connect() || error.is_builder();
                Retryable::new("network", !never_sent)
            })?;
            let head =
                Head { status: response.status().as_u16(), retry_after: retry_after(response.headers()) };
            // What does not come whole is judged by its status alone.
            let mut body = Zeroizing::new(Vec::with_capacity(LIMIT));
            loop {
                match response.chunk().await {
                    Ok(None) => return Ok((head, body)),
                    Ok(Some(chunk)) if body.len() + chunk.len() <= LIMIT => body.extend_from_slice(&chunk),
                    Ok(Some(_)) => return Ok((head, Zeroizing::new(Vec::new()))),
                    Err(_) => return Err(Retryable::new("network", true)),
                }
            }
        };
        timeout(within, call).await.unwrap_or_else(|_| Err(Retryable::new("network", true)))
    }
}

fn tls(extra: &[u8]) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    // Roots that cannot be read show as a certificate that nothing vouches for.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if !extra.is_empty() {
        let given: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(extra).collect();
        let given = given.ok().filter(|given| !given.is_empty()).ok_or(SetupError::Roots)?;
        given.into_iter().try_for_each(|root| roots.add(root)).map_err(|_| SetupError::Roots)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Library(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// `Retry-After`: seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok()
}

/// The system's resolver, without the addresses that the rules do not allow: what is connected to is what was judged.
struct Guarded {
    rules: Arc<EndpointRules>,
    /// The host of the proxy, which the operator chose.
    proxy: Option<String>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.rules.clone();
        let is_proxy = self.proxy.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let name = name.as_str();
            let found = tokio::net::lookup_host((name, 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| is_proxy || rules.reachable(name, address.ip())).collect();
            if allowed.is_empty() {
                return Err("no address that a token endpoint may have".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
