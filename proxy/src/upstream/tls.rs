//! TLS towards origins: system roots (or `SSL_CERT_FILE`/`SSL_CERT_DIR`), names verified, sessions resumed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use centaur_policies::host::CanonicalHost;
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::UpstreamError;

/// Client configurations, built when the first TLS connection is made: reading the system's roots takes time and
/// memory that a proxy without TLS upstreams need not spend.
#[derive(Clone, Default)]
pub struct ClientTls {
    extra: Vec<CertificateDer<'static>>,
    built: Arc<OnceLock<Built>>,
}

struct Built {
    h1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
    plain: Arc<ClientConfig>,
}

impl ClientTls {
    /// Trusts `extra` beside the system's roots.
    pub fn new(extra: Vec<CertificateDer<'static>>) -> Self {
        Self { extra, built: Arc::default() }
    }

    fn built(&self) -> &Built {
        self.built.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            let system = rustls_native_certs::load_native_certs();
            for error in &system.errors {
                tracing::warn!(error = %error, "reading trust roots");
            }
            let (added, ignored) = roots.add_parsable_certificates(system.certs);
            roots.add_parsable_certificates(self.extra.iter().cloned());
            if roots.is_empty() {
                tracing::error!(ignored, "no trust roots: every TLS upstream will be refused");
            } else {
                tracing::debug!(added, ignored, "trust roots loaded");
            }
            let base =
                ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                    .with_safe_default_protocol_versions()
                    .map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
            let base = match base {
                Ok(base) => base,
                // The provider is compiled in and supports both versions.
                Err(error) => unreachable!("tls provider: {error}"),
            };
            let with = |protocols: &[&[u8]]| {
                let mut config = base.clone();
                config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
                Arc::new(config)
            };
            Built { h1: with(&[b"http/1.1"]), h2: with(&[b"h2", b"http/1.1"]), plain: with(&[]) }
        })
    }

    /// A connection for HTTP.
    pub(super) async fn connect<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: IO,
        host: &CanonicalHost,
        h2: bool,
        limit: Duration,
    ) -> Result<TlsStream<IO>, UpstreamError> {
        let built = self.built();
        handshake(if h2 { &built.h2 } else { &built.h1 }, io, host, limit).await
    }

    /// A connection to a proxy.
    pub(super) async fn plain<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: IO,
        host: &CanonicalHost,
        limit: Duration,
    ) -> Result<TlsStream<IO>, UpstreamError> {
        handshake(&self.built().plain, io, host, limit).await
    }
}

async fn handshake<IO: AsyncRead + AsyncWrite + Unpin>(
    config: &Arc<ClientConfig>,
    io: IO,
    host: &CanonicalHost,
    limit: Duration,
) -> Result<TlsStream<IO>, UpstreamError> {
    let name = match host.as_ip() {
        Some(address) => ServerName::from(address),
        None => ServerName::try_from(host.as_str().to_owned()).map_err(|_| UpstreamError::ServerName)?,
    };
    match tokio::time::timeout(limit, TlsConnector::from(config.clone()).connect(name, io)).await {
        Err(_) => Err(UpstreamError::TlsTimeout),
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if wants_other_protocol(&error) => Err(UpstreamError::NeedsH2),
        Ok(Err(error)) => Err(UpstreamError::Tls(error)),
    }
}

fn wants_other_protocol(error: &std::io::Error) -> bool {
    error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>())
        .is_some_and(|e| matches!(e, rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)))
}
