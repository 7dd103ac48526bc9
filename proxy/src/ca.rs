//! The certificate authority: making one, and loading one.

use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Key algorithms of `generate-ca -alg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `rsa4096`, the default of the reference.
    Rsa4096,
    /// `ed25519`
    Ed25519,
    /// `p256`, ours: a leaf is signed in microseconds.
    P256,
}

impl Algorithm {
    /// Exact spelling only.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "rsa4096" => Some(Self::Rsa4096),
            "ed25519" => Some(Self::Ed25519),
            "p256" => Some(Self::P256),
            _ => None,
        }
    }
}

/// A certificate and its key, both PEM.
pub struct Pair {
    /// `CERTIFICATE`
    pub cert: String,
    /// PKCS#8 `PRIVATE KEY`
    pub key: centaur_base::Secret<String>,
}

/// Makes a self-signed CA as `generate-ca` does: path length 0, valid from a minute ago for `lifetime_hours`.
pub fn generate(algorithm: Algorithm, name: &str, lifetime_hours: i64) -> Result<Pair, CaError> {
    let key = match algorithm {
        Algorithm::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
        Algorithm::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
        Algorithm::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
    }
    .map_err(CaError::mint)?;
    let now = OffsetDateTime::now_utc();
    let params = authority_params(name, 0, now, now + time::Duration::hours(lifetime_hours))?;
    let cert = params.self_signed(&key).map_err(CaError::mint)?;
    Ok(Pair { cert: cert.pem(), key: centaur_base::Secret::new(key.serialize_pem()) })
}

fn authority_params(
    name: &str,
    path_length: u8,
    now: OffsetDateTime,
    not_after: OffsetDateTime,
) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial()?);
    params.not_before = now - Duration::from_mins(1);
    params.not_after = not_after;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// A random 128-bit serial number, positive as X.509 wants it.
pub(crate) fn serial() -> Result<SerialNumber, CaError> {
    let mut bytes = [0_u8; 16];
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| CaError::Mint("no randomness".into()))?;
    bytes[0] &= 0x7f;
    bytes[0] |= 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// What signs leaves, and the certificates to send after a leaf.
pub struct Authority {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) not_after: OffsetDateTime,
    pub(crate) slow: bool,
}

impl Authority {
    /// Loads `ca_cert` and `ca_key` and checks them against each other and the clock. An RSA CA whose path length
    /// allows it gets an in-memory P-256 intermediate, since RSA signatures are a hundred times slower.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, CaError> {
        let cert = std::fs::read(cert).map_err(|e| CaError::ReadCert(file_error(cert, &e)))?;
        let key_pem = std::fs::read(key).map_err(|e| CaError::ReadKey(file_error(key, &e)))?;
        let key_pem = zeroize::Zeroizing::new(key_pem);
        Self::from_pem(&cert, &key_pem)
    }

    /// The same from PEM text.
    pub fn from_pem(cert: &[u8], key: &[u8]) -> Result<Self, CaError> {
        let cert = match CertificateDer::from_pem_slice(cert) {
            Ok(cert) => cert,
            Err(rustls_pki_types::pem::Error::NoItemsFound) => return Err(CaError::NoCertPem),
            Err(error) => return Err(CaError::ParseCert(error.to_string())),
        };
        let (_, parsed) = X509Certificate::from_der(&cert).map_err(|e| CaError::ParseCert(e.to_string()))?;
        let constraints = parsed.basic_constraints().ok().flatten().map(|c| c.value.clone());
        let Some(constraints) = constraints.filter(|c| c.ca) else { return Err(CaError::NotCa) };
        if !parsed.key_usage().ok().flatten().is_some_and(|usage| usage.value.key_cert_sign()) {
            return Err(CaError::NoCertSign);
        }
        let not_after = parsed.validity().not_after.to_datetime();
        if not_after <= OffsetDateTime::now_utc() {
            return Err(CaError::Expired);
        }
        let key = load_key(key)?;
        if key.subject_public_key_info() != parsed.public_key().raw {
            return Err(CaError::Mismatch);
        }
        let rsa = key.is_compatible(&PKCS_RSA_SHA256);
        let common_name = parsed
            .subject()
            .iter_common_name()
            .next()
            .and_then(|n| n.as_str().ok())
            .unwrap_or("CA")
            .to_owned();
        let subject = parsed.subject().as_raw().to_vec();
        let cert: CertificateDer<'static> = cert.into_owned();
        let issuer = Issuer::from_ca_cert_der(&cert, key).map_err(|e| CaError::ParseCert(e.to_string()))?;
        let authority = Self { issuer, chain: vec![cert], not_after, slow: rsa };
        authority.check_issuer_name(&subject)?;
        if rsa && constraints.path_len_constraint.is_none_or(|length| length > 0) {
            return authority.with_intermediate(&common_name);
        }
        Ok(authority)
    }

    /// Leaves must name their issuer in the very bytes of its subject, or no client finds the chain.
    fn check_issuer_name(&self, subject: &[u8]) -> Result<(), CaError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CaError::mint)?;
        let mut params = CertificateParams::default();
        params.serial_number = Some(serial()?);
        // The name only has to be encoded; signing with a slow key at start would cost milliseconds.
        let probe = if self.slow {
            let stand_in = Issuer::from_ca_cert_der(
                &self.chain[0],
                KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CaError::mint)?,
            )
            .map_err(CaError::mint)?;
            params.signed_by(&key, &stand_in)
        } else {
            params.signed_by(&key, &self.issuer)
        }
        .map_err(CaError::mint)?;
        let (_, parsed) = X509Certificate::from_der(probe.der()).map_err(|e| CaError::Mint(e.to_string()))?;
        if parsed.issuer().as_raw() == subject { Ok(()) } else { Err(CaError::IssuerName) }
    }

    fn with_intermediate(self, common_name: &str) -> Result<Self, CaError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CaError::mint)?;
        let name = format!("{common_name} (in-memory P-256)");
        let mut params = authority_params(&name, 0, OffsetDateTime::now_utc(), self.not_after)?;
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &self.issuer).map_err(CaError::mint)?;
        let mut chain = vec![cert.der().clone()];
        chain.extend(self.chain);
        Ok(Self { issuer: Issuer::new(params, key), chain, not_after: self.not_after, slow: false })
    }
}

fn load_key(pem: &[u8]) -> Result<KeyPair, CaError> {
    let der = match PrivateKeyDer::from_pem_slice(pem) {
        Ok(der) => der,
        Err(rustls_pki_types::pem::Error::NoItemsFound) => {
            let any = memchr::memmem::find(pem, b"-----BEGIN").is_some();
            return Err(if any {
                CaError::ParseKey("no private key block".into())
            } else {
                CaError::NoKeyPem
            });
        }
        Err(error) => return Err(CaError::ParseKey(error.to_string())),
    };
    KeyPair::try_from(&der).map_err(|e| CaError::ParseKey(e.to_string()))
}

fn file_error(path: &Path, error: &std::io::Error) -> String {
    format!("open {}: {}", path.display(), errno_text(error))
}

/// The operating system's words without Rust's "(os error N)".
pub(crate) fn errno_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    let short = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = short.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// Why there is no usable CA.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The certificate file cannot be read.
    #[error("reading CA cert: {0}")]
    ReadCert(String),
    /// The key file cannot be read.
    #[error("reading CA key: {0}")]
    ReadKey(String),
    /// No certificate block.
    #[error("no PEM block found in CA cert")]
    NoCertPem,
    /// No block at all.
    #[error("no PEM block found in CA key")]
    NoKeyPem,
    /// Not a certificate.
    #[error("parsing CA cert: {0}")]
    ParseCert(String),
    /// Not a key.
    #[error("parsing CA key (tried PKCS8, PKCS1, and EC formats): {0}")]
    ParseKey(String),
    /// basicConstraints.
    #[error("certificate is not a CA (BasicConstraints.IsCA is false)")]
    NotCa,
    /// keyUsage.
    #[error("CA certificate missing KeyUsageCertSign")]
    NoCertSign,
    /// The clock is past notAfter.
    #[error("CA certificate has expired")]
    Expired,
    /// Certificate and key are of different pairs.
    #[error("CA key does not match the CA certificate")]
    Mismatch,
    /// The subject cannot be reproduced as an issuer.
    #[error("the CA certificate's subject uses a name form that leaves cannot name as their issuer")]
    IssuerName,
    /// Making a key or certificate failed.
    #[error("minting: {0}")]
    Mint(String),
}

impl CaError {
    pub(crate) fn mint(error: rcgen::Error) -> Self {
        Self::Mint(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ca(algorithm: Algorithm) -> Pair {
        generate(algorithm, "test CA", 24).unwrap()
    }

    #[test]
    fn generated_pairs_load() {
        for algorithm in [Algorithm::P256, Algorithm::Ed25519] {
            let pair = ca(algorithm);
            Authority::from_pem(pair.cert.as_bytes(), pair.key.expose().as_bytes()).unwrap();
        }
    }

    #[test]
    fn a_foreign_key_is_refused_at_start() {
        let (one, two) = (ca(Algorithm::P256), ca(Algorithm::P256));
        let error = Authority::from_pem(one.cert.as_bytes(), two.key.expose().as_bytes()).err().unwrap();
        assert_eq!(error.to_string(), "CA key does not match the CA certificate");
    }

    #[test]
    fn blocks_of_other_kinds_are_skipped() {
        let pair = ca(Algorithm::P256);
        let both = format!("{}{}", pair.key.expose(), pair.cert);
        Authority::from_pem(both.as_bytes(), both.as_bytes()).unwrap();
    }

    #[test]
    fn an_expired_ca_is_refused() {
        let pair = generate(Algorithm::P256, "old", -1).unwrap();
        let error = Authority::from_pem(pair.cert.as_bytes(), pair.key.expose().as_bytes()).err().unwrap();
        assert!(matches!(error, CaError::Expired));
    }

    #[test]
    fn a_certificate_that_is_no_ca_is_refused() {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        let error = Authority::from_pem(leaf.pem().as_bytes(), key.serialize_pem().as_bytes()).err().unwrap();
        assert!(matches!(error, CaError::NotCa));
        let error = Authority::from_pem(b"", b"").err().unwrap();
        assert_eq!(error.to_string(), "no PEM block found in CA cert");
    }
}
