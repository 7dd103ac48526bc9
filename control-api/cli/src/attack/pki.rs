//! Throw-away certificates: the proxy's authority, and the authority and certificate of the origins.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};

use super::AttackError;

/// Everything in PEM, and the origins' side of TLS ready to use.
pub struct Pki {
    /// The authority the proxy signs with.
    pub proxy_cert: String,
    /// Its key.
    pub proxy_key: String,
    /// What the proxy trusts upstream.
    pub upstream_root: String,
    /// The origins.
    pub origins: Arc<ServerConfig>,
}

impl Pki {
    /// Makes it all; origins get a certificate for `names`.
    ///
    /// # Errors
    /// [`AttackError::Pki`].
    pub fn new(names: &[&str]) -> Result<Self, AttackError> {
        Self::make(names).map_err(|error| AttackError::Pki(error.to_string()))
    }

    fn make(names: &[&str]) -> Result<Self, Box<dyn std::error::Error>> {
        let (proxy_cert, proxy_key, _) = authority("attacked proxy")?;
        let (upstream_root, _, issuer) = authority("attacked origins")?;
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let leaf = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        let mut origins = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        // HTTP/1.1 alone, so that the bytes can be read.
        origins.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { proxy_cert, proxy_key, upstream_root, origins: Arc::new(origins) })
    }
}

type Authority = (String, String, Issuer<'static, KeyPair>);

fn authority(name: &str) -> Result<Authority, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let cert = params.self_signed(&key)?;
    Ok((cert.pem(), key.serialize_pem(), Issuer::new(params, key)))
}

/// The attacker's side of TLS: it does not care whom it talks to.
///
/// # Errors
/// [`AttackError::Pki`].
pub fn careless_client(alpn: &[&str], sni: bool) -> Result<Arc<ClientConfig>, AttackError> {
    let provider = provider();
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| AttackError::Pki(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.enable_sni = sni;
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
