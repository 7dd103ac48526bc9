//! Keys and certificates of one run, made anew each time and valid for a day.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use time::{Duration, OffsetDateTime};

use crate::wire::CaKind;

/// The host of every row that needs one name only.
pub(crate) const HOST: &str = "localhost";
/// Hosts of the rows that need a new name per connection are one label under this.
pub(crate) const ZONE: &str = "bench.test";

/// File names without ending of an interception CA.
pub(crate) const fn ca_stem(kind: CaKind) -> &'static str {
    match kind {
        CaKind::P256 => "mitm-p256",
        CaKind::Rsa4096 => "mitm-rsa4096",
    }
}

/// Writes `origin-ca.pem`, `origin.pem`, `origin.key` and both interception CAs into `dir`.
///
/// # Errors
///
/// When a file cannot be written.
pub(crate) fn write(dir: &Path) -> anyhow::Result<()> {
    let (origin_ca, issuer) = ca("bench origin CA", KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut leaf = CertificateParams::new(vec![HOST.to_owned(), format!("*.{ZONE}")])?;
    leaf.distinguished_name.push(DnType::CommonName, "bench origin");
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    valid_for_a_day(&mut leaf);
    fs::write(dir.join("origin-ca.pem"), origin_ca)?;
    fs::write(dir.join("origin.pem"), leaf.signed_by(&key, &issuer)?.pem())?;
    fs::write(dir.join("origin.key"), key.serialize_pem())?;

    for (kind, key) in [
        (CaKind::P256, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?),
        (CaKind::Rsa4096, KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096)?),
    ] {
        let key_pem = key.serialize_pem();
        let (cert_pem, _) = ca("bench interception CA", key)?;
        let stem = ca_stem(kind);
        fs::write(dir.join(format!("{stem}.key")), &key_pem)?;
        fs::write(dir.join(format!("{stem}.pem")), &cert_pem)?;
        // mitmproxy reads both from one file.
        fs::write(dir.join(format!("{stem}-both.pem")), key_pem + &cert_pem)?;
    }
    Ok(())
}

/// What the client trusts: the origin's CA and both interception CAs. No session is ever resumed, so that a new
/// connection costs a whole handshake.
///
/// # Errors
///
/// When the files of [`write`] are not there.
pub(crate) fn client_config(dir: &Path, alpn: &[u8]) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for stem in ["origin-ca", ca_stem(CaKind::P256), ca_stem(CaKind::Rsa4096)] {
        roots.add(CertificateDer::from_pem_file(dir.join(format!("{stem}.pem")))?)?;
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The origin; no tickets (see [`client_config`]).
///
/// # Errors
///
/// When the files of [`write`] are not there.
pub(crate) fn server_config(dir: &Path, alpn: &[&[u8]]) -> anyhow::Result<Arc<ServerConfig>> {
    let chain = vec![CertificateDer::from_pem_file(dir.join("origin.pem")).context("origin.pem")?];
    let key = PrivateKeyDer::from_pem_file(dir.join("origin.key")).context("origin.key")?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn ca(name: &str, key: KeyPair) -> anyhow::Result<(String, Issuer<'static, KeyPair>)> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for_a_day(&mut params);
    let pem = params.self_signed(&key)?.pem();
    Ok((pem, Issuer::new(params, key)))
}

fn valid_for_a_day(params: &mut CertificateParams) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(1);
}
