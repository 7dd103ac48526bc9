//! Keys that sign, and how they are published.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with SHA-256.
    Rs256,
    /// The curve P-256 with SHA-256.
    Es256,
}

/// A key. Clones are the same key.
#[derive(Debug, Clone)]
pub struct Key {
    id: String,
    pair: Arc<Pair>,
}

#[derive(Debug)]
enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl Key {
    /// A new one.
    pub fn new(id: &str, algorithm: Algorithm) -> Self {
        let pair = match algorithm {
            Algorithm::Rs256 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
            Algorithm::Es256 => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
        };
        Self { id: id.to_owned(), pair: Arc::new(pair) }
    }

    /// Its public half.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &*self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                json!({"kty":"RSA","use":"sig","alg":"RS256","kid":self.id,
                    "n":text(public.modulus().big_endian_without_leading_zero()),
                    "e":text(public.exponent().big_endian_without_leading_zero())})
            }
            Pair::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty":"EC","use":"sig","alg":"ES256","kid":self.id,"crv":"P-256",
                    "x":text(&point[1..33]),"y":text(&point[33..])})
            }
        }
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let algorithm = match &*self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
        };
        self.sign_with_head(&json!({"typ":"JWT","alg":algorithm,"kid":self.id}), claims)
    }

    /// A token with this head, whatever it says, and these claims.
    pub fn sign_with_head(&self, head: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(head), part(claims));
        let random = SystemRandom::new();
        let signature = match &*self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
