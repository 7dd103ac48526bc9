//! The keys: those that seal, and the one of configuration hashes.

use aws_lc_rs::{hkdf, hmac};
use centaur_base::Secret;
use centaur_identity::Keys;
use centaur_store::KeyRing;

use super::Env;
use crate::effective::HashKey;

/// What the three variables of the reference become is sealed under this id.
const LEGACY_ID: &str = "derived";
const DEV_ID: &str = "dev";
const NAMES: [&str; 3] =
    ["AR_ENCRYPTION_PRIMARY_KEY", "AR_ENCRYPTION_DETERMINISTIC_KEY", "AR_ENCRYPTION_KEY_DERIVATION_SALT"];

/// Reads `CENTAUR_CONSOLE_ENCRYPTION_KEYS` (`id:base64 of 32 bytes`, several with commas, the first one seals), or
/// derives one key from the three variables that a deployment of the reference has (broker.md, section 17).
pub(super) fn read(env: &mut Env<'_>, dev: bool) -> Option<(KeyRing, HashKey, Keys)> {
    let (ring, material) = sealing(env, dev)?;
    // The session secret outlives rotations of the sealing keys; without it, a rotation costs each proxy one fetch, and
    // ends what browsers have under way.
    let base =
        env.prefixed("SECRET_KEY_BASE").map(|(_, value)| value).or_else(|| env.plain("SECRET_KEY_BASE"));
    let base = base.map_or(material, Secret::new);
    let key = hmac::Key::new(hmac::HMAC_SHA256, base.expose().as_bytes());
    let hash_key = HashKey::new(hmac::sign(&key, b"configuration hashes").as_ref());
    Some((ring, hash_key, Keys::new(&base)))
}

fn sealing(env: &mut Env<'_>, dev: bool) -> Option<(KeyRing, Secret<String>)> {
    if let Some((variable, text)) = env.prefixed("ENCRYPTION_KEYS") {
        let text = Secret::new(text);
        return match KeyRing::parse(&text) {
            Ok(ring) => Some((ring, text)),
            Err(error) => {
                env.reject(variable, error.to_string());
                None
            }
        };
    }
    let legacy = NAMES.map(|name| env.prefixed(name).map(|(_, value)| Secret::new(value)));
    if let [Some(primary), Some(_), Some(salt)] = &legacy {
        let ring = derived(primary, salt).and_then(|key| KeyRing::single(LEGACY_ID, &key).ok());
        if ring.is_none() {
            env.reject("CENTAUR_CONSOLE_AR_ENCRYPTION_PRIMARY_KEY", "no key can be derived from it");
        }
        return Some((ring?, Secret::new(primary.expose().clone())));
    }
    if legacy.iter().any(Option::is_some) {
        for (name, _) in NAMES.iter().zip(&legacy).filter(|(_, value)| value.is_none()) {
            env.reject(format!("CENTAUR_CONSOLE_{name}"), "is required together with the other two");
        }
        return None;
    }
    if dev {
        let ring = KeyRing::single(DEV_ID, &Secret::new([7; 32])).ok()?;
        return Some((ring, Secret::new(DEV_ID.to_owned())));
    }
    env.reject(
        "CENTAUR_CONSOLE_ENCRYPTION_KEYS",
        "is required: id:base64 of 32 random bytes (or start with --dev)",
    );
    None
}

fn derived(primary: &Secret<String>, salt: &Secret<String>) -> Option<Secret<[u8; 32]>> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, salt.expose().as_bytes());
    let extracted = salt.extract(primary.expose().as_bytes());
    let mut key = [0; 32];
    extracted.expand(&[b"centaur sealing key"], hkdf::HKDF_SHA256).ok()?.fill(&mut key).ok()?;
    Some(Secret::new(key))
}
