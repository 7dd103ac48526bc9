//! TLS towards clients: what all names share.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::tls::NoCertificate;

/// The configuration that leaves are put into. With `client_ca`, a certificate under it identifies a client; none
/// is demanded, since a token does as well.
///
/// # Errors
/// The name of what cannot be read.
pub fn base(client_ca: Option<&Path>) -> Result<ServerConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("tls: {e}"))?;
    let mut config = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = roots(path)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|e| format!("proxy.client_auth.client_ca {:?}: {e}", path.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    }
    .with_cert_resolver(Arc::new(NoCertificate));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Stateless tickets, shared by all names (a ticket is bound to the name it was made for).
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(|e| format!("tls tickets: {e}"))?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// A configuration whose handshakes end with an alert.
pub fn without_certificate() -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth().with_cert_resolver(Arc::new(NoCertificate)));
    match config {
        Ok(config) => Arc::new(config),
        // The provider is compiled in and supports both versions.
        Err(error) => unreachable!("tls provider: {error}"),
    }
}

fn roots(path: &Path) -> Result<RootCertStore, String> {
    let fail = |e: String| format!("proxy.client_auth.client_ca {:?}: {e}", path.display());
    let pem = std::fs::read(path).map_err(|e| fail(crate::ca::errno_text(&e)))?;
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(&pem) {
        roots.add(cert.map_err(|e| fail(e.to_string()))?).map_err(|e| fail(e.to_string()))?;
    }
    if roots.is_empty() { Err(fail("no certificate in it".to_owned())) } else { Ok(roots) }
}
