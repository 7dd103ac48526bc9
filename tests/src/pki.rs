//! Throw-away certificate authorities: one the proxy signs with, one that the origins' certificates come from.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A certificate authority held in memory.
pub struct Pki {
    cert_pem: String,
    key_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    /// A fresh P-256 authority called `name`.
    pub fn new(name: &str) -> Self {
        install_provider();
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("params");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key).expect("self-signed");
        Self { cert_pem: cert.pem(), key_pem: key.serialize_pem(), issuer: Issuer::new(params, key) }
    }

    /// The root certificate.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The root's key, PKCS#8.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Certificate and key in PEM for a server (and client) called `names`; IP literals become IP entries.
    pub fn leaf_pem(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().expect("key");
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let cert = params.signed_by(&key, &self.issuer).expect("signed");
        (cert.pem(), key.serialize_pem())
    }

    /// A TLS server for `names`, offering `alpn` in that order.
    pub fn server(&self, names: &[&str], alpn: &[&str]) -> Arc<ServerConfig> {
        let (cert, key) = self.leaf_pem(names);
        let cert = CertificateDer::from_pem_slice(cert.as_bytes()).expect("pem");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("pem");
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .expect("certificate and key belong together");
        config.alpn_protocols = protocols(alpn);
        Arc::new(config)
    }

    /// A TLS client that trusts this authority alone.
    pub fn client(&self, alpn: &[&str]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.cert_pem.as_bytes()).expect("pem")).expect("root");
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols(alpn);
        config
    }

    /// The same, showing a client certificate for `name` signed by `signer`.
    pub fn client_with_identity(&self, signer: &Self, name: &str, alpn: &[&str]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.cert_pem.as_bytes()).expect("pem")).expect("root");
        let (cert, key) = signer.leaf_pem(&[name]);
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(cert.as_bytes()).expect("pem")],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("pem"),
            )
            .expect("identity");
        config.alpn_protocols = protocols(alpn);
        config
    }
}

/// A server name for a handshake.
pub fn server_name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).expect("server name")
}

fn protocols(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}

fn install_provider() {
    // A second call finds the first one's provider, which is the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
