//! Leaf certificates: one mint per name, off the lock, kept in an LRU.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use centaur_policies::host::CanonicalHost;
use pingora_lru::Lru;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;
use tokio::sync::OnceCell;

use crate::ca::{Authority, CaError, serial};

/// Mints and remembers server configurations, one per name.
pub struct Leaves {
    authority: Arc<Authority>,
    base: ServerConfig,
    lifetime: time::Duration,
    cache: Mutex<HashMap<CanonicalHost, Slot>>,
    order: Lru<CanonicalHost, 1>,
    hasher: RandomState,
}

#[derive(Clone)]
struct Slot {
    config: Arc<OnceCell<Arc<ServerConfig>>>,
    stale_at: Instant,
}

impl Leaves {
    /// `base` carries what all names share: protocols, client verification, ticket keys.
    /// `capacity` below zero means unbounded, as the reference.
    pub fn new(authority: Authority, base: ServerConfig, capacity: i64, lifetime_hours: i64) -> Self {
        let limit = usize::try_from(capacity).unwrap_or(usize::MAX);
        Self {
            authority: Arc::new(authority),
            base,
            lifetime: time::Duration::hours(lifetime_hours),
            cache: Mutex::default(),
            order: Lru::with_capacity(limit, 0),
            hasher: RandomState::new(),
        }
    }

    /// Whether a name is cached, for the limit on new names.
    pub fn knows(&self, host: &CanonicalHost) -> bool {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).contains_key(host)
    }

    /// The server configuration that presents a leaf for `host`. Callers that ask for the same new name at the
    /// same time share one mint; other names do not wait for it.
    pub async fn config(&self, host: &CanonicalHost) -> Result<Arc<ServerConfig>, CaError> {
        let slot = self.slot(host);
        slot.config.get_or_try_init(|| self.mint(host.clone())).await.cloned()
    }

    fn slot(&self, host: &CanonicalHost) -> Slot {
        let key = self.hasher.hash_one(host);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = cache.get(host).filter(|slot| slot.stale_at > Instant::now()) {
            self.order.promote(key);
            return slot.clone();
        }
        let slot = Slot { config: Arc::default(), stale_at: Instant::now() + self.keep_for() };
        cache.insert(host.clone(), slot.clone());
        self.order.admit(key, host.clone(), 1);
        for (evicted, _) in self.order.evict_to_limit() {
            if evicted != *host {
                cache.remove(&evicted);
            }
        }
        slot
    }

    /// A leaf is renewed before its last tenth, so that no client meets one that is about to expire.
    fn keep_for(&self) -> Duration {
        let until_expiry = self.not_after() - OffsetDateTime::now_utc();
        Duration::try_from(until_expiry * 0.9).unwrap_or(Duration::ZERO)
    }

    fn not_after(&self) -> OffsetDateTime {
        (OffsetDateTime::now_utc() + self.lifetime).min(self.authority.not_after)
    }

    async fn mint(&self, host: CanonicalHost) -> Result<Arc<ServerConfig>, CaError> {
        let (authority, not_after) = (self.authority.clone(), self.not_after());
        let certified = if authority.slow {
            tokio::task::spawn_blocking(move || mint(&authority, &host, not_after))
                .await
                .map_err(|e| CaError::Mint(e.to_string()))??
        } else {
            mint(&authority, &host, not_after)?
        };
        let mut config = self.base.clone();
        config.cert_resolver = Arc::new(One(Arc::new(certified)));
        Ok(Arc::new(config))
    }
}

fn mint(
    authority: &Authority,
    host: &CanonicalHost,
    not_after: OffsetDateTime,
) -> Result<CertifiedKey, CaError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CaError::mint)?;
    let name = host.to_string();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name.clone());
    params.subject_alt_names = vec![match name.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().map_err(CaError::mint)?),
    }];
    params.serial_number = Some(serial()?);
    params.not_before = OffsetDateTime::now_utc() - time::Duration::minutes(1);
    params.not_after = not_after;
    params.is_ca = IsCa::NoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let leaf = params.signed_by(&key, &authority.issuer).map_err(CaError::mint)?;
    let mut chain = vec![leaf.der().clone()];
    chain.extend(authority.chain.iter().cloned());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing_key = aws_lc_rs::sign::any_ecdsa_type(&key).map_err(|e| CaError::Mint(e.to_string()))?;
    Ok(CertifiedKey::new(chain, signing_key))
}

/// Presents one certificate, whatever the client asks for: the name was decided before.
#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}
